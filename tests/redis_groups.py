"""Several Redis servers that stand for one store: a master with a replica and a Sentinel, and a small Cluster."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, final

import redis

from tests.support import Kind, StoreServer, answers, end_process, free_port, store_binary, wait_until


class Group:
    """Servers that are ended together. A context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


@final
class SentinelGroup(Group):
    """A master, a replica, and one Sentinel that puts the replica in its place within seconds.

    With *min_replicas* a server takes nothing while it has fewer.
    """

    def __init__(self, *, min_replicas: int = 0, kind: Kind = "redis") -> None:
        super().__init__()
        self._kind = kind
        options = {"min_replicas_to_write": str(min_replicas), "min_replicas_max_lag": "3"}
        self.master = self._stack.enter_context(StoreServer(kind=kind, **options))
        source = f"127.0.0.1 {self.master.port}"
        self.replica = self._stack.enter_context(StoreServer(kind=kind, replicaof=source, **options))
        self.port = free_port()
        self._start_sentinel(self.master.folder)

    @property
    def url(self) -> str:
        """What a deployment is told."""
        return f"sentinel://127.0.0.1:{self.port}/0?master_name=mymaster"

    @property
    def current(self) -> StoreServer:
        """The server that the Sentinel says is the master now."""
        with redis.Redis(port=self.port) as sentinel:
            found: Any = sentinel.sentinel_get_master_addr_by_name("mymaster")
        return next(server for server in (self.master, self.replica) if server.port == found[1])

    def part(self) -> StoreServer:
        """The master goes on alone: its replica, given back, stands still, cut off from it."""
        master = self.current
        other = self.replica if master is self.master else self.master
        other.pause()
        with master.client() as client:  # what is under way to a process that stands still arrives later
            client.execute_command("CLIENT", "KILL", "TYPE", "replica")
        return other

    def settle(self) -> None:
        """Return once the master, whoever it is by now, has a replica that has all."""
        wait_until(self._settled, timeout=60, description="the master has its replica")

    def _settled(self) -> bool:
        try:
            with self.current.client() as master:
                found = master.info("replication")
        except redis.RedisError:
            return False
        return found["role"] == "master" and found.get("slave0", {}).get("state") == "online"

    def _start_sentinel(self, folder: Path) -> None:
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {self.master.port} 1\n"
            "sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 5000\n"
        )
        with (folder / "sentinel.log").open("ab") as log:
            process = subprocess.Popen(
                [store_binary(self._kind), configuration, "--sentinel"], stdout=log, stderr=log, cwd=folder
            )
        self._stack.callback(end_process, process)
        with redis.Redis(port=self.port) as sentinel, self.replica.client() as replica:
            wait_until(lambda: answers(sentinel), description="the Sentinel answers")
            wait_until(
                lambda: (
                    sentinel.sentinel_slaves("mymaster") and replica.info("replication")["master_link_status"] == "up"
                ),
                timeout=30,
                description="the Sentinel knows the replica, and it has all",
            )


@final
class ClusterGroup(Group):
    """Three masters that share the slots, and a replica of the first, which has the slots up to 5461."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = [self._stack.enter_context(self._node()) for _ in range(4)]
        self.clients = [self._stack.enter_context(node.client()) for node in self.nodes]
        for number, (first, last) in enumerate(((0, 5461), (5462, 10922), (10923, 16383))):
            self.clients[number].execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            self.clients[number].execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            bus = dict(self._ports)[node.port]
            self.clients[0].execute_command("CLUSTER MEET", "127.0.0.1", node.port, bus)
        first_id = self.clients[0].execute_command("CLUSTER MYID")
        wait_until(lambda: self._replicates(first_id), timeout=30, description="the replica joins the first master")
        wait_until(lambda: all(map(self._ready, self.clients)), timeout=30, description="the Cluster is ready")

    @property
    def url(self) -> str:
        """What a deployment is told: two nodes that do not hold its slot."""
        return f"cluster://127.0.0.1:{self.nodes[1].port},127.0.0.1:{self.nodes[2].port}"

    @property
    def replica(self) -> redis.Redis:
        """The replica of the first master."""
        return self.clients[3]

    def _node(self) -> StoreServer:
        bus = free_port()
        node = StoreServer(kind="redis", cluster_enabled="yes", cluster_port=str(bus), cluster_node_timeout="2000")
        self._ports = [*getattr(self, "_ports", []), (node.port, bus)]
        return node

    def _replicates(self, master: bytes) -> bool:
        try:
            return bool(self.replica.execute_command("CLUSTER REPLICATE", master))
        except redis.ResponseError:  # it has not heard of it yet
            return False

    def _ready(self, client: redis.Redis) -> bool:
        slots: Any = client.execute_command("CLUSTER", "SLOTS")
        state: Any = client.execute_command("CLUSTER", "INFO")
        linked = client.info("replication").get("master_link_status", "up") == "up"
        return b"cluster_state:ok" in state and sum(len(row) for row in slots) == 3 * 3 + 1 and linked
