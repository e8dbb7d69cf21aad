"""What happens to an execution on its node: retries, cancellation, output, chains, the copy for Celery."""

from __future__ import annotations

import signal
from datetime import timedelta, timezone

from celery.result import AsyncResult

from dkronpy import on_node
from dkronpy.app import make_app
from dkronpy.job import Job, Run
from dkronpy.job.retry import Retry
from dkronpy.marks import STDERR, STDOUT, Marks
from dkronpy.why import why_run
from tests.acceptance.fleet import Fleet, left_running
from tests.support import wait_until


def shell(command: str, **options: str) -> Run:
    return Run("shell", {"command": command, "shell": "true", **options})


def start(fleet: Fleet) -> None:
    fleet.beat()
    fleet.agent("n1")
    fleet.leader_pid()


def test_a_failed_execution_is_tried_again_and_each_attempt_is_on_record(fleet: Fleet) -> None:
    start(fleet)
    counter = fleet.folder / "tries"
    command = f'echo x >> {counter}; test "$(wc -l < {counter})" -ge 3'
    fleet.save(
        Job(
            name="flaky",
            schedule="@manually",
            run=shell(command),
            retry=Retry(3, delay=timedelta(milliseconds=200), backoff="fixed", jitter=False),
        )
    )
    run, (execution,) = fleet.run_now("flaky")
    assert run.state == "success"
    assert [(a.number, a.state, a.reason, a.exit_code) for a in execution.attempts] == [
        (1, "failed", "exit", 1),
        (2, "failed", "exit", 1),
        (3, "success", "", 0),
    ]
    tokens = [attempt.token for attempt in execution.attempts]
    assert tokens == sorted(set(tokens))


def test_a_failure_says_why_and_counts(fleet: Fleet) -> None:
    start(fleet)
    fleet.save(Job(name="bad", schedule="@manually", run=shell("echo so it goes; exit 7")))
    run, (execution,) = fleet.run_now("bad")
    assert (run.state, execution.state, execution.reason) == ("failed", "failed", "exit")
    assert execution.attempts[0].exit_code == 7
    assert fleet.output(execution) == "so it goes\n"
    state = fleet.client.job("bad").state
    assert (state.success_count, state.error_count, state.status) == (0, 1, "failed")


def test_a_command_that_does_not_exist_is_named(fleet: Fleet) -> None:
    start(fleet)
    fleet.save(Job(name="missing", schedule="@manually", run=Run("shell", {"command": "no-such-command-here --x"})))
    _, (execution,) = fleet.run_now("missing")
    assert execution.state == "failed"
    assert "no-such-command-here" in execution.message


def test_a_run_ends_when_its_time_is_over_with_all_that_it_started(fleet: Fleet) -> None:
    start(fleet)
    fleet.save(
        Job(
            name="endless",
            schedule="@manually",
            run=shell("(setsid sleep 300 &) ; sleep 300"),
            run_timeout=timedelta(seconds=4),
            retry=Retry(5, delay=timedelta(0), jitter=False),
        )
    )
    run, (execution,) = fleet.run_now("endless")
    assert (run.state, run.reason, len(execution.attempts)) == ("failed", "timeout", 1)
    assert execution.message.startswith("its run took longer than its run_timeout of 4s: ")
    assert "confirmed gone" in execution.message
    assert execution.message.endswith("; its run has no time left for another attempt")
    assert left_running(execution.id) == []


def test_a_run_without_time_for_another_attempt_has_none_though_retries_are_left(fleet: Fleet) -> None:
    start(fleet)
    pause = timedelta(seconds=20)
    fleet.save(
        Job(
            name="bad",
            schedule="@manually",
            run=shell("exit 3"),
            run_timeout=pause,
            retry=Retry(1000, delay=pause, backoff="fixed", jitter=False),
        )
    )
    run, (execution,) = fleet.run_now("bad")
    assert (run.state, run.reason, len(execution.attempts)) == ("failed", "exit", 1)
    assert execution.message.endswith("; its run has no time left for another attempt")


