"""Says in a sentence what became of a due time, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from dkronpy.clock import from_ms
from dkronpy.execution import REASONS, Execution, Run
from dkronpy.schedule import Schedule
from dkronpy.schedule.durations import format_duration


def say_moment(ms: int, zone: tzinfo) -> str:
    """A moment as people read it, with its zone: ``2026-11-23 02:30:00 CET``."""
    moment = from_ms(ms).astimezone(zone)
    millis = f".{ms % 1000:03d}" if ms % 1000 else ""
    return moment.strftime("%Y-%m-%d %H:%M:%S") + millis + moment.strftime(" %Z")


def say_span(ms: int) -> str:
    """A span of milliseconds as people read it."""
    if abs(ms) < 10_000:
        return f"{ms / 1000:.2f} s"
    return format_duration(timedelta(seconds=round(ms / 1000)))


def why_run(run: Run, executions: Sequence[Execution], zone: tzinfo) -> str:
    """What became of a run: when it was owed, when and by whom it was fired, and how each share of it went."""
    due = say_moment(run.due_ms, zone)
    if run.count > 1:
        until = say_moment(run.until_ms, zone)
        return f"{run.count} due times from {due} to {until} were skipped ({run.reason}): {_because(run.reason)}."
    first = f"{run.job} was due at {due}"
    if run.trigger != "schedule":
        how = {"manual": "started by hand", "chained": "started after its parents"}.get(run.trigger, run.trigger)
        first = f"{run.job} was {how} at {say_moment(run.fired_ms, zone)} by {run.fired_by or 'somebody'}"
    elif run.fired_ms:
        first += f" and dispatched {say_span(run.fired_ms - run.due_ms)} later by {run.fired_by or 'beat'}"
    if not run.execution_ids:
        detail = f" ({run.message})" if run.message and run.trigger == "schedule" else ""
        return f"{first}: skipped ({run.reason}), because {_because(run.reason)}{detail}."
    shares = [_share(execution) for execution in executions]
    return f"{first}. " + " ".join(shares)


def why_nothing(job: str, schedule: Schedule | None, at: datetime, now_ms: int, zone: tzinfo, *, enabled: bool) -> str:
    """Why there is no record for a moment: it was no due time, lies ahead, or nobody could have served it."""
    at_ms = int(at.timestamp() * 1000)
    when = say_moment(at_ms, zone)
    if schedule is None or schedule.manual:
        return f"{job} has no schedule: it runs only when somebody or another job starts it."
    if not enabled:
        return f"{job} is disabled: nothing is owed until it is enabled again."
    if schedule.next_ms(at_ms - 1) != at_ms:
        before, after = schedule.prev_ms(at_ms), schedule.next_ms(at_ms)
        near = [say_moment(ms, zone) for ms in (before, after) if ms is not None]
        return f"{job} was not due at {when}; the due times around it are {' and '.join(near) or 'none'}."
    if at_ms > now_ms:
        return f"{job} is due at {when}, in {say_span(at_ms - now_ms)}."
    return (
        f"{job} has no record for {when}: the job did not exist yet or had another schedule then, "
        "no beat has been up since, or the record is older than the history that is kept."
    )


def _because(reason: str) -> str:
    return REASONS.get(reason, reason)


def _share(execution: Execution) -> str:
    where = f"On {execution.node}" if execution.node else "No node was found yet"
    if execution.state == "queued" and execution.message.startswith("waits "):
        return f"It {execution.message}."
    if execution.state == "queued":
        why = f": {execution.message}" if execution.message else ""
        return f"{where} it waits in the queue." if execution.node else f"{where}; it waits for one{why}."
    waited = f" it began {say_span(execution.started_ms - execution.queued_ms)} later" if execution.started_ms else ""
    then = f"{waited} and" if waited else " it"
    tries = f" at attempt {execution.attempt}" if execution.attempt > 1 else ""
    if execution.state == "running":
        return f"{where}{then} is running{tries}."
    if execution.state == "retry_wait":
        return f"{where} attempt {execution.attempt} failed ({execution.reason}) and it waits for its next attempt."
    took = f" after {say_span(execution.finished_ms - execution.started_ms)}" if execution.started_ms else ""
    if execution.state == "success":
        amended = " (reported late)" if execution.amended else ""
        return f"{where}{then} ended in success{amended}{tries}{took}."
    message = f" [{execution.message}]" if execution.message else ""
    verb = {"failed": "failed", "skipped": "was skipped", "lost": "was lost"}[execution.state]
    return f"{where}{then} {verb}{tries}{took}: {_because(execution.reason)} ({execution.reason}){message}."
