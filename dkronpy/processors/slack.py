"""Tells a Slack channel of each failed attempt, or of every one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, ClassVar

from dkronpy.errors import Problem
from dkronpy.plugins.options import doc
from dkronpy.plugins.processor import ExecutionInfo, Processor, ProcessorError
from dkronpy.plugins.values import Text

from ._connection import TlsOptions, host_of, refused, send_json, url_problem
from ._report import headline, last_lines, particulars
from ._settings import named, settings_of

_KEYS = {
    "webhook_url": "url",
    "url": "url",
    "bot_name": "bot_name",
    "channel": "channel",
}


class Slack(TlsOptions, frozen=True, kw_only=True):
    """Which channel, and the webhook that leads there: ``Slack(team="corp", channel="#ops")``."""

    plugin: ClassVar[str] = "slack"

    team: Annotated[
        Text, named("slack"), doc("The team's settings by name: the secret `slack/<name>` of the node, a JSON object.")
    ] = ""
    url: Annotated[
        Text, doc("The URL of the incoming webhook, where no team is named; best a secret.", dkron="webhook_url")
    ] = ""
    channel: Annotated[str, doc("The channel, such as `#ops`; by default the webhook's own.")] = ""
    bot_name: Annotated[str, doc("The name that it speaks under.")] = "dkron"
    on_success: Annotated[bool, doc("Tell of successes as well.", dkron="onSuccess")] = False
    forward: Annotated[bool, doc("Pass the output on to the next processor and to the history.")] = True

    def check(self) -> Iterator[Problem]:
        """There must be a webhook."""
        yield from super().check()
        if not self.team and not self.url:
            yield self.problem("url", "neither a url nor a team is given", "give one of them")
        elif self.url and (wrong := url_problem(self.url)):
            yield self.problem("url", wrong)


class SlackProcessor(Processor[Slack]):
    """Posts a message with the facts and the last lines of the output; as a rule of failures only."""

    options = Slack

    def process(self, output: bytes, options: Slack, info: ExecutionInfo) -> bytes | None:
        """Post it; an answer other than 200 is a failure."""
        if info.success and not options.on_success:
            return None
        settings = settings_of(options.team, _KEYS)
        url = str(settings.get("url") or options.url)
        if wrong := url_problem(url):
            raise ProcessorError(
                "the settings under the team's name hold no usable webhook_url" if options.team else wrong
            )
        message = {
            "text": _escaped(headline(info)),
            "username": settings.get("bot_name") or options.bot_name,
            "attachments": [_attachment(output, info)],
        }
        if channel := options.channel or settings.get("channel"):
            message["channel"] = channel
        status, answer = send_json("POST", url, json.dumps(message).encode(), options)
        if status != 200:
            raise refused(host_of(url), status, answer)
        return options.instead("Output sent to Slack")


def _attachment(output: bytes, info: ExecutionInfo) -> dict[str, object]:
    text = _escaped(last_lines(output, most=15, characters=2_500)).replace("```", "'''")
    return {
        "color": "good" if info.success else "danger",
        "fields": [{"title": name, "value": _escaped(value), "short": True} for name, value in particulars(info)],
        "text": f"```{text}```" if text else "",
        "mrkdwn_in": ["text"],
    }


def _escaped(text: str) -> str:
    """What Slack asks for: these three, and no others. Without it output could mention whole channels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
