"""`dkronpy exec`: stands in front of a command that something else starts, and tells the ledger of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.output import write_bytes
from dkronpy.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from dkronpy.client.outside import Begun, Ended, Outside

KEPT = 128_000
RENEW_SECONDS, SERVER_SECONDS = 15.0, 10.0
NOT_FOUND, NOT_EXECUTABLE = 127, 126


@command(
    name="exec",
    short_help="Run a command that cron starts, and record it.",
    example="""
    dkronpy exec --job backup -- /usr/local/bin/backup.sh --all
    # in a crontab, whose PATH is /usr/bin:/bin and whose folder is another one:
    DKRONPY_DATA_DIR=/var/lib/dkronpy
    30 2 * * *  /opt/dkronpy/bin/dkronpy exec --job backup --quiet -- /usr/local/bin/backup.sh --all
    """,
    context_settings={"ignore_unknown_options": True},
)
@click.option("--job", required=True, metavar="NAME", help="The job whose run this is; made where it is not there.")
@click.option("--quiet", is_flag=True, help="Print nothing of one's own, whatever happens to the record.")
@click.argument("argv", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_session
def exec_command(session: Session, job: str, quiet: bool, argv: tuple[str, ...]) -> int:
    """Run a command as it is, and record the run: when, how long, its output, its exit status, which is passed on.

    The command runs whatever becomes of the record: where the store is away the run is written down below data_dir and
    told with the next one. It may be cancelled like any other run.
    """
    outside, lease_ms = _outside(session, quiet)
    begun = _begun(outside, job, argv, lease_ms, quiet)
    ran = _Child(argv)
    with _renewed(outside, begun, ran, lease_ms):
        status = ran.wait()
    if outside is not None:
        _tell(outside, begun, ran, job, argv, quiet)
    return status


class _Child:
    """The command, its output passed on as it comes, and the first and last of it kept."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        self.argv = argv
        self.started_ms = int(time.time_ns() // 1_000_000)
        self.took_ms = 0
        self.status = 0
        self.reason = ""
        self.message = ""
        self.size = 0
        self._head, self._tail, self._kept = bytearray(), deque[bytes](), 0
        self._began = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except OSError as error:
            self.status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            self.reason, self.message = "exit", f"{argv[0]}: {error.strerror}"
            say(self.message)

    def kill(self) -> None:
        """End it, since somebody cancelled its run."""
        self.reason = "cancelled"
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> int:
        """Pass its output on to its end; its exit status as a shell would have it."""
        process = self._process
        if process is not None and process.stdout is not None:
            with _passed_on(process), process.stdout:
                while chunk := os.read(process.stdout.fileno(), 65_536):
                    write_bytes(chunk)
                    self._keep(chunk)
                code = process.wait()
            self.status = code if code >= 0 else 128 - code
            if code < 0:
                self.reason, self.message = self.reason or "signal", f"ended by signal {-code}"
            elif code:
                self.reason, self.message = self.reason or "exit", f"exit status {code}"
        self.took_ms = round((time.monotonic() - self._began) * 1000)
        return self.status

    def _keep(self, chunk: bytes) -> None:
        self.size += len(chunk)
        room = KEPT - len(self._head)
        self._head += chunk[:room]
        if rest := chunk[max(room, 0) :]:
            self._tail.append(rest)
            self._kept += len(rest)
            while self._kept - len(self._tail[0]) > KEPT:
                self._kept -= len(self._tail.popleft())

    def output(self) -> tuple[bytes, bytes]:
        """Its first and its last bytes."""
        return bytes(self._head), b"".join(self._tail)[-KEPT:]


@contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """TERM and INT go to the command, whose end is ours."""

    def pass_on(number: int, _frame: Any) -> None:
        process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _outside(session: Session, quiet: bool) -> tuple[Outside | None, int]:
    """Whoever tells the ledger, and how long it may be silent; None where not even the settings can be read."""
    from dkronpy.errors import DkronpyError

    try:
        settings = session.loaded[0]
        folder, who = Path(settings.data_dir) / "exec", f"exec on {settings.node}"
        lease_ms = int(settings.lease.total_seconds() * 1000)
        if settings.api_url:
            from dkronpy.remote.connection import Connection
            from dkronpy.remote.outside import RemoteOutside

            connection = Connection(settings.api_url, settings.api_token, timeout=SERVER_SECONDS)
            return RemoteOutside(connection, folder, node=settings.node, who=who), lease_ms
        from dkronpy.client.outside import Outside, Unreached

        try:
            return Outside(session.client.deployment, folder, node=settings.node, who=who), lease_ms
        except DkronpyError as error:  # no store is set, and `up` is down: told by the next run that finds one
            return Unreached(error, folder, node=settings.node, who=who), lease_ms
    except DkronpyError as error:
        if not quiet:
            say(f"dkronpy: this run is not recorded: {' '.join(str(error).split())}")
        return None, 0


def _begun(outside: Outside | None, job: str, argv: tuple[str, ...], lease_ms: int, quiet: bool) -> Begun | None:
    """Tell that it begins; None where that could not be told, which holds nothing up for long."""
    from dkronpy.errors import DkronpyError

    if outside is None:
        return None
    try:
        return outside.begin(job, argv=argv, lease_ms=lease_ms)
    except DkronpyError as error:
        if not quiet:
            say(f"dkronpy: {' '.join(str(error).split())}")
        return None


@contextmanager
def _renewed(outside: Outside | None, begun: Begun | None, ran: _Child, lease_ms: int) -> Iterator[None]:
    """Keep the lease while the command runs, and end the command where its run is cancelled."""
    ended = threading.Event()

    def renew() -> None:
        from dkronpy.errors import DkronpyError

        assert outside is not None  # noqa: S101 - the thread is started with both
        assert begun is not None  # noqa: S101
        while not ended.wait(min(RENEW_SECONDS, lease_ms / 4000)):
            try:
                if outside.renew(begun, lease_ms):
                    ran.kill()
            except DkronpyError:
                continue

    thread = threading.Thread(target=renew, name="renew", daemon=True)
    if begun is not None:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if begun is not None:
            thread.join()


def _tell(outside: Outside, begun: Begun | None, ran: _Child, job: str, argv: tuple[str, ...], quiet: bool) -> None:
    """Report the end, with what could not be reported before."""
    from dkronpy.client.outside import Ended
    from dkronpy.errors import DkronpyError
    from dkronpy.execution import Output

    head, tail = ran.output()
    ended: Ended = Ended(
        job=job,
        node=outside.node,
        who=outside.who,
        started_ms=ran.started_ms,
        took_ms=ran.took_ms,
        success=ran.status == 0 and not ran.reason,
        argv=argv,
        reason=ran.reason,
        message=ran.message,
        exit_code=ran.status,
        output=Output(head=head, tail=tail, size=ran.size),
    )
    try:
        if begun is not None:
            arrived = outside.end(begun, ended)
        else:
            outside.keep(ended)
            arrived = False
        if begun is not None and arrived:
            outside.catch_up()
    except (DkronpyError, OSError) as error:
        if not quiet:
            say(f"dkronpy: {' '.join(str(error).split())}")
    sys.stdout.flush()
