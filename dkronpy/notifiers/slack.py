"""Posts each message to a Slack channel, or to whatever understands Slack's incoming webhooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, ClassVar

from dkronpy.errors import Problem
from dkronpy.plugins.notifier import Message, Notifier
from dkronpy.plugins.options import doc
from dkronpy.plugins.values import Text

from ._connection import TlsOptions, request, url_problem

LONGEST = 3_000


class Slack(TlsOptions, frozen=True, kw_only=True):
    """The webhook that leads to the channel: ``Slack(url=secret("slack/ops"))``."""

    plugin: ClassVar[str] = "slack"

    url: Annotated[Text, doc("The URL of the incoming webhook; best a secret.", dkron="webhook_url")]
    channel: Annotated[str, doc("The channel, such as `#ops`; by default the webhook's own.")] = ""
    bot_name: Annotated[str, doc("The name that it speaks under.")] = "dkronpy"

    def check(self) -> Iterator[Problem]:
        """The URL must be usable."""
        yield from super().check()
        if wrong := url_problem(self.url):
            yield self.problem("url", wrong)


class SlackNotifier(Notifier[Slack]):
    """One post a message: the subject as its text, the rest below it, in red or green."""

    options = Slack

    def send(self, message: Message, options: Slack) -> None:
        """Post it."""
        rest = message.text.removeprefix(message.subject).strip("\n")
        text = _escaped(rest if len(rest) <= LONGEST else rest[:LONGEST] + "\n...").replace("```", "'''")
        post = {
            "text": _escaped(message.subject),
            "username": options.bot_name,
            "attachments": [{"color": "good" if message.good else "danger", "text": f"```{text}```"}] if text else [],
        }
        if options.channel:
            post["channel"] = options.channel
        headers = {"Content-Type": "application/json"}
        request("POST", str(options.url), options, body=json.dumps(post).encode(), headers=headers)


def _escaped(text: str) -> str:
    """What Slack asks for: these three, and no others. Without it output could mention whole channels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
