"""`dkronpy next` and `dkronpy explain`: what a schedule means, with a store or without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

import click

from dkronpy.cli.failure import say
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import write, write_json
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import now, read_moment, rfc3339, spoken, zone_named
from dkronpy.errors import NotFoundError, StoreUnavailableError

if TYPE_CHECKING:
    from dkronpy.schedule import Schedule

_JOB_NAME = re.compile(r"[a-z0-9_-]+")
Line = tuple["datetime | None", str]

MONTHS_AHEAD = 13
MOST_A_DAY = 6
"""More due times than these on the day of a clock change are not shown one by one."""
SEARCHED = 100_000
"""The most due times of one day that are looked at: a day has 86,400 seconds."""


@command(
    name="next",
    short_help="Print the next due times of a job or a schedule.",
    example="""
    dkronpy next backup
    dkronpy next "30 2 * * MON-FRI" --timezone Europe/Berlin --count 3
    dkronpy next "30 2 * * *" --timezone Europe/Berlin --around-dst
    dkronpy next backup --after 2027-01-01T00:00:00Z -o json
    """,
)
@click.argument("job_or_expression", shell_complete=complete_job)
@click.option("--timezone", "zone_name", metavar="TZ", help="The zone of the expression; of a job: to show times in.")
@click.option("--after", metavar="TIME", help="Only what is due after this moment. [default: now]")
@click.option("-n", "--count", type=click.IntRange(1, 100_000), help="How many. [default: 5]")
@click.option("--around-dst", is_flag=True, help="Those around the next clock changes that touch the schedule.")
@click.option("-o", "--output", "form", type=click.Choice(("table", "json", "jsonl", "name")), default="table")
@pass_session
def next_command(
    session: Session,
    job_or_expression: str,
    zone_name: str | None,
    after: str | None,
    count: int | None,
    around_dst: bool,
    form: str,
) -> None:
    """Print the next due times of a job or of a schedule in quotes.

    A schedule needs no store, nor does a job of --config. With -o json: an array of RFC 3339 texts in UTC.
    """
    zone = zone_named(zone_name)
    schedule = find_schedule(session, job_or_expression, zone_name or "")
    shown_in = zone or schedule_zone(schedule)
    start = now() if after is None else read_moment(after, shown_in, option="--after")
    if around_dst:
        lines = around_changes(schedule, start, shown_in)[:count]
    else:
        lines = [(moment, "") for moment in _following(schedule, start, count or 5)]
    _print(lines, form, shown_in)
    if not lines and form == "table":
        say(_silence(schedule, around_dst=around_dst))


@command(
    name="explain",
    short_help="Say a schedule in English.",
    example="""
    dkronpy explain "30 2 * * MON-FRI" --timezone Europe/Berlin
    dkronpy explain backup
    """,
)
@click.argument("job_or_expression", shell_complete=complete_job)
@click.option("--timezone", "zone_name", metavar="TZ", help="The zone of the expression.")
@click.option("-o", "--output", "form", type=click.Choice(("text", "json")), default="text")
@pass_session
def explain(session: Session, job_or_expression: str, zone_name: str | None, form: str) -> None:
    """Say in English when a schedule, or a job, is due, and which clock changes of the coming year touch it."""
    from dkronpy.schedule import dst_notes
    from dkronpy.schedule import explain as sentence

    schedule = find_schedule(session, job_or_expression, zone_name or "")
    notes = dst_notes(schedule, now(), MONTHS_AHEAD)
    if form == "json":
        changes = [{"date": day.isoformat(), "note": note} for day, note in notes]
        write_json({"schedule": schedule.text, "text": sentence(schedule), "clock_changes": changes})
        return
    write(sentence(schedule) + "\n")
    write("".join(f"{day:%a %d %b %Y}: {note}\n" for day, note in notes))


def find_schedule(session: Session, job_or_expression: str, zone_name: str) -> Schedule:
    """The schedule of a job (of --config, else of the store, else of ``config/``), or the one that a text writes."""
    from dkronpy.schedule import parse

    if not _JOB_NAME.fullmatch(job_or_expression):
        return parse(job_or_expression, timezone=zone_name)
    name = job_or_expression
    found = _configured(session, name) if session.config else None
    if found is None and session.reachable:
        try:
            return session.client.job(name).stored.schedule()
        except (NotFoundError, StoreUnavailableError):
            found = _configured(session, name)
            if found is None:
                raise
            say(f"as {session.config_path} has {name}; the store does not answer or does not have it")
    found = found or _configured(session, name)
    if found is None:
        raise NotFoundError(
            f"there is no job named {name!r} in {session.config_path or 'config/'}, and no store is set",
            hint='a schedule is written in quotes: dkronpy next "0 3 * * *"',
        )
    return found


def schedule_zone(schedule: Schedule) -> tzinfo:
    """The zone that a schedule is read in; of several with different ones, the first."""
    names = [part.timezone for part in schedule.parts if part.timezone] or [schedule.timezone]
    return zone_named(names[0]) or timezone.utc


def around_changes(schedule: Schedule, start: datetime, zone: tzinfo) -> list[Line]:
    """Due times before, on and after each day on which a clock change touches the schedule, with what it does.

    A line without a moment is about a day that has no due time.
    """
    from dkronpy.schedule import dst_notes

    lines: list[Line] = []
    for day, note in dst_notes(schedule, start, MONTHS_AHEAD):
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        end = datetime.combine(day + timedelta(days=1), midnight.timetz())
        inside = []
        following = None
        for moment in _following(schedule, midnight - timedelta(milliseconds=1), SEARCHED):
            if moment >= end:
                following = moment
                break
            inside.append(moment)
        before = schedule.prev(midnight)
        shown: list[Line] = [(moment, "") for moment in _narrowed(inside, zone)] or [(None, "")]
        shown[0] = (shown[0][0], note if shown[0][0] else f"{day:%a %d %b %Y}: {note}")
        lines += [(moment, "") for moment in (before,) if moment and moment > start]
        lines += shown
        lines += [(moment, "") for moment in (following,) if moment]
    return lines


def _narrowed(due: list[datetime], zone: tzinfo) -> list[datetime]:
    """Of many due times on one day, those next to the moment at which the clock changes."""
    if len(due) <= MOST_A_DAY:
        return due
    offsets = [moment.astimezone(zone).utcoffset() for moment in due]
    change = next((index for index in range(1, len(due)) if offsets[index] != offsets[index - 1]), 0)
    first = max(0, change - MOST_A_DAY // 2)
    return due[first : first + MOST_A_DAY]


def _configured(session: Session, name: str) -> Schedule | None:
    if session.config_path is None:
        return None
    from dkronpy.config import load_jobs

    jobs = {job.name: job for job in load_jobs(session.config_path).jobs}
    return jobs[name].parsed_schedule() if name in jobs else None


def _following(schedule: Schedule, after: datetime, count: int) -> Iterator[datetime]:
    moment = schedule.next(after)
    while moment is not None and count > 0:
        yield moment
        moment, count = schedule.next(moment), count - 1


def _print(lines: list[Line], form: str, zone: tzinfo) -> None:
    due = [rfc3339(moment) for moment, _ in lines if moment is not None]
    if form == "json":
        write_json(due)
    elif form == "jsonl":
        write("".join(f'"{text}"\n' for text in due))
    elif form == "name":
        write("".join(f"{text}\n" for text in due))
    else:
        texts = ["(not due)" if moment is None else spoken(moment, zone) for moment, _ in lines]
        width = max(map(len, texts), default=0)
        for text, (_, note) in zip(texts, lines, strict=True):
            write(f"{text:{width}}  {note}".rstrip() + "\n")


def _silence(schedule: Schedule, *, around_dst: bool) -> str:
    if schedule.manual:
        return "never due by itself: it runs only when somebody or another job starts it"
    if around_dst:
        return "no clock change of the coming year skips, repeats or shifts a due time"
    return "nothing is due any more"