def test_cancelling_ends_the_whole_tree_within_seconds(fleet: Fleet) -> None:
    start(fleet)
    fleet.save(Job(name="long", schedule="@manually", run=shell("(setsid sleep 300 &) ; sleep 300")))
    run_id = fleet.client.run_job("long").run.id
    execution = fleet.started(run_id)
    wait_until(lambda: len(left_running(execution.id)) >= 3, description="its processes are there")
    assert fleet.client.cancel_run(run_id) == {execution.id: "told"}
    run, (execution,) = fleet.ended(run_id, timeout=10)
    assert (run.state, execution.reason) == ("failed", "cancelled")
    assert left_running(execution.id) == []


def test_a_timeout_ends_the_work(fleet: Fleet) -> None:
    start(fleet)
    fleet.save(Job(name="slow", schedule="@manually", run=shell("sleep 300"), timeout=timedelta(seconds=1)))
    run, (execution,) = fleet.run_now("slow")
    assert (run.state, execution.reason) == ("failed", "timeout")
    assert left_running(execution.id) == []


def test_an_agent_that_is_told_to_stop_waits_then_ends_what_runs_and_records_it(fleet: Fleet) -> None:
    fleet.environment["DKRONPY_STOP_GRACE"] = "5s"  # enough for the short one, also where the machine is slow
    fleet.beat()
    agent = fleet.agent("n1")
    gate = fleet.folder / "gate"
    command = f"until test -e {gate}; do sleep 0.05; done; echo done"
    fleet.save(Job(name="short", schedule="@manually", run=shell(command), on=on_node("n1")))
    fleet.save(Job(name="long", schedule="@manually", run=shell("sleep 300"), on=on_node("n1")))
    short, long = fleet.client.run_job("short").run.id, fleet.client.run_job("long").run.id
    fleet.started(long), fleet.started(short)

    agent.signal(signal.SIGTERM)
    gate.touch()

    assert agent.wait(30) == 0
    assert fleet.ended(short)[0].state == "success"
    run, (execution,) = fleet.ended(long)
    assert (run.state, execution.reason) == ("failed", "shutdown")
    assert "n1" not in fleet.alive()


def test_output_streams_is_capped_and_survives_any_bytes(fleet: Fleet) -> None:
    start(fleet)
    fleet.save(Job(name="big", schedule="@manually", run=shell("head -c 100000000 /dev/zero | tr '\\0' x; echo end")))
    fleet.save(Job(name="bytes", schedule="@manually", run=shell(r"printf 'a\377\376b'")))
    _, (execution,) = fleet.run_now("big", timeout=60)
    kept = fleet.client.output(execution)
    assert kept.size == 100_000_004
    assert len(kept.head) + len(kept.tail) <= 256_000
    assert kept.tail.endswith(b"xend\n")
    _, (execution,) = fleet.run_now("bytes")
    assert fleet.client.output(execution).head + fleet.client.output(execution).tail == b"a\xff\xfeb"
    assert fleet.output(execution) == "a\ufffd\ufffdb"


def test_output_can_be_followed_while_it_grows(fleet: Fleet) -> None:
    start(fleet)
    gate = fleet.folder / "gate"
    command = f"echo one; while ! test -e {gate}; do sleep 0.05; done; echo two"
    fleet.save(Job(name="talk", schedule="@manually", run=shell(command)))
    execution = fleet.started(fleet.client.run_job("talk").run.id)
    seen = b""
    for piece in fleet.client.follow(execution.id, 1):
        seen += piece[1] if piece else b""
        if seen == b"one\n":
            gate.touch()
    assert seen == b"one\ntwo\n"


def test_forbid_skips_a_run_while_another_is_active(fleet: Fleet) -> None:
    start(fleet)
    gate = fleet.folder / "gate"
    command = f"until test -e {gate}; do sleep 0.05; done"
    fleet.save(Job(name="alone", schedule="@manually", run=shell(command), concurrency="forbid"))
    first = fleet.client.run_job("alone").run.id
    fleet.started(first)
    second = fleet.client.run_job("alone").run
    assert (second.state, second.reason) == ("skipped", "overlap")
    gate.touch()
    assert fleet.ended(first)[0].state == "success"


