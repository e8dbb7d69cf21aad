"""`dkronpy run`: starts a job now and, if asked, stays until it has ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from dkronpy.cli.failure import say
from dkronpy.cli.follow import Follower
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import local_zone, span
from dkronpy.errors import ConfigError, WaitTimeoutError

if TYPE_CHECKING:
    from dkronpy.client import Client, RunView
    from dkronpy.execution import Run

COLUMNS = (
    Column(name="run"),
    Column(name="job", wide=True),
    Column(name="state", kind="state"),
    Column(name="nodes", kind="list"),
    Column(name="reason", wide=True),
)
LOOK_MS = 250
USUAL = 20
"""How many earlier runs tell how long it usually takes."""


@command(
    name="run",
    short_help="Start a job now.",
    example="""
    dkronpy run backup
    dkronpy run backup --wait
    dkronpy run export --param days=30 --param customer=acme
    dkronpy run backup --wait --timeout 10m > output
    """,
)
@click.argument("job", shell_complete=complete_job)
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated.")
@click.option("-w", "--wait", is_flag=True, help="Print its output as it comes, and end as the run ends.")
@click.option("--timeout", metavar="DURATION", help="Wait no longer than this (30s, 10m); the run goes on.")
@data_options()
@pass_session
def run(session: Session, job: str, params: tuple[str, ...], wait: bool, timeout: str | None, printer: Printer) -> int:
    """Start a job now, whatever its schedule says, and print the run's id.

    Exit status 1 if it is skipped at once. With --wait: 0 only if the run succeeds, 1 if it does not, 8 when --timeout
    passes; Ctrl-C leaves the run running.
    """
    seconds = _seconds(timeout)
    if seconds is not None and not wait:
        raise click.UsageError("--timeout says how long --wait waits; give both")
    client = session.client
    view = client.run_job(job, params=read_pairs(params))
    if not view.run.terminal:
        warn_if_nobody_works(client, view)
    if not wait:
        printer.rows(COLUMNS, [_row(view)])
        if not view.run.terminal or view.run.state == "success":
            return 0
        say(outcome(client, view))
        return 1
    try:
        ended = wait_for_run(client, view, None if seconds is None else time.monotonic() + seconds)
    except KeyboardInterrupt:
        say(f"\nthe run goes on: {_next_steps(view.run)}")
        raise
    say(outcome(client, ended))
    return 0 if ended.run.state == "success" else 1


def read_pairs(texts: tuple[str, ...]) -> dict[str, str]:
    """``days=30`` texts by name. Raises click.UsageError."""
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals):
            raise click.UsageError(f"--param: {text!r} is not NAME=VALUE, such as days=30")
        pairs[name.strip()] = value
    return pairs


def wait_for_run(client: Client, view: RunView, deadline: float | None) -> RunView:
    """Print a run's output until every execution is settled; the run as it is then.

    Raises WaitTimeoutError when the monotonic *deadline* passes first.
    """
    name = view.run.id
    say(f"run {name}  {' '.join(one.node for one in view.executions)}".rstrip())
    follower = Follower(client, name)
    follower.start(view.executions)
    events = client.events(block_ms=LOOK_MS)
    try:
        while not view.run.terminal:
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeoutError(
                    f"run {name} is still {view.run.state}; it goes on",
                    hint=_next_steps(view.run),
                )
            next(events)
            view = client.run(name)
        while not follower.wait(0.2):
            pass
    finally:
        follower.stop()
    return view


def warn_if_nobody_works(client: Client, view: RunView) -> None:
    """Say at once why a run will have to wait: nobody leads, or no node that it may use is alive."""
    status = client.status()
    if status.leader is None:
        say("no beat leads: nothing is re-sent, retried or closed until one does; `dkronpy beat` or `dkronpy up`")
    alive = {node.name for node in status.nodes if node.alive}
    nodes = {execution.node for execution in view.executions}
    if not alive:
        say("no node is alive: the run waits for one; `dkronpy agent` or `dkronpy up`")
    elif not nodes & alive:
        say("no live node matches the job's targets: the run waits for one; `dkronpy node list` shows them")


def outcome(client: Client, view: RunView) -> str:
    """How a run ended, in a line: ``success in 6.4 s (usually 5.9 s)``, or what went wrong."""
    from dkronpy.why import why_run

    if view.run.state != "success":
        return why_run(view.run, view.executions, local_zone())
    took = _took(view)
    usual = _usual(client, view.run)
    return f"success in {span(took)}" + (f" (usually {span(usual)})" if usual is not None else "")


def _took(view: RunView) -> int:
    started = [one.started_ms for one in view.executions if one.started_ms]
    ended = [one.finished_ms for one in view.executions if one.finished_ms]
    return max(0, max(ended) - min(started)) if started and ended else 0


def _usual(client: Client, run: Run) -> int | None:
    """The median of how long earlier successful runs took; None when there are fewer than three."""
    earlier = [one for one in client.runs(job=run.job, limit=USUAL) if one.state == "success" and one.id != run.id]
    took = sorted(one.finished_ms - one.fired_ms for one in earlier if one.finished_ms and one.fired_ms)
    return took[len(took) // 2] if len(took) >= 3 else None


def _next_steps(run: Run) -> str:
    return f"`dkronpy logs {run.id} -f` follows it, `dkronpy runs cancel {run.id}` ends it"


def _row(view: RunView) -> dict[str, object]:
    return {
        "run": view.run.id,
        "job": view.run.job,
        "state": view.run.state,
        "nodes": [one.node for one in view.executions if one.node],
        "reason": view.run.reason,
    }


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    from dkronpy.schedule.durations import DurationError, parse_duration

    try:
        return parse_duration(text, field="--timeout").total_seconds()
    except (DurationError, ConfigError) as error:
        raise click.UsageError(str(error)) from None
