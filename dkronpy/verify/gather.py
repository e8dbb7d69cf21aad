"""Reads the history of a trial off a deployment, once it has become quiet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dkronpy.client import Client
from dkronpy.client.records import Records
from dkronpy.node import queue_name
from dkronpy.store.jobs import StoredJob
from dkronpy.verify.history import Counters, FaultNote, History, JobHistory, Mark, read_marks

EVERY = 1_000_000


def gather(
    client: Client,
    names: Sequence[str],
    *,
    start_ms: int,
    end_ms: int,
    truth: Path | None,
    epochs: Sequence[int] = (),
    faults: Sequence[FaultNote] = (),
    processes: Sequence[str] = (),
) -> History:
    """Everything about the named jobs between two moments; *truth* is the folder of their own lines, or None."""
    store = client.deployment.store
    with store.errors():
        stored = client.deployment.jobs.many(names)
        queues = [queue_name(node.name) for node in client.nodes()]
        waiting = [queue for queue in queues if store.client.llen(queue)]
        still = [name.decode() for name in store.client.zrange(store.keys.open, 0, -1)]
    marks = marks_in(truth) if truth is not None else []
    return History(
        start_ms=start_ms,
        end_ms=end_ms,
        jobs=tuple(_job_history(client, one, start_ms, end_ms) for one in stored),
        pools={pool.name: pool.slots for pool in client.pools.all()},
        marks=tuple(marks),
        witnessed=truth is not None,
        epochs=tuple(epochs),
        faults=tuple(faults),
        open_executions=tuple(name for name in still if name.partition("@")[0] in names),
        waiting_messages=tuple(waiting),
        processes=tuple(processes),
    )


def marks_in(truth: Path) -> list[Mark]:
    """The lines that jobs wrote into a folder, a file a node."""
    return [mark for path in sorted(truth.iterdir()) for mark in read_marks(path.read_text().splitlines())]


def _job_history(client: Client, stored: StoredJob, start_ms: int, end_ms: int) -> JobHistory:
    job, name = stored.job, stored.job.name
    runs = {run.id: run for run in Records(client.deployment).runs(stored, start_ms, end_ms)}
    runs.update((run.id, run) for run in client.runs(job=name, limit=EVERY))
    views = [client.run(run_id) for run_id in runs]
    fields = _counters(client, name)
    return JobHistory(
        name=name,
        delivery=job.delivery,
        at_once=0 if job.concurrency == "allow" else job.max_active or 1,
        pools=dict(job.pools),
        max_attempts=job.max_attempts,
        after=job.after,
        owed=tuple(stored.schedule().between_ms(start_ms, end_ms)) if job.schedule else (),
        runs=tuple(view.run for view in views),
        executions=tuple(execution for view in views for execution in view.executions),
        counters=fields,
    )


def _counters(client: Client, name: str) -> Counters:
    store = client.deployment.store
    with store.errors():
        row = store.client.hgetall(store.keys.job_state(name))

    def number(field: bytes) -> int:
        return int(row.get(field, 0))

    return Counters(
        success=number(b"success_count"), failed=number(b"error_count"), skipped=number(b"skipped_count"),
        lost=number(b"lost_count"),
    )  # fmt: skip


def unsettled(client: Client, names: Sequence[str], end_ms: int) -> list[str]:
    """What is still on its way: due times that beat has not come to, open executions, runs that were not seen off."""
    store = client.deployment.store
    with store.errors():
        due = [
            f"{one.job.name} is due"
            for one in client.deployment.jobs.many(names)
            if (one.due_ms or end_ms + 1) <= end_ms
        ]
        still = [name.decode() for name in store.client.zrange(store.keys.open, 0, -1)]
        done: list[str] = [name.decode() for name in store.client.zrange(store.keys.done, 0, -1)]
    return due + [name for name in still + done if name.partition("@")[0] in names]
