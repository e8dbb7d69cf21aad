"""What happens to jobs, told to a real HTTP server: on changes, once, gathered, again when it failed, never lost."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import redis

from dkronpy.clock import from_ms
from dkronpy.job.notify import Notify
from dkronpy.notices.outbox import LostError
from dkronpy.pause import Pause
from tests.executors.servers import HttpServer
from tests.notices.conftest import MakeDesk
from tests.notices.desk import Desk
from tests.support import wait_until


def posts(server: HttpServer) -> list[dict[str, Any]]:
    return [json.loads(request["body"]) for request in server.requests]


def events(server: HttpServer) -> list[list[str]]:
    return [[notice["event"] for notice in post["notices"]] for post in posts(server)]


@pytest.fixture
def desk(make_desk: MakeDesk, server: HttpServer) -> Desk:
    """One channel that hears of every job's changes."""
    desk = make_desk({"ops": f"{server.url}/status/200"}, notify="ops", public_url="https://jobs.example.org/")
    desk.begin()
    return desk


def test_a_failure_is_told_with_what_where_why_and_what_to_do(desk: Desk, server: HttpServer) -> None:
    desk.job(owner="Data", owner_email="data@example.com", display_name="Nightly backup")
    output = b"".join(b"line %d\n" % number for number in range(1, 31))
    run = desk.fail(output=output)
    desk.told()
    (post,) = posts(server)
    assert post["subject"] == "backup failed on web1: exit status 3"
    (notice,) = post["notices"]
    assert notice["output"].split("\n") == [f"line {number}" for number in range(21, 31)]
    assert (notice["job"], notice["run_id"], notice["nodes"], notice["times"]) == ("backup", run, ["web1"], 1)
    assert (notice["state"], notice["reason"], notice["owner"]) == ("failed", "exit", "Data")
    assert notice["why"] == "the command ended with an exit status other than 0 (exit status 3)"
    assert notice["command"] == "dkronpy run backup --wait"
    assert notice["url"] == f"https://jobs.example.org/ui/runs/{run}"
    for said in ("Nightly backup", "web1", "exit status 3", "dkronpy run backup --wait", "    line 30", run):
        assert said in post["text"]


def test_changes_are_told_and_what_stays_as_it_is_is_not(desk: Desk, server: HttpServer) -> None:
    desk.job()
    for outcome in (True, False, False, False, True, True, False):
        desk.run(success=outcome) if outcome else desk.fail()
        desk.told()
    assert events(server) == [["failure"], ["recovery"], ["failure"]]
    recovery = posts(server)[1]["notices"][0]
    assert (recovery["times"], recovery["headline"]) == (3, "backup recovered after 3 failures")


def test_a_due_time_that_nobody_served_is_told_and_a_decision_is_not(desk: Desk, server: HttpServer) -> None:
    desk.job()
    for reason in ("overlap", "paused", "cancelled", "misfire_collapsed"):
        desk.skip(reason)
    desk.skip("no_live_node")
    desk.skip("no_live_node")
    desk.told()
    assert [post["subject"] for post in posts(server)] == [
        "backup did not run: no live node matched the job's targets before the start deadline"
    ]


def test_a_channel_is_silent_in_its_quiet_hours_and_tells_afterwards(make_desk: MakeDesk, server: HttpServer) -> None:
    url = f"{server.url}/status/200"
    now = from_ms(make_desk({}).deployment.store.now_ms())
    hours = f"{now - timedelta(hours=3):%H:%M}-{now + timedelta(hours=3):%H:%M}"
    desk = make_desk({"ops": {"notifier": "webhook", "url": url, "quiet": hours}, "pager": url}, notify="ops,pager")
    desk.begin()
    desk.job()
    desk.fail()
    desk.follow()
    wait_until(lambda: desk.serve() or posts(server), timeout=30, description="the pager is told")
    desk.serve()
    assert [post["channel"] for post in posts(server)] == ["pager"]
    assert desk.outbox.size("ops") == 1

    loud = make_desk({"ops": url}, notify="ops")
    wait_until(lambda: loud.serve() or len(posts(server)) > 1, timeout=30, description="what has gathered is told")
    assert [post["channel"] for post in posts(server)] == ["pager", "ops"]


def test_what_happens_together_is_one_message(desk: Desk, server: HttpServer) -> None:
    for name in ("a", "b", "c"):
        desk.job(name)
        desk.fail(name)
    desk.told()
    (post,) = posts(server)
    assert post["subject"] == "3 failed: a, b, c"
    assert post["text"].count("exit status 3") >= 3


