"""The client over HTTP says what the client of the store says, and the command line works through it."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

import dkronpy
from dkronpy.api.services import Services
from dkronpy.client import Client as StoreClient
from dkronpy.clock import from_ms
from dkronpy.errors import ConfigError, ConflictError, DeniedError, InvalidError, NotFoundError, StoreUnavailableError
from dkronpy.marks import STDERR, Mark, Marks
from dkronpy.remote.client import Client
from dkronpy.remote.connection import Connection
from dkronpy.remote.stream import pieces, sent_events
from dkronpy.store.output import Piece
from dkronpy.why import why_run
from tests.api.site import Api, Site, site_on
from tests.support import ROOT, StoreServer, wait_until

BYTES = "printf 'caf\\303\\251 \\377\\n'; seq 40000; echo end"


@pytest.fixture
def remote(api: Api) -> Iterator[Client]:
    """The client over HTTP on the running deployment."""
    client = dkronpy.Client(api.url)
    yield client
    client.close()


def shell(name: str, command: str = "true", **fields: object) -> dkronpy.Job:
    config = {"command": command, "shell": "true"}
    return dkronpy.Job(name=name, schedule="@manually", run=dkronpy.Run("shell", config), **fields)  # type: ignore[arg-type]


COMPOSED = {"why", "job_diff", "rollback_job"}
"""Methods that are made of others, and need none of their own."""


def test_it_has_every_method_of_the_store_s_client_with_the_same_arguments() -> None:
    missing = set()
    for name, method in inspect.getmembers(StoreClient, inspect.isfunction):
        if name.startswith("_"):
            continue
        own = getattr(Client, name)
        assert list(inspect.signature(own).parameters) == list(inspect.signature(method).parameters)
        if own is method:
            missing.add(name)
    assert missing == COMPOSED, "give dkronpy.remote.client.Client each of these, and the API a route for it"


def test_jobs_are_saved_read_and_deleted_as_on_the_store(site: Site, remote: Client) -> None:
    local = site.client
    job = shell("rc-job", owner="me", on=dkronpy.any_node(dc="fra"), timeout="10s", doc="Says it.")
    first = remote.save_job(job, source="rc.py")
    assert first.what == "created"
    assert remote.save_job(job, source="rc.py").what == "unchanged"
    assert (remote.job("rc-job"), remote.job("rc-job").job) == (local.job("rc-job"), local.job("rc-job").job)
    changed = remote.save_job(shell("rc-job"), revision=first.revision)
    assert (changed.what, changed.revision) == ("changed", first.revision + 1)
    with pytest.raises(ConflictError):
        remote.save_job(job, revision=first.revision)
    with pytest.raises(ConflictError):
        remote.save_job(job, revision=0)
    with pytest.raises(InvalidError) as refused:
        remote.save_job(dkronpy.Job(name="rc-bad", schedule="nonsense", run=dkronpy.Run("shell", {})))
    assert {"schedule"} <= {problem.field for problem in refused.value.problems}
    assert remote.toggle_job("rc-job").enabled is local.job("rc-job").job.enabled is False
    remote.save_job(shell("rc-other"))
    assert remote.jobs() == local.jobs()
    assert remote.some_jobs(["rc-job", "rc-none"]) == local.some_jobs(["rc-job", "rc-none"])
    remote.delete_job("rc-other")
    for call in (remote.job, remote.delete_job, remote.toggle_job, remote.run_job):
        with pytest.raises(NotFoundError, match="rc-other"):
            call("rc-other")


def test_runs_are_started_followed_and_cancelled_as_on_the_store(site: Site, remote: Client) -> None:
    local = site.client
    remote.save_job(shell("rc-run", BYTES, output_limit=10_000))
    position = remote.position()
    view = remote.run_job("rc-run")
    site.ended(view.run.id)
    assert (remote.run(view.run.id), remote.runs(job="rc-run")) == (local.run(view.run.id), local.runs(job="rc-run"))
    assert remote.some_runs([view.run.id, "no"]) == local.some_runs([view.run.id, "no"])
    names = view.run.execution_ids
    assert remote.some_executions(names) == local.some_executions(names) != []
    assert remote.history("rc-run") == local.history("rc-run")
    execution = local.run(view.run.id).executions[0]
    output = remote.output(execution)
    assert output == local.output(execution)
    assert (output.head[:8], output.omitted > 0, output.tail[-4:]) == (b"caf\xc3\xa9 \xff\n", True, b"end\n")
    followed = [piece for piece in remote.follow(execution.id, 1) if piece is not None]
    assert followed[0][1] == output.head
    assert output.marks
    assert Marks.decode(followed[0].marks).marks[0] == Marks.decode(output.marks).marks[0]
    assert (followed[-1][0] + len(followed[-1][1]), followed[-1][1]) == (output.size, output.tail)
    seen = {event.kind for event in remote.changes(position, 1000) or ()}
    assert {"run", "execution"} <= seen
    assert remote.changes(position, 1000) == local.changes(position, 1000)
    assert {event.kind for event in (next(remote.events(after=position)),) if event} <= seen
    remote.save_job(shell("rc-long", "sleep 60"))
    running = remote.run_job("rc-long").run.id
    wait_until(lambda: remote.run(running).executions[0].state == "running", timeout=20, description="it runs")
    assert set(remote.cancel_run(running).values()) == {"told"}
    assert site.ended(running)[0].state == "failed"
    assert remote.runs(before_ms=local.run(running).run.due_ms, limit=3) == local.runs(
        before_ms=local.run(running).run.due_ms, limit=3
    )


def test_questions_are_answered_as_on_the_store(site: Site, remote: Client) -> None:
    local = site.client
    remote.save_job(dkronpy.Job(name="rc-times", schedule="30 2 * * *", run=dkronpy.Run("shell", {"command": "true"})))
    after, zone = datetime(2026, 3, 1, tzinfo=timezone.utc), ZoneInfo("Europe/Berlin")
    assert remote.due_times("rc-times", after, 3) == local.due_times("rc-times", after, 3)
    assert remote.why("rc-times", after, zone) == local.why("rc-times", after, zone)
    run, _ = site.ended(remote.run_job("rc-times").run.id)
    at = from_ms(run.due_ms)
    wait_until(lambda: local.run_at("rc-times", at), timeout=40, description="it is on file")
    assert remote.run_at("rc-times", at) == local.run_at("rc-times", at)
    there, here = remote.status(), local.status()
    assert (there.leaders, there.jobs, there.quarantined) == (here.leaders, here.jobs, here.quarantined)
    assert [node.name for node in remote.nodes()] == [node.name for node in local.nodes()]
    assert remote.quarantined() == local.quarantined()
    remote.ping()
    with pytest.raises(NotFoundError):
        remote.forget_node("rc-none")


def test_what_is_wrong_is_said_as_the_store_s_client_says_it(site: Site, api: Api) -> None:
    with pytest.raises(StoreUnavailableError, match="Connection refused"):
        dkronpy.Client("http://127.0.0.1:1").jobs()
    with pytest.raises(ConfigError, match="no address of a server"):
        dkronpy.Client("redis://127.0.0.1:1")
    with pytest.raises(ConfigError, match="needs the store itself"):
        _ = dkronpy.Client(api.url).deployment
    with pytest.raises(StoreUnavailableError, match="answered 404"):
        Connection(api.url).get(dict, "/ui-of-somebody-else")


def test_a_token_may_do_what_its_role_may(empty: Site) -> None:
    _, api = empty.serve()
    secret = Services(empty.client).tokens.create("vic", role="viewer")[1]
    with pytest.raises(DeniedError, match="a token is needed"):
        dkronpy.Client(api.url).jobs()
    viewer = dkronpy.Client(api.url, token=secret)
    assert viewer.jobs() == []
    with pytest.raises(DeniedError):
        viewer.save_job(shell("no"))


def test_streams_are_read_line_by_line() -> None:
    lines = [b": nothing", b"", b"id: 5", b"event: output", b'data: "YWJj"', b"", b"event: end", b"data: {}", b"", b"x"]
    assert list(pieces(sent_events(lines))) == [None, Piece(2, b"abc")]
    marked = [b"event: marks", b'data: [{"offset": 2, "ms": 5000, "stream": "stderr"}]', b"", *lines[2:]]
    (piece,) = pieces(sent_events(marked))
    assert piece is not None
    assert Marks.decode(piece.marks).marks == (Mark(2, 5000, STDERR),)
    assert [event.data for event in sent_events([b"data: a", b"data:b", b""])] == ["a\nb"]


def test_the_command_line_needs_no_store(site: Site, api: Api) -> None:
    def command(*arguments: str, code: int = 0) -> str:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(site.folder)}
        done = subprocess.run(
            [sys.executable, "-m", "dkronpy", *arguments], capture_output=True, text=True, timeout=60,
            cwd=site.folder, stdin=subprocess.DEVNULL, env={**environment, "DKRONPY_API_URL": api.url},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    with suppress(NotFoundError):
        site.client.delete_job("cli-a")  # of a try that failed in the middle
    jobs = site.folder / "cli_jobs.py"
    definition = 'Job(name="cli-a", schedule="@manually", run=Run("shell", {"command": "echo hi"}))'
    jobs.write_text(f"from dkronpy import Job, Run\n\nsaid = {definition}\n")
    assert "1 created" in command("apply", str(jobs))
    assert "hi\n" in command("run", "cli-a", "--wait")
    assert "cli-a" in command("job", "list", "-o", "name")
    assert json.loads(command("job", "show", "cli-a", "-o", "json"))["executor"] == "shell"
    assert "success" in command("runs", "list", "--job", "cli-a")
    assert "hi\n" in command("logs", "cli-a")
    assert "success" in command("why", "cli-a")
    assert api.url in command("status")
    assert "cli-a disabled" in command("job", "toggle", "cli-a", "--why", "a pause")
    assert "a pause" in command("job", "history", "cli-a")
    assert "enabled  -  ->  false" in command("job", "diff", "cli-a")
    assert "(stays)" in command("plan", str(jobs))
    jobs.write_text(f"from dkronpy import Job, Run\n\nsaid = {definition.replace('echo hi', 'echo ho')}\n")
    assert "cli-a stays disabled" in command("apply", str(jobs))
    assert "(stays)" in command("plan", str(jobs))
    first = json.loads(command("job", "history", "cli-a", "-o", "json"))[-1]["revision"]
    assert "cli-a changed" in command("job", "rollback", "cli-a", str(first))
    assert "echo hi" in command("job", "show", "cli-a")
    assert "cli-a" in command("audit", "cli-a")
    assert "cli-a" in command("pause", "cli-a", "--until", "1h")
    assert "needs the store itself" in command("keys", "check", code=3)
    assert "cli-a deleted" in command("job", "delete", "cli-a", "--yes")
    assert "Connection refused" in command("--url", "http://127.0.0.1:1", "job", "list", code=4)


def test_a_drained_node_finishes_what_it_has_and_takes_nothing_new(tmp_path_factory: pytest.TempPathFactory) -> None:
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("drain")) as site:
        site.beat()
        site.agent("a")
        site.agent("b")
        _, api = site.serve()
        remote = dkronpy.Client(api.url)
        wait_until(lambda: len(remote.nodes()) == 2, timeout=20, description="both nodes are there")
        remote.save_job(shell("here", "sleep 2", on=dkronpy.Target(nodes=("a",), count=1)))
        going = remote.run_job("here").run.id
        wait_until(lambda: remote.run(going).executions[0].state == "running", timeout=20, description="it runs on a")
        remote.drain_node("a")
        seen = [(node.name, node.alive, node.drained) for node in remote.nodes()]
        assert seen == [("a", True, True), ("b", True, False)]
        remote.save_job(shell("bound", on=dkronpy.on_node("a")))
        bound = remote.run_job("bound")
        remote.save_job(shell("all", on=dkronpy.all_nodes()))
        assert [one.node for one in remote.run_job("all").executions] == ["b"]
        waiting = remote.run_job("here").run.id
        assert site.ended(going)[0].state == "success"
        assert remote.run(waiting).executions[0].node == ""
        site.ended(remote.run_job("all").run.id)  # the sweep has looked at the others meanwhile
        view = remote.run(bound.run.id)
        (held,) = view.executions
        assert (held.state, held.node, held.message) == ("queued", "a", "waits for node a, which is drained")
        assert "It waits for node a, which is drained." in why_run(view.run, view.executions, timezone.utc)
        remote.undrain_node("a")
        assert site.ended(bound.run.id)[1][0].node == "a"
        assert site.ended(waiting)[1][0].node == "a"
        with pytest.raises(NotFoundError):
            remote.drain_node("c")


def test_what_was_meant_for_a_node_goes_with_it_to_its_new_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("rename")) as site:
        site.beat()
        old = site.agent("old")
        remote = site.client
        wait_until(lambda: len(remote.nodes()) == 1, timeout=20, description="the node is there")
        remote.save_job(shell("bound", on=dkronpy.on_node("old")))
        with pytest.raises(NotFoundError):
            remote.rename_node("old", "new")
        old.signal(signal.SIGTERM)
        old.wait()
        store = site.client.deployment
        wait_until(lambda: not remote.nodes()[0].alive, timeout=20, description="the node is down")
        site.agent("new")
        wait_until(lambda: len(remote.nodes()) == 2, timeout=20, description="the new node is there")
        with store.store.client.pipeline() as pipe:  # alive for a moment more, as a crashed one seems
            pipe.hset(store.store.keys.node("old"), "seen_ms", store.store.now_ms())
            pipe.execute()
        waiting = remote.run_job("bound").run.id
        assert remote.run(waiting).executions[0].node == "old"
        with pytest.raises(ConflictError):
            remote.rename_node("old", "new")
        store.store.client.hset(store.store.keys.node("old"), "seen_ms", 0)
        remote.drain_node("old")
        done = remote.rename_node("old", "new")
        assert (done.jobs, done.executions) == (("bound",), 1)
        assert {(node.name, node.drained) for node in remote.nodes()} == {("new", True)}
        remote.undrain_node("new")
        run, executions = site.ended(waiting)
        assert (run.state, executions[0].node) == ("success", "new")
        assert remote.job("bound").job.on.nodes == ("new",)
