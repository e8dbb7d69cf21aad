"""``results_url``: which schemes there are, and how one is shown and refused."""

from __future__ import annotations

import re

from dkronpy.errors import ConfigError

SQL_SCHEMES = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg", "postgres")
EXAMPLES = "redis://, rediss://, sentinel://, cluster://, unix:///path/to/socket, sqlite:///path/to/file, postgresql+psycopg://"


def bad_url(url: str, why: str, *, hint: str = "") -> ConfigError:
    """The error for a ``results_url`` that cannot be used; its password is not shown."""
    return ConfigError(f"results_url: {mask(url)!r}: {why}; accepted are {EXAMPLES}", hint=hint)


_USER_INFO = re.compile(r"^([\w+.-]+://)?([^:/@]*):(?!//)(.*)@", re.DOTALL)
_QUERY_PASSWORD = re.compile(r"((?:^|[?&])\w*(?:password|token|secret)\w*=)[^&]*", re.IGNORECASE)


def mask(url: str) -> str:
    """*url* with ``***`` for its password, also when the password holds characters that had to be quoted."""
    masked = _USER_INFO.sub(lambda match: f"{match[1] or ''}{match[2]}:***@", url)
    return _QUERY_PASSWORD.sub(r"\1***", masked)


def one_line(error: BaseException) -> str:
    """What a driver's exception says, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
