"""Sends an HTTP request and judges the answer by its status and its body."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.plugins.codes import RetryCodes, SkipCodes
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.tls import TlsOptions
from dkronpy.plugins.values import Duration, Rejected, Text, read_bool

from ._http_values import read_codes, read_headers, read_method, read_pattern, url_problem

if TYPE_CHECKING:
    from ._transport import Transports

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _read_debug(value: Any) -> bool:
    """Dkron's debug is on for any text; ours is off for ``false``."""
    try:
        return read_bool(value)
    except Rejected:
        return isinstance(value, str)


def _reads(reader: Any, kind: str) -> msgspec.Meta:
    return msgspec.Meta(extra={"read": reader, "kind": kind})


_METHOD = _reads(read_method, "method")
_HEADERS = _reads(read_headers, "table of text or secret")
_CODES = _reads(read_codes, "status codes")
_PATTERN = _reads(read_pattern, "regular expression")
_DEBUG = _reads(_read_debug, "bool")


class Http(TlsOptions, frozen=True):
    """A request: ``Http("https://crm/sync", "POST", json={"full": False}, auth=Bearer(secret("crm/token")))``."""

    plugin: ClassVar[str] = "http"

    url: Annotated[Text, doc("Where to: `http://` or `https://`.")]
    method: Annotated[Method, _METHOD, doc("Any HTTP method.")] = "GET"
    headers: Annotated[dict[str, Text], _HEADERS, doc('A table, or a list of `"Name: value"`; also as JSON text.')] = {}  # noqa: RUF012 - msgspec copies it for each
    body: Annotated[Text, doc("What is sent, as UTF-8.")] = ""
    json: Annotated[Any, doc("What is sent, as JSON, with its Content-Type; instead of `body`.")] = None
    auth: Annotated[
        Bearer | Basic | None,
        doc('Credentials: `{"type": "bearer", "token": ...}` or `{"type": "basic", "user": ..., "password": ...}`.'),
    ] = None
    timeout: Annotated[
        Duration, doc("For everything: connecting, redirects, the last byte of the answer. 0 is no limit.")
    ] = timedelta(seconds=30)
    expect: Annotated[
        str | int | tuple[str | int, ...],
        _CODES,
        doc("Statuses that are a success: `200,206`, `2xx`, `200-299`; by default all below 400.", dkron="expectCode"),
    ] = ""
    expect_body: Annotated[
        str, _PATTERN, doc("What the body must contain (its first 4 MiB are searched).", dkron="expectBody")
    ] = ""
    redirects: Annotated[int, doc("How many redirects are followed.")] = 10
    proxy: Annotated[Text, doc("URL of a proxy; the node's environment is not asked.")] = ""
    debug: Annotated[bool, _DEBUG, doc("Show request and answer headers in the output, credentials hidden.")] = False
    skip_codes: SkipCodes = ""
    retry_codes: RetryCodes = ""

    @classmethod
    def missing(cls, name: str) -> str:
        """Dkron's words for what is not there."""
        return f"{name} is empty"

    def check(self) -> Iterator[Problem]:
        """URLs must be usable, and only one body can be sent."""
        yield from super().check()
        if not self.url:
            yield self.problem("url", self.missing("url"))
        elif isinstance(self.url, str) and (wrong := url_problem(self.url)):
            yield self.problem("url", wrong)
        if isinstance(self.proxy, str) and self.proxy and (wrong := url_problem(self.proxy)):
            yield self.problem("proxy", wrong)
        if self.body and self.json is not None:
            yield self.problem("json", "body and json are both given; only one can be sent")
        if self.auth is not None and "authorization" in {name.lower() for name in self.headers}:
            yield self.problem("auth", "the headers have an Authorization as well; give one")
        if self.redirects < 0:
            yield self.problem("redirects", "it is below zero; accepted: 0 (follow none) and above")


class HttpExecutor(Executor[Http]):
    """Sends requests over connections that are kept between attempts."""

    options = Http

    def __init__(self) -> None:
        # Options are checked where nothing is ever sent; only a node pays for importing requests.
        from ._transport import Transports

        self._transports: Transports = Transports()

    def close(self) -> None:
        """Close the kept connections."""
        self._transports.close()

    def execute(self, options: Http, context: ExecutionContext) -> Outcome:
        """Send the request; the body of the answer is the output, its status is the exit code."""
        from ._http_visit import visit

        return visit(options, context, self._transports.get(options))
