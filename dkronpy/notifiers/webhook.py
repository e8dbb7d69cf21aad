"""Posts each message to any URL: as JSON, or as a template says; signed where a key is given."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from dkronpy.errors import Problem
from dkronpy.plugins.notifier import Message, Notifier
from dkronpy.plugins.options import doc
from dkronpy.plugins.values import Text

from ._connection import TlsOptions, request, url_problem
from ._template import problem_of, rendered


class Webhook(TlsOptions, frozen=True, kw_only=True):
    """Where to, and what: ``Webhook(url="https://hooks.example.com/jobs")``."""

    plugin: ClassVar[str] = "webhook"

    url: Annotated[Text, doc("Where to: `http://` or `https://`; best a secret, where its path is one.")]
    method: Annotated[Literal["POST", "PUT", "PATCH"], doc("The method of the request.")] = "POST"
    body: Annotated[str, doc("A template for the body; by default the whole message as JSON.")] = ""
    headers: Annotated[dict[str, Text], doc("Further headers.")] = {}  # noqa: RUF012 - msgspec copies it
    token: Annotated[Text, doc("Sent as `Authorization: Bearer`; best a secret.")] = ""
    key: Annotated[Text, doc("Signs the body: `X-Dkronpy-Signature: sha256=` HMAC; best a secret.")] = ""

    def check(self) -> Iterator[Problem]:
        """URL and template must be usable."""
        yield from super().check()
        if wrong := url_problem(self.url):
            yield self.problem("url", wrong)
        if self.body and (wrong := problem_of(self.body)):
            yield self.problem("body", wrong)


class WebhookNotifier(Notifier[Webhook]):
    """One request a message; ``Idempotency-Key`` is the same if it is sent again."""

    options = Webhook

    def send(self, message: Message, options: Webhook) -> None:
        """Post it; a status from 300 on is a failure."""
        text = rendered(options.body, message) if options.body else json.dumps(message.facts())
        body = text.encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.id}
        headers |= {name: str(value) for name, value in options.headers.items()}
        if options.token:
            headers["Authorization"] = f"Bearer {options.token}"
        if options.key:
            signature = hmac.new(str(options.key).encode(), body, hashlib.sha256).hexdigest()
            headers["X-Dkronpy-Signature"] = f"sha256={signature}"
        request(options.method, str(options.url), options, body=body, headers=headers)
