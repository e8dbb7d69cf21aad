"""What this browser prefers, what this deployment is, and where the rest is set."""

from __future__ import annotations

import platform
import zoneinfo
from typing import Any

from litestar import Response
from litestar.datastructures import Cookie

from dkronpy.errors import NotFoundError, ScheduleError
from dkronpy.plugins.notifier import NotifierError
from dkronpy.results.url import mask
from dkronpy.schedule.zones import check_zone
from dkronpy.settings import Settings, setting_names
from dkronpy.settings.notify import concealed
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, form, page, see_other, text_of
from dkronpy.web.places import BASE, local_place, place
from dkronpy.web.render import render
from dkronpy.web.site import THEME_COOKIE, THEMES, ZONE_COOKIE, site_of, viewer_of

_YEAR_SECONDS = 365 * 24 * 3600
BROWSERS_ZONE = "browser"
"""Instead of a zone: whichever the browser says that it is in."""
_SECRET = ("auth", "password", "token", "key")


@page("/settings")
def settings(request: AnyRequest) -> Response[Any]:
    """Preferences and facts."""
    site = site_of(request)
    status = site.client.status()
    return render(
        request, "settings.html", section="settings", status=status, themes=THEMES, python=platform.python_version(),
        zones=sorted(zoneinfo.available_timezones()), settings=shown(site.client.deployment.settings),
        quarantined=site.client.quarantined() if status.quarantined else {},
        executors=sorted({name for node in status.nodes for name in node.executors}),
        channels=site.client.notices.channels() if site.door.sees_all(request) else [],
    )  # fmt: skip


def shown(settings: Settings) -> list[tuple[str, str]]:
    """Every setting as text, passwords left out."""
    found = []
    for name in setting_names():
        value = concealed(name, getattr(settings, name))
        text = mask(str(value)) if name.endswith("_url") else str(value)
        if (
            any(part in name for part in _SECRET)
            and value
            and isinstance(value, str)
            and not name.startswith("key_prefix")
        ):
            text = "***"
        found.append((name, text))
    return found


@form("/preferences", action="read")
def prefer(request: AnyRequest) -> Response[Any]:
    """Keep zone and theme in cookies."""
    zone, theme = text_of(request, "zone", 100), text_of(request, "theme", 20)
    answer = see_other(local_place(text_of(request, "back") or place("/settings?done=preferences")))
    if zone == BROWSERS_ZONE:
        answer.cookies.append(Cookie(ZONE_COOKIE, path=BASE, max_age=0, samesite="strict"))
    elif zone:
        try:
            zoneinfo.ZoneInfo(check_zone(zone))
        except (ScheduleError, ValueError, OSError) as error:
            raise PageError(400, str(error), hint=getattr(error, "hint", "")) from None
        answer.cookies.append(_kept(ZONE_COOKIE, zone))
    if theme in THEMES:
        answer.cookies.append(_kept(THEME_COOKIE, theme))
    return answer


@form("/settings/channels/test", action="administer")
def test_channel(request: AnyRequest) -> Response[Any]:
    """Send a test message by a channel of the settings, from this server."""
    notices, name = site_of(request).client.notices, text_of(request, "channel", 200)
    if name not in site_of(request).client.deployment.settings.channels:  # an address would be anybody's
        problem = notices.known.unknown("channel", name)
        raise NotFoundError(problem.message, hint=problem.hint)
    try:
        notices.test(name)
    except NotifierError as error:
        raise PageError(
            502, str(error), hint="nothing was sent; `dkronpy notify list` tells how the channel is set"
        ) from None
    viewer_of(request).door.note(request, f"channel {name} took a test message")
    return see_other(place("/settings?done=sent"))


def _kept(name: str, value: str) -> Cookie:
    return Cookie(name, path=BASE, value=value, max_age=_YEAR_SECONDS, samesite="strict")


ROUTES = [settings, prefer, test_channel]
