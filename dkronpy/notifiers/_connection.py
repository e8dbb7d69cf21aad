"""Connections of notifiers: TLS options with the names they have everywhere, one request, errors in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from dkronpy.errors import Problem
from dkronpy.plugins.notifier import NotifierError, NotifierOptions
from dkronpy.plugins.tls import TlsCa, TlsCert, TlsKey, TlsNoVerify, key_problem
from dkronpy.version import VERSION

_SHOWN = 300
_AGAIN = frozenset({408, 425, 429})


class TlsOptions(NotifierOptions, frozen=True, kw_only=True):
    """Whom to trust, and who we are. The files are read where beat runs."""

    plugin: ClassVar[str] = ""

    tls_ca: TlsCa = ""
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_no_verify: TlsNoVerify = False

    def check(self) -> Iterator[Problem]:
        """A key is nothing without its certificate."""
        yield from super().check()
        if message := key_problem(self):
            yield self.problem("tls_key", message)


def request(
    method: str, url: str, options: TlsOptions, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """The body of the answer to one request. Raises NotifierError for an answer that is no success, and for none.

    Errors name the host only: the path of a webhook is as good as a password. Redirects are not followed.
    """
    import requests

    where = host_of(url)
    verify: Any = False if options.tls_no_verify else (options.tls_ca or True)
    cert: Any = (options.tls_cert, options.tls_key) if options.tls_key else (options.tls_cert or None)
    try:
        with requests.request(
            method, url, data=body, headers={"User-Agent": f"dkronpy/{VERSION}", **(headers or {})},
            timeout=options.seconds, verify=verify, cert=cert, allow_redirects=False, stream=True,
        ) as answer:  # fmt: skip
            said = answer.raw.read(10_000, decode_content=True) or b""
            status = answer.status_code
    except requests.exceptions.SSLError:
        raise NotifierError(f"TLS with {where} failed: its certificate cannot be trusted, or ours is not") from None
    except requests.exceptions.Timeout:
        raise NotifierError(f"{where} did not answer in time") from None
    except requests.exceptions.ConnectionError:
        raise NotifierError(f"cannot reach {where}") from None
    except (requests.exceptions.RequestException, OSError, ValueError) as error:
        raise NotifierError(f"no usable answer from {where}: {type(error).__name__}", retryable=False) from None
    if status >= 300:
        words = " ".join(said.decode("utf-8", "replace").split())[:_SHOWN]
        raise NotifierError(
            f"{where} answered {status}: {words}".rstrip(": "), retryable=status >= 500 or status in _AGAIN
        )
    return bytes(said)


def host_of(url: str) -> str:
    """Host and port of a URL, without credentials and path."""
    return urlsplit(url).netloc.rpartition("@")[2]


def url_problem(url: object) -> str:
    """What is wrong with a URL that is no reference to a secret, or nothing."""
    if not isinstance(url, str):
        return ""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    return "" if good else "it is not a URL; the form is https://host[:port]/path"
