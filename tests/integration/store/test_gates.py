"""What a run has to pass before it starts: policies of overlap, pools, rates and priorities, and rolling runs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.targets import LiveNodes, Planner
from dkronpy.job import Job, Run
from dkronpy.node import Node, all_nodes
from dkronpy.store.ledger import Claim, Firing
from tests.integration.store.plans import LEASE, SECOND, Desk
from tests.support import wait_until

NODES = [Node(name=name) for name in ("n1", "n2", "n3")]


class Gates:
    """Fires runs of jobs as a beat plans them, and lets one node work."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.planner = Planner(NoCourier(), random.Random(1), fired_by="test")
        self.fired = 0
        desk.lead()

    def job(self, name: str = "load", **fields: Any) -> str:
        given: dict[str, Any] = {"name": name, "run": Run("shell"), "schedule": "@every 1h", **fields}
        job = Job(**given)
        assert job.check() == []
        self.desk.jobs.save(job)
        return name

    def fire(self, name: str = "load", *, params: dict[str, str] | None = None) -> str:
        """One more run, in a millisecond of its own: who came first is told by that; its id."""
        self.fired += 1
        before = self.desk.store.now_ms()
        wait_until(lambda: self.desk.store.now_ms() > before, description="the clock moves on")
        stored, now = self.desk.jobs.get(name), self.desk.store.now_ms()
        plan = self.planner.run(
            stored.job, stored.schedule(), self.fired * SECOND, now, LiveNodes(NODES), params=params
        )  # fmt: skip
        firing = Firing(job=name, revision=stored.revision, runs=(plan,), forbid=stored.job.forbids_overlap)
        assert self.desk.ledger.fire([firing], epoch=None)[1] == [1]
        return plan.id

    def states(self, *runs: str) -> list[str]:
        """Of each run: ``in``, ``waits`` with why, or how it ended."""
        return [self.state(run) for run in runs]

    def state(self, run: str) -> str:
        found = self.desk.ledger.run(run)
        assert found is not None
        if found.terminal:
            return f"{found.state} {found.reason}".strip()
        (execution, *_) = self.desk.ledger.executions(found.execution_ids)
        return execution.message if execution.message.startswith("waits ") else "in"

    def start(self, run: str, index: int = 0) -> Claim:
        """The sweep sends what was let in; a node takes it up."""
        name = f"{run}.{index}"
        execution = self.desk.ledger.execution(name)
        assert execution is not None
        node, delivery = execution.node or "n1", execution.delivery
        if not delivery:
            self.desk.look_now(name)
            assert name in self.desk.reap()[0], f"{name} is not to be sent"
            assert self.desk.ledger.resend([(name, 0, node, "", b"", 5000)]) == [1]
            delivery = 1
        claim = self.desk.ledger.claim(name, delivery, node, "agent", LEASE)
        assert isinstance(claim, Claim), claim
        return claim

    def end(self, run: str, index: int = 0, *, success: bool = True) -> None:
        claim = self.start(run, index)
        reason = "" if success else "exit"
        self.desk.ledger.finish(claim.execution.id, claim.token, success=success, reason=reason)

    def order(self, run: str) -> str:
        """What a node is told of the run's execution at its next renewal."""
        found = self.desk.ledger.execution(f"{run}.0")
        assert found is not None
        (code,) = self.desk.ledger.renew([(found.id, found.attempts[-1].token)], LEASE)
        return {0: "gone", 1: "go on", 2: "cancel", 3: "end at once"}[code]


@pytest.fixture
def gates(desk: Desk) -> Gates:
    return Gates(desk)


def test_one_waits_and_the_next_is_skipped(gates: Gates) -> None:
    gates.job(concurrency="queue_one")
    first, second, third = gates.fire(), gates.fire(), gates.fire()
    assert gates.states(first, second, third) == ["in", f"waits for the end of {first}", "skipped overlap"]
    skipped = gates.desk.ledger.run(third)
    assert skipped is not None
    assert skipped.message == "1 earlier run waits already"
    gates.end(first)
    assert gates.state(second) == "in"
    gates.end(second)
    assert gates.states(second, gates.fire()) == ["success", "in"]


