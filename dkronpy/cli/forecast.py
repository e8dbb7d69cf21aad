"""`dkronpy forecast`: how many runs are due in each minute of the coming days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.output import write, write_json
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import now, read_moment, rfc3339

if TYPE_CHECKING:
    from dkronpy.forecast import Advice
    from dkronpy.schedule import Schedule

SHOWN = 10


@command(
    name="forecast",
    short_help="Count due runs per minute, and name the worst minutes.",
    example="""
    dkronpy forecast
    dkronpy forecast --days 1 --worst 3
    dkronpy --config config forecast -o json
    """,
)
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="How far to look.")
@click.option("--after", metavar="TIME", help="Where to begin. [default: now]")
@click.option(
    "--worst", type=click.IntRange(0, 10_000), default=10, show_default=True, help="How many minutes to name."
)
@click.option("-o", "--output", "form", type=click.Choice(("table", "json")), default="table", show_default=True)
@pass_session
def forecast(session: Session, days: int, after: str | None, worst: int, form: str) -> None:
    """Count the runs that are due in each minute, from the schedules alone, and name the busiest minutes.

    The jobs are those of --config where it is given, else the stored ones. With -o json: every minute with a run.
    """
    from dkronpy.clock import from_ms, to_ms
    from dkronpy.forecast import forecast as count

    start_ms = to_ms(now() if after is None else read_moment(after, None, option="--after"))
    found = count(
        _schedules(session), start_ms, start_ms + days * (timedelta(days=1) // timedelta(milliseconds=1)), worst=worst
    )
    if form == "json":
        write_json(
            {
                "from": rfc3339(from_ms(found.start_ms)),
                "to": rfc3339(from_ms(found.end_ms)),
                "runs": found.runs,
                "worst": [
                    {"minute": rfc3339(from_ms(one.minute_ms)), "runs": one.runs, "jobs": list(one.jobs)}
                    for one in found.worst
                ],
                "spread": _document(found.advice),
                "minutes": {rfc3339(from_ms(minute)): runs for minute, runs in found.minutes.items()},
            }
        )
        return
    say(f"{found.runs:,} runs are due in {days} days; {found.runs / (days * 1440):.1f} a minute, these are the worst:")
    if found.advice is not None:
        _advise(found.advice)
    for one in found.worst:
        write(f"{from_ms(one.minute_ms).astimezone():%a %d %b %Y %H:%M}  {one.runs:>7,}  {', '.join(one.jobs)}\n")


def _document(advice: Advice | None) -> dict[str, Any] | None:
    if advice is None:
        return None
    within = advice.within_ms // 1000
    return {"jobs": list(advice.jobs), "within": within, "before": advice.before, "after": advice.after}


def _advise(advice: Advice) -> None:
    names, more = ", ".join(advice.jobs[:SHOWN]), len(advice.jobs) - SHOWN
    names += f" and {more} more" if more > 0 else ""
    say(f'hint: spread="1h" for {names} would bring the fullest minute from {advice.before:,} runs to {advice.after:,}')


def _schedules(session: Session) -> Iterator[tuple[str, Schedule]]:
    """The schedules of all enabled jobs."""
    if session.config:
        from dkronpy.config import load_jobs

        for job in load_jobs(session.config).jobs:
            if job.enabled and job.schedule:
                yield job.name, job.parsed_schedule()
        return
    for view in session.client.jobs():
        if view.job.enabled and view.job.schedule:
            yield view.job.name, view.stored.schedule()
