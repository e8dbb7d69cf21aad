"""Our own routes for channels: how each stands, what people were told, and a test message."""

from __future__ import annotations

from litestar.params import FromPath

from dkronpy.api.answers import AnyRequest
from dkronpy.api.cursor import After, Limit, page_by_name, page_by_place
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import route
from dkronpy.api.services import note_of, services_of
from dkronpy.errors import NotFoundError
from dkronpy.plugins.notifier import NotifierError
from dkronpy.wire.notices import ChannelList, DeliveryList, channel_out, delivery_out

_CHANNELS = "/api/v1/channels"
_MOST = 1000


@route("GET", _CHANNELS, action="read", whole=True, listing=True, tags=["notices"])
def list_channels(request: AnyRequest, limit: Limit = 100, after: After = "") -> ChannelList:
    """Channels by name: what waits for each, and what is wrong with those that fail."""
    known = services_of(request).client.notices.channels()
    page, following = page_by_name(known, lambda one: one.name, limit, after)
    return ChannelList(items=[channel_out(one) for one in page], after=following)


@route("POST", f"{_CHANNELS}/{{name:str}}/test", action="administer", status=204, tags=["notices"])
def test_channel(request: AnyRequest, name: FromPath[str]) -> None:
    """Send a test message to a channel of this server's settings, from this server. 502 where it is not taken."""
    services = services_of(request)
    notices = services.client.notices
    if name not in services.client.deployment.settings.channels:  # an address would be anybody's
        problem = notices.known.unknown("channel", name)
        raise NotFoundError(problem.message, hint=problem.hint)
    try:
        notices.test(name)
    except NotifierError as error:
        raise ApiError(502, str(error)) from None
    note_of(request).detail = f"channel {name} took a test message"


@route("GET", "/api/v1/notices", action="read", whole=True, listing=True, tags=["notices"])
def list_notices(request: AnyRequest, limit: Limit = 100, after: After = "") -> DeliveryList:
    """The last messages, the newest first, with what went wrong."""
    known = services_of(request).client.notices.deliveries(_MOST)
    page, following = page_by_place(known, lambda one: f"{one.at_ms}-{one.channel}", limit, after)
    return DeliveryList(items=[delivery_out(one) for one in page], after=following)


ROUTES = [list_channels, test_channel, list_notices]
