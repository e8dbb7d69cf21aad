"""The state machine: what may happen to a deployment, one step at a time, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from dkronpy.dispatch.targets import RESEND_MS
from dkronpy.job import CatchUp, Job, Run
from dkronpy.job.retry import Retry
from dkronpy.node import all_nodes, any_node
from tests.model.agents import Work
from tests.model.beats import MOST_SHARDS
from tests.model.steps import ModelStore
from tests.model.world import NODES, Ending, World

NAMES = ("a", "b")
FAST = ("@every 2s", "*/3 * * * * *", "@every 5s")
SLOW = ("@every 7s", "*/10 * * * * *", "@every 30s")

pick = st.sampled_from((0, 0, 0, 1, 1, 2, 5))
names = st.sampled_from(NAMES)
beats = st.integers(0, 1)
nodes = st.sampled_from(NODES)


policies = st.sampled_from(("allow", "allow", "forbid", "forbid", "queue_one", "queue_all", "cancel", "terminate"))
gates = st.sampled_from(
    (
        {}, {}, {}, {}, {"pools": {"db": 1}}, {"pools": {"db": 2}, "priority": 5}, {"rate": "2/2m"},
        {"pools": {"db": 1}, "rate": "2/2m"},
    )
)  # fmt: skip


@st.composite
def definitions(draw: st.DrawFn, name: str) -> Job:
    """A job with one of each kind of policy."""
    limits = draw(gates)
    catch_up: CatchUp = draw(st.sampled_from(("latest", "latest", "none", "all")))
    job = Job(
        name=name,
        run=Run("shell", {"command": "true"}),
        schedule=draw(st.sampled_from(SLOW if catch_up == "all" else FAST + SLOW)),
        on=draw(st.sampled_from((any_node(), any_node(), all_nodes()))),
        concurrency=draw(policies),
        queue_limit=2,
        delivery=draw(st.sampled_from(("at_most_once", "at_least_once"))),
        retry=Retry(draw(st.integers(0, 2)), delay=timedelta(seconds=2), jitter=False),
        run_timeout=draw(st.sampled_from((None, None, None, timedelta(seconds=20)))),
        catch_up=catch_up,
        catch_up_window=timedelta(hours=1),  # make-up runs may wait that long, and the end of a history is not further
        **limits,
    )
    assert not job.check()
    return job


class LedgerMachine(RuleBasedStateMachine):
    """``world`` is made afresh for each example; ``store`` is given by a subclass."""

    store: ModelStore

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.store)
        self.sound = True
        self.by_hand = 0
        self.ending: Ending = "dead"

    @contextmanager
    def step(self) -> Iterator[World]:
        """One thing happens; then everything is checked."""
        sound, self.sound = self.sound, False
        yield self.world
        self.world.collect_mail()
        self.world.check()
        self.sound = sound

    def teardown(self) -> None:
        if self.sound:
            self.world.quiesce(self.ending)

    @initialize(a=definitions("a"), b=definitions("b"), ending=st.sampled_from(("silent", "crash", "orderly", "dead")))
    def two_jobs(self, a: Job, b: Job, ending: Ending) -> None:
        self.ending = ending
        with self.step() as world:
            world.save(a)
            world.save(b)

    # people

    @rule(job=st.one_of(definitions("a"), definitions("b")), anew=st.booleans())
    def save(self, job: Job, anew: bool) -> None:
        with self.step() as world:
            if anew:
                world.delete(job.name)
            world.save(job)

    @rule(name=names, retries=st.integers(0, 2), concurrency=policies)
    def change_policy(self, name: str, retries: int, concurrency: Any) -> None:
        with self.step():
            self._change_policy(name, retries, concurrency)

    def _change_policy(self, name: str, retries: int, concurrency: Any) -> None:
        old = self.world.stored.get(name)
        if old is not None:
            retry = Retry(retries, delay=timedelta(seconds=2), jitter=False)
            self.world.save(msgspec.structs.replace(old, retry=retry, concurrency=concurrency))

    @rule(name=names, delete=st.booleans())
    def toggle_or_delete(self, name: str, delete: bool) -> None:
        with self.step() as world:
            old = world.stored.get(name)
            if delete:
                world.delete(name)
            elif old is not None:
                world.save(msgspec.structs.replace(old, enabled=not old.enabled))

    @rule(name=names)
    def rename(self, name: str) -> None:
        with self.step() as world:
            heir = next(one for one in NAMES if one != name)
            world.delete(heir)
            if name in world.stored:
                world.check()
                world.rename(name, heir)

    @rule(name=names)
    def run_by_hand(self, name: str) -> None:
        with self.step() as world:
            if name in world.stored:
                self.by_hand += 1
                world.run_by_hand(name, f"{self.by_hand:04x}")

    @rule(index=pick)
    def cancel(self, index: int) -> None:
        with self.step() as world:
            known = sorted(world.shot.scores.get(world.store.keys.open, {})) or sorted(world.shot.executions)
            if known:
                world.agents.cancel(known[index % len(known)])

    @rule(job=st.sampled_from((*NAMES, "")), ahead=st.sampled_from((0, 0, 4)), seconds=st.sampled_from((3, 9, 0)))
    def pause(self, job: str, ahead: int, seconds: int) -> None:
        with self.step() as world:
            begin = world.now + ahead * 1000
            world.pauses.pause(job, begin, begin + seconds * 1000 if seconds else None)

    @rule()
    def resume(self) -> None:
        with self.step() as world:
            world.pauses.resume(world.now)

    # beats

    @rule(beat=beats, then=st.sampled_from(("stays", "is not heard of", "leaves")))
    def beat_is_there(self, beat: int, then: str) -> None:
        """One says so, and may end or be silent for long; the other one hears who is there."""
        with self.step() as world:
            one, other = world.beats[beat], world.beats[1 - beat]
            world.attend(one)
            if then == "leaves":
                world.leave(one)
            elif then == "is not heard of":
                world.fall_silent(one)
            world.attend(other)

    @rule(count=st.integers(1, MOST_SHARDS), at_once=st.booleans())
    def number_of_shards_changes(self, count: int, at_once: bool) -> None:
        """Jobs are moved at once, or those that were seen then some time later."""
        with self.step() as world:
            world.reshard(count)
            if at_once:
                world.move()

    @precondition(lambda self: self.world.misplaced)
    @rule()
    def jobs_are_moved(self) -> None:
        with self.step() as world:
            world.move()

    @rule(beat=beats)
    def tick(self, beat: int) -> None:
        with self.step() as world:
            world.tick(beat)

    @rule(seconds=st.sampled_from((2, 3, 6)), beat=beats)
    def wait_and_tick(self, seconds: int, beat: int) -> None:
        with self.step() as world:
            world.advance(seconds * 1000)
            world.tick(beat)

    @rule(beat=beats, late_ms=st.sampled_from((0, 0, 3, 499, 501)))
    def due_time_comes(self, beat: int, late_ms: int) -> None:
        """A beat that has made ready for it finds it at once, or a moment later."""
        with self.step() as world:
            world.advance(max(0, world.next_ms() + late_ms - world.now))
            world.tick(beat)

    @rule(beat=beats)
    def sweep(self, beat: int) -> None:
        with self.step() as world:
            world.lead(world.beats[beat].sweep(world.nodes))

    @rule(beat=beats)
    def tick_is_held_back(self, beat: int) -> None:
        with self.step() as world:
            world.lead(world.beats[beat].tick(world.nodes, hold=True))

    @rule(beat=beats)
    def sweep_is_held_back(self, beat: int) -> None:
        with self.step() as world:
            world.lead(world.beats[beat].sweep(world.nodes, hold=True))

    @precondition(lambda self: any(beat.held for beat in self.world.beats))
    @rule()
    def what_was_held_back_arrives(self) -> None:
        with self.step() as world:
            world.pauses.stale = True
            for beat in world.beats:
                beat.commit()

    @rule(beat=beats, seconds=st.integers(1, 12), meanwhile=st.sampled_from(("fire", "claim", "change")))
    def beat_sleeps_before_it_writes(self, beat: int, seconds: int, meanwhile: str) -> None:
        """It reads what is due and what to send again, is paused, and writes when another leads."""
        with self.step() as world:
            sleeper, other = world.beats[beat], world.beats[1 - beat]
            world.advance(RESEND_MS)
            world.lead(sleeper.tick(world.nodes, hold=True))
            world.lead(sleeper.sweep(world.nodes, hold=True))
            self._leads_expire()
            world.advance(seconds * 1000)
            if meanwhile == "change":
                self._change_policy("a", 1, "forbid")
            world.lead(other.tick(world.nodes))
            if meanwhile == "claim":
                self._newest_arrive()
            world.check()
            world.pauses.stale = True
            sleeper.commit()

    @rule(name=names, beat=beats, down=st.sampled_from((set(), {"n1"}, {"n2", "n3"})), start=st.booleans())
    def nobody_is_there_at_first(self, name: str, beat: int, down: set[str], start: bool) -> None:
        """When some have come, one beat is paused before it writes whom it found, and another leads."""
        with self.step() as world:
            sleeper, other = world.beats[beat], world.beats[1 - beat]
            job = world.stored.get(name)
            if job is not None:
                world.save(msgspec.structs.replace(job, on=all_nodes()))  # seldom would it be one, and at rest
                world.down = set(NODES)
                self.by_hand += 1
                world.run_by_hand(name, f"{self.by_hand:04x}")
                world.down = down
                world.lead(sleeper.sweep(world.nodes, hold=True))
                self._leads_expire()
                world.advance(1000)
                world.down = {"n1", "n2"} - down
                world.lead(other.sweep(world.nodes))
                world.lead(other.sweep(world.nodes))
                if start:
                    self._newest_arrive()
                world.check()
                sleeper.commit()

    @rule()
    def what_has_ended_is_seen_off(self) -> None:
        with self.step() as world:
            world.farewells.see_off()

    @rule()
    def leadership_expires(self) -> None:
        with self.step():
            self._leads_expire()

    def _leads_expire(self) -> None:
        keys = self.world.store.keys
        self.world.store.client.delete(*(keys.leader_of(shard) for shard in range(MOST_SHARDS)))

    @rule(beat=beats)
    def leadership_is_given_up(self, beat: int) -> None:
        with self.step() as world:
            world.beats[beat].release()

    # agents

    @precondition(lambda self: self.world.mail)
    @rule(index=pick, again=st.booleans())
    def message_arrives(self, index: int, again: bool) -> None:
        """The newest first: time and again an old one comes late, or one comes twice; many never come."""
        with self.step() as world:
            message = world.mail[-1 - index % len(world.mail)]
            if not again:
                world.mail.remove(message)
            world.deliver(message)

    @rule(beat=beats)
    def all_messages_arrive(self, beat: int) -> None:
        with self.step() as world:
            world.tick(beat)
            self._newest_arrive()

    def _newest_arrive(self) -> None:
        self.world.collect_mail()
        self.world.check()
        for message in self.world.mail[-4:]:
            self.world.deliver(message)

    def _work(self, index: int) -> Work:
        running = self.world.agents.running
        return running[-1 - index % len(running)]

    @precondition(lambda self: self.world.agents.running)
    @rule(index=pick, success=st.booleans())
    def command_ends(self, index: int, success: bool) -> None:
        with self.step() as world:
            world.agents.deliver(world.agents.end(self._work(index), success=success))

    @precondition(lambda self: self.world.agents.running)
    @rule(index=pick, success=st.booleans())
    def command_ends_unreported(self, index: int, success: bool) -> None:
        with self.step() as world:
            world.agents.end(self._work(index), success=success)

    @precondition(lambda self: self.world.agents.spool)
    @rule(index=pick)
    def report_comes_late_or_again(self, index: int) -> None:
        with self.step() as world:
            spool = world.agents.spool
            world.agents.deliver(spool[-1 - index % len(spool)])

    @precondition(lambda self: self.world.agents.spool)
    @rule(index=pick)
    def report_comes_while_its_run_is_seen_off(self, index: int) -> None:
        with self.step() as world:
            spool = world.agents.spool
            world.farewells.read()
            world.agents.deliver(spool[-1 - index % len(spool)])
            world.farewells.let_go()

    @precondition(lambda self: self.world.agents.running)
    @rule(beat=beats, cancel=st.booleans())
    def leases_run_out(self, beat: int, cancel: bool) -> None:
        with self.step() as world:
            running = world.agents.running
            world.advance(max(1, max(work.lease_until for work in running) - world.now))
            world.lead(world.beats[beat].sweep(world.nodes))
            if cancel:
                world.agents.cancel(running[-1].execution.id)

    @precondition(lambda self: self.world.agents.running)
    @rule(node=nodes)
    def agent_renews(self, node: str) -> None:
        with self.step() as world:
            world.agents.renew(node, world.now)

    @precondition(lambda self: self.world.agents.running)
    @rule(node=nodes)
    def agent_crashes(self, node: str) -> None:
        with self.step() as world:
            world.agents.crash(node)

    @rule(node=nodes)
    def node_goes_or_comes(self, node: str) -> None:
        with self.step() as world:
            world.down ^= {node}

    # time

    @rule(ms=st.integers(1, 1500))
    def moment_passes(self, ms: int) -> None:
        with self.step() as world:
            world.advance(ms)

    @rule(seconds=st.sampled_from((2, 5, 11, 20, 47, 49, 220)))
    def time_passes(self, seconds: int) -> None:
        with self.step() as world:
            world.advance(seconds * 1000)

    @rule(ms=st.integers(1, 2000))
    def clock_is_set_back(self, ms: int) -> None:
        with self.step() as world:
            world.advance(-ms)
