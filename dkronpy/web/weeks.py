"""Counts what is due behind the scenes, job by job, so that no page waits for it; what was counted is kept.

One counts the coming week; another one, once somebody asks for it, the month, without what is due every hour.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from dkronpy.client import JobView
from dkronpy.clock import Clock, SystemClock, to_ms
from dkronpy.web.density import (
    DAY,
    DAY_MS,
    MINUTE_MS,
    MONTH,
    NOTHING,
    WEEK,
    Cell,
    Counted,
    Dense,
    Layout,
    Minute,
    count,
    dense,
    minutes_of,
    starts_in,
)

log = logging.getLogger(__name__)

MOST_WEEKS = 20
"""Zones and people whose weeks are remembered."""
SLICE_S = 0.001
"""For so long it counts, and then rests as long: pages that are asked for meanwhile wait for no more than that."""
SHOW_S = 1.0
"""How often a week that nobody has seen yet is shown as far as it is counted."""
_AROUND = {WEEK: (2, 9), MONTH: (8, 37)}
"""Days before and after today that are counted: every zone's week, or its five weeks from a Monday on, lies within."""
_NAMELESS = re.compile(r"[-0-9*,/? ]+")
"""Schedules whose due times depend on neither the name nor the age of their job."""

Thing = TypeVar("Thing")
Mark = tuple[int, int, bool, int]
"""What a job was counted by: its revision, anchor, whether it is due at all, and the day."""


class Known(msgspec.Struct, frozen=True):
    """A week as it was last counted, and of what."""

    week: Dense
    stamp: Hashable


class Weeks:
    """Thread-safe. *tell* is called, in a thread of its own, whenever there is more to see than before."""

    def __init__(
        self, tell: Callable[[], None] = lambda: None, clock: Clock | None = None, layout: Layout = WEEK
    ) -> None:
        self._tell, self._clock, self._layout = tell, clock or SystemClock(), layout
        self._before, self._after = _AROUND[layout]
        self._lock = threading.Lock()
        self._weeks: dict[Hashable, Known] = {}
        self._asked: set[Hashable] = set()
        self._counted: dict[str, Counted] = {}
        self._marks: dict[str, Mark] = {}
        self._alike: dict[Hashable, Counted] = {}
        self._day = 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="dkronpy-week")
        self._rest = threading.Event()

    @property
    def constant(self) -> int:
        """How many starts a day make a job one that is not drawn."""
        return self._layout.constant

    def find(self, views: Mapping[str, JobView], now: datetime, who: str, stamp: Hashable) -> tuple[Dense | None, bool]:
        """The week or month of *now* (in the viewer's zone) as far as it is known, and whether that is still so.

        *stamp* is another one when the jobs are; *who* sees these *views*. What is not known is counted from now on.
        """
        start = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if self._layout is MONTH:
            start -= timedelta(days=start.weekday())
        place, wanted = (str(now.tzinfo), who), (to_ms(start), stamp)
        with self._lock:
            known = self._weeks.get(place)
            fresh = known is not None and known.stamp == wanted
            if not fresh and place not in self._asked:
                self._asked.add(place)
                self._worker.submit(self._work, place, views, (start, to_ms(now) // DAY_MS, wanted))
        return (None if known is None else known.week), fresh

    def minutes(self, views: Mapping[str, JobView], cell: Cell) -> list[Minute]:
        """Which jobs start in which minutes of a cell, as far as they are counted."""
        return minutes_of(self._known(views), cell)

    def day(self, views: Mapping[str, JobView], start: datetime) -> Dense:
        """One of the days that are counted, from its midnight on, as far as they are."""
        return dense(self._known(views), start, len(views), DAY)

    def names(self, views: Iterable[str], minute_ms: int) -> list[str]:
        """Every job that starts in a minute, as far as they are counted."""
        counted, minute = self._counted, minute_ms // MINUTE_MS
        return [name for name in views if starts_in(counted.get(name, NOTHING), minute)]

    def _known(self, views: Iterable[str]) -> Iterator[tuple[str, Counted]]:
        counted = self._counted
        return ((name, found) for name in views if (found := counted.get(name)) is not None)

    def _work(self, place: Hashable, views: Mapping[str, JobView], what: tuple[datetime, int, Hashable]) -> None:
        start, day, wanted = what
        try:
            self._count(place, views, start, day)
            self._show(place, dense(self._of(views), start, len(views), self._layout), wanted)
            self._tell()
        except Exception:  # the next page asks again, and the log says why
            log.exception("what is due cannot be counted")
        finally:
            with self._lock:
                self._asked.discard(place)

    def _count(self, place: Hashable, views: Mapping[str, JobView], start: datetime, day: int) -> None:
        """Count what has changed since it was counted last."""
        if day != self._day:
            self._day = day
            self._alike.clear()
            for name in [name for name in self._marks if name not in views]:
                del self._marks[name], self._counted[name]
        shown = self._clock.monotonic()
        for name, view in self._at_leisure(views.items()):
            mark = _mark(view, day)
            if self._marks.get(name) != mark:
                self._counted[name] = self._count_one(view, day) if mark[2] else NOTHING
                self._marks[name] = mark
            if self._unseen(place) and self._clock.monotonic() - shown > SHOW_S:
                self._show(place, dense(self._of(views), start, len(views), self._layout), None)
                self._tell()
                shown = self._clock.monotonic()

    def _count_one(self, view: JobView, day: int) -> Counted:
        job = view.job
        alike = None
        if _NAMELESS.fullmatch(job.schedule):
            calendar = (job.starts_at, job.expires_at, job.calendar, job.off_day, job.gap, job.overlap)
            alike = (job.schedule, job.timezone, *map(str, calendar))
        if alike in self._alike:
            return self._alike[alike]
        first, last = (day - self._before) * DAY_MS, (day + self._after) * DAY_MS
        found = count(view.stored.schedule(), first, last, self._layout.constant)
        if alike is not None:
            self._alike[alike] = found
        return found

    def _of(self, views: Iterable[str]) -> Iterator[tuple[str, Counted]]:
        """What is counted of some jobs."""
        return ((name, self._counted[name]) for name in self._at_leisure(views) if name in self._counted)

    def _at_leisure(self, things: Iterable[Thing]) -> Iterator[Thing]:
        """Each of them, with a rest now and then."""
        begun = self._clock.monotonic()
        for one in things:
            yield one
            took = self._clock.monotonic() - begun
            if took > SLICE_S:
                self._rest.wait(took)
                begun = self._clock.monotonic()

    def _unseen(self, place: Hashable) -> bool:
        known = self._weeks.get(place)
        return known is None or known.stamp is None

    def _show(self, place: Hashable, week: Dense, stamp: Hashable) -> None:
        with self._lock:
            self._weeks.pop(place, None)
            while len(self._weeks) >= MOST_WEEKS:
                del self._weeks[next(iter(self._weeks))]
            self._weeks[place] = Known(week, stamp)


def _mark(view: JobView, day: int) -> Mark:
    stored = view.stored
    return (stored.revision, stored.anchor_ms, view.job.enabled and stored.due_ms is not None, day)
