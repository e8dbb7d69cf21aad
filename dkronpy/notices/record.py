"""What there is to know of channels and messages, for the command line, the API and the pages."""

from __future__ import annotations

import secrets

import msgspec

from dkronpy.clock import from_ms
from dkronpy.deployment import Deployment
from dkronpy.errors import InvalidError, NotFoundError, Problem
from dkronpy.job import Job
from dkronpy.notices.channel import Channel, Channels, unknown_to
from dkronpy.notices.outbox import Delivery, Outbox, Post
from dkronpy.notices.sender import Courier
from dkronpy.notices.text import message_of
from dkronpy.plugins.notifier import Notice, NotifierError
from dkronpy.secrets import SecretResolver


class ChannelView(msgspec.Struct, frozen=True, kw_only=True):
    """A channel and where it stands. ``problem`` says why it cannot be used; ``error`` how its last message failed."""

    name: str
    notifier: str = ""
    on: tuple[str, ...] = ()
    default: bool = False
    waiting: int = 0
    sent_ms: int = 0
    retry_ms: int = 0
    error: str = ""
    problem: str = ""


class Notices:
    """The channels as this process's settings have them, and what the notifier has done with them."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.known = Channels(deployment.settings)
        self._outbox = Outbox(deployment.store, holder="")

    def channels(self) -> list[ChannelView]:
        """Every channel that is configured, those that cannot be used included, and those that something waits for."""
        with self.deployment.store.errors():
            waiting = self._outbox.channels()
            for name in waiting:
                self.known.get(name)  # an address that some job named
            views = [self._view(channel) for channel in self.known]
        bad = {problem.field.split(".")[1]: problem for problem in self.known.problems if "." in problem.field}
        views += [ChannelView(name=name, problem=problem.message) for name, problem in bad.items()]
        return sorted(views, key=lambda view: view.name)

    def deliveries(self, limit: int = 50) -> list[Delivery]:
        """The last messages, the newest first."""
        with self.deployment.store.errors():
            return self._outbox.deliveries(limit)

    def test(self, name: str) -> None:
        """Send a test message from here and now. Raises NotFoundError, InvalidError, NotifierError."""
        found = self.known.get(name)
        mine = [problem for problem in self.known.problems if problem.field.startswith(f"channels.{name}")]
        if mine:
            raise InvalidError("settings", mine)
        if found is None:
            problem = self.known.unknown("channel", name)
            raise NotFoundError(problem.message, hint=problem.hint)
        now_ms = self.deployment.store.now_ms()
        notice = Notice(
            id=secrets.token_hex(8), event="test", job="test", headline=f"this is a test of the channel {name}",
            at=from_ms(now_ms), why="somebody asked for it: dkronpy notify test", state="success",
        )  # fmt: skip
        courier = Courier(SecretResolver.of(self.deployment.settings))
        try:
            courier.deliver(found, message_of(name, [notice]))
        except NotifierError as error:
            raise NotifierError(f"channel {name}: {error}", retryable=error.retryable) from None
        finally:
            courier.close()

    def problems(self, job: Job) -> list[Problem]:
        """The channels that *job* names and that are none here."""
        return unknown_to(self.known, job)

    def _view(self, channel: Channel) -> ChannelView:
        post: Post = self._outbox.post(channel.name)
        return ChannelView(
            name=channel.name, notifier=channel.notifier, on=channel.rule.on or ("changes",),
            default=channel.name in self.known.default, waiting=self._outbox.size(channel.name),
            sent_ms=post.sent_ms, retry_ms=post.retry_ms, error=post.error,
        )  # fmt: skip
