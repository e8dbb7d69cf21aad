"""What clock changes do to a schedule, date by date, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from .model import Schedule, ceil_ms
from .zoned import ZonedSchedule
from .zones import Stretch, wall_date

_MONTH = 2_629_746  # seconds, a twelfth of a Gregorian year
_SHOWN = 3


def dst_notes(schedule: Schedule, start: datetime, months: int) -> list[tuple[date, str]]:
    """Each local date in the ``months`` after ``start`` (aware) on which a clock change matters, and what it does.

    Only changes that skip, repeat or shift a due time are named: a job that runs every quarter of an hour keeps
    its pace.
    """
    first = ceil_ms(start) // 1000
    notes: list[tuple[date, str]] = []
    for part in schedule.parts:
        if not isinstance(part, ZonedSchedule):
            continue
        prefix = f"{part.text}: " if len(schedule.parts) > 1 else ""
        notes.extend((day, prefix + note) for day, note in _notes(part, first, first + months * _MONTH))
    return sorted(notes)


def _notes(part: ZonedSchedule, second: int, last: int) -> Iterator[tuple[date, str]]:
    while second <= last:
        here = part.table.stretch(second)
        if here.end > last:
            return
        if here.after != here.offset:
            low, high = sorted((here.end + here.offset, here.end + here.after))
            walls = _walls(part, low, high)
            if walls and (not part.clock.follows_elapsed_time or _breaks_pace(part, here)):
                say = _gap_note if here.after > here.offset else _overlap_note
                yield wall_date(low).date(), say(part, here, walls)
        second = here.end


def _walls(part: ZonedSchedule, low: int, high: int) -> list[int]:
    """Due wall-clock times in [low, high), at most one more than are shown."""
    walls: list[int] = []
    wall = part.clock.next_wall(low)
    while wall is not None and wall < high and len(walls) <= _SHOWN:
        walls.append(wall)
        wall = part.clock.next_wall(wall + 1)
    return walls


def _breaks_pace(part: ZonedSchedule, here: Stretch) -> bool:
    """Whether due times around the change lie differently far apart."""
    shift = abs(here.after - here.offset)
    end_ms = (here.end + shift) * 1000
    due = part.prev_ms((here.end - shift) * 1000)
    due = None if due is None else part.prev_ms(due)
    gaps: set[int] = set()
    while due is not None and due <= end_ms and len(gaps) < 2:
        following = part.next_ms(due)
        if following is not None:
            gaps.add(following - due)
        due = following
    return len(gaps) > 1


def _gap_note(part: ZonedSchedule, here: Stretch, walls: list[int]) -> str:
    before, after = _clock(here.end + here.offset), _clock(here.end + here.after)
    change = f"clocks go from {before} to {after}"
    if part.clock.follows_elapsed_time:
        day = (here.end + here.offset) // 86_400
        due = part.next_ms((here.end - 2 * 86_400) * 1000)
        while due is not None and part.table.local(due // 1000) // 86_400 < day:
            due = part.next_ms(due)
        if due is None or part.table.local(due // 1000) // 86_400 > day:
            return f"does not run that day: {change}"
        return f"{_list(walls)} {_do(walls)} not exist and {_fall(walls)} away: {change}"
    outcome = {
        "after": f"runs at {after}, when the gap ends",
        "before": f"runs at {_clock(here.end - 1 + here.offset)}, the last second before the gap",
        "skip": f"{_fall(walls)} away",
    }[part.gap]
    return f"{_list(walls)} {_do(walls)} not exist: {change}; {outcome}"


def _overlap_note(part: ZonedSchedule, here: Stretch, walls: list[int]) -> str:
    change = f"clocks go back from {_clock(here.end + here.offset)} to {_clock(here.end + here.after)}"
    which = "both" if part.clock.follows_elapsed_time else part.overlap
    outcome = {
        "first": "runs the first time only",
        "second": "runs the second time only",
        "both": "runs both times",
    }[which]
    comes = "comes" if len(walls) == 1 else "come"
    return f"{_list(walls)} {comes} twice: {change}; {outcome}"


def _do(walls: list[int]) -> str:
    return "does" if len(walls) == 1 else "do"


def _fall(walls: list[int]) -> str:
    return "falls" if len(walls) == 1 else "fall"


def _list(walls: list[int]) -> str:
    shown = ", ".join(_clock(wall) for wall in walls[:_SHOWN])
    return shown if len(walls) <= _SHOWN else f"{shown} and more"


def _clock(wall: int) -> str:
    moment = wall_date(wall)
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
