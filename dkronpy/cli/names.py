"""The names of jobs and nodes for completion: read from a small file that is renewed aside, never waited for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import click

from dkronpy.cli.session import CONFIG_VARIABLE, Session
from dkronpy.clock import SystemClock

FRESH_SECONDS = 5.0
_PLACES = (
    CONFIG_VARIABLE, "DKRONPY_API_URL", "DKRONPY_STORE_URL", "DKRONPY_BROKER_URL", "DKRONPY_DATA_DIR",
    "DKRONPY_KEY_PREFIX",
)  # fmt: skip


def complete_job(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The jobs whose names begin so."""
    return _known(context, "jobs", incomplete)


def complete_node(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The nodes whose names begin so."""
    return _known(context, "nodes", incomplete)


def names_file(session: Session) -> Path:
    """Where the names of the deployment that this invocation talks to are kept, below the user's cache folder."""
    place = repr((str(Path.cwd()), session.config, session.url, [os.environ.get(name) for name in _PLACES]))
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "dkronpy" / f"names-{zlib.crc32(place.encode()):08x}.json"


def renew(session: Session, path: Path) -> None:
    """Ask the store and write the file anew; a store that is away leaves it as it is."""
    from dkronpy.errors import DkronpyError

    try:
        client = session.client
        names = {
            "jobs": [view.job.name for view in client.jobs()],
            "nodes": [node.name for node in client.nodes()],
        }
    except DkronpyError:
        return
    finally:
        session.close()
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(names))
    fresh.replace(path)


def _known(context: click.Context, kind: str, incomplete: str) -> list[str]:
    session = context.ensure_object(Session)
    try:
        path = names_file(session)
        if _age(path) > FRESH_SECONDS:
            _renew_aside(session, path)
        names: dict[str, Any] = dict(json.loads(path.read_text() or "{}"))
    except (OSError, TypeError, ValueError):  # no cache folder, or a file that somebody else wrote: nothing to offer
        return []
    return [name for name in names.get(kind, []) if name.startswith(incomplete)]


def _age(path: Path) -> float:
    """How many seconds ago the file was written, or its renewal was begun."""
    try:
        written = path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
    return SystemClock().now_ms() / 1000 - written


def _renew_aside(session: Session, path: Path) -> None:
    """Renew the file in a process of its own, which ends within the time-out of a connection."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)  # so that the next key does not start another
    subprocess.Popen(
        [sys.executable, "-m", "dkronpy.cli.names", str(path), session.config or "", session.url or ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


if __name__ == "__main__":
    renew(Session(config=sys.argv[2] or None, url=sys.argv[3] or None), Path(sys.argv[1]))
