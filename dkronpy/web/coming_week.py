"""The page of the coming week: hour by hour how many jobs start at once, and the minutes of one hour."""

from __future__ import annotations

from typing import Any

from litestar import Response

from dkronpy.clock import from_ms
from dkronpy.web.density import LEVELS
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of


@page("/schedule", listing=True)
def schedule(request: AnyRequest) -> Response[Any]:
    """The coming week as far as it is counted, and the minutes of an hour of it."""
    site, viewer = site_of(request), viewer_of(request)
    views = viewer.seen(site.board.jobs())
    stamp = (site.board.digest().definitions, len(views))
    now = from_ms(viewer.now_ms).astimezone(viewer.zone)
    week, fresh = site.weeks.find(views, now, viewer.who, stamp)
    asked = request.query_params.get("hour", "")
    hour = int(asked) if asked.isdecimal() and len(asked) < 16 else 0
    known = week is not None and any(cell.at_ms == hour for _, cells in week.days for cell in cells)
    return render(
        request,
        "schedule.html",
        section="schedule",
        week=week,
        fresh=fresh,
        hour=hour if known else 0,
        levels=LEVELS,
        minutes=site.weeks.minutes(views, hour) if known else [],
        jobs=len(views),
    )


ROUTES = [schedule]
