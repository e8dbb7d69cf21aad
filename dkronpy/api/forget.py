"""Forgets the history of one job: what the results backend keeps, settled records, counters."""

from __future__ import annotations

from dkronpy.api.catalogue import tell_changed
from dkronpy.client import Client


def forget_history(client: Client, job: str) -> int:
    """Forget every run of exactly *job* that has ended; those that go on stay. Returns how many the ledger had.

    A run that ended this very moment may be filed once more by beat, which is about to see it off.
    """
    deployment = client.deployment
    store, keys = deployment.store, deployment.store.keys
    gone = deployment.results.delete_job(job)
    with store.errors():
        names = [name.decode() for name in store.client.zrange(keys.job_runs(job), 0, -1)]
        ended = [run for run in deployment.ledger.runs(names) if run.terminal]
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
