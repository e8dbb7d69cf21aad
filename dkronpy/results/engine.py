"""A results URL becomes an SQLAlchemy engine that gives up in seconds and survives its server's restarts."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from dkronpy.errors import PluginError
from dkronpy.results.url import bad_url, one_line

try:
    import sqlalchemy as sa
    from sqlalchemy.engine import URL, make_url
except ImportError as error:
    raise PluginError(
        'results_url: keeping results in SQL needs SQLAlchemy: run  pip install "dkronpy[sql]"'
    ) from error

_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}

_POSTGRESQL = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "dkronpy",
}
"""What libpq needs to notice within seconds that the other side is gone; the URL's query wins over it."""

_HURRIED = {"connect_timeout": 2, "tcp_user_timeout": 5_000}
_HURRIED_LIMITS = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '30s'"
"""For a transaction of beat's. A search for what is to be forgotten may take its time; nobody waits long for a lock."""

_SQLITE_BUSY_S, _SQLITE_HURRIED_S = 15.0, 2.0
"""How long a writer waits for another process's write to end."""


def make_engine(url: str, *, hurried: bool = False) -> sa.Engine:
    """An engine for *url*; connects at its first use. One that is *hurried* waits for locks for two seconds at most.

    Raises ``ConfigError`` for a bad URL and ``PluginError`` when the database's driver is missing.
    """
    try:
        parsed = make_url(url)
        parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        backend = parsed.get_backend_name()
    except (sa.exc.ArgumentError, ValueError) as error:
        raise bad_url(url, one_line(error)) from None
    try:
        if backend == "sqlite":
            return _sqlite(url, parsed, _SQLITE_HURRIED_S if hurried else _SQLITE_BUSY_S)
        if not parsed.database:
            raise bad_url(url, "it names no database")
        wanted = {**_POSTGRESQL, **(_HURRIED if hurried else {})}
        arguments = {name: value for name, value in wanted.items() if name not in parsed.query}
        engine = sa.create_engine(
            parsed, connect_args=arguments, pool_pre_ping=True, pool_timeout=10, pool_recycle=1800
        )
    except ImportError as error:
        raise PluginError(
            'results_url: keeping results in PostgreSQL needs psycopg: run  pip install "dkronpy[sql]"'
        ) from error
    if hurried:
        # not as an option of the connection, nor for all of it: a PgBouncer refuses the one and shares the other
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(_HURRIED_LIMITS))
    return engine


def _sqlite(url: str, parsed: URL, busy_s: float) -> sa.Engine:
    path = parsed.database
    if parsed.host or not path or path == ":memory:" or path.startswith("file:"):
        raise bad_url(url, "it names no file: write three slashes and a path, four for an absolute one")
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise bad_url(url, f"there is no folder {str(folder)!r}")
    if Path(path).is_dir():
        raise bad_url(url, f"{path!r} is a folder, not a file")
    arguments = {} if "timeout" in parsed.query else {"timeout": busy_s}
    engine = sa.create_engine(parsed, connect_args=arguments, pool_timeout=busy_s)
    sa.event.listen(engine, "connect", _use_wal)
    return engine


def _use_wal(connection: Any, _record: object) -> None:
    """Readers and the writer do not wait for each other; a commit is on the disk before it returns."""
    cursor = connection.cursor()
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        # This does not wait for a lock: who finds it taken leaves it to the one that has it, or to the next.
        with suppress(sqlite3.OperationalError):
            cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
