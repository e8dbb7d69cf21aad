"""Brings what waits in the outbox to its channels: gathered, in order, at a bounded pace, and again when it failed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from dkronpy.clock import from_ms
from dkronpy.deployment import Deployment
from dkronpy.errors import DkronpyError
from dkronpy.job.notify import Happening, Notify
from dkronpy.masking import Masker
from dkronpy.notices.channel import Channel, Channels
from dkronpy.notices.details import Details
from dkronpy.notices.outbox import Delivery, Outbox, Post
from dkronpy.notices.text import STORM, message_of
from dkronpy.plugins.notifier import Message, Notice, Notifier, NotifierError
from dkronpy.plugins.options import resolve_secrets
from dkronpy.plugins.registry import options_type, plugin_class
from dkronpy.secret import Secret

log = logging.getLogger(__name__)

THREADS = 4
RETRY_SECONDS = (5, 15, 60, 300)
"""What is waited after failures in a row; the last from then on."""
GIVE_UP = timedelta(hours=24)
"""What could not be delivered for so long is dropped, and that is told in the log and in the list."""
_MS = timedelta(milliseconds=1)


class Courier:
    """Delivers one message by its channel's notifier, with the secrets of its options resolved here and masked."""

    def __init__(self, resolver: Callable[[Secret], str]) -> None:
        self._resolver = resolver
        self._notifiers: dict[str, Notifier[Any]] = {}
        self._lock = threading.Lock()

    def deliver(self, channel: Channel, message: Message) -> None:
        """Deliver *message*. Raises NotifierError without a secret in it."""
        masked: frozenset[str] = frozenset()
        try:
            options, masked = resolve_secrets(channel.options, self._resolver)
            self.notifier(channel.notifier).send(message, options)
        except NotifierError as error:
            raise NotifierError(_without(str(error), masked), retryable=error.retryable) from None
        except DkronpyError as error:  # a package or a secret that is missing: somebody has to do something first
            raise NotifierError(_without(str(error), masked)) from None
        except Exception as error:  # a stranger's notifier may raise anything
            log.exception("notifier %s raised", channel.notifier)
            raise NotifierError(_without(f"{type(error).__name__}: {error}", masked)) from None

    def notifier(self, name: str) -> Notifier[Any]:
        """The one instance of a notifier. Raises PluginError."""
        with self._lock:
            if name not in self._notifiers:
                self._notifiers[name] = plugin_class("notifier", name)()
            return self._notifiers[name]

    def close(self) -> None:
        """Let the notifiers' connections go."""
        for notifier in self._notifiers.values():
            notifier.close()


class Sender:
    """One pass after the other over the channels that something waits for; a slow one holds up no other."""

    def __init__(self, deployment: Deployment, channels: Channels, outbox: Outbox, courier: Courier) -> None:
        self.deployment = deployment
        self.channels = channels
        self.outbox = outbox
        self.courier = courier
        self.details = Details(deployment)
        self._pool = ThreadPoolExecutor(THREADS, "notifier")
        self._busy: dict[str, Future[None]] = {}

    def step(self) -> None:
        """Begin what is due, finish what has ended. Raises LostError, and redis-py's errors."""
        ended = {name: future for name, future in self._busy.items() if future.done()}
        for name in ended:
            del self._busy[name]
        for name in self.outbox.channels():
            if name not in self._busy:
                self._busy[name] = self._pool.submit(self._serve, name)
        for future in ended.values():
            future.result()

    def visit(self, url: str) -> None:
        """Ping a URL; a failure is told in the log only."""
        options = options_type("ping", "notifier").from_config({"url": url, "style": "plain"})
        notice = Notice(id="beat", event="test", job="beat", headline="a beat leads", at=from_ms(0))
        message = message_of("beat", [notice])
        ping = Channel(name="beat", notifier="ping", options=options, rule=Notify("beat"))  # type: ignore[arg-type]
        self._pool.submit(self._visit, ping, message)

    def _visit(self, channel: Channel, message: Message) -> None:
        try:
            self.courier.deliver(channel, message)
        except NotifierError as error:
            log.warning("beat_ping_url: %s", error)

    def close(self) -> None:
        """Wait for what is being sent, a few seconds at most, since each try has its limit."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.courier.close()

    def _serve(self, name: str) -> None:
        post, now_ms = self.outbox.post(name), self.deployment.store.now_ms()
        if now_ms < post.retry_ms:
            return
        channel = self.channels.get(name)
        happenings = self.outbox.waiting(name)
        if channel is None:
            log.error("channel %s is configured no more: %d notices are dropped", name, len(happenings))
            self.outbox.settle(name, Post(), None, taken=len(happenings), emptied=True)
            return
        if not happenings:
            self.outbox.settle(name, post, None, emptied=True)
            return
        if self.courier.notifier(channel.notifier).each:
            self._one_by_one(channel, post, happenings)
        elif now_ms >= self._due(post, happenings) and not (channel.quiet and channel.quiet.holds(now_ms)):
            self._send(channel, post, happenings, len(happenings))

    def _due(self, post: Post, happenings: Sequence[Happening]) -> int:
        """When what waits goes out: a little after the first of it came, and some time after the last message."""
        settings = self.deployment.settings
        return max(happenings[0].at_ms + settings.notify_wait // _MS, post.sent_ms + settings.notify_interval // _MS)

    def _one_by_one(self, channel: Channel, post: Post, happenings: Sequence[Happening]) -> None:
        for happening in happenings:
            post = self._send(channel, post, [happening], 1)
            if post.failures:
                return

    def _send(self, channel: Channel, post: Post, happenings: Sequence[Happening], taken: int) -> Post:
        brief = len(happenings) > STORM
        notices = [self.details.notice(one, brief=brief) for one in _distinct(happenings)]
        message = message_of(channel.name, notices)
        now_ms, error = self.deployment.store.now_ms(), ""
        tries = post.failures + 1
        keep = False
        try:
            self.courier.deliver(channel, message)
        except NotifierError as failure:
            error = str(failure)
            keep = failure.retryable and now_ms - happenings[0].at_ms < GIVE_UP // _MS
            log.error(
                "channel %s: %s (%s)", channel.name, error, "it is tried again" if keep else "the message is dropped"
            )
        if keep:
            pause = RETRY_SECONDS[min(post.failures, len(RETRY_SECONDS) - 1)]
            after = Post(sent_ms=post.sent_ms, failures=tries, retry_ms=now_ms + pause * 1000, error=error)
        else:
            after = Post(sent_ms=now_ms, error=error)
        delivery = Delivery(
            at_ms=now_ms, channel=channel.name, subject=message.subject, notices=len(notices), tries=tries, error=error
        )
        # a failure that is tried again is shown by the channel itself; the list has it once
        shown = None if keep and post.failures else delivery
        self.outbox.settle(channel.name, after, shown, taken=0 if keep else taken)
        return after


def _distinct(happenings: Sequence[Happening]) -> list[Happening]:
    """Each thing once, also where it was put into the outbox twice."""
    return list({one.id: one for one in happenings}.values())


def _without(text: str, masked: frozenset[str]) -> str:
    return Masker(masked).text(" ".join(text.split()))
