"""What goes wrong around the work: a store that is away, messages and entries that make no sense."""

from __future__ import annotations

import json
import signal
import sys
from datetime import timedelta
from pathlib import Path

from celery import Celery
from celery.schedules import schedule as interval
from redbeat import RedBeatSchedulerEntry

from dkronpy import on_node
from dkronpy.agent.launcher import find_processes
from dkronpy.job import Job, Run
from dkronpy.node import queue_name
from tests.acceptance.fleet import Fleet
from tests.support import StoreServer, spawn, wait_until


def shell(command: str) -> Run:
    return Run("shell", {"command": command, "shell": "true"})


def test_a_store_that_is_down_at_the_start_is_waited_for(fleet: Fleet, server: StoreServer) -> None:
    server.terminate()
    beat = fleet._start("beat")
    agent = fleet._start("agent", "--name", "n1", DKRONPY_DATA_DIR=str(fleet.folder / "data"))
    beat.wait_for("cannot"), agent.wait_for("cannot reach Redis")
    server.start()
    wait_until(lambda: "n1" in fleet.alive(), timeout=20, description="the agent has come up")
    fleet.leader_pid()
    fleet.save(Job(name="ok", schedule="@manually", run=shell("true")))
    assert fleet.run_now("ok")[0].state == "success"
    assert "Traceback" not in beat.output + agent.output


def test_work_that_ends_while_the_store_is_away_is_recorded_as_it_ended(fleet: Fleet, server: StoreServer) -> None:
    beat, agent = fleet.beat(), fleet.agent("n1")
    gate = fleet.folder / "gate"
    command = f"while ! test -e {gate}; do sleep 0.05; done; echo made it"
    fleet.save(Job(name="survivor", schedule="@manually", run=shell(command)))
    run_id = fleet.client.run_job("survivor").run.id
    fleet.started(run_id)

    server.kill()
    gate.touch()
    agent.wait_for("waits in the spool", timeout=20)
    server.start()

    run, (execution,) = fleet.ended(run_id, timeout=30)
    assert (run.state, execution.state) == ("success", "success")
    wait_until(
        lambda: fleet.client.deployment.results.execution(execution.id) is not None, description="the result is filed"
    )
    assert fleet.output(execution) == "made it\n"
    assert beat.process.poll() is None


def test_beat_outlives_a_store_that_hangs(fleet: Fleet, server: StoreServer) -> None:
    beat = fleet.beat()
    fleet.agent("n1")
    fleet.leader_pid()
    server.pause()
    beat.wait_for("standing by", timeout=20)
    server.resume()
    fleet.save(Job(name="after", schedule="@manually", run=shell("true")))
    assert fleet.run_now("after", timeout=40)[0].state == "success"
    assert beat.process.poll() is None


def test_an_agent_outlives_a_store_that_is_full(fleet: Fleet, server: StoreServer) -> None:
    fleet.beat()
    agent = fleet.agent("n1")
    fleet.save(Job(name="ok", schedule="@manually", run=shell("true")))
    fleet.run_now("ok")
    agent.signal(signal.SIGSTOP)
    run_id = fleet.client.run_job("ok").run.id
    queued = fleet.client.deployment.store.client.llen
    wait_until(lambda: queued(queue_name("n1")), timeout=20, description="its message waits in the queue")
    with server.client() as client:
        client.config_set("maxmemory", "1mb")
        agent.signal(signal.SIGCONT)
        agent.wait_for("cannot be claimed now")
        client.config_set("maxmemory", "0")
    assert fleet.ended(run_id, timeout=60)[0].state == "success"
    assert agent.process.poll() is None
    assert "Unrecoverable" not in agent.output


def test_an_outcome_that_can_go_nowhere_holds_up_neither_others_nor_the_end_of_its_agent(fleet: Fleet) -> None:
    fleet.beat()
    agent = fleet.agent("n1")
    gate = fleet.folder / "gate"
    command = f"while ! test -e {gate}; do sleep 0.05; done"
    fleet.save(Job(name="odd", schedule="@manually", run=shell(command)))
    fleet.save(Job(name="ok", schedule="@manually", run=shell("true")))
    execution = fleet.started(fleet.client.run_job("odd").run.id)
    spool = fleet.folder / "data-n1" / "spool" / "n1"
    spool.rmdir()
    spool.touch()
    store = fleet.client.deployment.store
    store.client.delete(store.keys.execution(execution.id))
    store.client.set(store.keys.execution(execution.id), "no hash")

    gate.touch()
    agent.wait_for("waits unsaved")
    assert fleet.run_now("ok")[0].state == "success"

    agent.signal(signal.SIGTERM)
    assert agent.wait(timeout=40) == 0
    assert f"the outcome of {execution.id} is lost with this agent" in agent.output
    assert "n1" not in fleet.alive(), "it has signed off"


