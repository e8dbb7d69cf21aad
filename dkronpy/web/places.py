"""The addresses of the pages. Dkron's interface is under the same ``/ui``, so that its users' bookmarks lead here."""

from __future__ import annotations

from urllib.parse import quote

BASE = "/ui"
FLOWER = "/flower"
"""Below which `dkronpy flower` serves, unless told otherwise; who is signed in here is so there, on the same host."""
TOKEN_COOKIE = "dkronpy_token"  # noqa: S105 - the name of a cookie
_PLAIN = "@:.-_~"


def place(path: str = "/") -> str:
    """The address of a page."""
    return BASE + path


def job_place(name: str, more: str = "") -> str:
    """The address of a job, or of something below it."""
    return f"{BASE}/jobs/{quote(name, safe=_PLAIN)}{more}"


def run_place(run: str, more: str = "") -> str:
    """The address of a run, or of something below it."""
    return f"{BASE}/runs/{quote(run, safe=_PLAIN)}{more}"


def node_place(name: str, more: str = "") -> str:
    """The address of a node, or of something below it."""
    return f"{BASE}/nodes/{quote(name, safe=_PLAIN)}{more}"


def local_place(text: str) -> str:
    """*text* where it is the address of a page, else the first page."""
    safe = (text == BASE or text.startswith(BASE + "/")) and "\\" not in text and text.isprintable()
    return text if safe else place()
