"""The model's world: one store on a clock of ours, two beats, three nodes with agents, and messages that go astray."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import msgspec

from dkronpy.clock import from_ms, to_ms
from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.targets import RESEND_MS, LiveNodes, Planner
from dkronpy.errors import StillRunningError
from dkronpy.job import Job
from dkronpy.node import BELOW, Node
from dkronpy.store.jobs import Jobs
from dkronpy.store.keys import shard_of
from dkronpy.store.ledger import Firing, Ledger
from dkronpy.store.redbeat import ms_of
from tests.model.agents import Agents
from tests.model.beats import BEATS_TTL_MS, MOST_SHARDS, Beat, Epochs
from tests.model.due_times import Calendar, check_records
from tests.model.farewells import Farewells
from tests.model.gates import Starts, check_gates
from tests.model.invariants import (
    check_counters,
    check_executions,
    check_indexes,
    check_places,
    check_progress,
    check_runs,
    counters_of,
    schedule_of,
)
from tests.model.pauses import PauseBook
from tests.model.snapshot import Camera, Snapshot
from tests.model.steps import ModelStore

START_MS = to_ms(from_ms(1_772_442_000_250))
NODES = ("n1", "n2", "n3")
POOL_SLOTS = 2
Ending = Literal["dead", "crash", "silent", "orderly"]
PATIENCE_MS = 10 * 60_000
REVISIONS = 3
ROUNDS = 30
"""So many looks with so much patience between them settle everything: deadlines and retry windows end in an hour."""


@dataclass(frozen=True)
class Message:
    """A doorbell on its way to a node."""

    execution_id: str
    delivery: int
    node: str


class World:
    """Everything outside the Lua, and the checks that follow every step."""

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        store.client.flushdb()
        self.now = self.seen = START_MS
        store.set_clock(self.now)
        self.ledger = Ledger(store)
        self.jobs = Jobs(store, revisions=REVISIONS)
        store.scripts.call("pool", "db", POOL_SLOTS)
        self.agents = Agents(self.ledger)
        self.beats = (Beat("beat-a", store), Beat("beat-b", store))
        self.down: set[str] = set()
        self.mail: list[Message] = []
        self.calendars: dict[str, Calendar] = {}
        self.stored: dict[str, Job] = {}
        self.history: dict[str, list[tuple[int, Job | None]]] = {}
        self.since: dict[str, int] = {}
        self.inherited: dict[str, Counter[str]] = {}
        self.last_epochs: dict[int, int] = {}
        self.attended: dict[str, int] = {}
        self.misplaced: list[tuple[int, list[str]]] = []
        self.pauses = PauseBook(store)
        self.farewells = Farewells(store)
        self._bodies: dict[tuple[str, int], Job] = {}
        self._definitions: dict[str, Job] = {}
        self._starts = Starts()
        self._planner = Planner(NoCourier(), random.Random("hand"), fired_by="hand")
        self._camera = Camera(store.client, store.keys)
        self.shot = self._camera.take()

    # time and nodes

    @property
    def nodes(self) -> list[Node]:
        """The nodes as a beat sees them now."""
        return [Node(name=name, alive=name not in self.down) for name in NODES]

    def advance(self, ms: int) -> None:
        """Time passes; for a negative number the store's clock is set back, and agents do not notice."""
        self.now += ms
        self.seen = max(self.seen, self.now)
        self.store.set_clock(self.now)
        self.agents.kill_unrenewed(self.seen)

    # definitions

    def save(self, job: Job) -> None:
        """Store a definition, and write down what it makes due."""
        before = self.stored.get(job.name)
        saved = self.jobs.save(job)
        if saved.what == "unchanged":
            assert before == job, f"{job.name} was changed and nobody noticed"
            return
        assert (saved.what == "created") == (before is None), f"{job.name}: {saved.what}"
        self.history.setdefault(job.name, []).insert(0, (saved.revision, job))
        self._check_history(job.name, 1 + REVISIONS)
        assert (job.name, saved.revision) not in self._bodies, f"revision {saved.revision} of {job.name} is used twice"
        if before is None:
            self.since[job.name] = saved.revision
        self.stored[job.name] = self._bodies[job.name, saved.revision] = job
        if before is None or (before.schedule, before.enabled) != (job.schedule, job.enabled):
            calendar = self.calendars.setdefault(job.name, Calendar())
            calendar.end(self.now, self.seen)
            if job.enabled:
                calendar.begin(self.jobs.get(job.name).schedule(), self.now)

    def delete(self, name: str) -> None:
        """Delete a definition; due times that wait for beat go with it."""
        owed = self._owed(name)
        assert self.jobs.delete(name) == (name in self.stored)
        if self.stored.pop(name, None) is None:
            return
        del self.since[name]
        self.inherited.pop(name, None)
        self.history[name].insert(0, (self.history[name][0][0], None))
        self._check_history(name, REVISIONS)
        calendar = self.calendars[name]
        calendar.end(self.now, self.seen)
        if owed is not None:
            calendar.excuse(owed, self.now)

    def rename(self, name: str, heir: str) -> None:
        """Give a job another name, which nobody has: phase, counters and history go along, unless runs have to end."""
        job, known, owed = self.stored[name], self.history[name], self._owed(name)
        counted, anchor = counters_of(self.shot, name), self.jobs.get(name).anchor_ms
        still = [row.id for row in self.shot.executions.values() if row.job == name and not row.terminal]
        try:
            assert self.jobs.delete(name, heir=heir)
        except StillRunningError:
            assert job.limited, f"{name} has no limits and waits for {still}"
            assert still, f"{name} is said to have open runs"
            return
        assert not (job.limited and still), f"{name} is renamed while {still} are open"
        del self.stored[name], self.since[name]
        self.inherited.pop(name, None)
        self.inherited[heir] = counted
        self.history[name] = [(known[0][0], None), *known]
        self.history[heir] = [
            (number, None if one is None else msgspec.structs.replace(one, name=heir)) for number, one in known
        ]
        self.calendars[name].end(self.now, self.seen)
        if owed is not None:
            self.calendars[name].excuse(owed, self.now)
        self.save(msgspec.structs.replace(job, name=heir))
        assert self.jobs.get(heir).anchor_ms == anchor, f"the phase of {heir} is not that of {name}"

    def _check_history(self, name: str, most: int) -> None:
        """The newest *most* revisions are remembered: the one in force, and those before it."""
        known = [(revision.number, revision.job) for revision in self.jobs.history(name)]
        assert known == self.history[name][:most], f"the history of {name} is {[number for number, _ in known]}"

    def _owed(self, name: str) -> int | None:
        key = self.store.keys.schedule_of(shard_of(name, self.store.read_shards()))
        found = [self.store.client.zscore(one, self.store.keys.entry(name)) for one in (key, *self._schedules())]
        score = next((one for one in found if one is not None), None)
        return ms_of(score) if score is not None and ms_of(score) <= self.now else None

    def next_ms(self) -> int:
        """When something is due next; now where nothing ever is."""
        firsts = [self.store.client.zrange(key, 0, 0, withscores=True) for key in self._schedules()]
        return min((ms_of(score) for first in firsts for _, score in first), default=self.now)

    def _schedules(self) -> list[str]:
        return [self.store.keys.schedule_of(shard) for shard in range(MOST_SHARDS)]

    # shards

    def reshard(self, count: int) -> None:
        """The leader of shard 0 wants another number of shards, and looks who stands where he does not belong."""
        self.store.set_shards(count)
        for shard in range(MOST_SHARDS):
            names = [
                self.store.keys.job_of(raw.decode())
                for raw in self.store.client.zrange(self.store.keys.schedule_of(shard), 0, -1)
            ]
            self.misplaced.append((shard, [name for name in names if shard_of(name, count) != shard]))

    def move(self) -> None:
        """Whoever was seen at the wrong place is moved, as it is by now."""
        moves, self.misplaced = self.misplaced, []
        for shard, names in moves:
            if names:
                self.ledger.move(shard, names)
        self.store.shards_settled()

    def settle_shards(self) -> None:
        """As whoever takes shard 0 next sees to it: all stand where they belong."""
        self.move()
        self.reshard(self.store.read_shards())
        self.move()

    def attend(self, beat: Beat) -> None:
        """A beat says that it is there, and hears who else is."""
        self.attended[beat.name] = self.now
        there = set(beat.attend())
        self.attended = {name: at for name, at in self.attended.items() if at > self.now - BEATS_TTL_MS}
        expected = set(self.attended)
        assert there == expected, f"{there} are said to be there, and {expected} said so"

    def fall_silent(self, beat: Beat) -> None:
        """What a beat said last is long ago."""
        long_ago = self.attended[beat.name] = self.now - BEATS_TTL_MS - 1
        self.store.client.zadd(self.store.keys.beats, {beat.name: long_ago})

    def leave(self, beat: Beat) -> None:
        """A beat ends in good order."""
        self.attended.pop(beat.name, None)
        beat.ledger.leave(beat.name)

    def tick(self, beat: int) -> None:
        """One beat ticks. What it sent before and was held back arrives before that: a connection keeps the order."""
        one = self.beats[beat]
        if one.held:
            self.pauses.stale = True
            one.commit()
            self.check()
        self.lead(one.tick(self.nodes))

    def run_by_hand(self, name: str, suffix: str) -> None:
        """Somebody starts a job now."""
        stored = self.jobs.get(name)
        plan = self._planner.run(
            stored.job, stored.schedule(), self.now, self.now, LiveNodes(self.nodes), trigger="manual", suffix=suffix
        )
        firing = Firing(job=name, revision=stored.revision, runs=(plan,), forbid=stored.job.forbids_overlap)
        _, (code,) = self.ledger.fire([firing], epoch=None)
        assert code == 1, f"a run of {name} by hand got {code}"

    @property
    def unsettled(self) -> bool:
        """Whether somebody may stand where he does not belong: the number of shards has changed meanwhile."""
        return bool(self.misplaced)

    # messages

    def collect_mail(self) -> None:
        """Take what the commits pushed out of the queues."""
        with self.store.client.pipeline(transaction=False) as pipe:
            for node in NODES:
                pipe.lpop(f"dkronpy.node.{node}", 1000)
                pipe.lpop(f"dkronpy.node.{node}{BELOW}", 1000)
            rows = pipe.execute()
        for raw in (message for row in rows for message in row or ()):
            execution_id, delivery, node = raw.decode().split()
            self.mail.append(Message(execution_id, int(delivery), node))

    def deliver(self, message: Message) -> None:
        """A message arrives."""
        run_id = message.execution_id.rpartition(".")[0]
        definition = self._definitions.get(run_id)
        self.agents.claim(message.execution_id, message.delivery, message.node, definition, self.now, self.seen)

    # checks

    def lead(self, epochs: Epochs) -> None:
        """A beat was told that it leads under those epochs."""
        for shard, epoch in epochs.items():
            last = self.last_epochs.get(shard, 0)
            assert epoch >= last, f"epoch {epoch} of shard {shard} was granted after {last}"
            self.last_epochs[shard] = epoch

    def check(self, *, complete: bool = False) -> Snapshot:
        """Look at everything there is."""
        before, self.shot = self.shot, self._camera.take()
        shot = self.shot
        for run in shot.runs.values():
            if run.id not in self._definitions:
                self._definitions[run.id] = self._bodies[run.job, run.revision]
        check_executions(shot, self.agents)
        check_runs(shot, self._definitions)
        check_gates(shot, self._definitions, POOL_SLOTS)
        self._starts.see(shot, self._definitions, self.now)
        check_indexes(shot)
        check_counters(shot, self.since, self.inherited)
        check_places(shot, self.stored, settled=not self.unsettled)
        self.pauses.check(before, shot, self._definitions)
        self.farewells.check(shot)
        check_progress(before, shot, self.agents, self.seen)
        for name, calendar in self.calendars.items():
            check_records(name, calendar, shot.runs.values(), self.seen, complete=complete)
        return shot

    def quiesce(self, ending: Ending) -> None:
        """One beat goes on alone, and agents can do no more than *ending* says: all due times get their record, and
        all executions their end.
        """
        self.advance(self.seen - self.now)
        self.beats[0].release()
        self.beats[1].release()
        self.settle_shards()
        self._fire_all()
        horizon, calendars = self.seen, self.calendars
        self.calendars = {}  # nobody ticks from here on: what falls due now stays owed
        self.advance(RESEND_MS)
        for turn in range(ROUNDS):
            self.down = {NODES[turn % 3]} if ending != "dead" else set()
            self.beats[0].sweep(self.nodes)
            self._last_efforts(ending)
            shot = self.check()
            still = [row for row in shot.executions.values() if not row.terminal]
            if not still:
                break
            self.advance(PATIENCE_MS)
        assert not still, f"{still[0]} does not end"
        self._late_reports()
        for name, calendar in calendars.items():
            check_records(name, calendar, self.shot.runs.values(), horizon, complete=True)

    def _fire_all(self) -> None:
        for _ in range(ROUNDS):
            self.beats[0].tick(self.nodes)
            due = [ms_of(score) for score in schedule_of(self.check()).values()]
            if all(moment > self.now for moment in due):
                break
        self.check(complete=True)

    def _last_efforts(self, ending: Ending) -> None:
        """Every message arrives; what it starts dies at once, or runs on unheard of until it is superseded, or ends
        and says so, every second one with a failure.
        """
        self.collect_mail()
        mail, self.mail = self.mail, []
        if ending != "dead":
            for message in mail:
                self.deliver(message)
        if ending == "orderly":
            for number, work in enumerate(self.agents.running):
                self.agents.deliver(self.agents.end(work, success=number % 2 == 1))
        elif ending == "silent":
            for work in self.agents.superseded():
                self.agents.deliver(self.agents.end(work, success=True))
        else:
            for node in NODES:
                self.agents.crash(node)

    def _late_reports(self) -> None:
        """What was thought dead is heard of again after all is over."""
        for node in NODES:
            self.agents.renew(node, self.now)
        self.check()
        for work in self.agents.running:
            self.agents.end(work, success=True)
        for report in self.agents.spool[-20:] * 2:
            self.agents.deliver(report)
        self.check()
