"""Makes one visit to an HTTP server: the request, its redirects, and what to think of the answer."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from requests.sessions import SessionRedirectMixin
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.plugins.codes import judged
from dkronpy.plugins.executor import ExecutionContext, ExecutorError, Outcome
from dkronpy.plugins.values import as_timedelta
from dkronpy.version import VERSION

from ._exchange import Exchange
from ._http_failures import explain
from ._http_values import compiled, expected
from ._transport import Transport

if TYPE_CHECKING:
    from .http import Http

_CHUNK = 65_536
_MATCHED = 4 * 1024 * 1024
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_FOR_ONE_HOST = ("Host", "Authorization", "Cookie", "Proxy-Authorization")
_HIDDEN = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})


def visit(options: Http, context: ExecutionContext, transport: Transport) -> Outcome:
    """Send the request that *options* describe and judge the answer.

    Raises ExecutorError when there is no complete answer: nobody listens, time is up, it was cancelled.
    """
    limits = [as_timedelta(options.timeout), context.timeout and timedelta(seconds=context.remaining() or 0)]
    seconds = [limit.total_seconds() for limit in limits if limit is not None]
    exchange = Exchange(min(seconds, default=None), repeatable=options.method in _REPEATABLE, reach=context.reach)
    context.on_cancel(exchange.abort)
    request = _request(options, context)
    made = _Visit(options, context, exchange, transport)
    try:
        return exchange.run(lambda: made.make(request))
    except (requests.RequestException, HTTPError) as error:
        raise ExecutorError(explain(error, made.where)) from error


class _Visit:
    """One exchange: the request, its redirects, and the answer."""

    def __init__(self, options: Http, context: ExecutionContext, exchange: Exchange, transport: Transport) -> None:
        self._options = options
        self._context = context
        self._exchange = exchange
        self._transport = transport
        self.where = "the server"
        """Host and port that are being asked."""

    def make(self, request: requests.PreparedRequest) -> Outcome:
        """Send *request*, follow where it leads, and judge the answer."""
        rules = SessionRedirectMixin()
        for _ in range(self._options.redirects + 1):
            response = self._send(request)
            target = rules.get_redirect_target(response) if self._options.redirects else None
            if target is None:
                with response:
                    return self._judge(response)
            request = _redirected(rules, response, target)
            with response:
                response.raw.read1(_CHUNK, decode_content=False)
        raise ExecutorError(f"stopped after {self._options.redirects} redirects, at {request.url}")

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        url = parse_url(request.url or "")
        self.where = f"{url.host}:{url.port}" if url.port else str(url.host)
        self._debug(f"> {request.method} {request.url}", request.headers)
        try:
            response = self._pass_on(request)
        except requests.Timeout:
            raise
        except requests.ConnectionError:
            if not (self._exchange.reused and self._exchange.repeatable) or self._exchange.ended:
                raise
            self._exchange.wants_new = True  # the server closed a kept connection just as we wrote
            response = self._pass_on(request)
        self._debug(f"< {response.status_code} {response.reason}", response.headers)
        return response

    def _pass_on(self, request: requests.PreparedRequest) -> requests.Response:
        proxy = str(self._options.proxy)
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        if proxy:
            self._check_literal(str(parse_url(request.url or "").host))
        return self._transport.send(request, stream=True, timeout=self._exchange.left(), proxies=proxies)

    def _check_literal(self, host: str) -> None:
        """What a proxy would look up is its business; an address that stands in the URL is ours."""
        with suppress(ValueError):
            self._exchange.check(str(ip_address(host.strip("[]"))))

    def _judge(self, response: requests.Response) -> Outcome:
        body = self._receive(response)
        status = f"{response.status_code} {response.reason}".strip()
        message = ""
        if not expected(str(self._options.expect), response.status_code):
            wanted = str(self._options.expect) or "a status below 400"
            message = f"received response code does not match the expected code: {status}, expected {wanted}"
        elif (pattern := self._options.expect_body) and not compiled(pattern).search(body):
            message = f"received response body did not match the expected body: {status}, expected {pattern}"
        outcome = Outcome(
            success=not message,
            reason="executor_error" if message else "",
            message=message or status,
            exit_code=response.status_code,
        )
        return judged(outcome, self._options)

    def _receive(self, response: requests.Response) -> str:
        """Write the body to the output as it comes; what of it is to be searched."""
        searched = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            if self._exchange.ended:
                break
            self._context.write(chunk)
            if self._options.expect_body and len(searched) < _MATCHED:
                searched += chunk
        return searched[:_MATCHED].decode("utf-8", "replace")

    def _debug(self, first: str, headers: Any) -> None:
        if self._options.debug:
            mark = first[0]
            shown = [f"{mark} {k}: {'***' if k.lower() in _HIDDEN else v}" for k, v in headers.items()]
            self._context.write("\n".join([first, *shown, "", ""]).encode("utf-8", "replace"))


def _request(options: Http, context: ExecutionContext) -> requests.PreparedRequest:
    """The request as it goes over the wire. Raises ExecutorError for a URL that a secret has made unusable."""
    headers = {
        "User-Agent": f"dkronpy/{VERSION}",
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate",
        "Idempotency-Key": quote(context.execution_id, safe=":@.-_"),  # a header is ASCII; a job's name need not be
        "Dkronpy-Fencing-Token": str(context.token),
        **context.trace,
    }
    given = {name.lower() for name in options.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in given}
    # A header's bytes are UTF-8; http.client writes Latin-1, which is how bytes pass through it unchanged.
    headers |= {name: str(value).encode().decode("latin-1") for name, value in options.headers.items()}
    if isinstance(options.auth, Bearer):
        headers["Authorization"] = f"Bearer {options.auth.token}"
    body = str(options.body).encode() if options.body else None
    try:
        request = requests.Request(
            options.method, str(options.url), headers=headers, data=body, json=options.json, auth=_basic(options)
        ).prepare()
    except (requests.RequestException, ValueError) as error:
        raise ExecutorError(f"the request cannot be made: {error}", retryable=False) from None
    request.method = options.method
    return request


def _basic(options: Http) -> tuple[bytes, bytes] | None:
    if isinstance(options.auth, Basic):
        return str(options.auth.user).encode(), str(options.auth.password).encode()
    return None


def _redirected(rules: SessionRedirectMixin, response: requests.Response, target: str) -> requests.PreparedRequest:
    """The request that follows a redirect: 301, 302 and 303 turn POST into GET, as browsers and Dkron do."""
    before = response.request
    request = before.copy()
    request.prepare_url(requests.compat.urljoin(str(before.url), target), {})
    rules.rebuild_method(request, response)
    if request.method != before.method:
        request.body = None
        for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
            request.headers.pop(name, None)
    if not _same_place(str(before.url), str(request.url)):
        for name in _FOR_ONE_HOST:
            request.headers.pop(name, None)
    return request


def _same_place(before: str, after: str) -> bool:
    """Whether credentials for one URL may go to the other: the same host and port, or its move to TLS."""
    one, two = parse_url(before), parse_url(after)
    if one.host != two.host:
        return False
    upgrade = (one.scheme, one.port or 80, two.scheme, two.port or 443) == ("http", 80, "https", 443)
    return upgrade or (one.scheme, one.port) == (two.scheme, two.port)
