"""What beat has to know of runs that have ended, read for many of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dkronpy.execution import Execution, Run
from dkronpy.job import Job
from dkronpy.store.connection import Store
from dkronpy.store.jobs import Jobs
from dkronpy.store.ledger import Ledger


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """By run: whether it was settled before, its executions; by job: its definition, whether others follow it."""

    settled: frozenset[str]
    executions: dict[str, list[Execution]]
    jobs: dict[str, Job]
    followed: frozenset[str]


def read_ended(store: Store, ledger: Ledger, jobs: Jobs, runs: Sequence[Run]) -> Ended:
    """What is known of *runs*. redis-py's errors pass through."""
    names = sorted({run.job for run in runs})
    with store.client.pipeline(transaction=False) as pipe:
        for run in runs:
            pipe.hget(store.keys.run(run.id), "settled")
        for name in names:
            pipe.exists(store.keys.children(name))
        answers = pipe.execute()
    executions: dict[str, list[Execution]] = {run.id: [] for run in runs}
    for execution in ledger.executions([name for run in runs for name in run.execution_ids]):
        executions[execution.run_id].append(execution)
    return Ended(
        settled=frozenset(run.id for run, state in zip(runs, answers, strict=False) if state == run.state.encode()),
        executions=executions,
        jobs={stored.job.name: stored.job for stored in jobs.many(names)} if names else {},
        followed=frozenset(name for name, exists in zip(names, answers[len(runs) :], strict=True) if exists),
    )
