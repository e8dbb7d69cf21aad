"""`dkronpy logs`: what a job printed, and prints."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import click

from dkronpy.cli.failure import say
from dkronpy.cli.follow import Follower, Sink, print_output
from dkronpy.cli.names import complete_job
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import local_zone
from dkronpy.errors import NotFoundError

if TYPE_CHECKING:
    from dkronpy.client import Client, RunView

_EXECUTION = re.compile(r"(?P<run>.+@.+Z(?:-[^.]+)?)\.\d+")
RECENT = 50


@command(
    name="logs",
    short_help="Print what a job printed.",
    example="""
    dkronpy logs backup
    dkronpy logs backup -f --timestamps
    dkronpy logs backup --stderr
    dkronpy logs backup@2026-11-23T02:30:00.000Z --tail 20
    dkronpy logs backup@2026-11-23T02:30:00.000Z.0 --attempt 1 > output.bin
    """,
)
@click.argument("what", metavar="JOB|RUN|EXECUTION", shell_complete=complete_job)
@click.option("-f", "--follow", is_flag=True, help="Replay it, then follow it until the attempt ends.")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="This attempt. [default: the last]")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines of what is there.")
@click.option("--timestamps", is_flag=True, help="Put before each line when it came, in UTC.")
@click.option("--stderr", is_flag=True, help="Leave out standard output where the job keeps the two apart.")
@pass_session
def logs(
    session: Session, what: str, follow: bool, attempt: int | None, tail: int | None, timestamps: bool, stderr: bool
) -> None:
    """Print the output of a job's latest run, of a run, or of one execution; bytes pass unchanged."""
    if follow and tail is not None:
        raise click.UsageError("--tail shows the end of what is there, and -f goes on from its beginning; give one")
    client, sink = session.client, functools.partial(Sink, times=timestamps, stderr=stderr)
    view = find_executions(client, what)
    for execution in view.executions:
        if attempt and attempt > execution.attempt and (execution.terminal or not follow):
            raise NotFoundError(f"{execution.id} has no attempt {attempt}; it has had {execution.attempt}")
    if follow:
        _follow(view, Follower(client, view.run.id, attempt=attempt, retries=False, sink=sink))
        return
    for execution in view.executions:
        if len(view.executions) > 1:
            say(f"==> {execution.node or execution.id} <==")
        out = sink()
        print_output(client, execution, attempt, out, tail=tail)
        out.end()
        if not execution.terminal:
            say(f"({execution.state}; `dkronpy logs {execution.id} -f` follows it)")


def _follow(view: RunView, follower: Follower) -> None:
    follower.start(view.executions)
    try:
        while not follower.wait(0.2):
            pass
    finally:
        follower.stop()


def find_executions(client: Client, what: str) -> RunView:
    """The run that *what* names, with those of its executions that it names.

    That is an execution, a run, or a job, which stands for its latest run that was started. Raises NotFoundError.
    """
    import msgspec

    from dkronpy.why import why_run

    if match := _EXECUTION.fullmatch(what):
        view = client.run(match["run"])
        found = tuple(one for one in view.executions if one.id == what)
        if not found:
            raise NotFoundError(f"there is no execution {what!r}; its run has {len(view.executions)}")
        return msgspec.structs.replace(view, executions=found)
    if "@" in what:
        view = client.run(what)
        if not view.executions:
            raise NotFoundError("nothing was started: " + why_run(view.run, (), local_zone()))
        return view
    run = next((one for one in client.runs(job=what, limit=RECENT) if one.execution_ids), None)
    if run is None:
        client.job(what)
        raise NotFoundError(f"{what} has not run yet", hint=f"`dkronpy run {what}` starts it now")
    return client.run(run.id)