def test_a_storm_becomes_one_message_that_counts(desk: Desk, server: HttpServer) -> None:
    for number in range(50):
        desk.job(f"job-{number}")
        desk.fail(f"job-{number}")
    desk.told()
    (post,) = posts(server)
    assert post["subject"] == "50 notices: 50 failed"
    assert "Reasons: exit (50)" in post["text"]
    assert "- job-19 failed" in post["text"]
    assert "- job-20 failed" not in post["text"]
    assert "and 30 more" in post["text"]


def test_the_first_message_waits_and_the_next_keeps_its_distance(make_desk: MakeDesk, server: HttpServer) -> None:
    desk = make_desk({"ops": f"{server.url}/status/200"}, notify="ops", notify_wait="1h")
    desk.begin()
    desk.job()
    desk.fail()
    desk.follow()
    desk.serve()
    assert posts(server) == []
    (waiting,) = desk.outbox.waiting("ops")
    assert waiting.event == "failure"


def test_what_could_not_be_delivered_is_tried_again_with_the_same_id(make_desk: MakeDesk, server: HttpServer) -> None:
    desk = make_desk({"ops": f"{server.url}/status/503"}, notify="ops")
    desk.begin()
    desk.job()
    desk.fail()
    desk.follow()
    for _ in range(2):
        desk.serve()
        post = desk.outbox.post("ops")
        assert post.retry_ms > desk.deployment.store.now_ms(), "the next try waits"
        post.retry_ms = 0
        desk.outbox.settle("ops", post, None)
    desk.serve()
    ids = [request["headers"]["Idempotency-Key"] for request in server.requests]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert desk.outbox.post("ops").failures == 3
    (shown,) = desk.outbox.deliveries(10)
    assert "answered 503" in shown.error


def test_what_is_refused_for_good_is_dropped_and_kept_in_the_list(make_desk: MakeDesk, server: HttpServer) -> None:
    desk = make_desk({"ops": f"{server.url}/status/404"}, notify="ops")
    desk.begin()
    desk.job()
    desk.fail()
    desk.told()
    (shown,) = desk.outbox.deliveries(10)
    assert (shown.channel, shown.subject) == ("ops", "backup failed on web1: exit status 3")
    assert "answered 404" in shown.error


def test_a_restart_loses_nothing_and_repeats_nothing(
    desk: Desk, make_desk: MakeDesk, server: HttpServer, store: redis.Redis
) -> None:
    desk.job()
    desk.fail()
    desk.told()
    desk.fail()  # while nobody follows
    desk.run(success=True)
    desk.outbox.release()
    after = make_desk({"ops": f"{server.url}/status/200"}, notify="ops", holder="b")
    after.begin()
    after.told()
    assert events(server) == [["failure"], ["recovery"]]
    assert posts(server)[1]["notices"][0]["times"] == 2


def test_only_the_holder_of_the_office_tells(desk: Desk, make_desk: MakeDesk, server: HttpServer) -> None:
    other = make_desk({"ops": f"{server.url}/status/200"}, notify="ops", holder="b")
    assert not other.outbox.hold()
    desk.job()
    other.follower.conditions = {}
    other.follower._position = "0-0"
    with pytest.raises(LostError):
        other.follower.step(1)
    assert desk.outbox.hold()
    desk.fail()
    desk.told()
    assert events(server) == [["failure"]]


def test_events_that_were_trimmed_are_made_up_for_by_the_states_of_the_jobs(
    desk: Desk, server: HttpServer, store: redis.Redis
) -> None:
    desk.job()
    desk.job("other")
    desk.follow()
    desk.fail()
    desk.run("other", success=True)
    store.xtrim(desk.deployment.store.keys.events, maxlen=0, approximate=False)
    desk.job("third")
    desk.told()
    assert events(server) == [["failure"]]
    assert posts(server)[0]["notices"][0]["reason"] == "exit"


def test_a_job_says_who_is_told_of_what(make_desk: MakeDesk, server: HttpServer) -> None:
    desk = make_desk({"ops": f"{server.url}/status/200", "bi": f"{server.url}/status/201"}, notify="ops")
    desk.begin()
    desk.job("quiet", notify=[])
    desk.job("third", notify=[Notify("bi", failures=3)])
    desk.job("each", notify=[Notify("bi", on="failure,success")])
    for name in ("quiet", "third", "each"):
        desk.fail(name)
        desk.fail(name)
    desk.run("each", success=True)
    desk.follow()
    waiting = {name: [(one.job, one.event) for one in desk.outbox.waiting(name)] for name in ("ops", "bi")}
    assert waiting == {"ops": [], "bi": [("each", "failure"), ("each", "failure"), ("each", "recovery")]}
    desk.fail("third")
    desk.run("third", success=True)
    desk.follow()
    assert [(one.job, one.event) for one in desk.outbox.waiting("bi")][3:] == [
        ("third", "failure"),
        ("third", "recovery"),
    ]
    desk.send()