def test_an_agent_outlives_a_broker_that_cannot_save(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with StoreServer(enable_protected_configs="yes") as server, Fleet(server, tmp_path) as fleet:
        fleet.beat()
        agent = fleet.agent("n1")
        fleet.save(Job(name="ok", schedule="@manually", run=shell("true")))
        fleet.run_now("ok")
        with server.client() as client:
            client.config_set("save", "3600 1")
            client.config_set("dir", str(gone))
            gone.rmdir()
            client.bgsave()
            agent.wait_for("no messages come from the broker: MISCONF", timeout=30)
            client.config_set("stop-writes-on-bgsave-error", "no")
        assert fleet.run_now("ok", timeout=60)[0].state == "success"
        assert agent.process.poll() is None
        assert "Unrecoverable" not in agent.output


def test_an_agent_outlives_a_broker_that_refuses_what_follows_a_message(fleet: Fleet, server: StoreServer) -> None:
    fleet.beat()
    agent = fleet.agent("n1")
    fleet.save(Job(name="ok", schedule="@manually", run=shell("true")))
    fleet.run_now("ok")
    agent.signal(signal.SIGSTOP)
    runs = [fleet.client.run_job("ok").run.id for _ in range(20)]
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-rpop")
        agent.signal(signal.SIGCONT)
        agent.wait_for("no messages come from the broker: ")
        client.execute_command("ACL", "SETUSER", "default", "+rpop")
    assert [fleet.ended(run, timeout=60)[0].state for run in runs] == ["success"] * 20
    assert agent.process.poll() is None
    assert "Unrecoverable" not in agent.output


MISTAKEN = """
import pathlib, sys
from dkronpy.__main__ import main
from dkronpy.agent.worker import Quarantining

take = Quarantining._take

def mistaken(self, **options):
    if pathlib.Path("mistake").exists():
        raise RuntimeError("a mistake of ours")
    return take(self, **options)

Quarantining._take = mistaken
main()
"""


def test_a_worker_that_ends_by_itself_gives_what_runs_the_grace_period_and_no_more(fleet: Fleet) -> None:
    fleet.beat()
    fleet.save(Job(name="long", schedule="@manually", run=shell("sleep 600")))
    command, environment = (sys.executable, "-c", MISTAKEN), {**fleet.environment, "DKRONPY_DATA_DIR": "data"}
    log = fleet.folder / "agent.log"
    with spawn("agent", "--name", "n1", log=log, command=command, env=environment, cwd=fleet.folder) as agent:
        agent.wait_for(" ready.")
        run_id = fleet.client.run_job("long").run.id
        fleet.started(run_id)
        (fleet.folder / "mistake").touch()
        agent.wait_for("Unrecoverable error: RuntimeError('a mistake of ours')")
        agent.wait_for("stopping: 1 executions may run on for 2 s")
        assert agent.wait() == 1
        assert agent.output.count("stopping: ") == 1
    run, (execution,) = fleet.ended(run_id)
    assert (run.state, execution.reason) == ("failed", "shutdown")


def test_messages_that_make_no_sense_are_set_aside_and_the_agent_goes_on(fleet: Fleet) -> None:
    fleet.beat()
    agent = fleet.agent("n1")
    client = fleet.client.deployment.store.client
    queue = queue_name("n1")
    for raw in (b"not json at all \xff", b"[1, 2]", b'{"body": "x"}', json.dumps(unknown_task()).encode()):
        client.lpush(queue, raw)
    wait_until(lambda: len(fleet.client.quarantined()) == 4, timeout=20, description="all four are set aside")
    fleet.save(Job(name="ok", schedule="@manually", run=shell("true"), on=on_node("n1")))
    assert fleet.run_now("ok")[0].state == "success"
    assert agent.process.poll() is None


def unknown_task() -> dict[str, object]:
    return {
        "body": "W1tdLCB7fSwge31d",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"id": "x", "task": "no.such.task", "lang": "py", "argsrepr": "()", "kwargsrepr": "{}"},
        "properties": {
            "correlation_id": "x",
            "delivery_tag": "x",
            "delivery_info": {"exchange": "", "routing_key": "dkronpy.node.n1"},
            "delivery_mode": 2,
            "priority": 0,
            "body_encoding": "base64",
        },
    }


