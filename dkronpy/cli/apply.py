"""`dkronpy apply`: the jobs of a configuration saved, with what is in the way of a mistake."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.bulk import holds_a_fleet
from dkronpy.cli.configuration import counted, lacking, load_beside, refuse_problems, source_name, summary
from dkronpy.cli.failure import say
from dkronpy.cli.job import confirm
from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from dkronpy.fleet.apply import Applied
    from dkronpy.fleet.plan import FleetPlan

COLUMNS = (Column(name="job"), Column(name="what"), Column(name="origin"), Column(name="revision", wide=True))
CONFLICT = 6
_SHOWN = 10
_WOULD = {
    "added": "created", "changed": "changed", "unchanged": "unchanged", "removed": "removed", "foreign": "refused",
}  # fmt: skip


@command(
    name="apply",
    short_help="Save the jobs of a configuration.",
    example="""
    dkronpy apply
    dkronpy apply config/ --dry-run
    dkronpy apply --prune --plan 5c0d1a2f9b3e --why "release 42"
    """,
)
@click.argument("path", required=False)
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--prune", is_flag=True, help="Delete the jobs of this configuration that are no longer in it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--allow-delete", type=click.IntRange(0), metavar="N", help="Let --prune delete up to N jobs.")
@click.option("--plan", "planned", metavar="ID", help="Only if this is still what `dkronpy plan` showed.")
@click.option("--take-over", is_flag=True, help="Take over jobs of the same name from other sources.")
@click.option("--reset-drift", is_flag=True, help="Undo what was switched off or on by hand.")
@click.option("--source", metavar="NAME", help="Who owns the jobs. [default: the name of the configuration's folder]")
@click.option("--why", metavar="TEXT", default="", help="The reason, for the history.")
@data_options()
@pass_session
@holds_a_fleet
def apply(session: Session, /, path: str | None, printer: Printer, **options: Any) -> int:
    """Save every job of a configuration. One problem anywhere, and nothing is saved.

    A job is written at once or not at all, and only what differs. Jobs of other sources are left alone; those of this
    one that are no longer configured stay, and are named, until --prune deletes them.
    """
    place = session.require_config(path)
    loaded, took_ms, stored = load_beside(session, place)
    if refuse_problems(loaded, place, "nothing was saved"):
        return 3
    from dkronpy.fleet.apply import Fleet

    fleet = Fleet(session.client, options["source"] or source_name(place))
    plan = fleet.plan(
        list(loaded.jobs), stored, loaded.origins,
        moved=loaded.moved, reset_drift=options["reset_drift"], take_over=options["take_over"],
    )  # fmt: skip
    prune, dry_run = options["prune"], options["dry_run"]
    if not dry_run and (refused := _refuse(plan, options)):
        return refused
    if dry_run:
        done = None
    else:
        with _progress(plan, prune=prune) as progress:
            done = fleet.apply(plan, prune=prune, why=options["why"], progress=progress)
    rows = list(_rows(plan, done, prune=prune))
    revisions = done.revisions if done else {}
    for row in rows:
        row["revision"] = revisions.get(row["job"], row["revision"])
    printer.rows(COLUMNS, [row for row in rows if not printer.for_people or row["what"] != "unchanged"])
    _say(f"{summary(loaded)} ({took_ms:.0f} ms)", plan, rows, prune=prune, dry_run=dry_run)
    for lack in lacking(session, plan):
        say(f"warning: {lack.job}: {lack.message}")
    if done and done.busy:
        say(f"error: {_few(done.busy)}: runs under the former name have not ended, and may not run beside others")
        say("hint: apply again when they have; nothing of that was written")
    if done and done.refused:
        say(f"error: somebody changed {_few(done.refused)} meanwhile; nothing of that was written")
        say("hint: look at it again with `dkronpy plan`")
    return CONFLICT if done and (done.refused or done.busy) else 0


def _refuse(plan: FleetPlan, options: dict[str, Any]) -> int:
    """What forbids to apply the plan, as an exit status; 0 where nothing does. Asks where somebody can answer."""
    from dkronpy.fleet.apply import is_mass

    foreign = plan.those("foreign")
    if options["planned"] and options["planned"] != plan.id:
        say(f"error: this is no longer plan {options['planned']}: configuration or store have changed")
        say("nothing was saved")
        say("hint: look at it again with `dkronpy plan`")
        return CONFLICT
    if foreign:
        owners = ", ".join(sorted({row.owner for row in foreign}))
        names = _few([row.name for row in foreign])
        say(f"error: {names}: a job of that name belongs to {owners}, and is another one; nothing was saved")
        say("hint: rename it, or take it over with --take-over")
        return CONFLICT
    gone = plan.those("removed") if options["prune"] else []
    allowed = options["allow_delete"]
    if allowed is not None and len(gone) > allowed:
        raise click.UsageError(f"{len(gone)} jobs would be deleted, and --allow-delete says {allowed}")
    if gone and is_mass(plan) and allowed is None:
        _confirm_mass(plan, len(gone))
    elif gone:
        names = _few([row.name for row in gone])
        confirm(f"delete {counted(len(gone), 'job')} ({names})?", yes=options["yes"] or allowed is not None)
    return 0


def _confirm_mass(plan: FleetPlan, count: int) -> None:
    """Somebody has to type the number, also with --yes: an empty folder must not delete a fleet."""
    question = f"{count} jobs of {plan.source!r} would be deleted, more than half of what it has"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question}; pass --allow-delete {count} if that is meant")
    say(question)
    if click.prompt("type the number to go on", default="", show_default=False, err=True) != str(count):
        say("nothing was done")
        raise click.Abort


@contextmanager
def _progress(plan: FleetPlan, *, prune: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, for what takes long enough to be looked at."""
    total = len(plan.those("added", "changed")) + (len(plan.those("removed")) if prune else 0)
    if total < 500 or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=total, label="saving", file=sys.stderr) as bar:
        yield lambda done, _total: bar.update(done - bar.pos)


def _rows(plan: FleetPlan, done: Applied | None, *, prune: bool) -> Iterator[dict[str, Any]]:
    """What happened to each job, or would."""
    refused = {*done.refused, *done.busy} if done else set()
    for row in plan.jobs:
        if row.what != "removed" or prune:
            what = "refused" if row.name in refused else _WOULD[row.what]
            yield {"job": row.name, "what": what, "origin": row.origin, "revision": row.revision}


def _say(head: str, plan: FleetPlan, rows: list[dict[str, Any]], *, prune: bool, dry_run: bool) -> None:
    counts = {what: sum(row["what"] == what for row in rows) for what in _WOULD.values()}
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "no jobs"
    say(f"{head}: {said}{' (dry run: nothing was saved)' if dry_run else ''}")
    for row in plan.jobs:
        if row.moved:
            say(f"{row.name} was {row.moved}")
        elif row.owner and row.what == "changed":
            say(f"{row.name} was made by {row.owner!r}; it now belongs to {plan.source!r}")
        elif row.drift is not None and row.drift.kept:
            state = "enabled" if row.new and row.new.enabled else "disabled"
            say(f"{row.name} stays {state}, as {row.drift.who or 'somebody'} left it; --reset-drift undoes that")
    gone = plan.those("removed")
    if gone and not prune:
        say(f"no longer configured, and kept: {_few([row.name for row in gone])}; --prune deletes them")


def _few(names: list[str] | tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