def test_a_cancelled_run_keeps_its_place_until_its_processes_are_seen_gone(fleet: Fleet) -> None:
    fleet.environment["DKRONPY_KILL_GRACE"] = "1m"
    start(fleet)
    gate = fleet.folder / "gate"
    command = f"trap 'echo going; while ! test -e {gate}; do sleep 0.05; done; exit 1' TERM; sleep 300 & wait"
    fleet.save(Job(name="alone", schedule="@manually", run=shell(command), concurrency="forbid"))
    first = fleet.client.run_job("alone").run.id
    execution = fleet.started(first)
    wait_until(lambda: len(left_running(execution.id)) >= 2, description="it has set its trap, and sleeps")
    fleet.client.cancel_run(first)
    wait_until(lambda: "going" in fleet.output(execution), description="it was told")
    second = fleet.client.run_job("alone").run
    assert (second.state, second.reason) == ("skipped", "overlap")
    gate.touch()
    _, (execution,) = fleet.ended(first)
    assert "confirmed gone at" in execution.message
    assert left_running(execution.id) == []
    third = fleet.client.run_job("alone").run.id
    fleet.started(third)
    fleet.client.cancel_run(third)
    fleet.ended(third)


def test_children_follow_their_parents_and_an_ephemeral_job_goes(fleet: Fleet) -> None:
    start(fleet)
    fleet.save(Job(name="extract", schedule="@manually", run=shell("true")))
    fleet.save(Job(name="mirror", schedule="@manually", run=shell("true"), ephemeral=True))
    fleet.save(Job(name="load-a", run=shell("true"), after=("extract",)))
    fleet.save(Job(name="load-b", run=shell("true"), after=("extract",)))
    fleet.save(Job(name="refresh", run=shell("true"), after=("load-a", "load-b")))
    fleet.save(Job(name="alarm", run=shell("true"), after=("extract",), when="failure"))

    fleet.run_now("extract")
    refresh = wait_until(lambda: fleet.client.runs(job="refresh"), timeout=20, description="the last of the chain ran")
    assert fleet.ended(refresh[0].id)[0].trigger == "chained"
    assert [len(fleet.client.runs(job=name)) for name in ("load-a", "load-b", "refresh", "alarm")] == [1, 1, 1, 0]

    fleet.run_now("mirror")
    wait_until(
        lambda: "mirror" not in {view.job.name for view in fleet.client.jobs()}, description="the ephemeral job is gone"
    )


def test_the_result_is_copied_for_celery(fleet: Fleet) -> None:
    start(fleet)
    fleet.save(Job(name="good", schedule="@manually", run=shell("true")))
    fleet.save(Job(name="bad", schedule="@manually", run=shell("exit 3")))
    app = make_app(fleet.client.deployment.settings)
    _, (good,) = fleet.run_now("good")
    _, (bad,) = fleet.run_now("bad")
    assert AsyncResult(good.id, app=app).get(timeout=5)["exit_code"] == 0
    wait_until(lambda: AsyncResult(bad.id, app=app).state == "FAILURE", description="the failure is copied")
    app.close()


def test_no_result_is_copied_where_none_is_wanted(fleet: Fleet) -> None:
    fleet.environment["DKRONPY_CELERY_RESULTS"] = "0"
    start(fleet)
    fleet.save(Job(name="good", schedule="@manually", run=shell("true")))
    fleet.run_now("good")
    fleet.run_now("good")  # its outcome is brought home after all of the first one's
    assert [*fleet.client.deployment.store.client.scan_iter("*celery-task-meta*")] == []


def test_a_python_callable_runs_in_a_child_process_and_its_value_is_kept(fleet: Fleet) -> None:
    package = fleet.folder / "mine"
    package.mkdir()
    (package / "jobs.py").write_text(
        "import os\n\ndef add(a, b):\n    print('adding in', os.getpid())\n    return a + b\n", encoding="utf-8"
    )
    fleet.environment["DKRONPY_CONFIG"] = str(package)
    start(fleet)
    fleet.save(
        Job(
            name="sum",
            schedule="@manually",
            run=Run("python", {"callable": "mine.jobs:add", "args": [2], "kwargs": {"b": 3}}),
        )
    )
    run, (execution,) = fleet.run_now("sum")
    assert run.state == "success", execution
    assert fleet.output(execution).startswith("adding in ")
    app = make_app(fleet.client.deployment.settings)
    value = wait_until(lambda: AsyncResult(execution.id, app=app).result, description="the value is copied")
    assert value["result"] == 5
    app.close()


