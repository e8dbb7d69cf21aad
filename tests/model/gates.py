"""What must hold of runs that have to pass gates: how many are in, what they hold, and who waits where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from dkronpy.job import Job
from dkronpy.job.admission import read_rate
from tests.model.snapshot import RunRow, Snapshot

P = "dkronpy:"


def _limits(job: Job) -> bool:
    return job.concurrency not in ("allow", "")


def check_gates(shot: Snapshot, definitions: Mapping[str, Job], pool_slots: int) -> None:
    """No job has more runs in than it may, no pool is over-full, and the queues hold exactly who waits."""
    still = [run for run in shot.runs.values() if run.open]
    inside: dict[str, list[RunRow]] = defaultdict(list)
    waiting: dict[str, list[RunRow]] = defaultdict(list)
    for run in still:
        if run.waits:
            waiting[run.job].append(run)
            for row in shot.of_run[run.id]:
                assert (row.state, row.token) in {("queued", 0), ("skipped", 0)}, f"{row.id} waits and is {row.state}"
        elif _limits(definitions[run.id]):
            inside[run.job].append(run)
    for job, runs in inside.items():
        most = max(definitions[run.id].max_active or 1 for run in runs)
        assert len(runs) <= most, f"{job} may have {most} runs, and {[run.id for run in runs]} are in"
    for job, runs in waiting.items():
        queued = [run.id for run in runs if definitions[run.id].concurrency in ("queue_one", "queue_all")]
        # each run was let into the queue by its own definition, or stood there before
        allowed = [
            1 if definitions[name].concurrency == "queue_one" else definitions[name].queue_limit for name in queued
        ]
        assert len(queued) <= max(allowed, default=0), f"{queued} wait for {job}"
    _check_pools(shot, definitions, still, pool_slots)
    queued_at = {
        key.removeprefix(P + "wait:"): set(members)
        for key, members in shot.scores.items()
        if key.startswith(P + "wait:")
    }
    waits_at: dict[str, set[str]] = defaultdict(set)
    for run in still:
        if run.waits:
            waits_at[run.waits].add(run.id)
    assert queued_at == waits_at, f"the queues are {queued_at}, and there wait {dict(waits_at)}"


def _check_pools(shot: Snapshot, definitions: Mapping[str, Job], still: list[RunRow], pool_slots: int) -> None:
    held = {run: int(slots) for run, slots in shot.hashes.get(P + "pool:db", {}).items()}
    assert sum(held.values()) <= pool_slots, f"the pool has {pool_slots} slots, and {held} are taken"
    owed = {run.id: definitions[run.id].pools["db"] for run in still if not run.waits and definitions[run.id].pools}
    assert held == owed, f"the pool holds {held}, and {owed} are in"


class Starts:
    """When runs with a rate were let in, by the ledger's clock at the step that did it."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._at: dict[str, list[int]] = defaultdict(list)

    def see(self, shot: Snapshot, definitions: Mapping[str, Job], now_ms: int) -> None:
        """Look at who is in, and judge those who were not before."""
        for run in sorted(shot.runs.values(), key=lambda run: run.id):
            rate = definitions[run.id].rate
            if run.id in self._known or not run.executions or run.waits or not rate or run.state == "skipped":
                continue
            self._known.add(run.id)
            read = read_rate(rate)
            recent = [at for at in self._at[run.job] if at > now_ms - read.per // timedelta(milliseconds=1)]
            assert len(recent) < read.count, f"{run.id} is let in after {recent} at {now_ms}, with {rate}"
            self._at[run.job].append(now_ms)
