"""What a job must be like by itself; every rule names the field, the value and what would be right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache, lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from dkronpy.clock import EPOCH
from dkronpy.errors import Problem, ScheduleError
from dkronpy.job.check_dispatch import concurrency, conditions, limits, near, parents, retry, target
from dkronpy.job.notify import rule_problems
from dkronpy.job.param import params_problems
from dkronpy.schedule import Schedule, parse
from dkronpy.schedule.calendar import Calendar, WorkingDays
from dkronpy.schedule.durations import ACCEPTED as DURATIONS
from dkronpy.schedule.durations import format_duration
from dkronpy.schedule.problems import SchedulePositionError
from dkronpy.schedule.zones import check_zone

if TYPE_CHECKING:
    from dkronpy.job.job import Job

LONGEST_NAME = 200
MOST_CAUGHT_UP = 100_000
MOST_FAILURES = 100
MOST_KEPT = 100_000
LONGEST_SPREAD = timedelta(hours=24)
_HASH_RULES = ("even", "dkron")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "gap": ("skip", "before", "after"),
    "overlap": ("first", "second", "both"),
    "off_day": ("skip", "next", "previous"),
    "catch_up": ("none", "latest", "all"),
    "delivery": ("at_most_once", "at_least_once"),
}


def check_job(job: Job) -> list[Problem]:
    """Every problem of *job*, in Dkron's order where Dkron has the rule, and with its words there."""
    return [problem for rule in _rules_for(_given(job)) for problem in rule(job)]


@lru_cache(maxsize=1024)
def _rules_for(given: frozenset[str]) -> tuple[Callable[[Job], Iterator[Problem]], ...]:
    """The rules that look at any of these fields; the jobs of a fleet mostly give the same few."""
    return tuple(rule for fields, rule in _RULES if not given.isdisjoint(fields))


def _given(job: Job) -> frozenset[str]:
    """The fields that have not their usual value: with those there is nothing wrong, and fleets are large."""
    names, usual = _usual_values(type(job))
    values = attrgetter(*names)(job)
    others = [one for one in zip(names, values, usual, strict=True) if one[1] is not one[2]]
    given = (name for name, value, default in others if type(value) is not type(default) or value != default)
    return frozenset(("name", "schedule", *given))


