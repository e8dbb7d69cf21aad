"""Forgets the history of one job: what the results backend keeps, settled records, counters."""

from __future__ import annotations

import threading

from dkronpy.api.catalogue import tell_changed
from dkronpy.client import Client
from dkronpy.deployment import Deployment
from dkronpy.execution import Run

_PATIENCE = 20
_LOOK_SECONDS = 0.1


def forget_history(client: Client, job: str) -> int:
    """Forget every run of exactly *job* that has ended; those that go on stay. Returns how many there were.

    Beat sees each run off first, since others may follow it; that is waited for, two seconds at most, and a run that
    beat has not seen yet stays.
    """
    deployment = client.deployment
    store, keys = deployment.store, deployment.store.keys
    with store.errors():
        ended = _seen_off(deployment, job)
    gone = deployment.results.delete_job(job)
    with store.errors():
        with store.client.pipeline() as pipe:
            for run in ended:
                pipe.delete(keys.run(run.id), *(keys.execution(name) for name in run.execution_ids))
                pipe.zrem(keys.job_runs(job), run.id)
                pipe.zrem(keys.runs, run.id)
                pipe.zrem(keys.done, run.id)
            pipe.hset(keys.job_state(job), mapping={"success_count": 0, "error_count": 0})
            pipe.hdel(keys.job_state(job), "last_success_ms", "last_error_ms")
            pipe.execute()
        tell_changed(store, job)
    return max(gone, len(ended))


def _seen_off(deployment: Deployment, job: str) -> list[Run]:
    """The runs that have ended and that beat has seen off."""
    store, keys, pause = deployment.store, deployment.store.keys, threading.Event()
    for _ in range(_PATIENCE):
        names = [name.decode() for name in store.client.zrange(keys.job_runs(job), 0, -1)]
        ended = [run for run in deployment.ledger.runs(names) if run.terminal]
        with store.client.pipeline(transaction=False) as pipe:
            for run in ended:
                pipe.hget(keys.run(run.id), "settled")
            settled = pipe.execute()
        seen = [run for run, state in zip(ended, settled, strict=True) if state == run.state.encode()]
        if len(seen) == len(ended):
            break
        pause.wait(_LOOK_SECONDS)
    return seen
