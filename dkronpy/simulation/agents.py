"""The agents of a simulation: they claim with the production step, and every command takes as long as was said."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from dkronpy.node import BELOW, Node
from dkronpy.simulation.virtual_store import Calls, VirtualStore
from dkronpy.store.ledger import Ledger

LEASE_MS = 60_000
"""How long a node is missed before its work counts as lost."""
RUNNING_MS = 400 * 24 * 3600 * 1000
"""The lease while a node is up: its agent would renew it all the while."""
RECORD_TTL_MS = 60_000
"""How long a settled record lives in the simulation's store, by the machine's own clock: long enough to be read off."""
RETRY_MS = 2_000
"""The pause before an attempt is repeated."""
NO_END = 10**15
AT_ONCE = 10_000
"""Messages that are fetched in one answer."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A doorbell in a node's queue."""

    execution: str
    delivery: int
    node: str


class Courier:
    """Carries messages to the simulated agents: the commit pushes them into one list, which they empty."""

    QUEUE = "dkronpy:simulation:mail"

    def enclose(self, execution_id: str, delivery: int, job: str, node: str) -> tuple[str, bytes]:
        return self.QUEUE, f"{execution_id} {delivery} {node}".encode()

    def deliver(self, sends: Iterable[tuple[str, int, str, str]]) -> None:
        return None


class _Running(msgspec.Struct, order=True, gc=False):
    ends_ms: int
    execution: str
    token: int
    node: str


class Agents:
    """All nodes. ``takes`` says for a job and the name of a run how long it takes in ms, and whether it succeeds."""

    def __init__(
        self, store: VirtualStore, nodes: Sequence[Node], takes: Callable[[str, str], tuple[int, bool]]
    ) -> None:
        self.store = store
        self.ledger = Ledger(store, record_ttl_ms=RECORD_TTL_MS)
        self.takes = takes
        self.nodes = {node.name: node for node in nodes}
        self.down: set[str] = set()
        self.awaited: frozenset[str] = frozenset()
        """The jobs whose end changes what comes next: others follow, or it is tried again."""
        self._free = {node.name: node.capacity for node in nodes}
        self._live: dict[str, deque[Message]] = {node.name: deque() for node in nodes}
        self._low: dict[str, deque[Message]] = {node.name: deque() for node in nodes}
        self.started: dict[str, tuple[int, str]] = {}
        """Of each execution when it first started, and the node that has it."""
        self._running: list[_Running] = []
        self._awaited_ends: list[int] = []
        self._told: set[str] = set()

    def alive(self) -> list[Node]:
        """The nodes as beat sees them."""
        return [msgspec.structs.replace(node, alive=node.name not in self.down) for node in self.nodes.values()]

    @property
    def next_ms(self) -> int:
        """When the next command ends whose end matters; others are reported, at their time, with what comes next."""
        full = any(self._live.values()) or any(self._low.values())
        if full and self._running:
            return self._running[0].ends_ms
        return self._awaited_ends[0] if self._awaited_ends else NO_END

    def fetch(self) -> None:
        """Take what the commits pushed out of the two queues."""
        more = True
        while more:
            with self.store.client.pipeline(transaction=False) as pipe:
                pipe.rpop(Courier.QUEUE, AT_ONCE)
                pipe.rpop(Courier.QUEUE + BELOW, AT_ONCE)
                taken = [raw or [] for raw in pipe.execute()]
            more = any(len(raw) == AT_ONCE for raw in taken)
            for raw, queues in zip(taken, (self._live, self._low), strict=True):
                for text in raw:
                    execution, delivery, node = text.decode().rsplit(" ", 2)
                    queues[node].append(Message(execution, int(delivery), node))

    def claim(self, now_ms: int) -> Calls:
        """Each node takes up as much as it has room for; what the store said, in which stands what comes next."""
        taken: list[Message] = []
        for name in self.nodes:
            while name not in self.down and len(taken) < 5_000 and self._free[name] > 0:
                queue = self._live[name] or self._low[name]
                if not queue:
                    break
                taken.append(queue.popleft())
                self._free[name] -= 1
        with self.store.together(now_ms) as calls:
            for one in taken:
                self.ledger.claim(one.execution, one.delivery, one.node, one.node, RUNNING_MS)
        for message, answer in zip(taken, calls.answers, strict=True):
            if answer[0] != b"ok":
                self._free[message.node] += 1
                continue
            job = message.execution.partition("@")[0]
            ends_ms = now_ms + self.takes(job, message.execution)[0]
            heapq.heappush(self._running, _Running(ends_ms, message.execution, int(answer[1]), message.node))
            first, _ = self.started.get(message.execution, (now_ms, ""))
            self.started[message.execution] = first, message.node
            if job in self.awaited:
                heapq.heappush(self._awaited_ends, ends_ms)
        return calls

    def end(self, now_ms: int) -> bool:
        """Report what has ended by now, each at its own time; True where anything had. It is *now_ms* then."""
        ended = []
        while self._awaited_ends and self._awaited_ends[0] <= now_ms:
            heapq.heappop(self._awaited_ends)
        while self._running and self._running[0].ends_ms <= now_ms:
            ended.append(heapq.heappop(self._running))
        with self.store.together(now_ms) as calls:
            for work in ended:
                self._free[work.node] += 1
                told = work.execution in self._told
                good = not told and self.takes(work.execution.partition("@")[0], work.execution)[1]
                self._told.discard(work.execution)
                calls.at(work.ends_ms)
                self.ledger.finish(
                    work.execution, work.token, success=good, reason="" if good else "cancelled" if told else "exit",
                    message="" if good or told else "exit status 1", exit_code=0 if good else 1,
                    pause_ms=None if good or told else RETRY_MS,
                )  # fmt: skip
        return bool(ended)

    def give_way(self, now_ms: int, jobs: frozenset[str]) -> None:
        """End what runs of these jobs and was told to, since a newer run wants its place."""
        theirs = [work for work in self._running if work.execution.partition("@")[0] in jobs]
        with self.store.client.pipeline(transaction=False) as pipe:
            for work in theirs:
                pipe.hget(self.store.keys.execution(work.execution), "cancel")
            flags = pipe.execute() if theirs else []
        told = {work.execution for work, flag in zip(theirs, flags, strict=True) if flag} - self._told
        if told:
            self._told |= told
            self._running = [
                msgspec.structs.replace(work, ends_ms=now_ms) if work.execution in told else work
                for work in self._running
            ]
            heapq.heapify(self._running)
            heapq.heappush(self._awaited_ends, now_ms)

    def go_down(self, name: str) -> None:
        """A node dies with what it runs: nobody renews that any more."""
        self.down.add(name)
        dead = [work for work in self._running if work.node == name]
        self._running = [work for work in self._running if work.node != name]
        heapq.heapify(self._running)
        self._free[name] += len(dead)
        self.ledger.renew([(work.execution, work.token) for work in dead], LEASE_MS)

    def come_up(self, name: str) -> None:
        """It is back, with what waits in its queue."""
        self.down.discard(name)
