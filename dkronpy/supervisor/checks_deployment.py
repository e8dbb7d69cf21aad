"""The checks of what runs on the store: leader, lag, nodes, targets, what was set aside, queues of the dead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from dkronpy.client import Client, Status
from dkronpy.node import CLOCK_MAY_DIFFER_MS, QUEUE_PREFIX, Node
from dkronpy.settings import Settings
from dkronpy.settings.values import is_redis
from dkronpy.store.connection import connect, store_errors
from dkronpy.supervisor.checks import Finding, counted, fail, ok, run_checks, some, warn
from dkronpy.version import VERSION

_LATE_WARN_MS, _LATE_FAIL_MS = 1_000, 5_000
_PRIORITY_MARK = "\x06"  # kombu appends a queue's priority after it


def check_deployment(client: Client, settings: Settings) -> Iterator[Finding]:
    """The checks of beat, nodes and jobs, on a store that answers."""
    status = client.status()
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("leader", lambda: _leader(status)),
        ("lag", lambda: _lag(status)),
        ("nodes", lambda: _nodes(status)),
        ("clocks", lambda: _clocks(status)),
        ("targets", lambda: _targets(client, status.nodes)),
        ("signatures", lambda: _signatures(client)),
        ("quarantine", lambda: _quarantine(client)),
    ]
    if is_redis(settings.broker_url or settings.effective_store_url):
        checks.append(("queues", lambda: _queues(settings, status.nodes)))
    yield from run_checks(checks)


def _leader(status: Status) -> Finding:
    if status.leader is None:
        return fail("leader", "no beat leads, nothing is fired", "start one: dkronpy up, or dkronpy beat")
    seconds = max(0, status.now_ms - status.leader.since_ms) // 1000
    alone = [str(shard) for shard, leader in enumerate(status.leaders) if leader is None]
    if alone:
        return fail(
            "leader",
            f"nobody leads shard {', '.join(alone)} of {len(status.leaders)}: its jobs are not fired",
            "wait 5 s and look again; if it stays, look at the logs of the beats",
        )
    if len(status.leaders) > 1:
        beats = Counter(leader.holder for leader in status.leaders if leader is not None)
        shared = ", ".join(f"{holder} leads {count}" for holder, count in sorted(beats.items()))
        return ok("leader", f"{len(status.leaders)} shards: {shared}")
    return ok("leader", f"{status.leader.holder}, for {seconds:,} s, epoch {status.leader.epoch}")


def _lag(status: Status) -> Finding:
    late = f"the longest owed due time has been waiting for {status.late_ms / 1000:.1f} s"
    if status.late_ms > _LATE_FAIL_MS:
        return fail("lag", late, "look at beat's log; is a beat leading, and does it keep up?")
    if status.late_ms > _LATE_WARN_MS:
        return warn("lag", late, "look again; if it stays, look at beat's log")
    return ok("lag", "no due time is waiting")


def _nodes(status: Status) -> Finding:
    alive = [node for node in status.nodes if node.alive]
    dead = [node.name for node in status.nodes if not node.alive]
    if not alive:
        return fail("nodes", "none is alive, nothing can run", "start one: dkronpy up, or dkronpy agent")
    if dead:
        told = f"{len(alive)} alive, down: {some(dead)}"
        return warn("nodes", told, f"start its agent again, or drop it: dkronpy node forget {dead[0]}")
    other = [f"{node.name} ({node.version})" for node in alive if node.version and node.version != VERSION]
    if other:
        return warn("nodes", f"another version than {VERSION}: {some(other)}", "upgrade them one after another")
    return ok("nodes", f"{len(alive)} alive: {some([node.name for node in alive])}")


def _clocks(status: Status) -> Finding:
    """Records go by the store's clock; what a job itself reads, writes and signs in with, by the node's."""
    known = [node for node in status.nodes if node.alive and node.clock_offset_ms is not None]
    wrong = [f"{node.name} ({node.clock_fault})" for node in known if node.clock_fault]
    if wrong:
        told = f"a clock differs from the store's: {some(wrong)}"
        return warn("clocks", told, "let chrony or systemd-timesyncd keep the clocks of all machines")
    return ok("clocks", f"{counted(len(known), 'node')} within {CLOCK_MAY_DIFFER_MS / 1000:g} s of the store's clock")


def _targets(client: Client, nodes: tuple[Node, ...]) -> Finding:
    jobs = [view.job for view in client.jobs() if view.job.enabled]
    homeless = [job.name for job in jobs if not job.on.matching(nodes)]
    if homeless:
        told = f"no live node matches the targets of {some(homeless)}"
        return fail("targets", told, f"compare `dkronpy job show {homeless[0]}` with `dkronpy node list`")
    unable = [
        f"{job.name} ({job.executor} on {node.name})"
        for job in jobs
        for node in job.on.matching(nodes)
        if node.executors and job.executor not in node.executors
    ]
    if unable:
        return fail("targets", f"the executor is missing: {some(unable)}", "install it there, and restart the agent")
    return ok("targets", f"{counted(len(jobs), 'enabled job')}, each with a live node")


def _signatures(client: Client) -> Finding:
    verifier, jobs = client.deployment.verifier, client.deployment.jobs
    if verifier is None:
        return ok("signatures", "none is asked for here: whoever writes to the store decides what nodes run")
    stored = jobs.bodies(jobs.names())
    refused = [name for name, body, revision in stored if not verifier.accepts(body, name, revision)]
    if refused:
        told = f"nodes refuse {some(refused)}: not signed by a key that is trusted here"
        return fail("signatures", told, "look at them with `dkronpy keys check`, then `dkronpy keys sign`")
    return ok("signatures", f"{counted(len(stored), 'job')}, each signed by a key that is trusted here")


def _quarantine(client: Client) -> Finding:
    kept = client.quarantined()
    if kept:
        first, why = next(iter(sorted(kept.items())))
        told = " ".join(f"{len(kept)} set aside, the first: {first}: {why[:200]}".split())
        key = client.deployment.store.keys.quarantine
        return fail("quarantine", told, f"save that job anew; then HDEL {key} {first}")
    return ok("quarantine", "nothing was set aside")


def _queues(settings: Settings, nodes: tuple[Node, ...]) -> Finding:
    url = settings.broker_url or settings.effective_store_url
    alive = {node.name for node in nodes if node.alive}
    waiting: dict[str, int] = {}
    queues = settings.broker_key_prefix + QUEUE_PREFIX
    with store_errors(url), connect(url, key=queues) as broker:
        for key in broker.scan_iter(match=queues + "*", count=1000, _type="list"):
            node = key.decode().removeprefix(queues).partition(_PRIORITY_MARK)[0]
            if node not in alive:
                waiting[node] = waiting.get(node, 0) + broker.llen(key)
    if waiting:
        told = ", ".join(f"{counted(count, 'message')} for {node}" for node, count in sorted(waiting.items()))
        name = min(waiting)
        return warn("queues", f"{told}: down or unknown", f"start its agent, or drop it: dkronpy node forget {name}")
    return ok("queues", "no message waits for a node that is down")