def test_a_job_that_goes_on_failing_is_told_of_again(make_desk: MakeDesk, server: HttpServer) -> None:
    desk = make_desk({"ops": f"{server.url}/status/200"}, notify="ops", notify_reminder="1ms")
    desk.begin()
    desk.job()
    desk.fail()
    desk.follow()
    desk.follow()
    assert [one.event for one in desk.outbox.waiting("ops")][:2] == ["failure", "reminder"]
    desk.run(success=True)
    desk.follow()
    count = desk.outbox.size("ops")
    desk.follow()
    assert desk.outbox.size("ops") == count, "a recovery ends the reminders"
    desk.send()


def test_a_deadline_that_passes_without_a_success_is_told(desk: Desk, server: HttpServer) -> None:
    now = desk.deployment.store.now_ms()
    desk.job(deadline="10m")
    desk.job("done", deadline="10m")
    late = desk.fire(due_ms=now - 700_000)
    claim = desk.claim(late)
    desk.run("done", success=True)
    desk.told()
    (post,) = posts(server)
    assert post["subject"] == "backup missed its deadline: it is still running"
    desk.finish(claim, success=True)
    desk.told()
    assert len(posts(server)) == 1


def test_a_deadline_that_was_kept_is_watched_no_longer(desk: Desk) -> None:
    """Its record may be forgotten before the deadline has passed: that looked like a run that never was."""
    desk.job(deadline="6h")
    desk.run(success=True)
    failed = desk.fail()
    desk.follow()
    later = desk.deployment.store.now_ms() + 7 * 3_600_000
    watched = [name for name in desk.outbox.due_timers(later, 10) if name.startswith("deadline")]
    assert watched == [f"deadline\nbackup\n{failed}"]


def test_a_job_without_a_success_for_too_long_is_told(desk: Desk, server: HttpServer) -> None:
    desk.job(stale_after="1ms")
    desk.told()
    desk.told()
    assert [post["subject"] for post in posts(server)] == ["backup is stale: it has not succeeded for 1ms"]


def test_a_job_that_paused_itself_is_told_and_one_that_people_pause_is_not(desk: Desk, server: HttpServer) -> None:
    desk.job()
    desk.deployment.pauses.put(Pause(id="a", job="backup", by="ops"))
    desk.deployment.pauses.put(Pause(id="b", job="backup", by="dkronpy"), run="backup@x", times=3)
    desk.told()
    (post,) = posts(server)
    assert post["subject"] == "backup was paused after 3 failures in a row"
    assert post["notices"][0]["command"] == "dkronpy resume backup"


def test_a_run_that_takes_much_longer_than_usual_is_told_while_it_runs(desk: Desk, server: HttpServer) -> None:
    desk.job(notify=[Notify("ops", on="slow", slow=2)])
    for _ in range(6):
        desk.run(success=True)
    desk.follow()
    usual = desk.follower.conditions["backup"].usual_ms
    assert usual is not None
    desk.follower.conditions["backup"].took_ms = [1] * 6
    claim = desk.claim(desk.fire())
    desk.told()
    desk.told()
    (post,) = posts(server)
    assert post["notices"][0]["event"] == "slow"
    assert "times as long as usual" in post["subject"]
    desk.finish(claim, success=True)


def test_a_late_start_is_told(desk: Desk, server: HttpServer) -> None:
    desk.job(notify=[Notify("ops", on="late", late="5m")])
    now = desk.deployment.store.now_ms()
    for minutes in (4, 6):
        run = desk.fire(due_ms=now - minutes * 60_000)
        desk.finish(desk.claim(run), success=True)
    desk.told()
    (post,) = posts(server)
    assert post["subject"].startswith("backup started 6m")


def test_a_secret_in_a_channel_is_resolved_and_never_shown(
    make_desk: MakeDesk, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DKRONPY_SECRET_HOOK", f"{server.url}/status/404?key=s3cr3t-path")
    desk = make_desk({"ops": {"notifier": "webhook", "url": {"secret": "hook"}}}, notify="ops")
    desk.begin()
    desk.job()
    desk.fail()
    desk.told()
    assert server.requests[0]["path"] == "/status/404?key=s3cr3t-path"
    assert "s3cr3t-path" not in desk.outbox.deliveries(1)[0].error


def test_a_channel_that_hangs_holds_up_no_other(make_desk: MakeDesk, server: HttpServer) -> None:
    desk = make_desk(
        {"dead": {"notifier": "webhook", "url": f"{server.url}/hang", "timeout": "500ms"},
         "ops": f"{server.url}/status/200"},
        notify="dead,ops",
    )  # fmt: skip
    desk.begin()
    desk.job()
    desk.fail()
    desk.follow()
    desk.serve()
    assert desk.outbox.size("ops") == 0
    assert "did not answer in time" in desk.outbox.post("dead").error
