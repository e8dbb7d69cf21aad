"""Two beats, three agents, real processes: jobs run where and when they are meant to, exactly once."""

from __future__ import annotations

import signal
from collections import Counter
from datetime import timedelta

from dkronpy import all_nodes, any_node, on_node
from dkronpy.clock import from_ms
from dkronpy.job import Job, Run
from tests.acceptance.fleet import Fleet, left_running
from tests.support import wait_until


def shell(command: str) -> Run:
    return Run("shell", {"command": command, "shell": "true"})


def test_a_broadcast_runs_on_every_matching_node_and_on_no_other(fleet: Fleet) -> None:
    fleet.beat(), fleet.beat()
    fleet.agent("web1", role="web"), fleet.agent("web2", role="web"), fleet.agent("db1", role="db")
    fleet.save(Job(name="rotate", schedule="@manually", run=shell("echo on $DKRONPY_NODE"), on=all_nodes(role="web")))

    run, executions = fleet.run_now("rotate")

    assert run.state == "success"
    assert {execution.node: fleet.output(execution) for execution in executions} == {
        "web1": "on web1\n",
        "web2": "on web2\n",
    }


def test_a_job_of_every_other_second_fires_at_every_even_second_once(fleet: Fleet) -> None:
    fleet.beat(), fleet.beat()
    fleet.agent("n1"), fleet.agent("n2")
    fleet.leader_pid()
    fleet.save(Job(name="tick", schedule="*/2 * * * * *", run=shell("true")))
    first = fleet.client.job("tick").stored.due_ms
    assert first is not None

    lags: list[int] = []
    # A machine that is busy for a moment is no defect: the best of three windows counts, without its two worst.
    for window in range(3):
        start = first + window * 20_000
        due = [start + 2000 * step for step in range(10)]
        ids = [f"tick@{from_ms(ms):%Y-%m-%dT%H:%M:%S}.000Z" for ms in due]
        wait_until(
            lambda ids=ids: fleet.client.deployment.ledger.run(ids[-1]), timeout=40, description="20 s have passed"
        )
        ended = [fleet.ended(run_id) for run_id in ids]
        assert [run.state for run, _ in ended] == ["success"] * 10
        assert [len(executions) for _, executions in ended] == [1] * 10
        lags = sorted(executions[0].started_ms - run.due_ms for run, executions in ended)
        if lags[7] < 250:
            break
    assert lags[7] < 250, f"start lag in ms: {lags}"

    everything = fleet.client.runs(job="tick", limit=100)
    assert all(run.due_ms % 2000 == 0 for run in everything)
    assert max(Counter(run.due_ms for run in everything).values()) == 1


def test_killing_the_leading_beat_loses_and_doubles_nothing(fleet: Fleet) -> None:
    truth = fleet.folder / "truth.txt"
    beats = {beat.pid: beat for beat in (fleet.beat(), fleet.beat())}
    fleet.agent("n1")
    leader = fleet.leader_pid()
    fleet.save(
        Job(
            name="ledger",
            schedule="* * * * * *",
            run=shell(f'echo "$DKRONPY_DUE" >> {truth}'),
            catch_up="all",
            start_deadline=timedelta(minutes=1),
        )
    )
    wait_until(lambda: truth.exists() and len(truth.read_text().split()) >= 3, description="three runs")

    beats[leader].kill()

    wait_until(lambda: fleet.leader_pid() not in {leader, 0}, timeout=15, description="the other beat leads")
    seen = len(truth.read_text().split())
    wait_until(lambda: len(truth.read_text().split()) >= seen + 8, timeout=30, description="it goes on")
    fleet.client.toggle_job("ledger")
    runs = wait_until(
        lambda: [] if fleet.client.status().open_executions else fleet.client.runs(job="ledger", limit=200),
        timeout=20,
        description="nothing is open any more",
    )
    due = sorted(run.due_ms for run in runs if run.state == "success")
    assert due == list(range(due[0], due[-1] + 1000, 1000)), "a due time is missing or doubled"
    assert sorted(truth.read_text().split()) == [from_ms(ms).isoformat() for ms in due]
    assert all(run.state == "success" or run.reason == "paused" for run in runs)


def test_killing_an_agent_in_mid_run_ends_in_lost_with_nothing_left_running(fleet: Fleet) -> None:
    fleet.beat()
    agent = fleet.agent("n1")
    fleet.save(Job(name="long", schedule="@manually", run=shell("sleep 300 & sleep 300"), on=on_node("n1")))
    run_id = fleet.client.run_job("long").run.id
    execution = fleet.started(run_id)
    wait_until(lambda: left_running(execution.id), description="it has processes")

    agent.kill()

    killed_at = fleet.client.status().now_ms
    wait_until(lambda: not left_running(execution.id), timeout=5, description="nothing of it runs any more")
    run, (execution,) = fleet.ended(run_id)
    assert (run.state, execution.state, execution.reason) == ("lost", "lost", "lease_expired")
    assert execution.finished_ms - killed_at <= 5_000 + 3_000  # the lease, and some time to see that it is over


def test_a_run_by_hand_and_a_new_schedule_take_effect_at_once(fleet: Fleet) -> None:
    fleet.beat()
    fleet.agent("n1")
    fleet.leader_pid()
    fleet.save(Job(name="hand", schedule="@manually", run=shell("true")))
    # A machine that is busy for a moment is no defect: the best of three counts.
    begun = [fleet.run_now("hand") for _ in range(3)]
    lags = [execution.started_ms - run.fired_ms for run, (execution,) in begun]
    assert min(lags) < 700, f"beat was not woken: it would have come at the next tick; {lags}"

    lags = []
    for name in ("soon1", "soon2", "soon3"):
        soon = from_ms(fleet.client.status().now_ms + 1000)
        fleet.save(Job(name=name, schedule=f"@at {soon.isoformat(timespec='milliseconds')}", run=shell("true")))
        run = wait_until(lambda name=name: fleet.client.runs(job=name), description="it fires")[0]
        lags.append(run.fired_ms - run.due_ms)
    assert min(lags) < 250, f"ms after they were due: {lags}"


def test_a_job_waits_for_a_node_and_takes_the_first_that_comes(fleet: Fleet) -> None:
    fleet.beat()
    fleet.save(Job(name="wait", schedule="@manually", run=shell("true"), on=any_node(role="gpu")))
    run_id = fleet.client.run_job("wait").run.id
    fleet.agent("other")
    assert fleet.client.run(run_id).run.state == "running"
    fleet.agent("gpu1", role="gpu")
    run, (execution,) = fleet.ended(run_id)
    assert (run.state, execution.node) == ("success", "gpu1")


def test_a_queued_execution_moves_to_another_node_when_its_node_dies(fleet: Fleet) -> None:
    fleet.beat()
    frozen = fleet.agent("n1", role="web")
    fleet.save(Job(name="move", schedule="@manually", run=shell("true"), on=any_node(role="web")))
    frozen.signal(signal.SIGSTOP)
    try:
        run_id = fleet.client.run_job("move").run.id
        fleet.agent("n2", role="web")
        run, (execution,) = fleet.ended(run_id, timeout=40)
        assert (run.state, execution.node, execution.attempt) == ("success", "n2", 1)
    finally:
        frozen.signal(signal.SIGCONT)
