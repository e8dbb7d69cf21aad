"""Channels by way of a server: the methods of ``dkronpy.notices.record.Notices``, each by one route."""

from __future__ import annotations

from itertools import islice

from dkronpy.notices.outbox import Delivery
from dkronpy.notices.record import ChannelView, Notices
from dkronpy.remote.connection import Connection, segment
from dkronpy.wire.notices import ChannelList, DeliveryList, channel_in, delivery_in


class RemoteNotices(Notices):
    """The channels of a server's settings, and what the notifier has done with them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def channels(self) -> list[ChannelView]:
        pages = self.connection.pages(ChannelList, "/api/v1/channels")
        return [channel_in(one) for page in pages for one in page.items]

    def deliveries(self, limit: int = 50) -> list[Delivery]:
        pages = self.connection.pages(DeliveryList, "/api/v1/notices")
        return [delivery_in(one) for one in islice((one for page in pages for one in page.items), limit)]

    def test(self, name: str) -> None:
        self.connection.call("POST", f"/api/v1/channels/{segment(name)}/test")
