"""The ledger: the live state of runs, executions and attempts, changed only by atomic steps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import redis

from dkronpy.execution import Execution, Run, run_of
from dkronpy.store.commits import Commits
from dkronpy.store.confirm import NotReplicatedError, refusal
from dkronpy.store.connection import Store
from dkronpy.store.keys import name_hash
from dkronpy.store.plans import ExecutionPlan, Firing, RunPlan, pack
from dkronpy.store.records import pairs, read_execution, read_run, texts

__all__ = ["RECORD_TTL_MS", "Claim", "Due", "End", "ExecutionPlan", "Finished", "Firing", "Lead", "Ledger", "RunPlan"]

PATIENCE = 0.5
"""The part of a lease for which a claim waits for replicas that are slow; then the next one may have it."""
AGAIN_SECONDS = 0.2
UNKNOWN = "is known to too few replicas"
RECORD_TTL_MS = 6 * 3600 * 1000
"""How long the ledger keeps a settled record that is not filed yet."""
FILED_TTL_MS = 15 * 60 * 1000
"""How long it keeps one that the results backend has."""
STREAM_TTL_MS = 5 * 60 * 1000
"""How long the output of one as it came: 4 kB at the least, for those who still follow it."""


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """What ``lead`` answered: who leads, under which epoch, and the store's time in ms."""

    leading: bool
    epoch: int
    now_ms: int
    holder: str
    ttl_ms: int


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A granted claim: the token to report with and the definition to run."""

    execution: Execution
    token: int
    attempt: int
    max_attempts: int
    now_ms: int
    definition: bytes | None
    revision: int = 0
    extra: Mapping[str, str] = {}
    end_by_ms: int = 0
    """When the time of its run is over; 0: it has as much as it likes."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended: what ``Ledger.finish`` is told."""

    execution_id: str
    token: int
    success: bool
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    pause_ms: int | None = None
    result: str = ""
    began_ms: int = 0

    def arguments(self) -> tuple[Any, ...]:
        """As ``finish.lua`` has them."""
        return (
            self.execution_id,
            self.token,
            "success" if self.success else "failed",
            self.reason,
            self.message,
            "" if self.exit_code is None else self.exit_code,
            "" if self.pause_ms is None else self.pause_ms,
            self.result,
            self.began_ms,
        )


