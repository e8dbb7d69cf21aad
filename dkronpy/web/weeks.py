"""Counts the coming week behind the scenes, job by job, so that no page waits for it; what was counted is kept."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

import msgspec

from dkronpy.client import JobView
from dkronpy.clock import Clock, SystemClock, to_ms
from dkronpy.web.density import (
    DAY_MS,
    MINUTE_MS,
    NOTHING,
    Cell,
    Counted,
    Minute,
    Week,
    count,
    minutes_of,
    starts_in,
    week_of,
)

log = logging.getLogger(__name__)

MOST_WEEKS = 20
"""Zones and people whose weeks are remembered."""
SLICE_S = 0.001
"""For so long it counts, and then rests as long: pages that are asked for meanwhile wait for no more than that."""
SHOW_S = 1.0
"""How often a week that nobody has seen yet is shown as far as it is counted."""
_BEFORE, _AFTER = 2, 9
"""Days around today that are counted: every zone's week lies within them."""
_NAMELESS = re.compile(r"[-0-9*,/? ]+")
"""Schedules whose due times depend on neither the name nor the age of their job."""

Thing = TypeVar("Thing")
Mark = tuple[int, int, bool, int]
"""What a job was counted by: its revision, anchor, whether it is due at all, and the day."""


class Known(msgspec.Struct, frozen=True):
    """A week as it was last counted, and of what."""

    week: Week
    stamp: Hashable


class Weeks:
    """Thread-safe. *tell* is called, in a thread of its own, whenever there is more to see than before."""

    def __init__(self, tell: Callable[[], None] = lambda: None, clock: Clock | None = None) -> None:
        self._tell, self._clock = tell, clock or SystemClock()
        self._lock = threading.Lock()
        self._weeks: dict[Hashable, Known] = {}
        self._asked: set[Hashable] = set()
        self._counted: dict[str, Counted] = {}
        self._marks: dict[str, Mark] = {}
        self._alike: dict[Hashable, Counted] = {}
        self._day = 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="dkronpy-week")
        self._rest = threading.Event()

    def find(self, views: Mapping[str, JobView], now: datetime, who: str, stamp: Hashable) -> tuple[Week | None, bool]:
        """The week of *now* (in the viewer's zone) as far as it is known, and whether that is still so.

        *stamp* is another one when the jobs are; *who* sees these *views*. What is not known is counted from now on.
        """
        start = now.replace(hour=0, minute=0, second=0, microsecond=0)
        place, wanted = (str(now.tzinfo), who), (to_ms(start), stamp)
        with self._lock:
            known = self._weeks.get(place)
            fresh = known is not None and known.stamp == wanted
            if not fresh and place not in self._asked:
                self._asked.add(place)
                self._worker.submit(self._work, place, views, (start, to_ms(now) // DAY_MS, wanted))
        return (None if known is None else known.week), fresh

    def minutes(self, views: Mapping[str, JobView], hour: Cell) -> list[Minute]:
        """Which jobs start in which minutes of an hour, as far as they are counted."""
        counted = self._counted
        return minutes_of(((name, counted.get(name, NOTHING)) for name in views), hour)

    def names(self, views: Iterable[str], minute_ms: int) -> list[str]:
        """Every job that starts in a minute, as far as they are counted."""
        counted, minute = self._counted, minute_ms // MINUTE_MS
        return [name for name in views if starts_in(counted.get(name, NOTHING), minute)]

    def _work(self, place: Hashable, views: Mapping[str, JobView], what: tuple[datetime, int, Hashable]) -> None:
        start, day, wanted = what
        try:
            self._count(place, views, start, day)
            self._show(place, week_of(self._of(views), start, len(views)), wanted)
            self._tell()
        except Exception:  # the next page asks again, and the log says why
            log.exception("the coming week cannot be counted")
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
                self._show(place, week_of(self._of(views), start, len(views)), None)
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
        found = count(view.stored.schedule(), (day - _BEFORE) * DAY_MS, (day + _AFTER) * DAY_MS)
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

    def _show(self, place: Hashable, week: Week, stamp: Hashable) -> None:
        with self._lock:
            self._weeks.pop(place, None)
            while len(self._weeks) >= MOST_WEEKS:
                del self._weeks[next(iter(self._weeks))]
            self._weeks[place] = Known(week, stamp)


def _mark(view: JobView, day: int) -> Mark:
    stored = view.stored
    return (stored.revision, stored.anchor_ms, view.job.enabled and stored.due_ms is not None, day)
