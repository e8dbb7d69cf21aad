"""Fires what is due: reads a batch of entries, decides about each, and commits them together."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec
import redis
from kombu.exceptions import OperationalError

from dkronpy.clock import from_ms
from dkronpy.dispatch.courier import Courier
from dkronpy.dispatch.targets import Planner
from dkronpy.errors import DkronpyError
from dkronpy.job import Job
from dkronpy.job_json import decode_definition
from dkronpy.node import Node
from dkronpy.schedule import Schedule
from dkronpy.scheduler.misfire import decide
from dkronpy.store.connection import Store
from dkronpy.store.jobs import ms_of, parsed, redbeat_meta, score_of
from dkronpy.store.ledger import Firing, Ledger, RunPlan
from dkronpy.store.quarantine import Quarantine

log = logging.getLogger(__name__)

CACHED_DEFINITIONS = 50_000
FIRED, STALE, EXISTED, CHANGED, NOT_LEADING = 1, 0, -1, -2, -9


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch came to: how many entries were read, and whether we were still the leader."""

    read: int = 0
    runs: int = 0
    plain: tuple[str, ...] = ()
    leading: bool = True
    next_ms: int | None = None


class DueReader:
    """Reads due entries and turns them into runs."""

    def __init__(
        self, store: Store, ledger: Ledger, courier: Courier, planner: Planner, quarantine: Quarantine, *, batch: int
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.courier = courier
        self.planner = planner
        self.quarantine = quarantine
        self.batch = batch
        self._definitions: OrderedDict[tuple[str, int], tuple[Job, Schedule]] = OrderedDict()

    def fire(self, epoch: int, now_ms: int, nodes: Sequence[Node]) -> Fired:
        """Fire up to one batch of what is due at *now_ms*. redis-py's errors pass through."""
        keys, client = self.store.keys, self.store.client
        with client.pipeline(transaction=False) as pipe:
            pipe.zrange(keys.schedule, 0, now_ms / 1000, byscore=True, offset=0, num=self.batch, withscores=True)
            pipe.zrange(keys.schedule, f"({now_ms / 1000}", "+inf", byscore=True, offset=0, num=1, withscores=True)
            due, ahead = pipe.execute()
        next_ms = ms_of(ahead[0][1]) if ahead else None
        if not due:
            return Fired(next_ms=next_ms)
        firings, plain = self._decide(due, now_ms, nodes)
        codes: list[int] = []
        if firings:
            _, codes = self.ledger.fire(firings, epoch=epoch)
            self._deliver(firings, codes)
        runs = sum(len(firing.runs) for firing, code in zip(firings, codes, strict=True) if code == FIRED)
        return Fired(read=len(due), runs=runs, plain=tuple(plain), leading=NOT_LEADING not in codes, next_ms=next_ms)

    def _decide(
        self, due: Sequence[tuple[bytes, float]], now_ms: int, nodes: Sequence[Node]
    ) -> tuple[list[Firing], list[str]]:
        with self.store.client.pipeline(transaction=False) as pipe:
            for entry, _ in due:
                pipe.hmget(entry.decode(), "rev", "job", "anchor")
            rows = pipe.execute(raise_on_error=False)
        firings, plain = [], []
        for (entry, score), row in zip(due, rows, strict=True):
            key = entry.decode()
            try:
                if isinstance(row, Exception):
                    raise row
                if row[1] is None:
                    plain.append(key)
                else:
                    firings.append(self._firing(key, row, score, now_ms, nodes))
            except (redis.ConnectionError, redis.TimeoutError, OperationalError):
                raise
            except Exception as error:  # noqa: BLE001 - one malformed entry must not stop the others
                self.quarantine.entry(key, error)
        return firings, plain

    def _firing(self, key: str, row: Sequence[Any], score: float, now_ms: int, nodes: Sequence[Node]) -> Firing:
        name, revision = self.store.keys.job_of(key), int(row[0])
        job, schedule = self._definition(name, revision, row[1], int(row[2]))
        due_ms = ms_of(score)
        if not job.enabled:  # it was switched off after this due time had come
            runs: tuple[RunPlan, ...] = (self.planner.skip(name, due_ms, "paused", message="the job is disabled"),)
            following = None
        else:
            runs, following = self._runs(job, schedule, due_ms, now_ms, nodes)
        return Firing(
            job=name, revision=revision, runs=runs, expected=repr(score), following=score_of(following),
            meta=redbeat_meta(from_ms(due_ms)), forbid=job.concurrency == "forbid",
        )  # fmt: skip

    def _runs(
        self, job: Job, schedule: Schedule, due_ms: int, now_ms: int, nodes: Sequence[Node]
    ) -> tuple[tuple[RunPlan, ...], int | None]:
        decision = decide(schedule, due_ms, now_ms, job.catch_up)
        skipped = [
            self.planner.skip(job.name, skip.due_ms, skip.reason, until_ms=skip.until_ms, count=skip.count)
            for skip in decision.skip
        ]
        fired = [self.planner.run(job, schedule, due, now_ms, nodes) for due in decision.fire]
        return tuple(skipped + fired), decision.following_ms

    def _definition(self, name: str, revision: int, body: bytes, anchor_ms: int) -> tuple[Job, Schedule]:
        found = self._definitions.get((name, revision))
        if found is None:
            job = decode_definition(body)
            if job.name != name:
                raise DkronpyError(f"the entry of {name!r} holds the definition of {job.name!r}")
            found = self._definitions[name, revision] = (job, parsed(job, anchor_ms))
            if len(self._definitions) > CACHED_DEFINITIONS:
                self._definitions.popitem(last=False)
        return found

    def _deliver(self, firings: Sequence[Firing], codes: Sequence[int]) -> None:
        sends = [
            (execution.id, 1, firing.job, execution.node)
            for firing, code in zip(firings, codes, strict=True)
            if code == FIRED
            for run in firing.runs
            for execution in run.executions
            if execution.node and not execution.message
        ]
        if sends:
            self.courier.deliver(sends)
