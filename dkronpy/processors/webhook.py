"""Posts the output of each attempt with its facts, as JSON, to any URL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, ClassVar

from dkronpy.errors import Problem
from dkronpy.plugins.options import doc
from dkronpy.plugins.processor import ExecutionInfo, Processor
from dkronpy.plugins.values import Text

from ._connection import TlsOptions, host_of, refused, send_json, url_problem


class Webhook(TlsOptions, frozen=True, kw_only=True):
    """Where to: ``Webhook(url="https://hooks.example.com/runs", on_success=False)``."""

    plugin: ClassVar[str] = "webhook"

    url: Annotated[Text, doc("Where to: `http://` or `https://`.")]
    token: Annotated[Text, doc("Sent as `Authorization: Bearer`; best a secret.")] = ""
    on_success: Annotated[bool, doc("Post successes as well as failures.", dkron="onSuccess")] = True

    def check(self) -> Iterator[Problem]:
        """The URL must be usable."""
        yield from super().check()
        if wrong := url_problem(self.url):
            yield self.problem("url", wrong)


class WebhookProcessor(Processor[Webhook]):
    """Posts one JSON object: job, run, execution, attempt, node, times, state, reason, message, exit code, output."""

    options = Webhook

    def process(self, output: bytes, options: Webhook, info: ExecutionInfo) -> bytes | None:
        """Post it; a status from 300 on is a failure. ``Idempotency-Key`` is the same if it is posted again."""
        if info.success and not options.on_success:
            return None
        url = str(options.url)
        headers = {"Idempotency-Key": info.id}
        if options.token:
            headers["Authorization"] = f"Bearer {options.token}"
        body = json.dumps({**info.facts(), "output": output.decode("utf-8", "replace")}).encode()
        status, answer = send_json("POST", url, body, options, headers)
        if status >= 300:
            raise refused(host_of(url), status, answer)
        return options.instead(f"Output posted to {host_of(url)}")