def test_a_child_sees_what_its_parent_came_to_and_a_chain_is_run_again_from_what_failed(fleet: Fleet) -> None:
    fleet.beat()
    fleet.agent("n1")
    flag = fleet.folder / "mended"
    fleet.save(
        Job(name="rows", run=Run("python", {"callable": "statistics:mean", "args": [[40, 44]]}), schedule="@manually")
    )
    said = {
        "command": f"echo $SAID; test -e {flag}",
        "env": "SAID={{ parents.rows.state }} {{ parents.rows.result }}",
    }
    fleet.save(Job(name="load", after="rows", run=Run("shell", {**said, "shell": "true"})))
    fleet.save(
        Job(
            name="alarm",
            after={"load": "failure"},
            run=Run("shell", {"command": ["echo", "{{ parents.load.output }} was all"]}),
        )
    )
    run, _ = fleet.run_now("rows")
    tail = run.id.partition("@")[2]
    wait_until(lambda: fleet.client.runs(job="alarm"), timeout=30, description="the last of the chain was fired")
    load, executions = fleet.ended(f"load@{tail}")
    assert (load.state, load.reason) == ("failed", "exit")
    assert fleet.client.output(executions[0]).text() == "success 42\n"
    _, alarm = fleet.ended(f"alarm@{tail}")
    assert fleet.client.output(alarm[0]).text() == "success 42 was all\n"
    flag.touch()
    (again,) = fleet.client.rerun(f"alarm@{tail}")
    mended, executions = fleet.ended(again.run.id)
    assert (mended.id, mended.state) == (f"load@{tail}-r1", "success")
    assert fleet.client.output(executions[0]).text() == "success 42\n"
    assert [link.run and link.run.id for link in fleet.client.run_tree(run.id)] == [run.id, mended.id, f"alarm@{tail}"]


def test_a_failure_is_tried_again_elsewhere_where_it_is_worth_it(fleet: Fleet) -> None:
    fleet.beat()
    fleet.agent("n1")
    fleet.agent("n2")
    retry = Retry(1, delay="100ms", jitter=False, on=(75,), elsewhere=True)
    fleet.save(Job(name="moves", run=shell("exit 75"), schedule="@manually", retry=retry))
    _, (moved,) = fleet.run_now("moves")
    assert {attempt.node for attempt in moved.attempts} == {"n1", "n2"}
    fleet.save(Job(name="stays", run=shell("exit 76"), schedule="@manually", retry=retry))
    _, (stayed,) = fleet.run_now("stays")
    assert (len(stayed.attempts), stayed.attempts[0].exit_code) == (1, 76)


def test_a_newer_run_ends_the_earlier_one_at_once_and_takes_its_place(fleet: Fleet) -> None:
    start(fleet)
    stubborn = "trap '' TERM; echo up; sleep 600 & wait; sleep 600"
    fleet.save(Job(name="stubborn", schedule="@manually", run=shell(stubborn), concurrency="terminate"))
    first = fleet.client.run_job("stubborn").run.id
    wait_until(lambda: "up" in output_of(fleet, first), timeout=20, description="the first runs")
    second = fleet.client.run_job("stubborn")
    assert second.executions[0].message == f"waits for the end of {first}"
    assert "waits for the end of" in why_run(second.run, second.executions, timezone.utc)
    ended, _ = fleet.ended(first)
    assert (ended.state, ended.reason) == ("failed", "cancelled")
    wait_until(lambda: "up" in output_of(fleet, second.run.id), timeout=20, description="the second runs")
    fleet.client.cancel_run(second.run.id)
    fleet.ended(second.run.id)


def output_of(fleet: Fleet, run_id: str) -> str:
    (execution,) = fleet.client.run(run_id).executions
    return fleet.client.output(execution).text()


def test_standard_error_is_told_apart_where_a_job_wants_that(fleet: Fleet) -> None:
    start(fleet)
    command = "echo begins; sleep 1.5; echo it is late >&2; sleep 1.5; echo ends"
    fleet.save(Job(name="apart", schedule="@manually", run=shell(command, stderr="separate")))
    _, (execution,) = fleet.run_now("apart")
    output = fleet.client.output(execution)
    marks = Marks.decode(output.marks)
    told = [(run.stream, run.data) for run in marks.runs(0, output.head)]
    assert told == [(STDOUT, b"begins\n"), (STDERR, b"it is late\n"), (STDOUT, b"ends\n")]
