"""Pings a service that watches jobs from outside: Cronitor, healthchecks, or any URL; it notices what never comes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote, urlencode

from dkronpy.errors import Problem
from dkronpy.plugins.notifier import Message, Notice, Notifier
from dkronpy.plugins.options import doc
from dkronpy.plugins.values import Text

from ._connection import TlsOptions, request, url_problem


class Ping(TlsOptions, frozen=True, kw_only=True):
    """What to ping, and how: ``Ping(url=secret("hc/backup"), style="healthchecks")``."""

    plugin: ClassVar[str] = "ping"

    url: Annotated[Text, doc("The URL; `{job}` in it becomes the job's name. Cronitor's has it put behind.")]
    style: Annotated[
        Literal["healthchecks", "cronitor", "plain"],
        doc("`/start`, `/fail` and the output in the body; `state=run`, `complete`, `fail`; or just the URL."),
    ] = "healthchecks"

    def check(self) -> Iterator[Problem]:
        """The URL must be usable."""
        yield from super().check()
        if wrong := url_problem(self.url):
            yield self.problem("url", wrong)


class PingNotifier(Notifier[Ping]):
    """One request for each notice, at once and in order; it listens to ``started,ended`` as a rule."""

    options = Ping
    each = True

    def send(self, message: Message, options: Ping) -> None:
        """Ping."""
        notice = message.notices[0]
        url = str(options.url).replace("{job}", quote(notice.job, safe=""))
        if options.style == "cronitor":
            request("GET", _cronitor(url, notice), options)
        elif options.style == "healthchecks":
            word = "/start" if notice.event == "started" else "" if notice.good else "/fail"
            run = uuid.uuid5(uuid.NAMESPACE_URL, notice.execution_id or notice.run_id or notice.id)
            request("POST", f"{url.rstrip('/')}{word}?rid={run}", options, body=message.text.encode()[:100_000])
        else:
            request("GET", url, options)


def _cronitor(url: str, notice: Notice) -> str:
    """As Dkron asks, but that a failure says so in words, too."""
    state = "run" if notice.event == "started" else "complete" if notice.good else "fail"
    facts = {
        "host": ",".join(notice.nodes),
        "message": "Job run by dkronpy" if notice.good or state == "run" else notice.headline,
        "series": notice.execution_id or notice.run_id,
        "state": state,
    }
    path = "" if notice.job in url else "/" + quote(notice.job, safe="")
    return f"{url.rstrip('/')}{path}?{urlencode(facts)}"