@cache
def _usual_values(kind: type[Job]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    fields = msgspec.structs.fields(kind)
    usual = [one.default if one.default_factory is msgspec.NODEFAULT else one.default_factory() for one in fields]
    return tuple(one.name for one in fields), tuple(usual)


def propose_name(name: str) -> str:
    """The nearest name that a job may have; empty when nothing of *name* can stay."""
    plain = unicodedata.normalize("NFKC", name).lower()
    kept = "".join(character if _is_name_character(character) else "-" for character in plain)
    return re.sub(r"-{2,}", "-", kept).strip("-")


def _is_name_character(character: str) -> bool:
    return character in "0123456789_-" or unicodedata.category(character) == "Ll"


def _name(job: Job) -> Iterator[Problem]:
    name: Any = job.name
    if not isinstance(name, str):
        yield Problem("name", name, f"{name!r} is not text")
    elif not name:
        yield Problem("name", name, "name cannot be empty", "give it one: name='nightly-report'")
    elif len(name) > LONGEST_NAME:
        yield Problem("name", name, f"the name has {len(name)} characters; {LONGEST_NAME} are enough")
    else:
        bad = next((character for character in name if not _is_name_character(character)), None)
        if bad is not None:
            proposed = propose_name(name)
            hint = f"did you mean {proposed!r}?" if proposed else "lower-case letters, digits, '-' and '_' are accepted"
            yield Problem("name", name, f"name contains illegal character '{bad}'", hint)


def _schedule(job: Job) -> Iterator[Problem]:
    text: Any = job.schedule
    if not isinstance(text, str):
        yield Problem("schedule", text, f"{text!r} is not a schedule", "write cron('30 2 * * *'), every('5m') or text")
        return
    if not text.strip():
        if not job.after:
            hint = "schedule=manual() for a job that is only started by hand"
            yield Problem("schedule", text, "the job would never run: it has no schedule and no 'after'", hint)
        return
    timing = _timing(job)
    if timing in _GOOD:
        return
    bounds = [moment for moment in (job.starts_at, job.expires_at) if moment is not None]
    usable = all(_is_aware(moment) for moment in bounds) and bounds == sorted(bounds)
    try:
        # What has a rule of its own is left out where it is wrong, so that nothing is reported twice.
        schedule = parse(
            text,
            timezone=job.timezone if _zone_problem(job.timezone) is None else "UTC",
            job=str(job.name),
            gap=job.gap if job.gap in _CHOICES["gap"] else "after",
            overlap=job.overlap if job.overlap in _CHOICES["overlap"] else "first",
            starts_at=job.starts_at if usable else None,
            expires_at=job.expires_at if usable else None,
            hash_rule=job.hash_rule if job.hash_rule in _HASH_RULES else "even",
        )
    except SchedulePositionError as error:
        yield Problem("schedule", text, str(error).removeprefix("schedule: "), error.hint)
    except ScheduleError as error:
        yield Problem("schedule", text, str(error), error.hint)
    else:
        if len(schedule.parts) > 1 and any(part.grace is not None for part in schedule.parts):
            message = "@after stands alone: with its grace, due times of the others would be owed that are long past"
            yield Problem("schedule", text, message, "make two jobs of it, or write @at")
        elif not schedule.manual and _on_working_days(job, schedule).next(EPOCH) is None:
            yield _never_due(job)
        elif timing is not None and len(_GOOD) < _MOST_GOOD:
            _GOOD.add(timing)


_MOST_GOOD = 10_000
_GOOD: set[tuple[Any, ...]] = set()
"""Timings that were read without a problem: fleets have few of them, and reading one takes longer than all the rest."""


def _timing(job: Job) -> tuple[Any, ...] | None:
    """What its schedule is read from; None where its name or a calendar is part of that, or a value is no key."""
    if "~" in job.schedule or "H" in job.schedule or job.calendar is not None:
        return None
    timing = (job.schedule, job.timezone, job.gap, job.overlap, job.starts_at, job.expires_at)
    return timing if all(value is None or isinstance(value, (str, datetime)) for value in timing) else None


def _on_working_days(job: Job, schedule: Schedule) -> Schedule:
    """The schedule with the job's calendar, where both can be used."""
    calendar, zone = job.calendar, job.timezone if _zone_problem(job.timezone) is None else "UTC"
    if not isinstance(calendar, Calendar) or any(calendar.problems()) or job.off_day not in _CHOICES["off_day"]:
        return schedule
    return WorkingDays(schedule, calendar, job.off_day, zone)


def _calendar(job: Job) -> Iterator[Problem]:
    calendar: Any = job.calendar
    if calendar is None:
        return
    if not isinstance(calendar, Calendar):
        hint = "write calendar='de' or Calendar(name='de', off=['12-25'])"
        yield Problem("calendar", calendar, f"{calendar!r} is neither a calendar nor the name of one", hint)
        return
    for value, message in calendar.problems():
        yield Problem("calendar", value, message)


def _params(job: Job) -> Iterator[Problem]:
    scheduled = isinstance(job.schedule, str) and job.schedule.strip().lower() not in ("@manually", "")
    yield from params_problems(job.params, scheduled=scheduled or bool(job.after))


def _never_due(job: Job) -> Problem:
    bounds = {"after starts_at": job.starts_at, "before expires_at": job.expires_at}
    where = " and ".join(f"{word}, {moment.isoformat()}" for word, moment in bounds.items() if moment is not None)
    return Problem("schedule", job.schedule, f"the job would never run: nothing is due {where or 'after 1970'}")


def _zone_problem(zone: Any) -> SchedulePositionError | None:
    try:
        check_zone(zone)
    except SchedulePositionError as error:
        return error
    except (AttributeError, TypeError):
        return SchedulePositionError(f"{zone!r} is not text", field="timezone", value=repr(zone))
    return None


def _zone(job: Job) -> Iterator[Problem]:
    error = _zone_problem(job.timezone)
    if error is not None:
        yield Problem(
            "timezone", job.timezone, str(error).removeprefix("timezone: ").split("; accepted")[0], error.hint
        )


def _bounds(job: Job) -> Iterator[Problem]:
    moments: dict[str, Any] = {"starts_at": job.starts_at, "expires_at": job.expires_at}
    for name, moment in moments.items():
        if moment is not None and not _is_aware(moment):
            shown = moment.isoformat() if isinstance(moment, datetime) else repr(moment)
            message = f"{shown} is not a moment with a time zone"
            yield Problem(name, moment, message, "write it as '2027-01-01T09:30:00+01:00'")
    start, end = moments.values()
    if _is_aware(start) and _is_aware(end) and end <= start:
        message = f"{end.isoformat()} is not after starts_at, {start.isoformat()}: the job would never run"
        yield Problem("expires_at", end, message)


def _is_aware(moment: Any) -> bool:
    return isinstance(moment, datetime) and moment.tzinfo is not None


def _choices(job: Job) -> Iterator[Problem]:
    for name, accepted in _CHOICES.items():
        value = getattr(job, name)
        if value not in accepted:
            yield Problem(name, value, f"{value!r} is not one of {', '.join(accepted)}", near(value, accepted))
    if job.on_lease_loss not in ("kill", "continue", None):
        message = f"{job.on_lease_loss!r} is neither kill nor continue"
        yield Problem("on_lease_loss", job.on_lease_loss, message, near(job.on_lease_loss, ("kill", "continue")))


def _spread(job: Job) -> Iterator[Problem]:
    if job.hash_rule not in (None, *_HASH_RULES):
        message = f"{job.hash_rule!r} is neither even nor dkron"
        yield Problem("hash_rule", job.hash_rule, message, near(job.hash_rule, _HASH_RULES))
    span: Any = job.spread
    by: Any = job.spread_by
    for name, value in (("spread", span), ("spread_by", by)):
        if value is not None and not isinstance(value, timedelta):
            yield Problem(name, value, f"{value!r} is not a duration", f"accepted: {DURATIONS}")
            return
    if span is not None and not timedelta(minutes=1) <= span <= LONGEST_SPREAD:
        yield Problem("spread", span, "a duration from a minute to 24 hours is needed", "leave it out for none")
    elif span is not None and (job.after or str(job.schedule).strip().lower() in ("@manually", "")):
        yield Problem("spread", span, "it has no due times that could be spread", "leave spread out")
    elif by is not None and (span is None or not timedelta(0) <= by < span):
        message = "it has to lie within spread, which is " + ("not given" if span is None else format_duration(span))
        yield Problem("spread_by", by, message, "leave it out: it is chosen when the job is saved")


_DURATIONS = (
    "run_timeout",
    "timeout", "start_deadline", "catch_up_window", "deadline", "stale_after", "catch_up_spacing", "max_lateness",
    "retention", "failure_retention",
)  # fmt: skip


def _durations(job: Job) -> Iterator[Problem]:
    for name in _DURATIONS:
        value: Any = getattr(job, name)
        if (value is not None or name == "catch_up_window") and not isinstance(value, timedelta):
            yield Problem(name, value, f"{value!r} is not a duration", f"accepted: {DURATIONS}")
        elif isinstance(value, timedelta) and value <= timedelta(0):
            hint = "catch_up='none' makes up for nothing" if name == "catch_up_window" else f"leave {name} out for none"
            yield Problem(name, value, "a duration above zero is needed", hint)
    limit: Any = job.catch_up_limit
    if limit is not None and (
        isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_CAUGHT_UP
    ):
        message = f"{limit!r} is not a number of due times from 1 to {MOST_CAUGHT_UP}"
        yield Problem("catch_up_limit", limit, message, "leave it out for every one in the window")


def _texts(job: Job) -> Iterator[Problem]:
    for name in ("owner", "owner_email", "display_name", "doc"):
        if not isinstance(getattr(job, name), str):
            yield Problem(name, getattr(job, name), f"{getattr(job, name)!r} is not text")
    for name in ("enabled", "ephemeral"):
        if not isinstance(getattr(job, name), bool):
            yield Problem(name, getattr(job, name), f"{getattr(job, name)!r} is neither True nor False")
    limit: Any = job.output_limit
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        yield Problem("output_limit", limit, f"{limit!r} is not a number of bytes, 0 or more")


def _mappings(job: Job) -> Iterator[Problem]:
    metadata: Any = job.metadata
    if not _is_text_map(metadata):
        yield Problem("metadata", metadata, f"{metadata!r} does not map text to text")
    processors: Any = job.processors
    if not isinstance(processors, Mapping) or not all(map(_is_table, processors.values())):
        yield Problem("processors", processors, f"{processors!r} does not map names to tables of options")


def _pause_after(job: Job) -> Iterator[Problem]:
    most: Any = job.pause_after
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_FAILURES):
        message = f"{most!r} is not a number of failures from 1 to {MOST_FAILURES}"
        yield Problem("pause_after", most, message, "leave it out for a job that is never paused by itself")


