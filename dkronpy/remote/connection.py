"""One server's routes: sends a request, and turns what is wrong into the errors that the store's client raises."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
import requests

from dkronpy.errors import (
    ConfigError,
    ConflictError,
    DeniedError,
    DkronpyError,
    InvalidError,
    NotFoundError,
    Problem,
    StoreUnavailableError,
)

T = TypeVar("T")


class Page(Protocol):
    """An answer that may have another page behind it."""

    after: str | None


PageT = TypeVar("PageT", bound=Page)
PAGE = 500
"""So many items are asked for at once."""
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
_KINDS: Mapping[int, type[DkronpyError]] = {
    400: ConfigError, 401: DeniedError, 403: DeniedError, 404: NotFoundError, 409: ConflictError, 412: ConflictError,
    413: ConfigError, 422: ConfigError, 429: DeniedError, 503: StoreUnavailableError,
}  # fmt: skip
_SAFE = frozenset({"GET", "PUT", "DELETE"})


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


class Connection:
    """Talks to one server. A request that may be repeated is repeated once when the connection breaks.

    Raises ConfigError for a URL that is none.
    """

    def __init__(self, url: str, token: str = "", *, timeout: float = READ_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"{url!r} is no address of a server", hint="such as https://jobs.example.org")
        if parts.username or parts.password:
            raise ConfigError("the address of a server holds no password", hint="give the token: DKRONPY_API_TOKEN")
        self.url = url.rstrip("/")
        self.timeout = (CONNECT_SECONDS, timeout)
        self._session = requests.Session()
        self._session.trust_env = True
        self._session.headers["User-Agent"] = "dkronpy"
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}

    def call(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None,
        headers: Mapping[str, str] | None = None, stream: bool = False, data: bytes | None = None,
    ) -> requests.Response:  # fmt: skip
        """One request; its answer where it is good. Raises what the store's client would."""
        given = {**self._authorization, **(headers or {})}
        if body is not None:
            data = msgspec.json.encode(body)
            given["Content-Type"] = "application/json"
        wanted = {key: value for key, value in (query or {}).items() if value is not None}
        repeatable = method in _SAFE or "Idempotency-Key" in given
        for again in (True, False):
            try:
                answer = self._session.request(
                    method, self.url + path, params=wanted, data=data, headers=given, timeout=self.timeout,
                    stream=stream, allow_redirects=False, auth=_no_netrc,
                )  # fmt: skip
            except requests.ConnectionError as error:
                if again and repeatable and not isinstance(error, requests.ConnectTimeout):
                    continue
                raise StoreUnavailableError(f"no answer from {self.url}: {_reason(error)}") from error
            except requests.RequestException as error:
                raise StoreUnavailableError(f"no answer from {self.url}: {_reason(error)}") from error
            break
        if answer.status_code >= 300:
            raise _error(self.url, answer)
        return answer

    def get(self, kind: type[T], path: str, **query: Any) -> T:
        """The answer to a GET, of a kind that is known."""
        return self.decode(kind, self.call("GET", path, query=query))

    def pages(self, kind: type[PageT], path: str, **query: Any) -> Iterator[PageT]:
        """The answers to a GET of a list, page by page."""
        after: str | None = ""
        while after is not None:
            page = self.get(kind, path, **query, limit=PAGE, after=after or None)
            yield page
            after = page.after

    def decode(self, kind: type[T], answer: requests.Response) -> T:
        """An answer of a kind that is known. Raises StoreUnavailableError for another one."""
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            message = f"the answer of {self.url} is none of dkronpy's: {error}"
            raise StoreUnavailableError(message, hint="is it the address of a dkronpy server?") from None

    def lines(self, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> Generator[bytes, None, None]:
        """The lines of an answer that goes on, as they come."""
        with self.call(method, path, query=query, body=body, stream=True) as answer:
            try:
                yield from answer.iter_lines(chunk_size=None)
            except requests.RequestException as error:
                raise StoreUnavailableError(f"{self.url} broke off: {_reason(error)}") from error

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without this, requests would put a password of ~/.netrc in the place of the token."""
    return request


def _error(url: str, answer: requests.Response) -> DkronpyError:
    status = answer.status_code
    try:
        body: Any = answer.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    text = str(body.get("detail") or body.get("message") or answer.text[:200].strip() or f"status {status}")
    problems = [
        Problem(str(one.get("path", "")), None, str(one.get("message", "")), str(one.get("hint", "")))
        for one in body.get("errors", ())
        if isinstance(one, dict)
    ]
    if status == 422 and problems:
        return InvalidError(text.partition(":")[0], problems)
    kind = _KINDS.get(status) if "detail" in body or "message" in body else None
    if kind is None:
        text = f"{url} answered {status}: {text}"
    hint = str(body.get("hint", ""))
    if status == 401 and not hint:
        hint = "set DKRONPY_API_TOKEN to a token of `dkronpy token create`"
    return (kind or StoreUnavailableError)(text, hint=hint)


def _reason(error: Exception) -> str:
    """The innermost cause that has something to say, in one line."""
    found: BaseException = error
    while (inner := getattr(found, "reason", None) or (found.args[0] if found.args else None)) is not None:
        if not isinstance(inner, BaseException):
            break
        found = inner
    text = getattr(found, "strerror", None) or str(found)
    return " ".join(str(text).rpartition(">: ")[2].split()) or type(error).__name__
