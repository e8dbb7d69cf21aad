"""Dkron's pre- and post-webhook: a template is posted for each execution, with headers as Dkron takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from dkronpy.errors import Problem
from dkronpy.plugins.notifier import Message, Notifier
from dkronpy.plugins.options import doc
from dkronpy.plugins.values import Text

from ._connection import TlsOptions, request, url_problem
from ._template import problem_of, rendered


class Dkron(TlsOptions, frozen=True, kw_only=True):
    """What the settings ``webhook_endpoint``, ``webhook_payload`` and ``webhook_headers`` stand for."""

    plugin: ClassVar[str] = "dkron"

    url: Annotated[Text, doc("Where to.")]
    payload: Annotated[str, doc("A template, in Dkron's form: `{{.JobName}}`.")]
    headers: Annotated[str, doc("`Name: value`, several separated by line ends.")] = ""

    def check(self) -> Iterator[Problem]:
        """URL, template and headers must be usable."""
        yield from super().check()
        if wrong := url_problem(self.url):
            yield self.problem("url", wrong)
        if wrong := problem_of(self.payload):
            yield self.problem("payload", wrong)
        for line in _lines(self.headers):
            if not line.partition(":")[1]:
                yield self.problem("headers", f"{line!r} is no header; the form is Name: value")


class DkronNotifier(Notifier[Dkron]):
    """One post for each execution that starts or ends."""

    options = Dkron
    each = True

    def send(self, message: Message, options: Dkron) -> None:
        """Post it. Unlike Dkron we mind what the receiver answers."""
        pairs = (line.partition(":") for line in _lines(options.headers))
        headers = {name.strip(): value.strip() for name, _, value in pairs}
        body = rendered(options.payload, message).encode()
        request("POST", str(options.url), options, body=body, headers=headers)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