def _history(job: Job) -> Iterator[Problem]:
    for name, least in (("history_limit", 1), ("failure_limit", 0)):
        limit: Any = getattr(job, name)
        number = isinstance(limit, int) and not isinstance(limit, bool)
        if limit is not None and not (number and least <= limit <= MOST_KEPT):
            message = f"{limit!r} is not a number of runs from {least} to {MOST_KEPT:,}"
            yield Problem(name, limit, message, f"leave it out for what the setting {name} says")


def _notify(job: Job) -> Iterator[Problem]:
    yield from rule_problems(job.notify)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


def _is_text_map(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)


_RULES: tuple[tuple[tuple[str, ...], Callable[[Job], Iterator[Problem]]], ...] = (
    (("name",), _name),
    (("after",), parents),
    (("schedule",), _schedule),
    (("concurrency",), concurrency),
    (("timezone",), _zone),
    (("starts_at", "expires_at"), _bounds),
    (("max_active", "queue_limit", "concurrency_key", "pools", "rate", "priority"), limits),
    (("when", "join"), conditions),
    ((*_CHOICES, "on_lease_loss"), _choices),
    ((*_DURATIONS, "catch_up_limit"), _durations),
    (("hash_rule", "spread", "spread_by"), _spread),
    (("retry",), retry),
    (("on",), target),
    (("owner", "owner_email", "display_name", "doc", "enabled", "ephemeral", "output_limit"), _texts),
    (("metadata", "processors"), _mappings),
    (("notify",), _notify),
    (("pause_after",), _pause_after),
    (("history_limit", "failure_limit"), _history),
    (("calendar",), _calendar),
    (("params",), _params),
)
"""Each rule, with the fields of which one has to differ from its usual value for it to have something to say."""
