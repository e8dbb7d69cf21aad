"""Who is told of what: a rule names a channel of the deployment and the events of a job that go there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from dkronpy.errors import Problem
from dkronpy.schedule.durations import ACCEPTED as DURATIONS
from dkronpy.schedule.durations import DurationError, format_duration, parse_duration
from dkronpy.schedule.problems import did_you_mean

EVENTS: dict[str, str] = {
    "changes": "what is new: the first failure or missed run, the recovery, a missed deadline, a job that grew stale",
    "failure": "every run that failed or was lost",
    "recovery": "the first success after failures or missed runs",
    "success": "every run that succeeded",
    "lost": "every run whose outcome is unknown, since its node stopped reporting",
    "missed": "every due time that nobody served: too late, or no node",
    "deadline": "a run that had not succeeded by the job's deadline",
    "stale": "no success for longer than the job's stale_after",
    "slow": "a run that takes much longer than usual, told while it is still running",
    "late": "an execution that started late",
    "paused": "the job was paused after failures in a row",
    "started": "every execution that starts",
    "ended": "every execution that ends",
}
"""Every word that a rule may listen to, with what it means."""

CHANGES = frozenset({"deadline", "stale", "paused", "reminder"})
"""Events that are changes by themselves; failures, missed runs and recoveries are where they are the first."""
LONGEST_STREAK = 1000


class Notify(msgspec.Struct, frozen=True, kw_only=False, omit_defaults=True):
    """Tell the channel *to* of the events *on*: ``Notify("ops", on="failure", failures=3)``.

    ``on`` is by default what the channel listens to, and that is ``changes``. ``failures`` tells of a failure only when
    it is so many in a row (and of the recovery only then). ``slow`` is how many times longer than the median of its
    last runs a run takes before it counts as slow; ``late`` how long after its due time it may start.
    """

    to: str
    on: tuple[str, ...] = ()
    failures: int = 1
    slow: float = 3.0
    late: timedelta = timedelta(minutes=1)

    if TYPE_CHECKING:

        def __init__(
            self,
            to: str,
            on: str | Iterable[str] = ...,
            failures: int = ...,
            slow: float = ...,
            late: timedelta | str | float = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        on: Any = self.on
        if isinstance(on, str):
            on = tuple(word.strip() for word in on.split(",") if word.strip())
        elif isinstance(on, list):
            on = tuple(on)
        msgspec.structs.force_setattr(self, "on", on)
        if not isinstance(self.late, timedelta):
            with suppress(DurationError):  # what cannot be read stays, for `problems` to name
                msgspec.structs.force_setattr(self, "late", parse_duration(self.late))

    @property
    def wanted(self) -> frozenset[str]:
        """The events that it listens to."""
        return frozenset(self.on or ("changes",))

    def problems(self) -> Iterator[Problem]:
        """What is wrong with it."""
        if not isinstance(self.to, str) or not self.to:
            yield Problem("notify", self.to, f"{self.to!r} is not the name of a channel", "write notify=['ops']")
        for word in self.on if isinstance(self.on, tuple) else (self.on,):
            if not isinstance(word, str) or word not in EVENTS:
                hint = did_you_mean(str(word), EVENTS)
                yield Problem("notify", word, f"there is no event {word!r}; known: {', '.join(EVENTS)}", hint)
        streak: Any = self.failures
        if isinstance(streak, bool) or not isinstance(streak, int) or not 1 <= streak <= LONGEST_STREAK:
            yield Problem("notify", streak, f"failures={streak!r} is not a whole number from 1 to {LONGEST_STREAK}")
        slow: Any = self.slow
        if isinstance(slow, bool) or not isinstance(slow, (int, float)) or not slow > 1:
            yield Problem("notify", slow, f"slow={slow!r} is not a factor above 1", "3 means three times the median")
        if not isinstance(self.late, timedelta) or self.late <= timedelta(0):
            yield Problem("notify", self.late, f"late={self.late!r} is not a duration", f"accepted: {DURATIONS}")


class Happening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to a job. Times are milliseconds since the epoch.

    ``event`` is one of ``EVENTS``, or ``reminder``. ``times`` counts failures and missed runs in a row, this one
    included (of a recovery: how many there were); ``since_ms`` is when they began. ``amount`` is by how much: of a late
    start milliseconds, of a slow run the factor.
    """

    event: str
    job: str
    at_ms: int
    run_id: str = ""
    execution_id: str = ""
    state: str = ""
    reason: str = ""
    times: int = 1
    since_ms: int = 0
    amount: float = 0.0

    @property
    def id(self) -> str:
        """The same whenever the same thing is told again."""
        return f"{self.event}:{self.execution_id or self.run_id or self.job}:{self.at_ms}"


