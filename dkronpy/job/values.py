"""What people write for a job's fields, turned into what a job holds; what cannot be read is left for
``check()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timezone
from typing import Any

from dkronpy.job.notify import read_rules
from dkronpy.job.param import read_params
from dkronpy.job.retry import Retry
from dkronpy.node import Target
from dkronpy.schedule import ScheduleSpec
from dkronpy.schedule.calendar import read_calendar
from dkronpy.schedule.durations import DurationError, parse_duration
from dkronpy.schedule.moments import read_moment
from dkronpy.schedule.problems import SchedulePositionError

BETWEEN_SCHEDULES = " | "
ALWAYS = {"any": "always"}
"""Other words for a condition."""
_PLAIN_SPEC = ScheduleSpec(text="")


def normalised(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a job, each in its own type; a value that cannot be read stays as it is."""
    fields = _with_schedule(given) if "schedule" in given else given
    fields = _with_conditions(fields) if "after" in fields else fields
    return {name: _READERS[name](value) if name in _READERS else value for name, value in fields.items()}


def _with_schedule(given: Mapping[str, Any]) -> dict[str, Any]:
    """*given* with the schedule as one text, and what its specs say of zone, start and clock changes
    beside it.

    What the job says itself wins; a zone that differs from the job's stands as ``TZ=`` in front of its
    schedule.
    """
    value = given["schedule"]
    if isinstance(value, (str, ScheduleSpec)):
        value = [value]
    if value is None or not isinstance(value, Iterable):
        return {**given, "schedule": "" if value is None else value}
    specs = [ScheduleSpec(text=one) if isinstance(one, str) else one for one in value]
    if not all(isinstance(spec, ScheduleSpec) for spec in specs):
        return {**given, "schedule": value}
    fields = dict(given)
    zones = {spec.timezone for spec in specs}
    if not fields.get("timezone") and len(zones) == 1:
        fields["timezone"] = zones.pop()
    for spec in specs:
        for name in ("starts_at", "gap", "overlap"):
            if getattr(spec, name) != getattr(_PLAIN_SPEC, name):
                fields.setdefault(name, getattr(spec, name))
    zone = fields.get("timezone", "")
    fields["schedule"] = BETWEEN_SCHEDULES.join(_text(spec, zone) for spec in specs)
    return fields


def _text(spec: ScheduleSpec, zone: str) -> str:
    own = spec.timezone and spec.timezone != zone and not spec.text.upper().startswith(("TZ=", "CRON_TZ="))
    return f"TZ={spec.timezone} {spec.text}" if own else spec.text


def _duration(value: Any) -> Any:
    try:
        return None if value is None else parse_duration(value)
    except DurationError:
        return value


def _moment(value: Any) -> Any:
    """An aware moment; text without an offset is read as UTC, as Dkron does."""
    if not isinstance(value, str):
        return value
    try:
        moment = read_moment(value, field="moment", column=0)
    except SchedulePositionError:
        return value
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _retry(value: Any) -> Any:
    return Retry(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _with_conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    """*given* with ``after={"extract": "success", "load": "any"}`` as the names and, beside them, their conditions."""
    after, when = given["after"], given.get("when")
    if not isinstance(after, Mapping):
        return dict(given)
    named = _conditions(after)
    words = set(map(str, named.values()))
    own = next(iter(named.values())) if len(words) == 1 else named
    return {**given, "after": tuple(named), "when": own if named and when in (None, "success") else when}


def _conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: ALWAYS.get(word, word) if isinstance(word, str) else word for name, word in given.items()}


def _when(value: Any) -> Any:
    """One condition for all, or one for each parent."""
    if isinstance(value, Mapping):
        return _conditions(value)
    return ALWAYS.get(value, value) if isinstance(value, str) else value


def _after(value: Any) -> Any:
    if isinstance(value, str) or hasattr(value, "name"):
        value = (value,) if value else ()
    if not isinstance(value, Iterable):
        return value
    return tuple(one if isinstance(one, str) else getattr(one, "name", one) for one in value)


def _labels(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else {} if value is None else value


def _processors(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return _labels(value)
    return {
        name: config.to_config() if hasattr(config, "to_config") else _labels(config) for name, config in value.items()
    }


def _hash_rule(value: Any) -> Any:
    return None if value == "" else value


def _pools(value: Any) -> Any:
    """Slots by pool; a name alone means one."""
    if isinstance(value, str):
        value = [value] if value else []
    if value is None or isinstance(value, Mapping):
        return {} if value is None else dict(value)
    return dict.fromkeys(value, 1) if isinstance(value, (list, tuple)) else value


def _target(value: Any) -> Any:
    return value if value is not None else Target(count=1)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "timeout": _duration,
    "deadline": _duration,
    "run_timeout": _duration,
    "stale_after": _duration,
    "max_lateness": _duration,
    "catch_up_spacing": _duration,
    "retention": _duration,
    "hash_rule": _hash_rule,
    "spread": _duration,
    "spread_by": _duration,
    "failure_retention": _duration,
    "notify": read_rules,
    "calendar": read_calendar,
    "params": read_params,
    "start_deadline": _duration,
    "catch_up_window": _duration,
    "starts_at": _moment,
    "expires_at": _moment,
    "retry": _retry,
    "after": _after,
    "when": _when,
    "metadata": _labels,
    "processors": _processors,
    "on": _target,
    "pools": _pools,
}