class Finished(NamedTuple):
    """What ``finish`` came to, as ``Ledger.finish`` has it, and the execution and its run as they stand then."""

    happened: str
    run_state: str
    execution: Execution | None
    run: Run | None


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A queued execution that needs a message."""

    id: str
    delivery: int
    node: str
    run_id: str
    job: str
    attempt: int
    below: bool = False
    queued_ms: int = 0


class Ledger:
    """The atomic steps, typed. Every call is one round trip; redis-py's errors pass through."""

    def __init__(self, store: Store, *, history: int = 100, record_ttl_ms: int = RECORD_TTL_MS) -> None:
        self.store = store
        self.history = history
        self.record_ttl_ms = record_ttl_ms

    def lead(self, holder: str, ttl_ms: int, *, release: bool = False, shard: int = 0) -> Lead:
        """Take or keep the leadership of a shard, or give it up."""
        leading, epoch, now, who, ttl = self._call("lead", holder, ttl_ms, "release" if release else "take", shard)
        return Lead(leading=bool(leading), epoch=epoch, now_ms=now, holder=who.decode(), ttl_ms=ttl)

    def attend(self, holder: str, ttl_ms: int) -> tuple[int, list[str]]:
        """Say that a beat is there: how many shards there are, and which beats."""
        _, self.store.shards, beats = self._call("attend", holder, ttl_ms, "stay")
        return self.store.shards, [name.decode() for name in beats]

    def leave(self, holder: str) -> None:
        """Say that a beat is there no longer."""
        self._call("attend", holder, 0, "leave")

    def move(self, shard: int, jobs: Sequence[str]) -> int:
        """Move jobs out of a shard to where they belong; how many were not there yet."""
        return int(self._call("move", shard, *(part for job in jobs for part in (job, name_hash(job))))[1])

    def fire(self, firings: Sequence[Firing], *, epoch: int | None, shard: int = 0) -> tuple[int, list[int]]:
        """Write due times of one shard as runs. *epoch* is None for runs by hand. Codes are those of ``fire.lua``."""
        now, codes = self._call("fire", *self._fire_args(firings, epoch, shard))
        return now, codes

    def commits(self, *, epoch: int, shard: int = 0) -> Commits:
        """The same for many batches, each sent while the store works on those before it."""
        return Commits(self.store.scripts.line("fire"), partial(self._fire_args, epoch=epoch, shard=shard))

    def _fire_args(self, firings: Sequence[Firing], epoch: int | None, shard: int) -> tuple[Any, ...]:
        return "" if epoch is None else epoch, self.record_ttl_ms, self.history, pack(firings), shard

    def claim(self, execution_id: str, delivery: int, node: str, holder: str, lease_ms: int) -> Claim | str:
        """Ask whether to start; a Claim means yes, a text says why not."""
        found = self.claim_all([(execution_id, delivery)], node, holder, lease_ms)[0]
        if isinstance(found, BaseException):
            raise found
        return found

    def claim_all(
        self, asked: Sequence[tuple[str, int]], node: str, holder: str, lease_ms: int
    ) -> list[Claim | str | BaseException]:
        """``claim`` for many executions with their deliveries, in one step; an error stands in its place."""
        args = (node, holder, lease_ms, self.record_ttl_ms, *chain(*asked))
        try:
            answers, replicated = self._call("claim", *args), True
        except NotReplicatedError as late:
            answers, replicated = late.answer, False
        found: list[Claim | str | BaseException] = [
            refusal(answer) if isinstance(answer, redis.ResponseError) else _claimed(name, answer)
            for (name, _), answer in zip(asked, answers, strict=True)
        ]
        if not replicated:
            claims = [one for one in found if isinstance(one, Claim)]
            kept = self._kept([(one.execution.id, one.token) for one in claims], lease_ms)
            gone = {one.execution.id for one, is_kept in zip(claims, kept, strict=True) if not is_kept}
            found = [UNKNOWN if isinstance(one, Claim) and one.execution.id in gone else one for one in found]
        return found

    def _kept(self, held: Sequence[tuple[str, int]], lease_ms: int) -> list[bool]:
        """Renew claims that too few replicas have until they do; False for those that are gone, or whose time is."""
        until = time.monotonic() + lease_ms / 1000 * PATIENCE
        while time.monotonic() < until:
            with suppress(redis.RedisError):  # NotReplicatedError is one, and a full server refuses this as well
                return [code != 0 for code in self.renew(held, lease_ms)]
            time.sleep(AGAIN_SECONDS)
        return [False] * len(held)

    def renew(self, held: Sequence[tuple[str, int]], lease_ms: int) -> list[int]:
        """Extend leases; for each: 1 go on, 2 cancel, 3 end at once, 0 no longer ours."""
        if not held:
            return []
        _, codes = self._call("renew", lease_ms, *(part for pair in held for part in pair))
        return list(codes)

    def finish(
        self,
        execution_id: str,
        token: int,
        *,
        success: bool,
        reason: str = "",
        message: str = "",
        exit_code: int | None = None,
        pause_ms: int | None = None,
        result: str = "",
        began_ms: int = 0,
    ) -> tuple[str, str]:
        """Report the end of an attempt: what happened (``finish.lua`` names the words) and the run's state.

        *result* is what the work came to, as JSON, for those who follow; *began_ms* when the executor began.
        """
        end = End(
            execution_id=execution_id, token=token, success=success, reason=reason, message=message,
            exit_code=exit_code, pause_ms=pause_ms, result=result, began_ms=began_ms,
        )  # fmt: skip
        (answer,) = self._call("finish", self.record_ttl_ms, *end.arguments())
        if isinstance(answer, redis.ResponseError):
            raise refusal(answer)
        return answer[0].decode(), answer[1].decode()

    def finish_all(
        self, ends: Sequence[End], *, first: Sequence[tuple[Any, ...]] = ()
    ) -> list[Finished | BaseException]:
        """``finish`` for many attempts in one step, and what is then known; an error stands in its place.

        Commands that go *first* are sent with it, whatever comes of those.
        """
        keys, many = self.store.keys, len(ends)
        executions = [end.execution_id for end in ends]
        runs = [run_of(name) for name in executions]
        told, *rows = self.store.scripts.call_between(
            "finish", self.record_ttl_ms, *chain.from_iterable(end.arguments() for end in ends),
            first=first, reads=[*map(keys.execution, executions), *map(keys.run, runs)],
        )  # fmt: skip
        self.store.replicas.confirm()
        found: list[Finished | BaseException] = []
        for name, run, *parts in zip(executions, runs, told, rows[:many], rows[many:], strict=True):
            errors = [part for part in parts if isinstance(part, redis.ResponseError)]
            answer, execution, of_run = parts
            found.append(refusal(errors[0]) if errors else Finished(
                answer[0].decode(), answer[1].decode(),
                read_execution(name, texts(execution)) if execution else None,
                read_run(run, texts(of_run)) if of_run else None,
            ))  # fmt: skip
        return found

    def reap(self, epoch: int, *, most: int, pause_ms: int, window_ms: int) -> tuple[int, list[Due], int]:
        """Close what died, and name what must be sent: (now, to send, how many were closed)."""
        now, rows, closed = self._call("reap", epoch, most, pause_ms, window_ms, self.record_ttl_ms)
        due = [
            Due(
                id=r[0].decode(),
                delivery=r[1],
                node=r[2].decode(),
                run_id=r[3].decode(),
                job=r[4].decode(),
                attempt=r[5],
                below=r[6] == 1,
                queued_ms=r[7],
            )
            for r in rows
        ]
        return now, due, closed

    def resend(self, sends: Iterable[tuple[str, int, str, str, bytes, int]]) -> list[int]:
        """For each (execution, delivery read, node, queue, message, look again in ms): 1 sent, 0 it has moved on."""
        args = [part for send in sends for part in send]
        return list(self._call("resend", *args)[1]) if args else []

    def widen(self, execution_id: str, delivery: int, nodes: Sequence[str], *, rolling: int, held: str) -> bool:
        """Let a broadcast that waits have an execution for each of *nodes*; False where it has moved on since then.

        With *rolling* so many run at a time, and of the others it is said that they are *held*.
        """
        return bool(self._call("widen", execution_id, delivery, rolling, held, *nodes)[1])

    def cancel(self, execution_ids: Sequence[str], who: str) -> list[str]:
        """Cancel executions: 'ended', 'told', or the state each was in already."""
        _, words = self._call("cancel", who, self.record_ttl_ms, *execution_ids)
        return [word.decode() for word in words]

    def execution(self, execution_id: str) -> Execution | None:
        """One execution as it stands, without output."""
        fields = self._hash(self.store.keys.execution(execution_id))
        return read_execution(execution_id, fields) if fields else None

    def run(self, run_id: str) -> Run | None:
        """One run as it stands."""
        fields = self._hash(self.store.keys.run(run_id))
        return read_run(run_id, fields) if fields else None

    def runs(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs that are still known of those named, in the same order."""
        with self.store.client.pipeline(transaction=False) as pipe:
            for run_id in run_ids:
                pipe.hgetall(self.store.keys.run(run_id))
            rows = pipe.execute()
        return [read_run(run_id, texts(row)) for run_id, row in zip(run_ids, rows, strict=True) if row]

    def executions(self, execution_ids: Sequence[str]) -> list[Execution]:
        """The executions that are still known of those named, in the same order."""
        with self.store.client.pipeline(transaction=False) as pipe:
            for execution_id in execution_ids:
                pipe.hgetall(self.store.keys.execution(execution_id))
            rows = pipe.execute()
        return [read_execution(name, texts(row)) for name, row in zip(execution_ids, rows, strict=True) if row]

    def result(self, execution_id: str) -> str:
        """What an execution came to, as JSON; '' where it said nothing or is forgotten."""
        return (self.store.client.hget(self.store.keys.execution(execution_id), "result") or b"").decode()

    def recent_runs(self, job: str | None = None, limit: int = 50) -> list[Run]:
        """The newest runs of one job, or of all."""
        keys = self.store.keys
        index = keys.runs if job is None else keys.job_runs(job)
        return self.runs([run_id.decode() for run_id in self.store.client.zrevrange(index, 0, limit - 1)])

    def _call(self, step: str, *args: Any) -> Any:
        return self.store.scripts.call(step, *args)

    def _hash(self, key: str) -> dict[str, str]:
        return texts(self.store.client.hgetall(key))


def _claimed(execution_id: str, answer: Any) -> Claim | str:
    """What ``claim.lua`` answered."""
    if answer[0] != b"ok":
        return str(answer[0].decode())
    fields = pairs(answer[4])
    return Claim(
        execution=read_execution(execution_id, fields),
        token=answer[1],
        attempt=answer[2],
        max_attempts=int(fields.get("max_attempts", 1)),
        now_ms=answer[3],
        definition=answer[5],
        revision=answer[6] or 0,
        extra={name[2:]: value for name, value in fields.items() if name.startswith("x.")},
        end_by_ms=int(fields.get("end_by_ms", 0)),
    )