def tells(rule: Notify, happening: Happening) -> bool:
    """Whether *rule* wants to hear of *happening*."""
    wanted, event = rule.wanted, happening.event
    if event in ("failure", "missed"):
        enough = happening.times >= rule.failures
        first = happening.times == rule.failures and "changes" in wanted
        lost = event == "failure" and happening.state == "lost" and "lost" in wanted
        return enough and (event in wanted or first or lost)
    if event == "recovery":
        told = happening.times >= rule.failures and bool(wanted & {"changes", "recovery"})
        return told or "success" in wanted
    if event == "reminder":
        return happening.times >= rule.failures and "changes" in wanted
    if event == "late":
        return event in wanted and happening.amount >= rule.late / timedelta(milliseconds=1)
    if event == "slow":
        return event in wanted and happening.amount >= rule.slow
    return event in wanted or (event in CHANGES and "changes" in wanted)


def promised(rule: Notify, max_lateness: timedelta | None) -> Notify:
    """The rule for a job that promises how late its runs may start: who hears of changes hears of a breach as well."""
    if max_lateness is None:
        return rule
    wanted = rule.wanted | {"late"} if "changes" in rule.wanted else rule.wanted
    return msgspec.structs.replace(rule, on=tuple(sorted(wanted)), late=max_lateness)


def read_rules(value: Any) -> Any:
    """What people write for ``notify`` as rules; what cannot be read stays as it is.

    A name, a rule, a table with a rule's fields, or several of them; None leaves it to the deployment.
    """
    if value is None:
        return None
    if isinstance(value, (str, Notify, Mapping)):
        value = [value]
    if not isinstance(value, Iterable):
        return value
    return tuple(_rule(one) for one in value)


def _rule(value: Any) -> Any:
    if isinstance(value, str):
        return Notify(value)
    if isinstance(value, Mapping) and "to" in value and set(value) <= set(Notify.__struct_fields__):
        return Notify(**value)
    return value


def rule_problems(value: Any) -> Iterator[Problem]:
    """What is wrong with a job's ``notify``."""
    if value is None:
        return
    if not isinstance(value, tuple):
        yield Problem("notify", value, f"{value!r} does not say who is told", "write notify=['ops'], or [] for nobody")
        return
    for rule in value:
        if isinstance(rule, Notify):
            yield from rule.problems()
        else:
            hint = "write 'ops' or Notify('ops', on='failure')"
            yield Problem("notify", rule, f"{rule!r} is neither the name of a channel nor a rule", hint)


def rule_json(rule: Notify) -> Any:
    """A rule in JSON: the name of the channel, where it says nothing else."""
    values = {name: getattr(rule, name) for name in ("on", "failures", "slow") if getattr(rule, name) != _PLAIN[name]}
    if "on" in values:
        values["on"] = list(rule.on)
    if rule.late != _PLAIN["late"]:
        values["late"] = format_duration(rule.late)
    return {"to": rule.to, **values} if values else rule.to


def is_rules(value: Any) -> bool:
    """Whether a JSON value has the shape of a job's ``notify``."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, (str, dict)) for one in value))


_PLAIN: Mapping[str, Any] = {field.name: field.default for field in msgspec.structs.fields(Notify)}
