"""How many runs are under way in each minute of a week, and by how much to put a job off, so that few are at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate, islice, pairwise

import msgspec

from dkronpy.schedule import Schedule
from dkronpy.schedule.spread import even_value

MINUTE_MS = 60_000
DAYS = 7
MOST_DUE = 500
"""So many due times of a job are looked at; that is more than a week of hours."""
_WEEK = DAYS * 24 * 60
_BEYOND = 2 * 24 * 60
"""Minutes after the week into which what is due in it may be put off, and run."""
LONGEST_RUN = 24 * 60
_SALT = 7
"""Makes the minute that a name prefers another one than that of its ``H``."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """By how much a job is put off: then at most *peak* runs are under way while it runs, itself among them, where it
    would be *before* without; *took_ms* is how long a run of it was taken to last.
    """

    by_ms: int
    peak: int
    before: int
    took_ms: int

    def sentence(self) -> str:
        """What was chosen and why."""
        minutes = self.by_ms // MINUTE_MS
        there = f"at most {self.peak} {'run is' if self.peak == 1 else 'runs are'} under way"
        if not minutes:
            return f"not put off: {there} when its schedule says"
        later = f"{minutes} {'minute' if minutes == 1 else 'minutes'} later than its schedule says"
        return f"{later}: {there} then" + (f", {self.before} before" if self.before != self.peak else "")


class Level:
    """The runs of a week from *start_ms* on, as the schedules have them, each for as long as it usually takes."""

    def __init__(self, start_ms: int) -> None:
        self.start_ms = start_ms
        self._steps = [0] * (_WEEK + _BEYOND + LONGEST_RUN + 1)

    @property
    def peak(self) -> int:
        """The most runs that are under way in one minute."""
        return max(accumulate(self._steps))

    def add(self, due: Sequence[int], took_ms: int, count: int = 1) -> None:
        """So many runs that are due at each of those moments, in ms."""
        length = minutes_of(took_ms)
        for moment in due:
            minute = (moment - self.start_ms) // MINUTE_MS
            if 0 <= minute < _WEEK + _BEYOND:
                self._steps[minute] += count
                self._steps[minute + length] -= count

    def due(self, schedule: Schedule) -> list[int]:
        """The due times of a schedule in the week."""
        return list(schedule.between_ms(self.start_ms - 1, self.start_ms + _WEEK * MINUTE_MS - 1))

    def choose(self, name: str, schedule: Schedule, within: timedelta, took_ms: int) -> Choice:
        """The minute within which to put *name* off, and what it comes to.

        The fewest runs at once, then the fewest in all; among equals the name decides. Nothing is put off beyond the
        next due time. What is not due in the coming week gets the minute that its name prefers.
        """
        due = list(islice(schedule.between_ms(self.start_ms - 1, self.start_ms + _WEEK * MINUTE_MS - 1), MOST_DUE))
        apart = min((later - earlier for earlier, later in pairwise(due)), default=LONGEST_RUN * MINUTE_MS)
        span = max(1, min(within // timedelta(minutes=1), apart // MINUTE_MS))
        minutes = [(moment - self.start_ms) // MINUTE_MS for moment in due]
        loads = list(accumulate(self._steps))
        fullest = _fullest(loads, minutes_of(took_ms))
        preferred = even_value(name, _SALT, 0, span - 1)

        def cost(by: int) -> tuple[int, int, int]:
            peaks = [fullest[minute + by] for minute in minutes]
            return max(peaks, default=0), sum(peaks), (by - preferred) % span

        best = min(range(span), key=cost)
        return Choice(by_ms=best * MINUTE_MS, peak=cost(best)[0] + 1, before=cost(0)[0] + 1, took_ms=took_ms)


def minutes_of(took_ms: int) -> int:
    """In how many minutes a run counts that takes so long."""
    return max(1, min(LONGEST_RUN, -(-took_ms // MINUTE_MS)))


def _fullest(loads: Sequence[int], length: int) -> list[int]:
    """For each minute the highest load of the *length* minutes that begin with it."""
    found = [0] * len(loads)
    ahead: deque[int] = deque()
    for place in range(len(loads) - 1, -1, -1):
        while ahead and loads[ahead[-1]] <= loads[place]:
            ahead.pop()
        ahead.append(place)
        while ahead[0] >= place + length:
            ahead.popleft()
        found[place] = loads[ahead[0]]
    return found
