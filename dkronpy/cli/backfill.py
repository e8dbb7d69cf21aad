"""`dkronpy backfill`: makes up for due times of the past, a few at a time."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import read_moment

if TYPE_CHECKING:
    from dkronpy.client.backfill import Plan, Progress

NOT_DONE = 1
BAR = 30
LINE_SECONDS = 5.0
COLUMNS = (
    Column(name="job"),
    Column(name="due_times"),
    Column(name="success"),
    Column(name="failed"),
    Column(name="other"),
    Column(name="left"),
    Column(name="done_before"),
    Column(name="running"),
)


@command(
    name="backfill",
    short_help="Make up for due times of the past.",
    example="""
    dkronpy backfill report --from "2026-11-01 00:00" --to "2026-11-08 00:00"
    dkronpy backfill report --from -2d --max-active 4
    dkronpy backfill report --from -2d --dry-run
    """,
)
@click.argument("job", shell_complete=complete_job)
@click.option("--from", "start", metavar="TIME", required=True, help="Due times after this moment.")
@click.option("--to", "end", metavar="TIME", default="now", show_default=True, help="Due times up to this moment.")
@click.option(
    "--max-active", type=click.IntRange(1, 1000), default=1, show_default=True, help="At most so many at once."
)
@click.option("--forgotten", is_flag=True, help="Also due times so old that nobody knows whether they ran.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@data_options("utc")
@pass_session
def backfill(
    session: Session,
    job: str,
    start: str,
    end: str,
    max_active: int,
    forgotten: bool,
    dry_run: bool,
    printer: Printer,
) -> int:
    """Start a run, with the trigger backfill, for each due time of a window that has no successful one.

    Ctrl-C stops it: what is active goes on, and the same command goes on from there. Exit status 1 when not every run
    succeeded.
    """
    from dkronpy.client.backfill import Progress
    from dkronpy.clock import to_ms

    start_ms = to_ms(read_moment(start, None, option="--from"))
    end_ms = to_ms(read_moment(end, None, option="--to"))
    if end_ms <= start_ms:
        raise click.UsageError("--to has to be after --from")
    work = session.client.backfill(job, max_active=max_active)
    plan = work.plan(start_ms, end_ms, forgotten=forgotten)
    for note in plan.notes:
        say(note)
    progress = Progress(total=plan.total, ended={}, active=0)
    interrupted = False
    if plan.total and not dry_run:
        stopping = _stop_on_interrupt()
        progress = work.run(plan.due, Bar(), stopping)
        interrupted = stopping.is_set()
    printer.rows(COLUMNS, [_row(plan, progress)])
    if interrupted:
        say(f"interrupted: {progress.active} active runs go on by themselves; the same command takes up the rest")
        raise KeyboardInterrupt
    return 0 if dry_run or progress.ended.get("success", 0) == progress.total else NOT_DONE


def _stop_on_interrupt() -> threading.Event:
    """An event that Ctrl-C sets instead of raising in the middle of a step; a second Ctrl-C ends the process."""
    stopping = threading.Event()

    def stop(*_: Any) -> None:
        stopping.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop)
    return stopping


def _row(plan: Plan, progress: Progress) -> dict[str, Any]:
    success, failed = progress.ended.get("success", 0), progress.ended.get("failed", 0)
    return {
        "job": plan.job,
        "due_times": progress.total,
        "success": success,
        "failed": failed,
        "other": progress.complete - success - failed,
        "left": progress.total - progress.complete,
        "done_before": plan.done,
        "running": plan.running,
    }


class Bar:
    """Shows progress on standard error: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._shown = float("-inf")

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        done = progress.complete == progress.total
        text = f"{progress.complete}/{progress.total} ended"
        bad = {state: count for state, count in progress.ended.items() if state != "success"}
        text += "".join(f", {count} {state}" for state, count in sorted(bad.items())) + f", {progress.active} active"
        if sys.stderr.isatty():
            filled = BAR * progress.complete // max(1, progress.total)
            click.echo(f"\r[{'#' * filled}{'.' * (BAR - filled)}] {text}\x1b[K", err=True, nl=done)
        elif done or time.monotonic() - self._shown >= LINE_SECONDS:
            say(text)
            self._shown = time.monotonic()
