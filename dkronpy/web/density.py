"""How dense the coming week is: for each hour the most jobs that start in one minute of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response

from dkronpy.client import JobView
from dkronpy.clock import from_ms, to_ms
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of

DAYS = 7
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
CONSTANT_MS = 5 * MINUTE_MS
"""A job that is due so often at least is the same in every hour: it is counted, and not drawn."""
MOST_DUE = 60_000
"""Due times that are computed for a page; what lies beyond is said, not shown."""
LEVELS = 6
_NAMED = 40


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """An hour: when it begins (ms), the most starts in one of its minutes, all its starts, a level from 0 to LEVELS."""

    at_ms: int
    peak: int
    total: int
    level: int


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """Seven days of hours; ``constant`` names jobs that are due all the time, ``left_out`` counts those not drawn."""

    days: tuple[tuple[int, tuple[Cell, ...]], ...]
    constant: tuple[str, ...]
    left_out: int
    busiest: int


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """A minute in which something starts, and what."""

    at_ms: int
    names: tuple[str, ...]


_cache: dict[tuple[Any, ...], Week] = {}
_lock = threading.Lock()


def week_of(views: Iterable[JobView], start: datetime) -> Week:
    """The density from the midnight *start* (aware) on."""
    zone = start.tzinfo
    start_ms, end = to_ms(start), start.replace(tzinfo=None) + timedelta(days=DAYS)
    end_ms = to_ms(end.replace(tzinfo=zone))
    minutes: Counter[int] = Counter()
    constant, left, budget = [], 0, MOST_DUE
    for view in views:
        if not view.job.enabled or view.stored.due_ms is None:
            continue
        if _is_constant(view, start_ms):
            constant.append(view.job.name)
            continue
        due = list(islice(view.stored.schedule().between_ms(start_ms - 1, end_ms - 1), budget))
        budget -= len(due)
        left += budget <= 0
        minutes.update(at // MINUTE_MS for at in due)
    return _arranged(minutes, start, tuple(constant), left)


def _is_constant(view: JobView, start_ms: int) -> bool:
    """Whether it is due every few minutes around the clock."""
    first = list(islice(view.stored.schedule().between_ms(start_ms - 1, start_ms + DAY_MS), 290))
    return len(first) >= DAY_MS // CONSTANT_MS


def _arranged(minutes: Counter[int], start: datetime, constant: tuple[str, ...], left: int) -> Week:
    peaks: Counter[int] = Counter()
    totals: Counter[int] = Counter()
    for minute, count in minutes.items():
        hour = minute // 60
        peaks[hour] = max(peaks[hour], count)
        totals[hour] += count
    busiest = max(peaks.values(), default=0)
    days = []
    for number in range(DAYS):
        midnight = (start.replace(tzinfo=None) + timedelta(days=number)).replace(tzinfo=start.tzinfo)
        cells = []
        for wall in range(24):
            at_ms = to_ms(midnight.replace(hour=wall))
            hour = at_ms // HOUR_MS
            cells.append(Cell(at_ms=at_ms, peak=peaks[hour], total=totals[hour], level=_level(peaks[hour], busiest)))
        days.append((to_ms(midnight), tuple(cells)))
    return Week(days=tuple(days), constant=constant, left_out=left, busiest=busiest)


def _level(peak: int, busiest: int) -> int:
    return 0 if not peak else max(1, -(-peak * LEVELS // max(busiest, LEVELS)))


def minutes_of(views: Iterable[JobView], hour_ms: int) -> list[Minute]:
    """Which jobs start in which minutes of an hour."""
    names: dict[int, list[str]] = {}
    for view in views:
        if view.job.enabled and view.stored.due_ms is not None:
            found = {at // MINUTE_MS for at in view.stored.schedule().between_ms(hour_ms - 1, hour_ms + HOUR_MS - 1)}
            if len(found) < 12:
                for minute in found:
                    names.setdefault(minute, []).append(view.job.name)
    return [Minute(at_ms=minute * MINUTE_MS, names=tuple(names[minute][:_NAMED])) for minute in sorted(names)]


@page("/schedule", listing=True)
def schedule(request: AnyRequest) -> Response[Any]:
    """The coming week, and the minutes of an hour of it."""
    site, viewer = site_of(request), viewer_of(request)
    views = [view for name, view in site.board.jobs().items() if viewer.sees(name)]
    today = _midnight(viewer.now_ms, viewer.zone)
    key = (viewer.zone.key, to_ms(today), hash(tuple((v.job.name, v.stored.revision, v.job.enabled) for v in views)))
    with _lock:
        week = _cache.get(key)
        if week is None:
            if len(_cache) > 20:
                _cache.clear()
            week = _cache[key] = week_of(views, today)
    asked = request.query_params.get("hour", "")
    hour = int(asked) if asked.isdecimal() and len(asked) < 16 else 0
    known = {cell.at_ms for _, cells in week.days for cell in cells}
    chosen = hour if hour in known else 0
    return render(
        request, "schedule.html", section="schedule", week=week, hour=chosen, levels=LEVELS,
        minutes=minutes_of(views, chosen) if chosen else [], jobs=len(views),
    )  # fmt: skip


def _midnight(now_ms: int, zone: ZoneInfo) -> datetime:
    return from_ms(now_ms).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


ROUTES = [schedule]
