"""Says of each job that has not finished any execution what it is waiting for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dkronpy.client import Client, JobView
from dkronpy.clock import from_ms
from dkronpy.errors import NotFoundError
from dkronpy.execution import Execution
from dkronpy.job import Job


def unfinished(client: Client, jobs: Iterable[Job], finished: Sequence[Execution]) -> list[str]:
    """One sentence for each enabled job without a finished execution. Raises StoreUnavailableError."""
    done = {execution.job for execution in finished}
    told = []
    for job in jobs:
        if job.name in done or not job.enabled:
            continue
        try:
            told.append(f"{job.name}: {_state(client, client.job(job.name))}")
        except NotFoundError:
            told.append(f"{job.name}: it was deleted meanwhile")
    return told


def _state(client: Client, view: JobView) -> str:
    newest = client.runs(job=view.job.name, limit=1)
    if newest and not newest[0].terminal:
        open_ones = [one for one in client.run(newest[0].id).executions if not one.terminal]
        return ", ".join(_where(one) for one in open_ones) or "its run is about to end"
    due_ms = view.stored.due_ms
    if newest and newest[0].state == "skipped":
        return f"skipped: {newest[0].message or newest[0].reason}"
    if due_ms is None:
        return "never due by itself" if not view.job.after else f"follows {', '.join(view.job.after)}"
    return f"due at {from_ms(due_ms).astimezone():%Y-%m-%d %H:%M:%S}, and not fired"


def _where(execution: Execution) -> str:
    if execution.state == "running":
        return f"running on {execution.node} since {from_ms(execution.started_ms).astimezone():%H:%M:%S}"
    if execution.state == "retry_wait":
        return f"waiting for another attempt after {execution.attempt}"
    return f"queued for {execution.node}" if execution.node else "waiting for a node that matches its targets"
