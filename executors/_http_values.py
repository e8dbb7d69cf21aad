"""How the options of an HTTP request are read: methods, headers, status codes, patterns."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dkronpy.plugins.values import Rejected, as_secret, did_you_mean, read_text, shown
from dkronpy.secret import Secret

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CODES = re.compile(r"([1-5])xx|(\d{3})(?:\s*-\s*(\d{3}))?", re.ASCII | re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def read_method(value: Any) -> str:
    """A method; the usual ones in capitals, others (WebDAV has some) as they are written."""
    text = read_text(value)
    if text.upper() in METHODS:
        return text.upper()
    if not _TOKEN.fullmatch(text):
        raise Rejected(f"{shown(text)} is not an HTTP method; accepted: {', '.join(METHODS)}")
    if hint := did_you_mean(text, METHODS):
        raise Rejected(f"{shown(text)} is not an HTTP method; accepted: {', '.join(METHODS)}", hint)
    return text


def read_headers(value: Any) -> dict[str, str | Secret]:
    """Headers from a table, from a list of ``"Name: value"``, or from Dkron's JSON text of such a list.

    A name that comes twice is sent once, its values joined as RFC 9110 allows.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Rejected(f'{shown(value)} is not JSON; the form is ["Name: value", "Name2: value2"]') from None
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, (list, tuple)):
        pairs = [_split(line) for line in value]
    else:
        raise Rejected(f'{shown(value)} is neither a table nor a list; the form is ["Name: value"]')
    headers: dict[str, str | Secret] = {}
    spelled: dict[str, str] = {}
    for name, content in pairs:
        key = spelled.setdefault(_name(name).lower(), name)
        headers[key] = _join(key, headers.get(key), _content(name, content))
    return headers


def _split(line: Any) -> tuple[str, str]:
    name, colon, content = read_text(line).partition(":")
    if not colon:
        raise Rejected(f"{shown(line)} has no colon; the form of a header is Name: value")
    return name.strip(), content


def _name(name: Any) -> str:
    if not _TOKEN.fullmatch(read_text(name)):
        raise Rejected(f"{shown(name)} cannot be the name of a header; accepted: letters, digits and -")
    return str(name)


def _content(name: str, content: Any) -> str | Secret:
    found = as_secret(content)
    if isinstance(found, Secret):
        return found
    text = read_text(found).strip()
    if _CONTROL.search(text):
        raise Rejected(f"the value of {name} holds a line break or another control character")
    return text


def _join(name: str, first: str | Secret | None, second: str | Secret) -> str | Secret:
    if first is None:
        return second
    if isinstance(first, Secret) or isinstance(second, Secret):
        raise Rejected(f"{name} is given twice, and one of them is a secret")
    return f"{first}{'; ' if name.lower() == 'cookie' else ', '}{second}"


def read_codes(value: Any) -> str:
    """Status codes as ``200,206``, ``2xx``, ``200-299``, a number, or a list of these."""
    items = value if isinstance(value, (list, tuple)) else str(value).split(",")
    codes = [str(item).strip() for item in items if str(item).strip()]
    for code in codes:
        if isinstance(value, bool) or not _CODES.fullmatch(code):
            raise Rejected(f"{shown(code)} is not a status code; accepted: 200, 200,206, 2xx, 200-299")
        low, high = _range(code)
        if not 100 <= low <= high <= 599:
            raise Rejected(f"{shown(code)} is not a status code; accepted: 100 to 599")
    return ",".join(codes)


def expected(codes: str, status: int) -> bool:
    """Whether *status* is one of *codes*; without codes, whether it says success (below 400)."""
    if not codes:
        return status < 400
    return any(low <= status <= high for low, high in map(_range, codes.split(",")))


def _range(code: str) -> tuple[int, int]:
    if code[1:].lower() == "xx":
        return int(code[0]) * 100, int(code[0]) * 100 + 99
    low, _, high = code.partition("-")
    return int(low), int(high or low)


def read_pattern(value: Any) -> str:
    """A regular expression that Python can use; Dkron's are RE2, which is nearly the same."""
    text = read_text(value)
    if "[[:" in text:
        raise Rejected(f"{shown(text)} has a POSIX class, which is not known here", r"write \w, \d, \s, or [A-Z]")
    try:
        compiled(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise Rejected(f"{shown(text)} is not a regular expression: {error}") from None
    return text


def compiled(pattern: str) -> re.Pattern[str]:
    """The compiled pattern; ``\\z`` is RE2's end of text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a later Python may read otherwise
        return re.compile(re.sub(r"(?<!\\)((?:\\\\)*)\\z", r"\1\\Z", pattern))


def url_problem(url: str) -> str:
    """What is wrong with *url*, or nothing."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        return f"{shown(url)} is not a URL: {error}"
    if not good or re.search(r"[\x00-\x20\x7f]", url):
        return f"{shown(url)} is not a URL; the form is http://host[:port]/path or https://..."
    return ""
