"""A deployment in virtual time: from one event to the next, until the end of the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from dkronpy.execution import Run
from dkronpy.job import Job
from dkronpy.node import Node
from dkronpy.pause import Pause
from dkronpy.scheduler.pacing import Pace
from dkronpy.simulation.agents import NO_END, Agents
from dkronpy.simulation.beat import Beat
from dkronpy.simulation.virtual_store import Calls, VirtualStore, virtual_store
from dkronpy.store.jobs import Jobs
from dkronpy.store.pauses import Pauses
from dkronpy.store.redbeat import ms_of

TOOK_MS = 1_000
"""How long a command takes of which nothing is known."""
CAPACITY = 8
SWEEP_STEPS = 50
"""Ended runs that nothing follows may wait so many steps to be written down."""

Takes = Callable[[str, str], tuple[int, bool]]


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A span in which a node is down, or every beat (``node`` empty); moments in ms."""

    start_ms: int
    end_ms: int
    node: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one run. ``waited_ms`` lies between due time and first start; -1 where it never started."""

    id: str
    job: str
    due_ms: int
    state: str
    reason: str = ""
    trigger: str = "schedule"
    fired_ms: int = 0
    waited_ms: int = -1
    finished_ms: int = 0
    nodes: tuple[str, ...] = ()
    count: int = 1
    until_ms: int = 0


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger that results, by due time. What had not ended is ``running`` or ``queued``."""

    start_ms: int
    end_ms: int
    rows: tuple[Row, ...]

    def of(self, job: str) -> tuple[Row, ...]:
        """The runs of one job."""
        return tuple(row for row in self.rows if row.job == job)

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many due times came to which state, or reason where they did not run."""
        counted: Counter[str] = Counter()
        for row in self.rows:
            counted[row.reason if row.state == "skipped" else row.state] += row.count
        return dict(counted)


def simulate(
    jobs: Iterable[Job],
    start_ms: int,
    end_ms: int,
    *,
    nodes: int | Sequence[Node] = 1,
    outages: Sequence[Outage] = (),
    took: Mapping[str, int] | Takes | None = None,
    pools: Mapping[str, int] | None = None,
    pace: Pace | None = None,
    pauses: Sequence[Pause] = (),
    seed: int = 0,
) -> Simulated:
    """What the scheduler makes of *jobs* after *start_ms* up to *end_ms*.

    *nodes* are those, or so many of each kind that the jobs ask for by their tags. *took* says how long the commands of
    a job take, in ms (a second otherwise), or is a function of the job's name and the execution's id that says that and
    whether it succeeds. *pools* are their sizes; one that is not named has as many slots as a job wants of it. *pace*
    is that of make-up runs; *pauses* are known from the start. The same arguments and *seed* give the same ledger.
    Starts a store of its own. Raises ConfigError where no server for it is installed.
    """
    known = list(jobs)
    machines = _alike(nodes, known) if isinstance(nodes, int) else list(nodes)
    with virtual_store() as store:
        store.set_clock(start_ms)
        for name, slots in {**_needed(known), **(pools or {})}.items():
            store.scripts.call("pool", name, slots)
        for pause in pauses:
            Pauses(store).put(pause)
        return Simulation(store, known, machines, outages, _takes(took), pace or Pace(), seed).run(start_ms, end_ms)


class Simulation:
    """One simulation on a store."""

    def __init__(
        self, store: VirtualStore, jobs: Sequence[Job], nodes: Sequence[Node], outages: Sequence[Outage],
        takes: Takes, pace: Pace, seed: int,
    ) -> None:  # fmt: skip
        self.store = store
        self.jobs = Jobs(store)
        self.definitions = jobs
        self.rows: list[Row] = []
        self.agents = Agents(store, nodes, takes)
        self.beat = Beat(store, self.jobs, pace, seed, self._file)
        parents = {parent for job in jobs for parent in job.after}
        self.beat.registrar.followed = frozenset(
            job.name for job in jobs if job.after or job.ephemeral or job.name in parents
        )
        self.agents.awaited = self.beat.registrar.followed | {
            job.name for job in jobs if job.max_attempts > 1 or job.gated
        }
        self.yielding = frozenset(job.name for job in jobs if job.concurrency in ("cancel", "terminate"))
        edges = [(o.start_ms, False, o.node) for o in outages] + [(o.end_ms, True, o.node) for o in outages]
        self.edges = sorted(edges, reverse=True)
        self._steps = 0
        self._look_ms = NO_END

    def run(self, start_ms: int, end_ms: int) -> Simulated:
        """Go from event to event."""
        now = start_ms
        self.store.set_clock(now)
        for job in self.definitions:
            self.jobs.save(job, source="simulation")
        self.beat.start()
        ahead = self.agents.claim(now)
        while (following := self._next(now, ahead)) <= end_ms:
            now = max(now, following)
            ahead = self._step(now)
        self.agents.end(end_ms)
        self.beat.registrar.run(end_ms, self.agents.alive())
        self._file_open()
        rows = sorted(self.rows, key=lambda row: (row.due_ms, row.job, row.id))
        return Simulated(start_ms=start_ms, end_ms=end_ms, rows=tuple([row for row in rows if row.due_ms > start_ms]))

    def _next(self, now_ms: int, ahead: Calls) -> int:
        """When something happens next: a due time, a look at what is open, an end that matters, an outage."""
        found = [self.agents.next_ms, self.edges[-1][0] if self.edges else NO_END]
        if self.beat.epoch is not None:
            self._look_ms = NO_END if ahead.look is None else max(int(ahead.look), now_ms)
            found += [self._look_ms, NO_END if ahead.due is None else ms_of(ahead.due)]
        return min(found)

    def _step(self, now_ms: int) -> Calls:
        ended = self.agents.end(now_ms)
        while self.edges and self.edges[-1][0] <= now_ms:
            _, up, node = self.edges.pop()
            if node:
                (self.agents.come_up if up else self.agents.go_down)(node)
            else:
                (self.beat.start if up else self.beat.stop)()
        self._steps += 1
        look = self._look_ms <= now_ms or (ended and bool(self.agents.awaited)) or self._steps % SWEEP_STEPS == 0
        self.beat.tick(now_ms, self.agents.alive(), sweep=look)
        if self.yielding:
            self.agents.give_way(now_ms, self.yielding)
        self.agents.fetch()
        return self.agents.claim(now_ms)

    def _file(self, run: Run) -> None:
        started = self.agents.started
        starts = [started.pop(execution) for execution in run.execution_ids if execution in started]
        self.rows.append(
            Row(
                id=run.id, job=run.job, due_ms=run.due_ms, state=run.state, reason=run.reason, trigger=run.trigger,
                fired_ms=run.fired_ms, waited_ms=min(start for start, _ in starts) - run.due_ms if starts else -1,
                finished_ms=run.finished_ms, nodes=tuple(node for _, node in starts),
                count=run.count, until_ms=run.until_ms,
            )
        )  # fmt: skip

    def _file_open(self) -> None:
        """What has not ended when the window does."""
        names = [raw.decode() for raw in self.store.client.zrange(self.store.keys.open, 0, -1)]
        for run in self.beat.ledger.runs(sorted({name.rpartition(".")[0] for name in names})):
            begun = any(execution in self.agents.started for execution in run.execution_ids)
            self._file(msgspec.structs.replace(run, state="running" if begun else "queued"))


def _alike(count: int, jobs: Sequence[Job]) -> list[Node]:
    """The nodes that jobs name, and so many of each kind that they ask for."""
    kinds = {tuple(sorted(job.on.wanted()[0].items())) for job in jobs if not job.on.nodes} or {()}
    named = {name for job in jobs for name in job.on.nodes}
    nodes = [Node(name=name, capacity=CAPACITY) for name in sorted(named)]
    for tags in sorted(kinds):
        kind = "-".join(value for _, value in tags) or "node"
        nodes += [Node(name=f"{kind}{number}", tags=dict(tags), capacity=CAPACITY) for number in range(1, count + 1)]
    return nodes


def _needed(jobs: Sequence[Job]) -> dict[str, int]:
    """The pools of the jobs, each as large as the job that wants most of it."""
    return {name: max(job.pools.get(name, 0) for job in jobs) for job in jobs for name in job.pools}


def _takes(took: Mapping[str, int] | Takes | None) -> Takes:
    if callable(took):
        return took
    known = dict(took or {})
    return lambda job, _: (known.get(job, TOOK_MS), True)
