"""One facade over a deployment, for the command line, the API, the pages and users' own programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from random import SystemRandom
from typing import Any

import msgspec

from dkronpy.client.backfill import Backfill
from dkronpy.client.jobs import JobsClient, JobView
from dkronpy.client.outside import Outside, PingState
from dkronpy.client.pools import Pools
from dkronpy.client.records import JobAudit, Records
from dkronpy.client.rename import Renamed, rename_node
from dkronpy.client.rerun import Reruns
from dkronpy.client.starts import Starts
from dkronpy.clock import from_ms, to_ms
from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.targets import Planner
from dkronpy.errors import NotFoundError, StoreRefusedError
from dkronpy.execution import Execution, Output, Run, due_of, run_id, run_of
from dkronpy.job.chain import Link
from dkronpy.node import Node
from dkronpy.settings import Settings
from dkronpy.store.events import changes_of
from dkronpy.store.output import Piece, follow_output, read_output
from dkronpy.store.quarantine import Quarantine
from dkronpy.why import why_nothing, why_run

MOST_OPEN = 10_000
"""So many open executions are looked at for a list of runs; of those, no more runs are read than the list may have."""
__all__ = ["Client", "Event", "JobView", "Leader", "RunView", "Status"]


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run with its executions."""

    run: Run
    executions: tuple[Execution, ...]


class Leader(msgspec.Struct, frozen=True, kw_only=True):
    """The beat that leads, since when (ms), under which epoch."""

    holder: str
    epoch: int
    since_ms: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment at a glance. ``late_ms`` is how long the oldest owed due time waits for beat (0: none).

    ``leader`` leads shard 0 and does the upkeep; ``leaders`` are those of all shards, in order.
    """

    now_ms: int
    store: str
    leader: Leader | None
    nodes: tuple[Node, ...]
    jobs: int
    open_executions: int
    late_ms: int
    quarantined: int
    leaders: tuple[Leader | None, ...] = ()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One change of state, out of the event stream."""

    id: str
    kind: str
    fields: dict[str, str]


