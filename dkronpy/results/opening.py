"""How a URL becomes a results backend."""

from __future__ import annotations

import difflib
from datetime import timedelta

from dkronpy.results.backend import ResultsBackend
from dkronpy.results.url import SQL_SCHEMES, bad_url, mask
from dkronpy.settings.redis_url import SCHEMES as REDIS_SCHEMES

LIFETIME = timedelta(days=90)
PREFIX = "dkronpy:results:"
HURRIED_PATIENCE_S = 40.0
"""Longer than a statement of beat's may take where the server is alive."""


def open_results(
    url: str, *, lifetime: timedelta = LIFETIME, prefix: str = PREFIX, hurried: bool = False
) -> ResultsBackend:
    """The results backend of *url*; connects at its first use, not here.

    *lifetime* and *prefix* are for Redis, where every key expires: how long after its last save a run lives at the
    most, and what every key starts with. One that is *hurried* is for beat: in SQL it waits for no lock longer than two
    seconds, nor for ever for a server that stands still. Raises ``ConfigError`` for a bad URL and ``PluginError`` when
    the extra ``sql`` is missing.
    """
    scheme, colon, _ = url.partition("://")
    if colon and scheme in REDIS_SCHEMES:
        from dkronpy.results.redis import RedisResults

        return RedisResults(url, lifetime=lifetime, prefix=prefix)
    if scheme in SQL_SCHEMES and colon:
        from dkronpy.results.engine import make_engine
        from dkronpy.results.sql import SqlResults

        patience_s = HURRIED_PATIENCE_S if hurried else None
        return SqlResults(make_engine(url, hurried=hurried), shown=mask(url), patience_s=patience_s)
    close = difflib.get_close_matches(scheme, [*REDIS_SCHEMES, *SQL_SCHEMES], 1) if colon else []
    raise bad_url(url, "no results backend has this scheme", hint=f"did you mean {close[0]}://?" if close else "")