def test_all_wait_in_order_up_to_their_limit(gates: Gates) -> None:
    gates.job(concurrency="queue_all", queue_limit=2, max_active=2)
    runs = [gates.fire() for _ in range(5)]
    assert [state[:5] for state in gates.states(*runs)] == ["in", "in", "waits", "waits", "skipp"]
    gates.end(runs[1])
    assert [state[:5] for state in gates.states(*runs)] == ["in", "succe", "in", "waits", "skipp"]


def test_a_run_that_waits_cannot_be_claimed(gates: Gates) -> None:
    gates.job(concurrency="queue_all")
    _, waiting = gates.fire(), gates.fire()
    for node in ("n1", "n2", "n3", ""):
        answer = gates.desk.ledger.claim(f"{waiting}.0", 1, node, "agent", LEASE)
        assert isinstance(answer, str), f"{node} may start it"
    gates.desk.look_now(f"{waiting}.0")
    sent, closed = gates.desk.reap()
    assert (f"{waiting}.0" in sent, closed) == (False, 0)


@pytest.mark.parametrize(("policy", "order"), [("cancel", "cancel"), ("terminate", "end at once")])
def test_the_earlier_run_makes_way(gates: Gates, policy: str, order: str) -> None:
    gates.job(concurrency=policy)
    first = gates.fire()
    claim = gates.start(first)
    second = gates.fire()
    assert gates.states(first, second) == ["in", f"waits for the end of {first}"]
    assert gates.order(first) == order
    third = gates.fire()
    assert gates.state(second) == "skipped cancelled"
    gates.desk.ledger.finish(f"{first}.0", claim.token, success=False, reason="cancelled")
    assert gates.states(first, third) == ["failed cancelled", "in"]
    # one that has not begun makes way at once
    assert gates.states(gates.fire(), third) == ["in", "skipped cancelled"]


def test_a_lost_node_makes_room_when_its_lease_is_out(gates: Gates) -> None:
    gates.job(concurrency="queue_one")
    first, second = gates.fire(), gates.fire()
    gates.start(first)
    gates.desk.look_now(f"{first}.0")
    gates.desk.reap()
    assert gates.states(first, second) == ["lost lease_expired", "in"]


def test_forbid_counts_what_is_open_and_has_the_same_key(gates: Gates) -> None:
    gates.job(concurrency="forbid", concurrency_key="{{ params.customer }}", max_active=2)
    runs = [gates.fire(params={"customer": customer}) for customer in "aabaab"]
    assert gates.states(*runs) == ["in", "in", "in", "skipped overlap", "skipped overlap", "in"]
    gates.end(runs[0])
    assert gates.state(gates.fire(params={"customer": "a"})) == "in"


def test_a_key_that_cannot_be_rendered_counts_as_the_whole_job(gates: Gates) -> None:
    gates.job(concurrency="forbid", concurrency_key="{{ params.customer }}")
    assert gates.states(gates.fire(params={"customer": "a"}), gates.fire()) == ["in", "skipped overlap"]


def test_jobs_share_a_pool_and_the_higher_priority_goes_first(gates: Gates) -> None:
    gates.desk.store.scripts.call("pool", "db", 2)
    for name, priority, slots in (("low", 0, 1), ("high", 50, 1), ("big", 0, 2)):
        gates.job(name, pools={"db": slots}, priority=priority)
    inside = [gates.fire("low"), gates.fire("low")]
    low, high, big = gates.fire("low"), gates.fire("high"), gates.fire("big")
    assert gates.states(*inside, low, high) == ["in", "in", *["waits for pool db: 2 of 2 slots are taken"] * 2]
    gates.end(inside[0])
    assert gates.states(high, low) == ["in", "waits for pool db: 2 of 2 slots are taken"]
    gates.end(inside[1])
    assert gates.state(low) == "in"
    gates.end(high)
    late = gates.fire("low")  # there is a slot for it, but the big one was here first
    assert gates.states(big, late) == ["waits for pool db: 1 of 2 slots are taken"] * 2
    gates.end(low)
    assert gates.states(big, late) == ["in", "waits for pool db: 2 of 2 slots are taken"]
    assert gates.desk.store.client.hvals(gates.desk.store.keys.pool("db")) == [b"2"]


