"""The page of what is due: a day, the coming week or five weeks, how many jobs start at once, and their minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response

from dkronpy.client import JobView
from dkronpy.clock import from_ms, to_ms
from dkronpy.pause import Pause
from dkronpy.web.density import DAY, DAY_MS, LEVELS, MONTH, WEEK, Cell, Dense, Layout, changed
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import number_of, page
from dkronpy.web.places import place
from dkronpy.web.render import render
from dkronpy.web.site import Site, Viewer, site_of, viewer_of
from dkronpy.web.weeks import Weeks

LAYOUTS = {"day": DAY, "week": WEEK, "month": MONTH}
_NAMED = 8
"""Pauses that are named."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a page shows: which view, of which midnight on, what is counted of it so far and by whom."""

    view: str
    start: datetime
    days: tuple[str, str]
    """The addresses of the days before and after; '' for one that is not counted."""
    dense: Dense | None
    fresh: bool
    weeks: Weeks

    @property
    def layout(self) -> Layout:
        """How it is cut."""
        return LAYOUTS[self.view]


@page("/schedule", listing=True)
def schedule(request: AnyRequest) -> Response[Any]:
    """What is asked for as far as it is counted, and the minutes of a part of it."""
    site, viewer = site_of(request), viewer_of(request)
    views = viewer.seen(site.board.jobs())
    shown = _shown(site, viewer, views, request.query_params)
    cells = [cell for _, row in shown.dense.rows for cell in row] if shown.dense else []
    at_ms = number_of(request.query_params.get("hour", ""), -1)
    part = next((cell for cell in cells if cell.at_ms == at_ms and cell.minutes), None)
    pauses = [one for one in site.client.maintenance.pauses() if not one.job or viewer.sees(one.job)]
    coming = [one for one in pauses if not cells or one.from_ms < cells[-1].end_ms]
    return render(
        request, "schedule.html", section="schedule", shown=shown, dense=shown.dense, part=part, levels=LEVELS,
        minutes=shown.weeks.minutes(views, part) if part else [], jobs=len(views), changed=changed, query=query,
        pauses=coming[:_NAMED], more_pauses=len(coming[_NAMED:]), held=held(shown.dense, coming) if shown.dense else {},
    )  # fmt: skip


def _shown(site: Site, viewer: Viewer, views: Mapping[str, JobView], asked: Mapping[str, str]) -> Shown:
    now = from_ms(viewer.now_ms).astimezone(viewer.zone)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    view = asked.get("view", "") if asked.get("view", "") in LAYOUTS else "week"
    start = _day(asked.get("day", ""), today) if view == "day" else today
    near = view == "week" or (view == "day" and 0 <= (start.date() - today.date()).days < WEEK.rows)
    weeks = site.weeks if near else site.months
    stamp = (site.board.digest().definitions, len(views))
    dense, fresh = weeks.find(views, now, viewer.who, stamp)
    if view == "day" and dense is not None:
        dense = weeks.day(views, start)
    beside = tuple(start + timedelta(days=by) for by in (-1, 1))
    days = tuple(query(view="day", day=to_ms(one)) if _counted(one, today) else "" for one in beside)
    return Shown(view=view, start=start, days=(days[0], days[1]), dense=dense, fresh=fresh, weeks=weeks)


def _day(asked: str, today: datetime) -> datetime:
    """The midnight of the day that a moment lies in; today's, where it is none that is counted."""
    at_ms = number_of(asked)
    if abs(at_ms - to_ms(today)) > (MONTH.rows + 1) * MONTH.columns * DAY_MS:
        return today
    start = from_ms(at_ms).astimezone(today.tzinfo).replace(hour=0, minute=0, second=0, microsecond=0)
    return start if _counted(start, today) else today


def _counted(start: datetime, today: datetime) -> bool:
    """Whether a day is one of the five weeks that begin with this one."""
    monday = today - timedelta(days=today.weekday())
    return 0 <= (start.date() - monday.date()).days < MONTH.rows * MONTH.columns


def query(**values: Any) -> str:
    """The address of a view."""
    return place("/schedule") + "?" + urlencode(values)


def held(found: Dense, pauses: Sequence[Pause]) -> dict[int, str]:
    """The cells, by when they begin, that a pause reaches into: ``all`` where it holds every job, else ``some``."""
    marked: dict[int, str] = {}
    for pause in pauses:
        kind = "some" if pause.tag else "all"
        for cell in (cell for _, cells in found.rows for cell in cells):
            if not pause.job and _meets(pause, cell) and marked.get(cell.at_ms) != "all":
                marked[cell.at_ms] = kind
    return marked


def _meets(pause: Pause, cell: Cell) -> bool:
    return pause.from_ms < cell.end_ms and (pause.until_ms is None or cell.at_ms < pause.until_ms)


ROUTES = [schedule]
