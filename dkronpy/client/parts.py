"""The parts of a client that are nouns of their own, each made when it is first asked for."""

from __future__ import annotations

from functools import cached_property

from dkronpy.client.calendars import SharedCalendars
from dkronpy.client.maintenance import Maintenance
from dkronpy.deployment import Deployment
from dkronpy.notices.record import Notices


class ClientParts:
    """What a client of the store has beside its own methods. A client by way of a server refuses them in one line."""

    deployment: Deployment
    who: str

    @cached_property
    def calendars(self) -> SharedCalendars:
        """The calendars that jobs share."""
        return SharedCalendars(self.deployment, who=self.who)

    @cached_property
    def maintenance(self) -> Maintenance:
        """What is paused: jobs, tags, everything."""
        return Maintenance(self.deployment, who=self.who)

    @cached_property
    def notices(self) -> Notices:
        """Who is told of what, and how that went."""
        return Notices(self.deployment)
