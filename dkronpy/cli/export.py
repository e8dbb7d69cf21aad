"""`dkronpy export`: stored jobs as configuration."""

from __future__ import annotations

import click

from dkronpy.cli.configuration import counted
from dkronpy.cli.failure import say
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import write, write_json
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import now, rfc3339


@command(
    name="export",
    short_help="Write stored jobs as Python or JSON.",
    example="""
    dkronpy export > config/jobs.py
    dkronpy export --source api
    dkronpy export backup report -o json
    """,
)
@click.argument("names", nargs=-1, shell_complete=complete_job)
@click.option("--source", metavar="NAME", help="Only the jobs that belong to this source.")
@click.option("-o", "--output", "form", type=click.Choice(("py", "json")), default="py", show_default=True)
@pass_session
def export(session: Session, names: tuple[str, ...], source: str | None, form: str) -> None:
    """Write jobs as they are stored, all of them or those that are named, such that applying that changes nothing.

    As Python it is a module for config/. Secrets stay the references that they are.
    """
    from dkronpy.errors import NotFoundError
    from dkronpy.fleet.plan import parents_first
    from dkronpy.fleet.source import jobs_source
    from dkronpy.job.json import encode_job

    views = session.client.some_jobs(names) if names else session.client.jobs()
    if missing := set(names) - {view.job.name for view in views}:
        raise NotFoundError(f"there is no job named {min(missing)!r}", hint="`dkronpy job list` names them all")
    stored = [view.stored for view in views if source is None or view.stored.source == source]
    jobs = parents_first([one.job for one in stored])
    if form == "json":
        kept = [encode_job(job) for job in jobs]
        write_json([{key: value for key, value in job.items() if key not in _STATE} for job in kept])
    else:
        write(jobs_source(jobs, f"{counted(len(jobs), 'job')} as they were stored at {rfc3339(now())}."))
    owners = sorted({one.source for one in stored})
    say(f"{counted(len(jobs), 'job')} of {', '.join(map(repr, owners)) or 'nobody'}")
    if stored:
        say("`dkronpy apply --take-over` makes them those of the configuration that they are put into")


_STATE = ("id", "success_count", "error_count", "last_success", "last_error", "status", "next", "dependent_jobs")
