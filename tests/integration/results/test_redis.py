"""What only Redis promises: everything expires, no index grows without end, and a save is one round trip."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis

from dkronpy.errors import StoreRefusedError, StoreUnavailableError
from dkronpy.execution import Output
from dkronpy.results.keep import Keep
from tests.conftest import MakeStoreServer
from tests.integration.results.conftest import Opener
from tests.integration.results.records import T0, a_run, an_execution, save_all
from tests.support import StoreServer, wait_until

HOUR = timedelta(hours=1)


def test_every_key_expires_and_has_the_prefix(
    any_store: redis.Redis, any_store_server: StoreServer, open_place: Opener
) -> None:
    results = open_place(any_store_server.url, lifetime=HOUR, prefix="here:")
    save_all(results, ["backup", "report"], 5, threads=2)
    results.save_run(a_run(state="skipped", until_ms=T0 + 5))
    results.save_execution(an_execution(a_run(due_ms=T0 + 99_000)))
    results.delete_job("report")
    results.prune(T0, lambda _job: Keep(runs=3))
    keys = list(any_store.scan_iter())
    assert len(keys) > 8
    for key in keys:
        assert key.startswith(b"here:")
        index = any_store.type(key) == b"zset"  # these live somewhat longer, so that not every save has to say so anew
        assert 0 < any_store.pttl(key) <= 3_600_000 * (17 / 16 if index else 1), key


def test_a_deleted_job_leaves_no_key(store: redis.Redis, store_server: StoreServer, open_place: Opener) -> None:
    results = open_place(store_server.url)
    save_all(results, ["backup"], 5, threads=1)
    results.delete_job("backup")
    assert list(store.scan_iter()) == []


def test_a_run_stands_in_the_index_of_one_state(
    store: redis.Redis, store_server: StoreServer, open_place: Opener
) -> None:
    results = open_place(store_server.url)
    for state in ("running", "lost", "success"):
        results.save_run(a_run(state=state))
    assert list(store.scan_iter("dkronpy:results:state:*")) == [b"dkronpy:results:state:success"]


def test_of_each_job_only_so_many_runs_are_kept(
    store: redis.Redis, store_server: StoreServer, open_place: Opener
) -> None:
    results = open_place(store_server.url)
    for number in range(40):
        run = a_run(due_ms=T0 + number, until_ms=T0 + number + 1)
        results.save_run(run, executions=[an_execution(run)])
        results.make_room([(run, Keep(runs=5))])
    assert [run.due_ms - T0 for run in results.runs()] == [39, 38, 37, 36, 35]
    assert results.executions(a_run(due_ms=T0 + 34).id) == []
    assert len(list(store.scan_iter("dkronpy:results:run:*"))) == 5
    assert len(list(store.scan_iter("dkronpy:results:output:*"))) == 5
    assert largest_index(store) == 5


def test_a_lowered_limit_is_reached_step_by_step(
    store: redis.Redis, store_server: StoreServer, open_place: Opener
) -> None:
    save_all(open_place(store_server.url), ["backup"], 20, threads=2)
    results = open_place(store_server.url)
    for number in range(20, 40):
        run = a_run(due_ms=T0 + number * 1000)
        results.save_run(run)
        results.make_room([(run, Keep(runs=5))])
    assert largest_index(store) == 5


def test_indexes_forget_what_has_expired(store: redis.Redis, store_server: StoreServer, open_place: Opener) -> None:
    """With jobs that come and go the common indexes live on; members whose run is gone leave them."""
    brief = open_place(store_server.url, lifetime=timedelta(milliseconds=100))
    long = open_place(store_server.url, lifetime=timedelta(minutes=1))
    for number in range(30):
        brief.save_run(a_run(f"job-{number}", T0 + number))
    wait_until(lambda: not list(store.scan_iter("dkronpy:results:run:*")), description="the runs expire")
    for number in range(30):  # keeps the common indexes alive: saved at once after the last of these
        brief.save_run(a_run(f"job-{number}", T0 + number))
        long.save_run(a_run("steady", T0 + 1000))
    wait_until(lambda: len(list(store.scan_iter("dkronpy:results:run:*"))) == 1, description="the brief runs expire")
    assert [run.job for run in long.runs()] == ["steady"]
    for number in range(100, 120):  # each takes two of what ended more than a minute before, and has expired
        long.save_run(a_run("steady", T0 + number * 1000))
    assert largest_index(store) == 21


def test_a_save_makes_room_but_not_of_failures(
    store: redis.Redis, store_server: StoreServer, open_place: Opener
) -> None:
    results, keep = open_place(store_server.url), Keep(runs=3, failures=2)
    for number in range(12):
        run = a_run(due_ms=T0 + number, state="success" if number % 2 else "failed")
        results.save_run(run)
        results.make_room([(run, keep)])
    assert [(run.due_ms - T0, run.state) for run in results.runs(job="backup")] == [
        (11, "success"), (10, "failed"), (9, "success"), (8, "failed"), (6, "failed"),
    ]  # fmt: skip
    assert largest_index(store) == 5


def test_a_run_lives_as_long_as_its_job_says(store: redis.Redis, store_server: StoreServer, open_place: Opener) -> None:
    """Also where that is longer than the backend keeps others; and the indexes by which it is found do as well."""
    results = open_place(store_server.url, lifetime=HOUR)
    keeps = {"audited": Keep(age=24 * HOUR, failures_age=HOUR), "backup": Keep(age=HOUR, failures_age=HOUR)}
    for job, keep in keeps.items():
        run = a_run(job)
        results.save_run(run, executions=[an_execution(run)])
        results.make_room([(run, keep)])
    day_ms = 24 * HOUR / timedelta(milliseconds=1)
    audited = ["run:" + a_run("audited").id, "output:" + a_run("audited").id, "job:audited", "job-aged:audited"]
    for name in (*audited, "runs", "aged", "jobs", "state:success"):
        assert store.pttl("dkronpy:results:" + name) > day_ms - 60_000, name
    for name in ("run:" + a_run().id, "output:" + a_run().id):
        assert store.pttl("dkronpy:results:" + name) <= day_ms / 24


def test_a_failure_is_found_for_as_long_as_it_is_kept(
    store: redis.Redis, store_server: StoreServer, open_place: Opener
) -> None:
    results, keep = open_place(store_server.url), Keep(runs=1)
    for number, state in enumerate(("failed", "success")):
        results.save_run(a_run(due_ms=T0 + number, state=state))
    assert store.exists("dkronpy:results:job-failed:backup") == 0
    results.prune(T0, lambda _job: keep)
    failed, record = "dkronpy:results:job-failed:backup", "dkronpy:results:run:" + a_run().id
    assert store.zrange(failed, 0, -1) == [a_run().id.encode()]
    assert store.pttl(failed) >= store.pttl(record) > 0


def test_what_has_expired_leaves_the_indexes_in_turn(
    store: redis.Redis, store_server: StoreServer, open_place: Opener
) -> None:
    """Also where something that lives longer stands before it."""
    open_place(store_server.url).save_run(a_run("steady", T0 - 1))
    brief = open_place(store_server.url, lifetime=timedelta(milliseconds=100))
    for number in range(250):
        brief.save_run(a_run(f"job-{number}", T0 + number))
    wait_until(lambda: len(list(store.scan_iter("dkronpy:results:run:*"))) == 1, description="the brief runs expire")
    for _ in range(4):
        brief.prune(T0, lambda _job: Keep())
    assert largest_index(store) == 1


def test_a_save_is_one_round_trip(store: redis.Redis, store_server: StoreServer, open_place: Opener) -> None:
    results = open_place(store_server.url)
    results.save_run(a_run())
    results.save_execution(an_execution())
    before = calls(store)
    results.save_run(a_run())
    results.save_execution(an_execution())
    assert calls(store) - before == 2


def test_output_is_not_loaded_by_lists(store: redis.Redis, store_server: StoreServer, open_place: Opener) -> None:
    results = open_place(store_server.url)
    results.save_execution(an_execution(output=Output(head=b"x" * 1_000_000, size=1_000_000)))
    results.save_run(a_run())
    before = store.info("stats")["total_net_output_bytes"]
    results.runs()
    results.executions(a_run().id)
    results.execution(an_execution().id, output=False)
    assert store.info("stats")["total_net_output_bytes"] - before < 50_000


def test_scripts_that_the_server_forgot_are_sent_again(
    store: redis.Redis, store_server: StoreServer, open_place: Opener
) -> None:
    results = open_place(store_server.url)
    results.save_run(a_run())
    store.script_flush()
    results.save_run(a_run(due_ms=T0 + 1))
    store.script_flush()
    assert results.delete_job("backup") == 2


def test_by_unix_socket_and_database(store: redis.Redis, store_server: StoreServer, open_place: Opener) -> None:
    second = store_server.socket_url.replace("db=0", "db=1")
    by_socket, by_port = open_place(second), open_place(store_server.url.removesuffix("0") + "1")
    by_socket.save_run(a_run())
    assert by_port.runs() == [a_run()]
    assert open_place(store_server.url).runs() == []
    by_socket.delete_job("backup")


def test_a_wrong_password_is_a_refusal_that_does_not_show_it(
    make_store_server: MakeStoreServer, open_place: Opener
) -> None:
    server = make_store_server(password="right")
    open_place(server.url).ping()
    with pytest.raises(StoreRefusedError) as caught:
        open_place(server.url.replace("right", "wrong-one")).runs()
    assert "wrong-one" not in str(caught.value)
    assert f"redis://:***@127.0.0.1:{server.port}/0" in str(caught.value)


def test_a_full_store_is_a_refusal(make_store_server: MakeStoreServer, open_place: Opener) -> None:
    server = make_store_server(maxmemory="4mb")
    results = open_place(server.url)
    big = Output(head=b"x" * 1_000_000, size=1_000_000)
    executions = (an_execution(a_run(due_ms=T0 + number), output=big) for number in range(10))
    with pytest.raises(StoreRefusedError, match="maxmemory"):
        list(map(results.save_execution, executions))
    results.delete_job("backup")
    results.save_run(a_run())


def test_a_server_that_hangs_is_given_up(make_store_server: MakeStoreServer, open_place: Opener) -> None:
    server = make_store_server()
    results = open_place(server.url + "?socket_timeout=0.2")
    results.save_run(a_run())
    server.pause()
    with pytest.raises(StoreUnavailableError):
        results.runs()
    server.resume()
    assert results.runs() == [a_run()]


def largest_index(store: redis.Redis) -> int:
    """How many members the largest of the sorted sets has."""
    return max(store.zcard(key) for key in store.scan_iter("dkronpy:results:*") if store.type(key) == b"zset")


def calls(store: redis.Redis) -> int:
    """How many commands clients have sent, without those that scripts ran."""
    stats = store.info("commandstats")
    return sum(
        row["calls"] for name, row in stats.items() if name in ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_multi")
    )
