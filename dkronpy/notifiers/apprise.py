"""Sends each message by Apprise, which knows more than a hundred services, each by a URL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from dkronpy.errors import Problem
from dkronpy.plugins.notifier import Message, Notifier, NotifierError, NotifierOptions
from dkronpy.plugins.options import doc
from dkronpy.plugins.registry import import_extra
from dkronpy.plugins.values import Text


class Apprise(NotifierOptions, frozen=True, kw_only=True):
    """Where to: ``Apprise(urls=["tgram://token/chat", "pover://user@token"])``."""

    plugin: ClassVar[str] = "apprise"

    urls: Annotated[tuple[Text, ...], doc("URLs as Apprise has them; best secrets.")]

    def check(self) -> Iterator[Problem]:
        """There must be somewhere to send to."""
        yield from super().check()
        if not self.urls:
            yield self.problem("urls", "there is nowhere to send to")


class AppriseNotifier(Notifier[Apprise]):
    """One notification a message to every URL."""

    options = Apprise

    def send(self, message: Message, options: Apprise) -> None:
        """Send it; if one of several services fails, the others have got theirs, and it is not tried again."""
        apprise = import_extra("apprise", extra="notify", plugin="apprise")
        failed = []
        for number, url in enumerate(options.urls, 1):
            service = apprise.Apprise.instantiate(str(url), suppress_exceptions=True)
            if service is None:
                raise NotifierError(f"URL {number} is none that Apprise knows", retryable=False)
            service.socket_connect_timeout = service.socket_read_timeout = options.seconds
            kind = apprise.NotifyType.SUCCESS if message.good else apprise.NotifyType.FAILURE
            if not service.notify(body=message.text, title=message.subject, notify_type=kind):
                failed.append(f"{service.service_name} (URL {number})")
        if failed:
            raise NotifierError(
                f"{', '.join(failed)} did not take the message", retryable=len(failed) == len(options.urls)
            )
