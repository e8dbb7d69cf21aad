"""`dkronpy runs`: what was fired, and what became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import Column, Printer, data_options, write, write_json
from dkronpy.cli.session import Session, command, group, pass_session
from dkronpy.cli.times import local_zone

if TYPE_CHECKING:
    from dkronpy.client import Event
    from dkronpy.execution import Execution, Run

STATES = ("running", "success", "failed", "partially_failed", "skipped", "lost")

COLUMNS = (
    Column(name="run"),
    Column(name="job", wide=True),
    Column(name="state", kind="state"),
    Column(name="reason"),
    Column(name="trigger"),
    Column(name="due", kind="time"),
    Column(name="fired", kind="time", wide=True),
    Column(name="late", kind="span", wide=True),
    Column(name="took", kind="span"),
    Column(name="executions"),
    Column(name="due_times", wide=True),
    Column(name="fired_by", wide=True),
    Column(name="message", wide=True),
)
EXECUTION_COLUMNS = (
    Column(name="execution"),
    Column(name="node"),
    Column(name="attempt"),
    Column(name="state", kind="state"),
    Column(name="reason"),
    Column(name="exit_code", title="EXIT"),
    Column(name="started", kind="time"),
    Column(name="took", kind="span"),
    Column(name="message"),
)
TREE_COLUMNS = (
    Column(name="job"),
    Column(name="state", kind="state"),
    Column(name="reason"),
    Column(name="after", kind="list"),
    Column(name="took", kind="span"),
    Column(name="run"),
    Column(name="message", wide=True),
)


@group()
def runs() -> None:
    """List, show, watch, cancel runs, and run chains again."""


@command(
    name="list",
    short_help="List the newest runs.",
    example="""
    dkronpy runs list
    dkronpy runs list --job backup --state failed --limit 10
    dkronpy runs list -o jsonl --columns run,state,took
    """,
)
@click.option("--job", metavar="NAME", shell_complete=complete_job, help="Only runs of this job.")
@click.option("--state", type=click.Choice(STATES), help="Only runs in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
@data_options()
@pass_session
def list_command(session: Session, job: str | None, state: str | None, limit: int, printer: Printer) -> None:
    """List the newest runs of all jobs, or of one."""
    found = session.client.runs(job=job, state=state, limit=limit)
    if not found and job is not None:
        session.client.job(job)
    printer.rows(COLUMNS, [run_row(run) for run in found], nothing="no such run")


@command(
    name="show",
    short_help="Show a run with its executions and attempts.",
    example="""
    dkronpy runs show backup@2026-11-23T02:30:00.000Z
    dkronpy runs show backup@2026-11-23T02:30:00.000Z -o json
    """,
)
@click.argument("run")
@data_options("local")
@pass_session
def show(session: Session, run: str, printer: Printer) -> None:
    """Show a run: what became of it in a sentence, and every attempt on every node."""
    from dkronpy.why import why_run

    view = session.client.run(run)
    sentence = why_run(view.run, view.executions, local_zone())
    attempts = [row for execution in view.executions for row in _attempt_rows(execution)]
    if not printer.for_people:
        row = {**run_row(view.run), "why": sentence, "attempts": [_as_json(row) for row in attempts]}
        printer.record((*COLUMNS, Column(name="why"), Column(name="attempts")), row)
        return
    write(sentence + "\n\n")
    printer.record(COLUMNS, run_row(view.run))
    if attempts:
        write("\n")
        Printer(format=printer.format, times=printer.times).rows(EXECUTION_COLUMNS, attempts)


@command(
    name="watch",
    short_help="Print changes of state as they happen.",
    example="""
    dkronpy runs watch
    dkronpy runs watch --job backup -o jsonl
    """,
)
@click.option("--job", metavar="NAME", shell_complete=complete_job, help="Only what concerns this job.")
@click.option("--limit", type=click.IntRange(1), help="End after so many lines. [default: never]")
@click.option("-o", "--output", "form", type=click.Choice(("text", "jsonl")), default="text", show_default=True)
@pass_session
def watch(session: Session, job: str | None, limit: int | None, form: str) -> None:
    """Print what is fired, started and ended, as it happens, until Ctrl-C."""
    import sys

    shown = 0
    events = session.client.events()
    say("watching; Ctrl-C ends it")
    for event in events:
        if event is None or (job is not None and event.fields.get("job") != job):
            continue
        write((json.dumps({"event": event.kind, **event.fields}) if form == "jsonl" else _line(event)) + "\n")
        sys.stdout.flush()
        shown += 1
        if limit is not None and shown >= limit:
            return


@command(name="cancel", short_help="Cancel runs.", example="dkronpy runs cancel backup@2026-11-23T02:30:00.000Z")
@click.argument("run", nargs=-1, required=True)
@click.option("-o", "--output", "form", type=click.Choice(("table", "json")), default="table", show_default=True)
@pass_session
def cancel(session: Session, run: tuple[str, ...], form: str) -> None:
    """Cancel what is still open of runs: what waits is ended, and nodes are told to end what runs."""
    found: dict[str, str] = {}
    for name in run:
        answers = session.client.cancel_run(name)
        if not {"ended", "told"} & set(answers.values()):
            say(f"{name} had ended already; nothing was cancelled")
        found.update(answers)
    if form == "json":
        write_json(found)
        return
    words = {"ended": "cancelled", "told": "told to end"}
    write("".join(f"{name}  {words.get(what, what)}\n" for name, what in found.items()))


@command(
    name="tree",
    short_help="Show the chain of runs that a run belongs to.",
    example="dkronpy runs tree extract@2026-11-23T02:30:00.000Z",
)
@click.argument("run")
@data_options()
@pass_session
def tree(session: Session, run: str, printer: Printer) -> None:
    """Show every job before and behind a run, parents first, with what became of it in this chain."""
    rows = []
    for link in session.client.run_tree(run):
        found = link.run
        rows.append({
            "job": ("  " * link.depth if printer.for_people else "") + link.job,
            "state": "" if found is None else found.state,
            "reason": "" if found is None else found.reason,
            "after": list(link.parents),
            "run": "" if found is None else found.id,
            "took": found.finished_ms - found.fired_ms if found and found.finished_ms and found.execution_ids else None,
            "message": "" if found is None else found.message,
        })  # fmt: skip
    printer.rows(TREE_COLUMNS, rows)


@command(
    name="rerun",
    short_help="Run a chain again from what failed on.",
    example="""
    dkronpy runs rerun load@2026-11-23T02:30:00.000Z
    dkronpy runs rerun load@2026-11-23T02:30:00.000Z --from extract
    """,
)
@click.argument("run")
@click.option("--from", "start", metavar="JOB", shell_complete=complete_job, help="From this job on, failed or not.")
@data_options()
@pass_session
def rerun(session: Session, run: str, start: str | None, printer: Printer) -> None:
    """Run the chain of a run again: what failed is started anew, what succeeded is kept, what follows is decided anew.

    The new runs have -r1 behind their ids, the next ones -r2.
    """
    printer.rows(COLUMNS, [run_row(view.run) for view in session.client.rerun(run, start=start)])


for verb in (list_command, show, watch, cancel, tree, rerun):
    runs.add_command(verb)


def run_row(run: Run) -> dict[str, Any]:
    """A run as a row of a list; times and spans in milliseconds."""
    return {
        "run": run.id,
        "job": run.job,
        "state": run.state,
        "reason": run.reason,
        "trigger": run.trigger,
        "due": run.due_ms,
        "fired": run.fired_ms,
        "late": run.fired_ms - run.due_ms if run.fired_ms and run.trigger == "schedule" else None,
        "took": run.finished_ms - run.fired_ms if run.finished_ms and run.execution_ids else None,
        "executions": len(run.execution_ids),
        "due_times": run.count,
        "fired_by": run.fired_by,
        "message": run.message,
    }


def _attempt_rows(execution: Execution) -> list[dict[str, Any]]:
    """An execution's attempts; itself where it has none yet."""
    common = {"execution": execution.id, "node": execution.node, "attempt": 0, "exit_code": None}
    if not execution.attempts:
        state = {"state": execution.state, "reason": execution.reason, "message": execution.message}
        return [{**common, **state, "started": None, "took": None}]
    return [
        {
            **common,
            "node": attempt.node or execution.node,
            "attempt": attempt.number,
            "state": attempt.state,
            "reason": attempt.reason,
            "exit_code": attempt.exit_code,
            "started": attempt.started_ms,
            "took": attempt.finished_ms - attempt.started_ms if attempt.finished_ms else None,
            "message": attempt.message,
        }
        for attempt in execution.attempts
    ]


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    return {column.name: column.machine(row[column.name]) for column in EXECUTION_COLUMNS}


def _line(event: Event) -> str:
    """An event for people: its time, what happened, to what, and the rest."""
    from dkronpy.clock import from_ms

    fields = dict(event.fields)
    at = fields.pop("at", "")
    clock = f"{from_ms(int(at)).astimezone():%H:%M:%S}" if at.isdecimal() else "-"
    subject = fields.pop("execution", "") or fields.pop("run", "") or fields.pop("job", "") or fields.pop("node", "")
    for repeated in ("run", "job"):
        fields.pop(repeated, None)
    rest = " ".join(f"{name}={text}" for name, text in fields.items() if text)
    return f"{clock}  {event.kind:9}  {subject}  {rest}".rstrip()
