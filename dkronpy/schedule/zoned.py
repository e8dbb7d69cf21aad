"""A clock on the wall, hung in a time zone: which wall-clock times are due, and when, if clocks change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from .model import Schedule
from .zones import FIRST_SECOND, LAST_SECOND, Stretch, ZoneTable, zone_table

Gap = Literal["skip", "before", "after"]
Overlap = Literal["first", "second", "both"]

_NEVER = -(1 << 62)
_TWO_DAYS = 172_800
# A yearly moment that a gap swallows each time is given up after so many looks at the zone.
_PATIENCE = 200


class WallClock(Protocol):
    """Local seconds (counted from 1970-01-01 00:00 on the wall) at which something is due."""

    follows_elapsed_time: bool

    def next_wall(self, wall: int) -> int | None:
        """The first one at or after ``wall``."""
        ...

    def prev_wall(self, wall: int) -> int | None:
        """The last one at or before ``wall``."""
        ...


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch of constant offset and what is due in it: wall times in [low, high), and a gap at its ends.

    ``at_start`` and ``at_end`` are UTC seconds at which a time that a gap swallowed is run, or ``_NEVER``.
    """

    start: int
    end: int
    offset: int
    low: int
    high: int
    at_start: int
    at_end: int
    next_offset: int
    prev_offset: int


class ZonedSchedule(Schedule):
    """A wall clock in a zone.

    Wall clocks that follow elapsed time are due whenever the local time matches: nothing in a gap, both times
    in an overlap. The others are tied to the wall: a time that falls into a gap is due once, as ``gap`` says
    (``after``: when the gap ends; ``before``: the last second before it), and one that an overlap repeats is
    due as ``overlap`` says.
    """

    def __init__(
        self,
        clock: WallClock,
        *,
        text: str,
        timezone: str,
        gap: Gap = "after",
        overlap: Overlap = "first",
        seeded: bool = False,
    ) -> None:
        self.clock = clock
        self.text = text
        self.timezone = timezone
        self.gap = gap
        self.overlap = overlap
        self.seeded = seeded
        self.table: ZoneTable = zone_table(timezone)
        self._fixed = not clock.follows_elapsed_time
        self._span = _Span(0, 0, 0, 0, 0, _NEVER, _NEVER, 0, 0)

    def next_ms(self, after_ms: int) -> int | None:
        second = after_ms // 1000 + 1
        span = self._span
        # The common case: the answer lies in the stretch of the last answer.
        if span.start < second < span.end:
            wall = self.clock.next_wall(max(span.low, second + span.offset))
            if wall is not None and wall < span.high:
                return (wall - span.offset) * 1000
        found = self._walk(second)
        return None if found is None else found * 1000

    def prev_ms(self, before_ms: int) -> int | None:
        found = self._walk_back(-(-before_ms // 1000) - 1)
        return None if found is None else found * 1000

    def _walk(self, second: int) -> int | None:
        """The first due second at or after ``second``, stretch by stretch."""
        second = max(second, FIRST_SECOND)
        for _ in range(_PATIENCE):
            if second > LAST_SECOND:
                return None
            span = self._span_at(second)
            if second <= span.at_start:
                return span.at_start
            local = max(second + span.offset, span.low)
            wall = self.clock.next_wall(local)
            if wall is not None and wall < span.high:
                return wall - span.offset
            if second <= span.at_end:
                return span.at_end
            if wall is None and span.end + span.next_offset >= local:
                return None
            # No wall time from here up to `wall` matches, so skip to it, unless the clock is about to go
            # back.
            skips = wall is not None and span.end + span.next_offset >= local
            second = max(span.end, wall - span.offset - _TWO_DAYS) if skips and wall is not None else span.end
        return None

    def _walk_back(self, second: int) -> int | None:
        """The last due second at or before ``second``."""
        second = min(second, LAST_SECOND)
        for _ in range(_PATIENCE):
            if second < FIRST_SECOND:
                return None
            span = self._span_at(second)
            if span.at_end != _NEVER and second >= span.at_end:
                return span.at_end
            local = min(second + span.offset, span.high - 1)
            wall = self.clock.prev_wall(local)
            if wall is not None and wall >= span.low:
                return wall - span.offset
            if span.at_start != _NEVER:
                return span.at_start
            last_before = span.start - 1 + span.prev_offset
            if wall is None and last_before <= local:
                return None
            skips = wall is not None and last_before <= local
            second = (
                min(span.start - 1, wall - span.offset + _TWO_DAYS) if skips and wall is not None else span.start - 1
            )
        return None

    def _span_at(self, second: int) -> _Span:
        span = self._span
        if not span.start <= second < span.end:
            span = self._span = self._make_span(self.table.stretch(second))
        return span

    def _make_span(self, here: Stretch) -> _Span:
        low, high = here.start + here.offset, here.end + here.offset
        at_start = at_end = _NEVER
        if self._fixed:
            if here.before > here.offset and self.overlap == "first":
                low = here.start + here.before
            if here.after < here.offset and self.overlap == "second":
                high = here.end + here.after
            if self.gap == "after" and self._is_due_between(here.start + here.before, here.start + here.offset):
                at_start = here.start
            if self.gap == "before" and self._is_due_between(here.end + here.offset, here.end + here.after):
                at_end = here.end - 1
        return _Span(here.start, here.end, here.offset, low, high, at_start, at_end, here.after, here.before)

    def _is_due_between(self, low: int, high: int) -> bool:
        if low >= high:
            return False
        wall = self.clock.next_wall(low)
        return wall is not None and wall < high
