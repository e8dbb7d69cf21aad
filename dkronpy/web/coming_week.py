"""The page of the coming week: hour by hour how many jobs start at once, and the minutes of one hour."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response

from dkronpy.clock import from_ms
from dkronpy.web.density import LEVELS, minutes_of
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of


@page("/schedule", listing=True)
def schedule(request: AnyRequest) -> Response[Any]:
    """The coming week, and the minutes of an hour of it."""
    site, viewer = site_of(request), viewer_of(request)
    views = list(viewer.seen(site.board.jobs()).values())
    stamp = (site.board.digest().definitions, len(views), viewer.who)
    week = site.weeks.find(views, _midnight(viewer.now_ms, viewer.zone), stamp)
    asked = request.query_params.get("hour", "")
    hour = int(asked) if asked.isdecimal() and len(asked) < 16 else 0
    known = week is not None and any(cell.at_ms == hour for _, cells in week.days for cell in cells)
    return render(
        request,
        "schedule.html",
        section="schedule",
        week=week,
        hour=hour if known else 0,
        levels=LEVELS,
        minutes=minutes_of(week, hour) if week is not None and known else [],
        jobs=len(views),
    )


def _midnight(now_ms: int, zone: ZoneInfo) -> datetime:
    return from_ms(now_ms).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


ROUTES = [schedule]
