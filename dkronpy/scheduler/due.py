"""Fires what is due: reads a batch of entries, decides about each, and commits them together."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import msgspec
import redis
from kombu.exceptions import OperationalError
from msgspec import structs

from dkronpy.dispatch.courier import Courier
from dkronpy.dispatch.targets import LiveNodes, Planner
from dkronpy.errors import DkronpyError
from dkronpy.node import Node
from dkronpy.pause import Pause, covering
from dkronpy.scheduler.attendance import Attendance
from dkronpy.scheduler.known import Definitions, Known
from dkronpy.scheduler.misfire import decide
from dkronpy.scheduler.pacing import Pace, Pacer
from dkronpy.scheduler.prepared import Prepared, foreseeable
from dkronpy.scheduler.succession import Succession, Version
from dkronpy.store.commits import Answer, Commits
from dkronpy.store.connection import Store
from dkronpy.store.ledger import Firing, Ledger, RunPlan
from dkronpy.store.pauses import read_pauses
from dkronpy.store.quarantine import Quarantine
from dkronpy.store.redbeat import ms_of, redbeat_meta, score_of

log = logging.getLogger(__name__)

READ_AHEAD = 32
"""How many batches are read at a time."""
SOON_MS = 2_500
"""How far beat looks ahead for what it will need."""
PREPARED = 10_000
"""For how many due times it makes ready."""
AWAY = (redis.ConnectionError, redis.TimeoutError, OperationalError)
FIRED, STALE, EXISTED, CHANGED, MALFORMED, NOT_LEADING = 1, 0, -1, -2, -3, -9
_MILLISECOND = timedelta(milliseconds=1)


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """What was done: how many entries were read, and whether we were still the leader.

    ``again`` is True when more is due already; ``next_ms`` is the first due time that is still ahead.
    """

    read: int = 0
    runs: int = 0
    plain: tuple[str, ...] = ()
    leading: bool = True
    again: bool = False
    next_ms: int | None = None


class _Done:
    """What the commits of one call came to, and the first due time ahead: not due yet, or just moved on."""

    def __init__(self, ahead: Sequence[tuple[bytes, float]], now_ms: int) -> None:
        self.codes: Counter[int] = Counter()
        self.now_ms = now_ms
        self._next = [score for _, score in ahead]

    def add(self, answer: Answer) -> None:
        """One more commit."""
        self.codes.update(answer.codes)
        self.now_ms = answer.now_ms
        moved = [float(firing.following) for firing in answer.firings if firing.following]
        self._next = [min([*self._next, *moved])] if moved else self._next

    @property
    def next_ms(self) -> int | None:
        return ms_of(min(self._next)) if self._next else None


class DueReader:
    """Reads due entries and turns them into runs.

    One thread does all: while the store works on a commit, the next is decided here, and the definitions for the one
    after that are on their way.
    """

    def __init__(
        self, store: Store, ledger: Ledger, courier: Courier, planner: Planner, quarantine: Quarantine, *, batch: int,
        pacer: Pacer | None = None, ahead_ms: int = SOON_MS,
    ) -> None:  # fmt: skip
        self.store = store
        self.ledger = ledger
        self.courier = courier
        self.planner = planner
        self.quarantine = quarantine
        self.batch = batch
        self.ahead_ms = ahead_ms
        self.pacer = pacer or Pacer(Pace())
        self._definitions = Definitions(store, quarantine)
        self._attendance: dict[int, Attendance] = {}
        self._prepared: dict[int, Prepared] = {}
        self._paused: dict[bytes, bytes] = {}
        self._pauses: list[Pause] = []

    def fire(self, epoch: int, now_ms: int, nodes: Sequence[Node], shard: int = 0) -> Fired:
        """Fire a few batches of what is due at *now_ms* in a shard. redis-py's errors pass through."""
        client, most = self.store.client, READ_AHEAD * self.batch
        schedule = self.store.keys.schedule_of(shard)
        with client.pipeline(transaction=False) as pipe:
            pipe.zrange(schedule, 0, now_ms / 1000, byscore=True, offset=0, num=most, withscores=True)
            pipe.zrange(schedule, f"({now_ms / 1000}", "+inf", byscore=True, offset=0, num=1, withscores=True)
            pipe.hgetall(self.store.keys.pauses)
            due, ahead, paused = pipe.execute()
        if paused != self._paused:
            self._paused, self._pauses = paused, read_pauses(paused)
        done, live, ready = _Done(ahead, now_ms), LiveNodes(nodes), self._prepared.setdefault(shard, Prepared())
        ready.look(paused, nodes)
        attendance = self._attendance.setdefault(shard, Attendance())
        on_time_ms = attendance.begin(epoch, now_ms)
        batches = [due[start : start + self.batch] for start in range(0, len(due), self.batch)]
        with self.ledger.commits(epoch=epoch, shard=shard) as commits, self._definitions.reading() as reading:
            reading.ask(entry for entry, _ in due[: self.batch])
            for number, batch in enumerate(batches, 1):
                reading.learn()
                if number < len(batches):
                    reading.ask(entry for entry, _ in batches[number])
                firings = self._firings(batch, now_ms, live, on_time_ms, ready)
                if commits.full:
                    self._settle(commits, done)
                if firings:
                    commits.send(firings)
            while self._settle(commits, done):
                pass
        again = len(due) == most or bool(done.codes[CHANGED] or done.codes[STALE])
        attendance.end(now_ms, done.now_ms, behind=again)
        return Fired(
            read=len(due),
            runs=done.codes[FIRED],
            plain=tuple(reading.plain),
            leading=not done.codes[NOT_LEADING],
            again=again,
            next_ms=done.next_ms,
        )

    def prepare(self, now_ms: int, nodes: Sequence[Node], more: Callable[[], bool], shard: int = 0) -> None:
        """Make ready for what is due next, as long as there is *more* time; redis-py's errors pass through.

        What is due together then waits for no definition, and mostly for no decision either.
        """
        soon = self.store.client.zrange(
            self.store.keys.schedule_of(shard), f"({now_ms / 1000}", (now_ms + self.ahead_ms) / 1000,
            byscore=True, offset=0, num=PREPARED, withscores=True,
        )  # fmt: skip
        live, ready = LiveNodes(nodes), self._prepared.setdefault(shard, Prepared())
        ready.begin(self._paused, nodes, soon)
        with self._definitions.reading() as reading:
            for start in range(0, len(soon), self.batch):
                if not more():
                    return
                batch = soon[start : start + self.batch]
                reading.ask(entry for entry, _ in batch)
                reading.learn()
                for entry, score in batch:
                    known = self._definitions.get(entry)
                    if known is not None and entry not in ready and foreseeable(known):
                        with suppress(Exception):  # whatever is wrong with it shows when it is due
                            ready.add(entry, score, self._firing(known, score, ms_of(score), live, 0))

    def _settle(self, commits: Commits, done: _Done) -> bool:
        """See to the oldest commit that is on its way; False where none is."""
        answer = commits.receive()
        if answer is None:
            return False
        firings, codes, _ = answer
        done.add(answer)
        for firing, code in zip(firings, codes, strict=True):
            if code == CHANGED or firing.settled:
                self._definitions.forget(self.store.keys.entry(firing.job).encode())
            elif code == MALFORMED:
                self._set_aside_malformed(firing.job)
        self._deliver(firings, codes)
        return True

    def _set_aside_malformed(self, job: str) -> None:
        error = DkronpyError(f"a key of {job!r} holds something of another kind than the ledger writes there")
        self.quarantine.entry(self.store.keys.entry(job), error)

    def _firings(
        self, due: Sequence[tuple[bytes, float]], now_ms: int, live: LiveNodes, on_time_ms: int, ready: Prepared
    ) -> list[Firing]:
        firings = []
        for entry, score in due:
            made = ready.take(entry, score, now_ms)
            if made is not None:
                firings.append(made)
                continue
            known = self._definitions.get(entry)
            if known is None:
                continue
            try:  # not `_set_aside`: a context for each of a hundred thousand entries takes its time
                firings.append(self._firing(known, score, now_ms, live, on_time_ms))
            except AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it
                self.quarantine.entry(entry.decode(), error)
        return firings

    def _firing(self, known: Known, score: float, now_ms: int, live: LiveNodes, on_time_ms: int) -> Firing:
        job, schedule, due_ms = known.job, known.schedule, ms_of(score)
        runs: tuple[RunPlan, ...]
        if job.enabled or type(schedule) is Succession:
            runs, following = self._runs(known, due_ms, now_ms, live, on_time_ms)
        else:  # it was switched off after this due time had come
            runs, following = (self.planner.skip(job.name, due_ms, "paused", message="the job is disabled"),), None
        settled, forbid = False, job.forbids_overlap
        if type(schedule) is Succession:
            settled = following is None or following > schedule.settled_ms
            forbid = any(version.job.forbids_overlap for version in schedule.versions)
        return Firing(
            job=job.name,
            revision=known.revision,
            runs=runs,
            expected=repr(score),
            following=score_of(following),
            meta=redbeat_meta(due_ms),
            forbid=forbid,
            settled=settled,
            history=job.history_limit or 0,
        )

    def _runs(
        self, known: Known, due_ms: int, now_ms: int, live: LiveNodes, on_time_ms: int
    ) -> tuple[tuple[RunPlan, ...], int | None]:
        job, plan = known.job, self.planner
        decision = decide(
            known.schedule, due_ms, now_ms, job.catch_up,
            window=job.catch_up_window, limit=job.catch_up_limit, on_time_ms=on_time_ms,
        )  # fmt: skip
        following = decision.following_ms
        fired = []
        for number, due in enumerate(decision.fire):
            owner = known.at(due)
            pause = covering(self._pauses, owner.job, due) if self._pauses else None
            if pause is not None:
                fired.append(plan.skip(owner.job.name, due, "paused", message=pause.sentence()))
                continue
            if number < decision.made_up:
                run = self._made_up(owner, due, now_ms, live, following)
            else:
                run = plan.run(owner.job, owner.schedule, due, now_ms, live, following_ms=following)
            fired.append(run if owner.revision == known.revision else structs.replace(run, revision=owner.revision))
        if not decision.skip:
            return tuple(fired), following
        skipped = [plan.skip(job.name, s.due_ms, s.reason, until_ms=s.until_ms, count=s.count) for s in decision.skip]
        return (*skipped, *fired), following

    def _made_up(self, owner: Version, due_ms: int, now_ms: int, live: LiveNodes, following_ms: int | None) -> RunPlan:
        """A run for a due time that was missed, in its turn; or none, where its turn comes too late."""
        job = owner.job
        until_ms = due_ms + job.catch_up_window // _MILLISECOND
        if job.forbids_overlap and following_ms is not None:  # it would be in the way of that one
            until_ms = min(until_ms, following_ms - 1)
        spacing_ms = 0 if job.catch_up_spacing is None else job.catch_up_spacing // _MILLISECOND
        moment = self.pacer.moment(job.name, now_ms, spacing_ms, until_ms)
        if moment is None:
            message = "its turn among the make-up runs would come too late"
            return self.planner.skip(job.name, due_ms, "misfire_late", message=message)
        return self.planner.run(
            job, owner.schedule, due_ms, now_ms, live, following_ms=following_ms, make_up_ms=moment,
            start_by_ms=until_ms if job.start_deadline is None else moment + job.start_deadline // _MILLISECOND,
        )  # fmt: skip

    def _deliver(self, firings: Sequence[Firing], codes: Sequence[int]) -> None:
        sends = [
            (execution.id, 1, firing.job, execution.node)
            for firing, code in zip(firings, codes, strict=True)
            if code == FIRED
            for run in firing.runs
            for execution in run.executions
            if execution.node and execution.delivered and not execution.message
        ]
        if sends:
            self.courier.deliver(sends)
