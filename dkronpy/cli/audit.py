"""`dkronpy audit`: whether every due time of a window has exactly one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import Times, read_moment, rfc3339

if TYPE_CHECKING:
    from dkronpy.client.records import JobAudit

NOT_CLEAN = 1
SHOWN = 5
"""How many due times of a kind are named to a person; JSON has them all."""


@dataclass(frozen=True, kw_only=True)
class DueTimes(Column):
    """Due times in ms: counted for people, listed for programs."""

    def shown(self, value: Any, times: Times) -> str:
        return str(len(value)) if value else "-"

    def machine(self, value: Any) -> Any:
        from dkronpy.clock import from_ms

        return [rfc3339(from_ms(due)) for due in value]


FINDINGS = ("missing", "doubled", "unexpected", "early", "late")
COLUMNS = (
    Column(name="job"),
    Column(name="clean", kind="truth"),
    Column(name="owed"),
    Column(name="ran"),
    Column(name="skipped"),
    Column(name="backfilled"),
    *(DueTimes(name=name) for name in FINDINGS),
    Column(name="waiting"),
    Column(name="from", kind="time", wide=True),
    Column(name="to", kind="time", wide=True),
    Column(name="notes", kind="list", wide=True),
)


@command(
    name="audit",
    short_help="Check that every due time has exactly one record.",
    example="""
    dkronpy audit
    dkronpy audit backup report --from "2026-11-23 00:00" --to now
    dkronpy audit --from -7d -o json
    """,
)
@click.argument("job", nargs=-1, shell_complete=complete_job)
@click.option("--from", "start", metavar="TIME", default="-1d", show_default=True, help="Due times after this moment.")
@click.option("--to", "end", metavar="TIME", default="now", show_default=True, help="Due times up to this moment.")
@data_options("utc")
@pass_session
def audit(session: Session, job: tuple[str, ...], start: str, end: str, printer: Printer) -> int:
    """Recompute every due time of a window from the schedule and compare with the records.

    Exit status 1 when one is missing, doubled, early, or was not owed. What was late is named, and no breach.
    """
    from dkronpy.clock import to_ms

    start_ms = to_ms(read_moment(start, None, option="--from"))
    end_ms = to_ms(read_moment(end, None, option="--to"))
    if end_ms <= start_ms:
        raise click.UsageError("--to has to be after --from")
    names = job or tuple(view.job.name for view in session.client.jobs() if view.job.schedule)
    found = [session.client.audit_job(name, start_ms, end_ms) for name in names]
    printer.rows(COLUMNS, [_row(one) for one in found], nothing="no job has a schedule")
    if printer.for_people:
        _explain(found)
    return 0 if all(one.audit.clean for one in found) else NOT_CLEAN


def _row(found: JobAudit) -> dict[str, Any]:
    result = found.audit
    return {
        "job": found.job,
        "clean": result.clean,
        "owed": result.owed,
        "ran": result.ran,
        "skipped": result.skipped,
        "backfilled": result.backfilled,
        **{name: getattr(result, name) for name in FINDINGS},
        "waiting": found.waiting,
        "from": found.start_ms,
        "to": found.end_ms,
        "notes": list(found.notes),
    }


def _explain(found: list[JobAudit]) -> None:
    """What the numbers stand for, on standard error."""
    from dkronpy.clock import from_ms

    for one in found:
        for name in FINDINGS:
            due = getattr(one.audit, name)
            if due:
                shown = ", ".join(rfc3339(from_ms(ms)) for ms in due[:SHOWN])
                more = f" and {len(due) - SHOWN} more" if len(due) > SHOWN else ""
                say(f"{one.job}: {name}: {shown}{more}")
        if one.waiting:
            say(f"{one.job}: beat has not come to {one.waiting} due times that have passed")
        for note in one.notes:
            say(f"{one.job}: {note}")