class Client(JobsClient):
    """Talks to a deployment's store directly. Every method raises StoreUnavailableError when the store is away."""

    def __init__(self, settings: Settings, *, who: str = "client") -> None:
        super().__init__(settings, who=who)
        planner = Planner(NoCourier(), SystemRandom(), fired_by=who)
        self.starts = Starts(self.deployment, planner)
        self.reruns = Reruns(self.deployment, planner)
        self.pools = Pools(self.deployment)

    # runs

    def run_job(self, name: str, *, by: str = "", params: Mapping[str, Any] | None = None) -> RunView:
        """Start a job now, whatever its schedule says, in the name of *by* (this client unless said), with *params*.

        Where it forbids overlap the run may be skipped at once. Raises InvalidError for params that do not fit.
        """
        run = self.starts.name(name)
        self.starts.start(run, by=by or self.who, params=params or {})
        return self.run(run)

    def ping_job(
        self,
        name: str,
        state: PingState = "success",
        *,
        output: bytes = b"",
        exit_code: int | None = None,
        by: str = "",
    ) -> RunView:
        """Tell of a run that something else makes: that it starts, or how it ended. Raises NotFoundError."""
        settings = self.deployment.settings
        outside = Outside(self.deployment, Path(settings.data_dir) / "ping", node=settings.node, who=by or self.who)
        return self.run(outside.ping(name, state, output=output, exit_code=exit_code))

    def run(self, run: str) -> RunView:
        """One run, live or finished. Raises NotFoundError."""
        with self.deployment.store.errors():
            found = self.deployment.ledger.run(run)
            executions = self.deployment.ledger.executions(found.execution_ids) if found else []
        if found is None or len(executions) < len(found.execution_ids):
            kept = self.deployment.results.run(run)
            if kept is None:
                raise NotFoundError(f"there is no run {run!r}", hint="`dkronpy runs list` names the recent ones")
            found, executions = kept, self.deployment.results.executions(run)
        return RunView(run=found, executions=tuple(executions))

    def runs(
        self, *, job: str | None = None, state: str | None = None, limit: int = 50, before_ms: int | None = None
    ) -> list[Run]:
        """The newest runs first: those the ledger knows, then those that only the results backend keeps.

        ``before_ms`` asks for those that were due before that moment.
        """
        with self.deployment.store.errors():
            live = self.deployment.ledger.recent_runs(job, max(limit, 200) if state or before_ms else limit)
            if state in (None, "running"):
                live += self._open_runs(job, limit, before_ms)
        kept = self.deployment.results.runs(job=job, state=state, limit=limit, before_ms=before_ms)
        found = {run.id: run for run in kept}
        found.update({run.id: run for run in live if state is None or run.state == state})
        wanted = [run for run in found.values() if before_ms is None or run.due_ms < before_ms]
        return sorted(wanted, key=lambda run: (run.due_ms, run.id), reverse=True)[:limit]

    def _open_runs(self, job: str | None, limit: int, before_ms: int | None) -> list[Run]:
        """The newest runs that go on: of these the results backend knows nothing, and what is recent is fired later."""
        store = self.deployment.store
        if job is None:
            names = store.client.zrange(store.keys.open, 0, MOST_OPEN - 1)
        else:
            names = store.client.smembers(store.keys.job_active(job))
        found = ((due_of(run), run) for run in {run_of(name.decode()) for name in names})
        places = sorted((place for place in found if before_ms is None or place[0] < before_ms), reverse=True)
        return self.deployment.ledger.runs([run for _, run in places[:limit]])

    def some_runs(self, ids: Sequence[str]) -> list[Run]:
        """Those of the named runs that the ledger still knows."""
        with self.deployment.store.errors():
            return self.deployment.ledger.runs(ids)

    def some_executions(self, ids: Sequence[str]) -> list[Execution]:
        """Those of the named executions that the ledger still knows."""
        with self.deployment.store.errors():
            return self.deployment.ledger.executions(ids)

    def cancel_run(self, run: str, *, by: str = "") -> dict[str, str]:
        """Cancel what is open of a run; for each execution 'ended', 'told' (its node ends it now), or its state."""
        view = self.run(run)
        names = [execution.id for execution in view.executions]
        with self.deployment.store.errors():
            return dict(zip(names, self.deployment.ledger.cancel(names, by or self.who), strict=True)) if names else {}

    def run_tree(self, run: str) -> list[Link]:
        """The chain that a run belongs to: each job with its latest run there, parents first. Raises NotFoundError."""
        return self.reruns.tree(run)

    def rerun(self, run: str, *, start: str | None = None, by: str = "") -> list[RunView]:
        """Run the chain of a run again from what failed on, or from the job *start* on; what succeeded is kept.

        Raises NotFoundError, ConflictError when nothing failed or some of it still runs.
        """
        return [self.run(one) for one in self.reruns.rerun(run, start=start, by=by or self.who)]

    def history(self, job: str, *, limit: int | None = None) -> list[RunView]:
        """The runs of a job that are still known, the newest first, with their executions (without output).

        At most as many as are kept unless said.
        """
        runs = self.runs(job=job, limit=limit or self.deployment.most_runs(job))
        with self.deployment.store.errors():
            live = self.deployment.ledger.executions([name for run in runs for name in run.execution_ids])
        known = {execution.id: execution for execution in live}
        views = []
        for run in runs:
            executions = [known[name] for name in run.execution_ids if name in known]
            if len(executions) < len(run.execution_ids):
                executions = self.deployment.results.executions(run.id)
            views.append(RunView(run=run, executions=tuple(executions)))
        return views

    def output(self, execution: Execution, attempt: int | None = None) -> Output:
        """What an attempt (the last one unless said) printed so far; empty where nothing is kept."""
        number = attempt or execution.attempt
        kept = self.deployment.results.execution(execution.id) if execution.terminal else None
        if kept is not None and number == kept.attempt:
            return kept.output
        with self.deployment.store.errors():
            live = read_output(self.deployment.store, execution.id, number) if number else None
        return live if live is not None else Output()

    def follow(self, execution_id: str, attempt: int) -> Iterator[Piece | None]:
        """Replay an attempt's output, then follow it to its end: piece by piece; None when nothing came."""
        with self.deployment.store.errors():
            yield from follow_output(self.deployment.store, execution_id, attempt)

    # answers

    def due_times(self, name: str, after: datetime, count: int) -> list[datetime]:
        """The next due times of a stored job."""
        schedule, ms = self.job(name).stored.schedule(), to_ms(after)
        found: list[datetime] = []
        while len(found) < count and (following := schedule.next_ms(ms)) is not None:
            ms = following
            found.append(from_ms(ms))
        return found

    def why(self, name: str, at: datetime, zone: tzinfo) -> str:
        """What became of the due time *at* of a job, in a sentence."""
        found = self.run_at(name, at)
        if found is not None:
            return why_run(found.run, found.executions, zone)
        view = self.job(name)
        schedule = view.stored.schedule() if view.job.schedule else None
        return why_nothing(name, schedule, at, self.status().now_ms, zone, enabled=view.job.enabled)

    def run_at(self, name: str, at: datetime) -> RunView | None:
        """The run that stands for a due time of a job; None where there is none."""
        at_ms = to_ms(at)
        with self.deployment.store.errors():
            run = self.deployment.ledger.run(run_id(name, at_ms))
        run = run or self.deployment.results.run_at(name, at_ms) or self._range_at(name, at_ms)
        return None if run is None else self.run(run.id)

    def audit_job(self, name: str, start_ms: int, end_ms: int) -> JobAudit:
        """Whether every due time of a window has exactly one record (``dkronpy.audit``). Raises NotFoundError."""
        return Records(self.deployment).audit(name, start_ms, end_ms)

    def backfill(self, name: str, *, max_active: int = 1) -> Backfill:
        """Makes up for due times of a job's past; see ``dkronpy.client.backfill``."""
        return Backfill(self.deployment, name, max_active=max_active, who=self.who)

    def _range_at(self, name: str, at_ms: int) -> Run | None:
        with self.deployment.store.errors():
            recent = self.deployment.ledger.recent_runs(name, 200)
        return next((run for run in recent if run.count > 1 and run.due_ms <= at_ms <= run.until_ms), None)

    # the deployment

    def nodes(self) -> list[Node]:
        """Every node that is known."""
        with self.deployment.store.errors():
            return self.deployment.nodes.all()

    def forget_node(self, name: str) -> None:
        """Drop a node that is gone for good, with what waits in its queue. Raises NotFoundError."""
        with self.deployment.store.errors():
            if not self.deployment.nodes.forget(name):
                raise NotFoundError(f"there is no node {name!r}", hint="`dkronpy node list` names them all")

    def drain_node(self, name: str) -> None:
        """Let a node take nothing new, until ``undrain_node``; what it runs it finishes. Raises NotFoundError."""
        with self.deployment.store.errors():
            if not self.deployment.nodes.drain(name, self.who):
                raise NotFoundError(f"there is no node {name!r}", hint="`dkronpy node list` names them all")

    def undrain_node(self, name: str) -> None:
        """Let a node take executions again. Raises NotFoundError."""
        with self.deployment.store.errors():
            if not self.deployment.nodes.undrain(name):
                raise NotFoundError(f"there is no node {name!r}", hint="`dkronpy node list` names them all")

    def rename_node(self, old: str, new: str) -> Renamed:
        """Give what a node was meant to do to another; see ``dkronpy.client.rename``."""
        return rename_node(self.deployment, old, new, by=self.who)

    def status(self) -> Status:
        """The deployment at a glance."""
        store, keys = self.deployment.store, self.deployment.store.keys
        with store.errors():
            nodes = self.deployment.nodes.all()
            shards = range(store.read_shards())
            with store.client.pipeline(transaction=False) as pipe:
                pipe.scard(keys.jobs)
                pipe.zcard(keys.open)
                pipe.hlen(keys.quarantine)
                for shard in shards:
                    pipe.hgetall(keys.leader_of(shard))
                    pipe.zrange(keys.schedule_of(shard), 0, 0, withscores=True)
                jobs, waiting, quarantined, *rows = pipe.execute()
            now_ms = store.now_ms()
        leaders = tuple(_leader(row) for row in rows[::2])
        late = max((now_ms - round(first[0][1] * 1000) for first in rows[1::2] if first), default=0)
        return Status(
            now_ms=now_ms, store=store.where, leader=leaders[0], leaders=leaders, nodes=tuple(nodes), jobs=jobs,
            open_executions=waiting, late_ms=max(0, late), quarantined=quarantined,
        )  # fmt: skip

    def quarantined(self) -> dict[str, str]:
        """The entries and messages that were set aside, by key, with what was wrong."""
        with self.deployment.store.errors():
            return Quarantine(self.deployment.store).all()

    def position(self) -> str:
        """Where the event stream stands now, for ``changes``."""
        with self.deployment.store.errors():
            newest = self.deployment.store.client.xrevrange(self.deployment.store.keys.events, count=1)
        return newest[0][0].decode() if newest else "0"

    def changes(self, after: str, most: int) -> list[Event] | None:
        """The changes of state since a position; None when they are too many, or are known no more."""
        store = self.deployment.store
        with store.errors():
            rows = store.client.xrange(store.keys.events, min=after, count=most + 2)
        if len(rows) > most + 1 or (after != "0" and (not rows or rows[0][0].decode() != after)):
            return None
        return [event for row in rows if row[0].decode() != after for event in events_of(*row)]

    def events(self, *, after: str = "$", block_ms: int = 1000) -> Iterator[Event | None]:
        """Changes of state from this call on, as they come, for ever; None whenever nothing came for a while."""
        store = self.deployment.store
        last: str | bytes = after
        if after == "$":
            with store.errors():
                newest = store.client.xrevrange(store.keys.events, count=1)
            last = newest[0][0] if newest else "0"
        return self._events(last, block_ms)

    def _events(self, last: str | bytes, block_ms: int) -> Iterator[Event | None]:
        store = self.deployment.store
        while True:
            with store.errors():
                answer = store.client.xread({store.keys.events: last}, count=500, block=block_ms)
            if not answer:
                yield None
                continue
            for entry_id, fields in _entries(answer):
                last = entry_id
                yield from events_of(entry_id, fields)

    def ping(self) -> None:
        """Raise StoreUnavailableError, or StoreRefusedError for a store that is not ours to use."""
        with self.deployment.store.errors():
            if not self.deployment.store.client.ping():
                raise StoreRefusedError(f"the store at {self.deployment.store.where} does not answer PING")

    def close(self) -> None:
        """Let the connections go."""
        self.deployment.close()


def _leader(row: dict[bytes, bytes]) -> Leader | None:
    if not row:
        return None
    return Leader(holder=row[b"holder"].decode(), epoch=int(row[b"epoch"]), since_ms=int(row.get(b"since_ms", 0)))


def events_of(entry_id: bytes, row: dict[bytes, bytes]) -> list[Event]:
    """The changes of state that an entry of the event stream tells of."""
    return [
        Event(id=entry_id.decode(), kind=fields.pop("event", ""), fields=fields) for fields in changes_of(row)
    ]  # fmt: skip


def _entries(answer: object) -> Sequence[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of one stream in an XREAD answer, in RESP2's or RESP3's shape."""
    if isinstance(answer, dict):
        return next(iter(answer.values()))[0]  # type: ignore[no-any-return]
    return answer[0][1]  # type: ignore[index, no-any-return]
