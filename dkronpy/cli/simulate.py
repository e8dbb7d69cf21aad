"""`dkronpy simulate`: what would become of every due time of a window, by the scheduler's own code in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from dkronpy.cli.failure import say
from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import now, read_moment, span

if TYPE_CHECKING:
    from dkronpy.job import Job
    from dkronpy.node import Node
    from dkronpy.pause import Pause
    from dkronpy.simulation import Outage, Simulated
    from dkronpy.simulation.simulation import Row

COLUMNS = (
    Column(name="due", kind="time"),
    Column(name="job"),
    Column(name="state", kind="state"),
    Column(name="reason"),
    Column(name="waited"),
    Column(name="nodes", kind="list"),
    Column(name="due_times"),
    Column(name="id", wide=True),
    Column(name="trigger", wide=True),
    Column(name="finished", kind="time", wide=True),
    Column(name="until", kind="time", wide=True),
)
PLAIN_MS = 1_000
"""A run that starts within this and succeeds is as planned; only others are shown without --all."""
HISTORY = 20


@command(
    name="simulate",
    short_help="Show what would become of a week, in virtual time.",
    example="""
    dkronpy --config config simulate --from 2026-12-01 --to 2026-12-08
    dkronpy simulate --from 01:00 --to 06:00 --outage 02:00/20m --nodes 3
    dkronpy simulate --from now --to +7d --outage web1=02:00/1h --took backup=40m --all -o json
    """,
)
@click.option("--from", "start", metavar="TIME", required=True, help="Where the window begins.")
@click.option("--to", "end", metavar="TIME", required=True, help="Where it ends.")
@click.option(
    "--outage", "outages", multiple=True, metavar="[NODE=]TIME/LENGTH",
    help="No beat is up then; with NODE= that node is down. May be repeated.",
)  # fmt: skip
@click.option(
    "--pause", "pauses", multiple=True, metavar="[JOB=|TAG=VALUE=]TIME/LENGTH",
    help="A maintenance window of everything, a job or a tag. May be repeated.",
)  # fmt: skip
@click.option("--nodes", type=click.IntRange(1, 1000), help="So many nodes of each kind that jobs ask for.")
@click.option(
    "--took", "took", multiple=True, metavar="JOB=LENGTH", help="How long a job's runs take. May be repeated."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Where chance begins, as in the choice of nodes.")
@click.option("--all", "every", is_flag=True, help="Every run, not only those that do not go as planned.")
@data_options()
@pass_session
def simulate(
    session: Session, start: str, end: str, outages: tuple[str, ...], pauses: tuple[str, ...], nodes: int | None,
    took: tuple[str, ...], seed: int, every: bool, printer: Printer,
) -> None:  # fmt: skip
    """Run beat's own code, its steps and its sweep, under a virtual clock, and print the ledger that results.

    The jobs are those of --config where it is given, else the stored ones, with the nodes that are registered and the
    pauses that are known. Nothing is executed and nothing is touched: it starts a store of its own. Runs take as long
    as they did lately, or a second.
    """
    from dkronpy.clock import to_ms
    from dkronpy.simulation import simulate as run

    begin, until = read_moment(start, None, option="--from"), read_moment(end, None, option="--to")
    if until <= begin:
        raise click.UsageError(f"--to: {end!r} does not lie after --from {start!r}")
    jobs, machines, known = _deployment(session)
    pools = {} if session.config else {pool.name: pool.slots for pool in session.client.pools.all()}
    spans = [_outage(text, begin) for text in outages]
    windows = [] if session.config else session.client.maintenance.pauses(ended=True)
    windows += [_pause(text, begin, jobs) for text in pauses]
    chosen: int | Sequence[Node] = nodes or machines or 1
    known.update(_length(text, "--took", jobs) for text in took)
    before = now()
    found = run(
        jobs, to_ms(begin), to_ms(until), nodes=chosen, outages=spans, took=known, pools=pools, pauses=windows,
        seed=seed,
    )  # fmt: skip
    rows = [row for row in found.rows if every or not _plain(row)]
    printer.rows(COLUMNS, [_row(row) for row in rows], nothing="everything goes as planned")
    if printer.for_people:
        say(_summary(found, len(rows), (now() - before).total_seconds()))


def _deployment(session: Session) -> tuple[list[Job], list[Node], dict[str, int]]:
    """The jobs, the nodes where they are known, and how long the runs of each job took lately."""
    if session.config:
        from dkronpy.config import load_jobs

        return list(load_jobs(session.config).jobs), [], {}
    client = session.client
    jobs = [view.job for view in client.jobs()]
    took = {}
    for job in jobs:
        ended = [run for run in client.runs(job=job.name, limit=HISTORY) if run.state == "success"]
        if ended:
            took[job.name] = sum(run.finished_ms - run.fired_ms for run in ended) // len(ended)
    return jobs, list(client.nodes()), took


def _outage(text: str, begin: datetime) -> Outage:
    from dkronpy.simulation import Outage

    node, start_ms, end_ms = _span(text, begin, "--outage", "[NODE=]TIME/LENGTH")
    return Outage(start_ms=start_ms, end_ms=end_ms, node=node)


def _pause(text: str, begin: datetime, jobs: Sequence[Job]) -> Pause:
    from dkronpy.pause import window

    scope, start_ms, end_ms = _span(text, begin, "--pause", "[JOB=|TAG=VALUE=]TIME/LENGTH")
    if scope and "=" not in scope:
        _known(scope, jobs, "--pause")
    return window(scope, start_ms, end_ms)


def _span(text: str, begin: datetime, option: str, form: str) -> tuple[str, int, int]:
    """What it is about, and from when to when; a time of day is the first one after the window begins."""
    from dkronpy.clock import to_ms

    scope, _, rest = text.rpartition("=")
    moment, slash, length = rest.rpartition("/")
    if not slash:
        raise click.UsageError(f"{option}: {text!r} is not {form}, such as 02:00/20m")
    at = read_moment(moment, None, option=option)
    if ":" in moment and len(moment) <= len("00:00:00"):
        local = begin.astimezone()
        at = local.replace(hour=at.astimezone().hour, minute=at.astimezone().minute, second=at.second, microsecond=0)
        at = (
            at
            if at >= local
            else read_moment(f"{local.fromordinal(local.toordinal() + 1):%Y-%m-%d} {moment}", None, option=option)
        )
    start_ms = to_ms(at)
    return scope, start_ms, start_ms + _ms(length, option)


def _length(text: str, option: str, jobs: Sequence[Job]) -> tuple[str, int]:
    name, equals, length = text.partition("=")
    if not equals:
        raise click.UsageError(f"{option}: {text!r} is not JOB=LENGTH, such as backup=40m")
    _known(name, jobs, option)
    return name, _ms(length, option)


def _known(name: str, jobs: Sequence[Job], option: str) -> None:
    if all(job.name != name for job in jobs):
        raise click.UsageError(f"{option}: there is no job {name!r} among those that are simulated")


def _ms(text: str, option: str) -> int:
    from datetime import timedelta

    from dkronpy.schedule.durations import DurationError, parse_duration

    try:
        return parse_duration(text, field=option) // timedelta(milliseconds=1)
    except DurationError as error:
        raise click.UsageError(str(error)) from None


def _plain(row: Row) -> bool:
    return row.state in ("success", "running") and 0 <= row.waited_ms <= PLAIN_MS and row.trigger == "schedule"


def _row(row: Row) -> dict[str, object]:
    return {
        "due": row.due_ms,
        "job": row.job,
        "state": row.state,
        "reason": row.reason,
        "waited": "" if row.waited_ms < 0 else span(row.waited_ms),
        "nodes": list(row.nodes),
        "due_times": row.count,
        "id": row.id,
        "trigger": row.trigger,
        "finished": row.finished_ms or None,
        "until": row.until_ms or None,
    }


def _summary(found: Simulated, shown: int, seconds: float) -> str:
    counts = ", ".join(f"{count:,} {what}" for what, count in sorted(found.outcomes.items(), key=lambda item: -item[1]))
    late = sum(1 for row in found.rows if row.waited_ms > PLAIN_MS)
    hidden = len(found.rows) - shown
    return (
        f"{sum(found.outcomes.values()):,} due times: {counts or 'none'}; {late:,} started late; "
        f"{hidden:,} as planned are not shown ({seconds:.1f} s)"
    )