def test_a_pool_that_grows_lets_in_and_one_that_is_gone_holds(gates: Gates) -> None:
    gates.desk.store.scripts.call("pool", "db", 1)
    gates.job(pools="db")
    runs = [gates.fire() for _ in range(3)]
    gates.desk.store.scripts.call("pool", "db", 3)
    assert gates.states(*runs) == ["in"] * 3
    assert gates.desk.store.scripts.call("pool", "db", "") == 1
    assert gates.state(gates.fire()) == "waits for pool db, which does not exist"
    assert gates.desk.store.scripts.call("pool", "nobody", "") == 0


def test_a_run_between_two_gates_holds_nothing_while_it_waits(gates: Gates) -> None:
    for name in ("a", "b"):
        gates.desk.store.scripts.call("pool", name, 1)
    gates.job("only-a", pools="a")
    gates.job("only-b", pools="b")
    gates.job("both", pools=["a", "b"])
    b, both, a = gates.fire("only-b"), gates.fire("both"), gates.fire("only-a")
    assert gates.states(b, both, a) == ["in", "waits for pool b: 1 of 1 slots are taken", "in"]
    gates.end(b)
    assert gates.state(both) == "waits for pool a: 1 of 1 slots are taken"
    assert gates.state(gates.fire("only-b")) == "in"


def test_a_rate_counts_starts_in_any_span(gates: Gates) -> None:
    gates.job(rate="2/10m")
    first, second, third = gates.fire(), gates.fire(), gates.fire()
    assert gates.states(first, second, third) == ["in", "in", "waits for its rate: 2 in 600 s"]
    gates.end(first)
    assert gates.state(third) == "waits for its rate: 2 in 600 s"
    gates.desk.store.client.zadd(gates.desk.store.keys.prefix + "rate:load", {first: 1})
    gates.desk.look_now(f"{third}.0")
    gates.desk.reap()
    assert gates.state(third) == "in"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"concurrency": "queue_one"}, "overlap"), ({"pools": "db"}, "pool_full"), ({"rate": "1/h"}, "rate_limited")],
)
def test_who_waits_too_long_is_skipped_and_says_for_what(gates: Gates, fields: dict[str, Any], reason: str) -> None:
    gates.desk.store.scripts.call("pool", "db", 1)
    gates.job(start_deadline="1ms", **fields)
    _, waiting = gates.fire(), gates.fire()
    name = f"{waiting}.0"
    gates.desk.store.client.hset(gates.desk.store.keys.execution(name), "start_by_ms", 1)
    gates.desk.look_now(name)
    gates.desk.reap()
    assert gates.state(waiting) == f"skipped {reason}"
    assert gates.desk.state(name) == ("skipped", reason)


def test_who_is_cancelled_while_it_waits_leaves_the_queue(gates: Gates) -> None:
    gates.job(concurrency="queue_all")
    first, second, third = gates.fire(), gates.fire(), gates.fire()
    gates.desk.ledger.cancel([f"{second}.0"], "ann")
    gates.end(first)
    assert gates.states(second, third) == ["skipped cancelled", "in"]


def test_all_that_the_gates_kept_is_gone_in_the_end(gates: Gates) -> None:
    gates.desk.store.scripts.call("pool", "db", 1)
    gates.job(pools="db", concurrency="queue_all")
    for run in [gates.fire() for _ in range(4)]:
        gates.end(run)
    keys = {key.decode() for key in gates.desk.store.client.keys("dkronpy:*")}
    assert {key for key in keys if key.startswith(("dkronpy:wait", "dkronpy:pool:"))} == set()
    assert gates.desk.store.client.scard(gates.desk.store.keys.job_active("load")) == 0


def test_a_rolling_run_goes_from_node_to_node(gates: Gates) -> None:
    gates.job(on=all_nodes(rolling=2))
    run = gates.fire()
    states = [execution.message for execution in gates.desk.ledger.executions([f"{run}.{n}" for n in range(3)])]
    assert states == ["", "", "waits for its turn in the rolling run"]
    assert isinstance(gates.desk.ledger.claim(f"{run}.2", 1, "n3", "agent", LEASE), str)
    gates.end(run, 1)
    gates.end(run, 2)
    gates.end(run, 0)
    assert gates.state(run) == "success"


def test_a_rolling_run_stops_at_the_first_failure(gates: Gates) -> None:
    gates.job(on=all_nodes(rolling=1))
    run = gates.fire()
    gates.end(run, 0)
    gates.end(run, 1, success=False)
    assert gates.state(run).startswith("partially_failed")
    assert gates.desk.state(f"{run}.2") == ("skipped", "rolling_stopped")
