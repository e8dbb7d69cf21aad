"""`dkronpy up`: store, beat and an agent on this machine, under one supervisor."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.node import read_tags
from dkronpy.cli.output import Column, Printer
from dkronpy.cli.session import Session, command, pass_session, service_options

if TYPE_CHECKING:
    from dkronpy.execution import Execution
    from dkronpy.supervisor.up import UpResult

DEFAULT_WITHIN = "150s"
_INTERRUPTED = 130
_SUMMARY = (
    Column(name="job"),
    Column(name="node"),
    Column(name="due", kind="time"),
    Column(name="started", kind="time"),
    Column(name="took", kind="span"),
    Column(name="outcome", kind="state"),
    Column(name="why"),
)


@command(
    example="""dkronpy up
    dkronpy up --config jobs.py --executions 5
    DKRONPY_BROKER_URL=redis://10.0.0.5:6379/0 dkronpy up --name web1 --tag role=web"""
)
@click.option("--executions", type=click.IntRange(min=1), metavar="N", help="Stop after N finished executions.")
@click.option(
    "--within", default=DEFAULT_WITHIN, show_default=True, metavar="DURATION", help="How long --executions may take."
)
@click.option("--name", "node_name", metavar="NAME", help="The name of this node. [default: the host's]")
@click.option("--tag", "tags", multiple=True, metavar="TAG=VALUE", help="A tag of this node; may be given often.")
@click.option("--data-dir", metavar="DIR", help="The folder of the embedded store. [default: .dkronpy]")
@click.option("--allow-volatile", is_flag=True, default=None, help="Take a store that may forget.")
@service_options
@pass_session
def up(session: Session, /, executions: int | None, within: str, tags: tuple[str, ...], **flags: Any) -> int:
    """Start everything on this machine: a store (if none is set), beat and an agent.

    The jobs of the configuration are saved first. Each finished execution is printed as a line; Ctrl-C stops all.
    With --executions N it stops by itself after N, with a table of them; the exit status is 0 only if all succeeded.
    """
    from dkronpy.clock import SystemClock
    from dkronpy.config import load_jobs
    from dkronpy.schedule.durations import parse_duration
    from dkronpy.supervisor.console import Console
    from dkronpy.supervisor.health import HEALTH_VARIABLE, HealthEndpoint
    from dkronpy.supervisor.up import Up, UpRequest

    session.flags.update(flags, node_tags=read_tags(tags) or None)
    clock = SystemClock()
    limit = parse_duration(within, field="--within")
    settings, sources = session.loaded
    config = session.require_config()
    console = Console(sys.stdout, sys.stderr, os.environ, clock=clock, json_lines=settings.log_format == "json")
    health = HealthEndpoint(settings.health_address, settings.health_port)
    try:
        os.environ[HEALTH_VARIABLE] = health.url  # configurations may name it
        loaded = load_jobs(config)
        request = UpRequest(
            settings=settings,
            sources=sources,
            config=config,
            jobs=loaded.require(),
            moved=loaded.moved,
            environ=dict(os.environ),
            executions=executions,
            within=limit,
            program=_program(),
        )
        result = Up(request, console, clock, health).run()
    finally:
        health.close()
    return 0 if executions is None else _sum_up(result, executions, within)


def _sum_up(result: UpResult, wanted: int, within: str) -> int:
    """Print the table; the exit status."""
    from dkronpy.cli.times import Times
    from dkronpy.clock import SystemClock

    times = Times(style="local", now_ms=SystemClock().now_ms())
    rows = [_row(execution) for execution in result.finished]
    Printer(format="table", times=times).rows(_SUMMARY, rows, nothing="no execution has finished")
    if result.signal:
        say(f"stopped by {result.signal} after {len(rows)} of {wanted} executions")
        return _INTERRUPTED
    if len(rows) < wanted:
        say(f"error: {wanted - len(rows)} of {wanted} executions did not finish within {within}")
        for line in result.missing:
            say(f"  {line}")
        say("hint: give them more time with --within, or ask `dkronpy why JOB --at TIME`")
        return 1
    bad = [row for row in rows if row["outcome"] != "success"]
    if bad:
        say(f"error: {len(bad)} of {len(rows)} executions did not succeed")
    return 1 if bad else 0


def _row(execution: Execution) -> dict[str, Any]:
    from dkronpy.supervisor.progress import took_ms

    why = ": ".join(part for part in (execution.reason, execution.message) if part)
    return {
        "job": execution.job,
        "node": execution.node,
        "due": execution.due_ms,
        "started": execution.started_ms,
        "took": took_ms(execution),
        "outcome": execution.state,
        "why": why if execution.state != "success" else "",
    }


def _program() -> str:
    """How the user can call the command line from here: by its name where the shell finds it, else by its path."""
    if shutil.which("dkronpy"):
        return "dkronpy"
    script = Path(sys.argv[0])
    if script.name != "dkronpy":
        return f"{Path(sys.executable).name} -m dkronpy"
    here = Path.cwd()
    return str(script.resolve().relative_to(here)) if script.resolve().is_relative_to(here) else str(script)
