"""Schedules in English: what ``dkronpy explain`` says."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from dkronpy.clock import from_ms

from .calendar import WorkingDays
from .combined import Bounded, Later
from .crontab import Crontab
from .days import DayRule
from .durations import format_duration
from .fields import Field
from .intervals import Every
from .model import Schedule
from .moments import At
from .parser import parse
from .recurrence import Recurrence
from .zoned import ZonedSchedule

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth")
_UNITS = {
    "SECONDLY": "second", "MINUTELY": "minute", "HOURLY": "hour", "DAILY": "day", "WEEKLY": "week",
    "MONTHLY": "month", "YEARLY": "year",
}  # fmt: skip
# More clock times than this are not listed one by one.
_MOST_TIMES = 4


def explain(schedule: Schedule | str, *, timezone: str = "", job: str = "") -> str:
    """What the schedule means, as a sentence: ``At 02:30, Monday to Friday, Europe/Berlin time.``

    A text is parsed first, in ``timezone`` and with ``job`` as the seed of ``~`` and ``H``; that raises
    ``ScheduleError`` where ``parse`` does.
    """
    if isinstance(schedule, str):
        schedule = parse(schedule, timezone=timezone, job=job)
    sentence = "; and ".join(_part(part) for part in schedule.parts)
    seeded = schedule.seeded
    if isinstance(schedule, Later):
        sentence += f", each time {format_duration(schedule.by_ms * timedelta(milliseconds=1))} later"
        schedule = schedule.inner
    if isinstance(schedule, WorkingDays):
        sentence += _working_days(schedule)
        schedule = schedule.inner
    if isinstance(schedule, Bounded):
        sentence += "".join(
            f", {word} {from_ms(moment):%Y-%m-%d %H:%M:%S} UTC"
            for word, moment in (("from", schedule.starts_ms), ("until", schedule.expires_ms))
            if moment is not None
        )
    if seeded:
        sentence += " (~ and H: the job's name decides)"
    return f"{sentence[0].upper()}{sentence[1:]}."


def _working_days(schedule: WorkingDays) -> str:
    moved = "" if schedule.off_day == "skip" else f", on a day off moved to the {schedule.off_day} one"
    return f", on the working days of the calendar {schedule.calendar.name}{moved}"


def _part(part: Schedule) -> str:
    if part.manual:
        return "only when someone, or a parent job, asks for it"
    if isinstance(part, Every):
        phase = f"counted from {from_ms(part.anchor_ms):%Y-%m-%d %H:%M:%S} UTC"
        return f"every {format_duration(timedelta(milliseconds=part.period_ms))}, {phase}"
    if isinstance(part, At):
        late = "" if part.grace is None else f", or up to {format_duration(part.grace)} late if saved after that"
        return f"once, at {from_ms(part.moment_ms):%Y-%m-%d %H:%M:%S} UTC{late}"
    zone = f", {part.timezone} time" if part.timezone not in ("", "UTC") else ", UTC"
    if isinstance(part, ZonedSchedule) and isinstance(part.clock, Crontab):
        return _cron(part.clock) + zone
    if isinstance(part, ZonedSchedule) and isinstance(part.clock, Recurrence):
        unit, interval = _UNITS[part.clock.frequency], part.clock.interval
        pace = f"every {unit}" if interval == 1 else f"every {interval} {unit}s"
        return f"{pace}, by the rule {part.clock.text}{zone}"
    return part.text


def _cron(clock: Crontab) -> str:
    times, is_daily = _times(*(_values(field.mask) for field in clock.fields[:3]))
    return ", ".join(phrase for phrase in (times, *_days(clock.rule, is_daily=is_daily)) if phrase)


def _times(seconds: list[int], minutes: list[int], hours: list[int]) -> tuple[str, bool]:
    """The times of the day, and whether they are so few that "every day" has to be said."""
    if len(hours) * len(minutes) * len(seconds) <= _MOST_TIMES:
        tails = [f":{second:02d}" if second else "" for second in seconds]
        clocks = [f"{hour:02d}:{minute:02d}{tail}" for hour in hours for minute in minutes for tail in tails]
        return f"at {_and(clocks)}", True
    if seconds != [0]:
        minute = "" if len(minutes) == 60 else f", in {_named('minute', minutes, 60)}"
        return f"{_each('second', seconds, 'minute')}{minute}{_in_hours(hours)}", False
    if _step(minutes, 60):
        return f"{_each('minute', minutes, 'hour')}{_in_hours(hours)}", False
    hour = "every hour" if len(hours) == 24 else _named("hour", hours, 24)
    return f"at {_named('minute', minutes, 60)} of {hour}", False


def _in_hours(hours: list[int]) -> str:
    return "" if len(hours) == 24 else f", in {_named('hour', hours, 24)}"


def _each(unit: str, values: list[int], whole: str) -> str:
    """How a unit of 60 recurs within the next larger one."""
    step = _step(values, 60)
    if step == 1:
        return f"every {unit}"
    if step:
        start = f" from {unit} {values[0]} on" if values[0] else ""
        return f"every {step} {unit}s{start}"
    return f"at {_named(unit, values, 60)} of the {whole}"


def _named(unit: str, values: list[int], size: int) -> str:
    step = _step(values, size)
    if step > 1:
        start = f" from {values[0]} on" if values[0] else ""
        return f"every {_nth(step)} {unit}{start}"
    return f"{unit}{'s' if len(values) > 1 else ''} {_runs([str(value) for value in values], values, size)}"


def _days(rule: DayRule, *, is_daily: bool) -> list[str]:
    by_month, by_week = _month_days(rule.month_days), _weekdays(rule.weekdays)
    if rule.both:
        days = f"{by_month} if it is {by_week.removeprefix('on ')}" if by_month and by_week else by_month or by_week
    else:
        days = f"{by_month} and also {by_week}" if by_month and by_week else ""
    months = _values(rule.months.mask)
    if len(months) < 12:
        month = f"in {_runs([_MONTHS[value - 1] for value in months], months, 12)}"
        return [days or ("every day" if is_daily else ""), month]
    return [days or ("every day" if is_daily else "")]


def _month_days(field: Field) -> str:
    values = _values(field.mask)
    if len(values) == 31:
        return ""
    parts = []
    step = _step(values, 31, first=1)
    if step > 1:
        start = f" from the {_nth(values[0])}" if values[0] > 1 else ""
        parts.append(f"every {_nth(step)} day{start}")
    elif values:
        parts.append(f"the {_runs([_nth(value) for value in values], values, 31)}")
    parts.extend(f"the {_nth(back + 1)} last day" if back else "the last day" for back in field.from_last)
    if field.last_workday:
        parts.append("the last workday")
    parts.extend(f"the workday nearest to the {_nth(day)}" for day in field.near)
    return f"on {_and(parts)} of the month"


def _weekdays(field: Field) -> str:
    # From Monday on, since Monday to Friday is what people mean most.
    values = sorted(_values(field.mask), key=lambda day: (day - 1) % 7)
    if len(values) == 7:
        return ""
    parts = []
    if values:
        parts.append(_runs([_WEEKDAYS[day] for day in values], [(day - 1) % 7 for day in values], 7))
    parts.extend(f"the {_ORDINALS[count]} {_WEEKDAYS[day]} of the month" for day, count in field.nth)
    parts.extend(f"the last {_WEEKDAYS[day]} of the month" for day in field.last)
    return f"on {_and(parts)}"


def _values(mask: int) -> list[int]:
    return [value for value in range(mask.bit_length()) if mask >> value & 1]


def _step(values: list[int], size: int, *, first: int = 0) -> int:
    """The step of values that run evenly to the end of the field (more than two of them); 0 when they do not."""
    if len(values) < 3:
        return 0
    step = values[1] - values[0]
    even = all(later - sooner == step for sooner, later in pairwise(values))
    return step if even and values[0] - first < step and values[-1] + step >= first + size else 0


def _runs(names: list[str], values: list[int], size: int) -> str:
    """Names in a list, three neighbours or more drawn together: ``1, 5 to 8 and 11``; the end joins the start."""
    runs: list[list[str]] = []
    previous = None
    for name, value in zip(names, values, strict=True):
        if previous is not None and value == previous + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
        previous = value
    if len(runs) > 1 and values[-1] % size == (values[0] - 1) % size:
        runs = [*runs[1:-1], runs[-1] + runs[0]]
    parts = []
    for run in runs:
        parts.extend([f"{run[0]} to {run[-1]}"] if len(run) > 2 else run)
    return _and(parts)


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"
