"""`dkronpy plan`: what applying a configuration would change, and what that means in time."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.bulk import holds_a_fleet
from dkronpy.cli.configuration import lacking, load_beside, refuse_problems, source_name, summary
from dkronpy.cli.failure import say
from dkronpy.cli.output import write, write_json
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import relative

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dkronpy.client import Client
    from dkronpy.fleet.plan import FleetPlan
    from dkronpy.fleet.warnings import Doubt
    from dkronpy.store.jobs import StoredJob

CHANGES = 2
DETAILED = 200
"""Due times and warnings are told of so many jobs: for those of a first apply of thousands there is no need."""
DAY_MS = 24 * 3600 * 1000


@command(
    name="plan",
    short_help="Show what applying a configuration would change.",
    example="""
    dkronpy plan
    dkronpy plan config/ --prune --days 7
    dkronpy plan -o json
    """,
)
@click.argument("path", required=False)
@click.option("--prune", is_flag=True, help="Plan to delete the jobs that left the configuration.")
@click.option("--take-over", is_flag=True, help="Plan to take over jobs of the same name from other sources.")
@click.option("--reset-drift", is_flag=True, help="Plan to undo what was switched off or on by hand.")
@click.option("--source", metavar="NAME", help="Who owns the jobs. [default: the name of the configuration's folder]")
@click.option("--days", type=click.IntRange(0, 366), default=3, show_default=True, help="How far to look at due times.")
@click.option("-o", "--output", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@pass_session
@holds_a_fleet
def plan(
    session: Session, path: str | None, prune: bool, take_over: bool, reset_drift: bool, source: str | None, days: int,
    form: str,
) -> int:  # fmt: skip
    """Compare a configuration with what is stored: jobs added, changed field by field, and removed; what others changed
    meanwhile (drift); due times that appear, vanish or move in the coming days; the fullest minute; warnings.

    Nothing is written. Exit status 0 when there is nothing to do, 2 when there is.
    """
    place = session.require_config(path)
    loaded, took_ms, stored = load_beside(session, place)
    if refuse_problems(loaded, place, "there is no plan"):
        return 3
    from dkronpy.fleet.apply import Fleet

    client = session.client
    fleet = Fleet(client, source or source_name(place))
    made = fleet.plan(
        list(loaded.jobs), stored, loaded.origins, moved=loaded.moved, reset_drift=reset_drift, take_over=take_over
    )
    say(f"{place}: {summary(loaded)} ({took_ms:.0f} ms), source {made.source}")
    _tell(client, made, stored, lacking(session, made), days=days, prune=prune, form=form)
    return CHANGES if made.pending(prune=prune) else 0


def _tell(
    client: Client,
    made: FleetPlan,
    stored: Sequence[StoredJob],
    lacks: list[Doubt],
    *,
    days: int,
    prune: bool,
    form: str,
) -> None:
    from dkronpy.fleet.report import document, job_lines, peak_lines
    from dkronpy.fleet.report import summary as counts
    from dkronpy.fleet.times import peaks, time_changes
    from dkronpy.fleet.warnings import warnings

    now_ms = client.status().now_ms
    planned = made if prune else made.without_removals()
    detailed = planned.first(DETAILED)
    times = time_changes(detailed, now_ms, now_ms + days * DAY_MS)
    fullest = peaks(planned, stored, now_ms) if planned.first(1).jobs else []

    doubts = [*lacks, *warnings(detailed, client.nodes(), cache(client.usual_run_ms), now_ms)]
    if form == "json":
        write_json(document(made, times, fullest, doubts, prune=prune))
        return
    lines = [
        *job_lines(made, times, prune=prune, moment=moment, ago=lambda ms: relative(ms - now_ms)),
        *peak_lines(fullest, moment),
        *(f"  warning: {one.job}: {one.message}" for one in doubts),
    ]
    write("".join(f"{line}\n" for line in lines))
    total = len(planned.those("added", "changed", "removed"))
    if total > DETAILED:
        say(f"due times and warnings are told of the first {DETAILED} of {total:,} changes")
    say(counts(made, prune=prune))
    if planned.pending(prune=prune):
        flags: list[Any] = ["--prune"] if prune else []
        say(f"next: dkronpy {' '.join(['apply', *flags, '--plan', made.id])}")


def moment(ms: int) -> str:
    """A due time in the machine's zone: ``Tue 24 Nov 02:30``."""
    from dkronpy.clock import from_ms

    local = from_ms(ms).astimezone()
    return local.strftime("%a %d %b %H:%M:%S" if local.second else "%a %d %b %H:%M")
