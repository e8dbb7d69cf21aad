"""`dkronpy lateness`: how late runs were, against what their jobs promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import Times, span

if TYPE_CHECKING:
    from dkronpy.client import Client
    from dkronpy.execution import Execution
    from dkronpy.lateness import Histogram, Lateness

BROKEN = 1


@dataclass(frozen=True, kw_only=True)
class Spread(Column):
    """A histogram: its median, 99th percentile and maximum for people, all of it for programs."""

    def shown(self, value: Any, times: Times) -> str:
        found: Histogram = value
        return " ".join(span(ms) for ms in (found.median, found.p99, found.most)) if found.total else "-"

    def machine(self, value: Any) -> Any:
        from msgspec import to_builtins

        from dkronpy.lateness import BOUNDS_MS

        return {**to_builtins(value), "bounds_ms": list(BOUNDS_MS)}


COLUMNS = (
    Column(name="job"),
    Column(name="runs"),
    Spread(name="queued"),
    Spread(name="taken"),
    Spread(name="began"),
    Spread(name="started"),
    Column(name="never"),
    Column(name="promised"),
    Column(name="broken"),
    Column(name="kept"),
)


@command(
    name="lateness",
    short_help="Show how late runs were, and which promises were broken.",
    example="""
    dkronpy lateness
    dkronpy lateness backup --runs 500
    dkronpy lateness -o json
    """,
)
@click.argument("job", nargs=-1, shell_complete=complete_job)
@click.option(
    "--runs", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The last so many of a job."
)
@data_options()
@pass_session
def lateness(session: Session, job: tuple[str, ...], runs: int, printer: Printer) -> int:
    """Show for each job how long after its due time its runs were queued, taken up by a node, and really began.

    Each as median, 99th percentile and longest of the last runs by schedule. Exit status 1 when one was later than the
    job's max_lateness, which is its promise.
    """
    from dkronpy.lateness import lateness as measure

    client = session.client
    wanted = job or [view.job.name for view in client.jobs() if view.job.schedule]
    found = []
    for name in wanted:
        promised = client.job(name).job.max_lateness
        found.append(measure(name, _executions(client, name, runs), promised))
    printer.rows(COLUMNS, [_row(one) for one in found], nothing="no job has a schedule")
    broken = [one for one in found if one.broken]
    if printer.for_people:
        for one in broken:
            count = one.started.total + one.never
            say(f"{one.job}: {one.broken} of {count} came later than the {_promise(one)} promised")
    return BROKEN if broken else 0


def _executions(client: Client, name: str, runs: int) -> Iterator[Execution]:
    for view in client.history(name, limit=runs):
        if view.run.trigger == "schedule" and view.run.terminal:
            yield from view.executions


def _promise(found: Lateness) -> str:
    return "" if found.promised_ms is None else span(found.promised_ms)


def _row(found: Lateness) -> dict[str, Any]:
    return {
        "job": found.job,
        "runs": found.started.total,
        "queued": found.queued,
        "taken": found.taken,
        "began": found.began,
        "started": found.started,
        "never": found.never,
        "promised": _promise(found),
        "broken": found.broken,
        "kept": "" if found.kept is None else f"{found.kept:.2%}",
    }
