"""The page of the coming week: hour by hour how many jobs start at once, and the minutes of one hour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Response

from dkronpy.clock import from_ms
from dkronpy.pause import Pause
from dkronpy.web.density import LEVELS, Cell, Week, changed
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import number_of, page
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of

_NAMED = 8
"""Pauses that are named."""


@page("/schedule", listing=True)
def schedule(request: AnyRequest) -> Response[Any]:
    """The coming week as far as it is counted, and the minutes of an hour of it."""
    site, viewer = site_of(request), viewer_of(request)
    views = viewer.seen(site.board.jobs())
    stamp = (site.board.digest().definitions, len(views))
    now = from_ms(viewer.now_ms).astimezone(viewer.zone)
    week, fresh = site.weeks.find(views, now, viewer.who, stamp)
    asked = request.query_params.get("hour", "")
    at_ms = number_of(asked)
    cells = [cell for _, cells in week.days for cell in cells] if week else []
    hour = next((cell for cell in cells if cell.at_ms == at_ms and cell.minutes), None)
    pauses = [one for one in site.client.maintenance.pauses() if not one.job or viewer.sees(one.job)]
    coming = [one for one in pauses if not cells or one.from_ms < cells[-1].end_ms]
    return render(
        request, "schedule.html", section="schedule", week=week, fresh=fresh, hour=hour, levels=LEVELS,
        minutes=site.weeks.minutes(views, hour) if hour else [], jobs=len(views), changed=changed,
        pauses=coming[:_NAMED], more_pauses=len(coming[_NAMED:]), held=held(week, coming) if week else {},
    )  # fmt: skip


def held(week: Week, pauses: Sequence[Pause]) -> dict[int, str]:
    """The hours, by when they begin, that a pause reaches into: ``all`` where it holds every job, else ``some``."""
    found: dict[int, str] = {}
    for pause in pauses:
        kind = "some" if pause.tag else "all"
        for cell in (cell for _, cells in week.days for cell in cells):
            if not pause.job and _meets(pause, cell) and found.get(cell.at_ms) != "all":
                found[cell.at_ms] = kind
    return found


def _meets(pause: Pause, cell: Cell) -> bool:
    return pause.from_ms < cell.end_ms and (pause.until_ms is None or cell.at_ms < pause.until_ms)


ROUTES = [schedule]
