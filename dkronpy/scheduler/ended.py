"""What beat has to know of runs that have ended, read for many of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dkronpy.execution import Execution, Run
from dkronpy.store.connection import Store
from dkronpy.store.ledger import Ledger
from dkronpy.store.stored import readable


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """By run: whether it was settled before, its executions; by job: whether others follow it, if it is ephemeral."""

    settled: frozenset[str]
    executions: dict[str, list[Execution]]
    followed: frozenset[str]
    ephemeral: set[str]


def read_ended(store: Store, ledger: Ledger, runs: Sequence[Run]) -> Ended:
    """What is known of *runs*. redis-py's errors pass through."""
    names = sorted({run.job for run in runs})
    with store.client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.exists(store.keys.children(name))
        for run in runs:
            pipe.hget(store.keys.run(run.id), "settled")
        answers = pipe.execute()
        for name in names:
            pipe.hget(store.keys.entry(name), "job")
        bodies = pipe.execute(raise_on_error=False)  # one entry of another kind must not stop the others
    children, states = answers[: len(names)], answers[len(names) :]
    executions: dict[str, list[Execution]] = {run.id: [] for run in runs}
    for execution in ledger.executions([name for run in runs for name in run.execution_ids]):
        executions[execution.run_id].append(execution)
    return Ended(
        settled=frozenset(run.id for run, state in zip(runs, states, strict=True) if state == run.state.encode()),
        executions=executions,
        followed=frozenset(name for name, exists in zip(names, children, strict=True) if exists),
        ephemeral={name for name, body in zip(names, bodies, strict=True) if _is_ephemeral(body)},
    )


def _is_ephemeral(body: object) -> bool:
    """Few are: only what may be one is decoded."""
    if not isinstance(body, bytes) or b"ephemeral" not in body:
        return False
    job = readable(body)
    return job is not None and job.ephemeral