def test_an_entry_that_makes_no_sense_is_set_aside_and_the_others_go_on(fleet: Fleet) -> None:
    fleet.save(Job(name="broken", schedule="* * * * * *", run=shell("true")))
    fleet.save(Job(name="fine", schedule="* * * * * *", run=shell("true")))
    client = fleet.client.deployment.store.client
    client.hset("redbeat:broken", "job", b"{ this is not a definition")
    client.zadd("redbeat::schedule", {"redbeat:nonsense": 1})
    client.hset("redbeat:nonsense", "definition", "{]")
    fleet.beat(), fleet.agent("n1")
    wait_until(lambda: len(fleet.client.runs(job="fine")) >= 3, timeout=20, description="the other job runs on")
    assert set(fleet.client.quarantined()) == {"redbeat:broken", "redbeat:nonsense"}


def test_entries_of_the_users_own_tasks_go_out_as_redbeat_sends_them(fleet: Fleet, server: StoreServer) -> None:
    app = Celery("theirs", broker=server.url, set_as_current=False)
    app.conf.update(redbeat_redis_url=server.url, redbeat_redis_options={})
    entry = RedBeatSchedulerEntry(
        "theirs", "their.task", interval(timedelta(seconds=1)), args=[41], options={"queue": "their-queue"}, app=app
    )
    entry.save()
    fleet.beat()
    client = fleet.client.deployment.store.client
    raw = wait_until(lambda: client.rpop("their-queue"), timeout=20, description="their task is in their queue")
    assert json.loads(raw)["headers"]["task"] == "their.task"
    wait_until(lambda: client.llen("their-queue") >= 2, timeout=20, description="and comes again")
    app.close()


def test_a_frozen_leader_that_wakes_up_writes_nothing(fleet: Fleet) -> None:
    beats = {beat.pid: beat for beat in (fleet.beat(), fleet.beat())}
    fleet.agent("n1")
    leader = fleet.leader_pid()
    fleet.save(Job(name="tick", schedule="* * * * * *", run=shell("true"), catch_up="all"))
    beats[leader].signal(signal.SIGSTOP)
    wait_until(lambda: fleet.leader_pid() != leader, timeout=15, description="the other beat leads")
    beats[leader].signal(signal.SIGCONT)
    seen = len(fleet.client.runs(job="tick", limit=100))
    wait_until(lambda: len(fleet.client.runs(job="tick", limit=100)) >= seen + 4, timeout=20, description="it goes on")
    due = sorted(run.due_ms for run in fleet.client.runs(job="tick", limit=100))
    assert due == list(range(due[0], due[-1] + 1000, 1000))
    assert beats[leader].process.poll() is None
    beats[leader].wait_for("standing by")


def test_work_that_may_not_overlap_does_not_outlive_the_lease_of_an_agent_that_stands_still(fleet: Fleet) -> None:
    fleet.beat()
    agents = {name: fleet.agent(name) for name in ("n1", "n2")}
    truth = fleet.folder / "truth"
    command = f"echo $DKRONPY_EXECUTION_ID $DKRONPY_NODE >> {truth}; sleep 300"
    fleet.save(Job(name="alone", schedule="*/2 * * * * *", run=shell(command), concurrency="forbid"))

    def lines() -> list[str]:
        return truth.read_text().splitlines() if truth.exists() else []

    wait_until(lines, timeout=30, description="the first run begins")
    first, node = lines()[0].split()
    agents[node].signal(signal.SIGSTOP)
    try:
        wait_until(lambda: len(lines()) > 1, timeout=60, description="another run begins")
        assert not find_processes(first), "the first command still runs beside it"
    finally:
        agents[node].signal(signal.SIGCONT)
    fleet.client.toggle_job("alone")
    run_id = first.rpartition(".")[0]
    wait_until(lambda: fleet.client.run(run_id).run.state == "failed", timeout=40, description="the agent reports it")
    (execution,) = fleet.client.run(run_id).executions
    assert (execution.reason, execution.amended) == ("lease_lost_killed", True)
