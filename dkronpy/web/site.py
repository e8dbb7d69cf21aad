"""What all pages of one server share, and who looks at them: zone, theme, token against forgery."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote
from zoneinfo import ZoneInfo

from dkronpy.client import Client, JobView
from dkronpy.errors import NotFoundError, ScheduleError
from dkronpy.node import Node
from dkronpy.schedule.zones import check_zone
from dkronpy.web.assets import Assets
from dkronpy.web.board import Board
from dkronpy.web.density import MONTH
from dkronpy.web.door import AnyRequest, Door, OpenDoor
from dkronpy.web.endings import Endings
from dkronpy.web.pulse import Pulse
from dkronpy.web.registry import NoRegistry, Registry
from dkronpy.web.weeks import Weeks

ZONE_COOKIE = "dkronpy_zone"
THEME_COOKIE = "dkronpy_theme"
CSRF_COOKIE = "dkronpy_csrf"
THEMES = ("system", "light", "dark")
SITE = "dkronpy.site"


@dataclass
class Site:
    """One server's pages."""

    client: Client
    door: Door = field(default_factory=OpenDoor)
    registry: Registry = field(default_factory=NoRegistry)
    assets: Assets = field(default_factory=Assets)
    board: Board = field(init=False)
    pulse: Pulse = field(init=False)
    weeks: Weeks = field(init=False)
    months: Weeks = field(init=False)
    endings: Endings = field(init=False)

    def __post_init__(self) -> None:
        self.board, self.pulse = Board(self.client), Pulse(self.client)
        self.endings = Endings(self.client)

        def tell() -> None:
            self.pulse.tell({"week"})

        self.weeks, self.months = Weeks(tell), Weeks(tell, layout=MONTH)

    def flower_task(self, execution: str) -> str:
        """Where Flower shows an execution; '' where nobody said where Flower is."""
        return self._flower("task", execution)

    def flower_worker(self, node: Node) -> str:
        """Where Flower shows the worker of a node."""
        return self._flower("worker", f"{node.name}@{node.address}")

    def _flower(self, kind: str, name: str) -> str:
        where = self.client.deployment.settings.flower_url.rstrip("/")
        return f"{where}/{kind}/{quote(name, safe='@:')}" if where else ""


def site_of(request: AnyRequest) -> Site:
    """The site that a request is for; the router put it there."""
    return cast("Site", request.scope[SITE])  # type: ignore[literal-required]


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Whoever looks at a page: what may be done, and how times are written. ``now_ms`` is the store's."""

    request: AnyRequest
    door: Door
    zone: ZoneInfo
    zone_chosen: bool
    theme: str
    csrf: str
    now_ms: int

    @property
    def who(self) -> str:
        """The name of the token, '' where none is asked for."""
        return self.door.who(self.request)

    @property
    def here(self) -> str:
        """The address of the page that is looked at, with what is asked of it."""
        query = self.request.scope["query_string"].decode("ascii", "replace")
        return self.request.scope["path"] + (f"?{query}" if query else "")

    def may(self, action: str, job: str | None = None) -> bool:
        """Whether a button for this has any use."""
        return self.door.may(self.request, action, job)

    def may_all(self, action: str) -> bool:
        """Whether a button that is about every job at once has any use."""
        return self.may(action) and self.door.sees_all(self.request)

    def sees(self, job: str) -> bool:
        """Whether a job is shown at all."""
        return self.door.sees(self.request, job)

    def seen(self, jobs: Mapping[str, JobView]) -> Mapping[str, JobView]:
        """Those of some jobs that are shown."""
        return jobs if self.door.sees_all(self.request) else {name: jobs[name] for name in jobs if self.sees(name)}

    def require_sight(self, job: str) -> None:
        """Raises NotFoundError for a job that is none of their business."""
        if not self.sees(job):
            raise NotFoundError(f"there is no job named {job!r}")


def viewer_of(request: AnyRequest) -> Viewer:
    """Who looks, by the cookies of the browser."""
    site, cookies = site_of(request), request.cookies
    zone, chosen = _zone(cookies)
    theme = cookies.get(THEME_COOKIE, "")
    with site.client.deployment.store.errors():
        now_ms = site.client.deployment.store.now_ms()
    return Viewer(
        request=request,
        door=site.door,
        zone=zone,
        zone_chosen=chosen,
        theme=theme if theme in THEMES else "system",
        csrf=csrf_of(cookies) or new_csrf(),
        now_ms=now_ms,
    )


def csrf_of(cookies: Mapping[str, Any]) -> str:
    """The token that forms of this browser carry; '' where it has none yet."""
    token = str(cookies.get(CSRF_COOKIE, ""))
    return token if 20 <= len(token) <= 100 and token.isascii() else ""


def new_csrf() -> str:
    """A token for a browser that has none."""
    return secrets.token_urlsafe(24)


def _zone(cookies: Mapping[str, Any]) -> tuple[ZoneInfo, bool]:
    # Browsers quote the slash of a zone's name, or not.
    name = str(cookies.get(ZONE_COOKIE, "")).strip('"').replace("%2F", "/")
    try:
        return ZoneInfo(check_zone(name or "UTC")), bool(name)
    except (ScheduleError, ValueError, OSError):
        return ZoneInfo("UTC"), False
