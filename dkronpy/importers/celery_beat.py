"""A Celery application's ``beat_schedule``: each entry becomes a job that sends the same task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from dkronpy.errors import ConfigError
from dkronpy.importers.imported import Gathering, Imported
from dkronpy.job import Job
from dkronpy.plugins.registry import options_by_class_name
from dkronpy.schedule.durations import format_duration
from dkronpy.secret import Secret

_SCHEDULES = ("beat_schedule", "CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE")
"""What it is called by Celery, by Django's settings, and by Celery of old."""
_KEPT = frozenset({"queue", "priority"})
_CRON_FIELDS = ("_orig_minute", "_orig_hour", "_orig_day_of_month", "_orig_month_of_year", "_orig_day_of_week")


def read_celery(app: Any, *, broker: str = "") -> Imported:
    """The jobs of *app*, a Celery application or a module with ``beat_schedule``.

    *broker* is the URL of the application's broker, or the name of the secret that holds it; by default the
    application's own URL where no password stands in it.
    """
    conf = getattr(app, "conf", app)
    entries = next((getattr(conf, name) for name in _SCHEDULES if hasattr(conf, name)), None)
    if not isinstance(entries, Mapping):
        raise ConfigError("there is no beat_schedule", hint="name the application: module:app, or a file that has it")
    zone = str(getattr(conf, "timezone", "") or "UTC")
    found = Gathering()
    url = _broker(conf, broker, found)
    for name, entry in entries.items():
        _entry(found, str(name), entry, zone, url)
    return found.done()


def _broker(conf: Any, given: str, found: Gathering) -> str | Secret:
    if "://" in given:
        return given
    if given:
        return Secret(given)
    own = str(getattr(conf, "broker_url", "") or "")
    if own and "@" not in own:
        return own
    found.lose(
        "broker_url", 'the broker is the secret "celery/broker": give nodes that secret, or import with --broker'
    )
    return Secret("celery/broker")


def _entry(found: Gathering, name: str, entry: Any, zone: str, broker: str | Secret) -> None:
    if not isinstance(entry, Mapping) or "task" not in entry:
        found.lose(name, "left out: it names no task")
        return
    ours = found.name(name)
    schedule = _schedule(found, name, ours, entry.get("schedule"))
    if schedule is None:
        return
    options = dict(entry.get("options") or {})
    expires = options.pop("expires", None)
    kept = {key: value for key, value in options.items() if key in _KEPT and value is not None}
    for key, value in options.items():
        if key not in _KEPT:
            found.lose(name, f"options.{key} = {value!r} is not kept", ours)
    if entry.get("relative"):
        found.lose(name, "relative: runs are at the period's own moments, not from when beat was started", ours)
    fields: dict[str, Any] = {}
    if isinstance(expires, (int, float)) and expires > 0:
        fields["start_deadline"] = timedelta(seconds=expires)
    elif expires is not None:
        found.lose(name, f"options.expires = {expires!r} is not kept", ours)
    try:
        msgspec.json.encode([entry.get("args"), entry.get("kwargs")])
        task = options_by_class_name("CeleryTask")(
            broker, str(entry["task"]), tuple(entry.get("args") or ()), dict(entry.get("kwargs") or {}), **kept
        )
    except (TypeError, ValueError) as error:
        found.lose(name, f"left out: its arguments are no JSON: {error}")
        return
    timed = "" if schedule.startswith("@every") else zone
    found.add(Job(name=ours, schedule=schedule, timezone=timed, run=task, **fields), name)


def _schedule(found: Gathering, name: str, ours: str, value: Any) -> str | None:
    """A schedule of Celery's as ours; None, and said, where there is none."""
    period = getattr(value, "run_every", value)
    if isinstance(period, (int, float)) and not isinstance(period, bool):
        period = timedelta(seconds=period)
    if isinstance(period, timedelta):
        return f"@every {format_duration(period)}"
    if all(hasattr(value, one) for one in _CRON_FIELDS):
        fields = [_field(getattr(value, one)) for one in _CRON_FIELDS]
        if fields[2] != "*" and fields[4] != "*":
            found.lose(name, "Celery wants day of month and day of week both, cron either: look at the schedule", ours)
        return " ".join(fields)
    found.lose(name, f"left out: a schedule of type {type(value).__name__} has no counterpart")
    return None


def _field(value: Any) -> str:
    """A field of a crontab as Celery was given it: text, a number or a set of them."""
    if isinstance(value, (set, frozenset, list, tuple)):
        return ",".join(str(one) for one in sorted(value))
    return str(value).replace(" ", "")
