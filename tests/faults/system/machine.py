"""What the processes of a world run on, as far as it can be hurt: clocks, disks, packets, another broker."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from tests.executors.services.rabbitmq import RabbitServer
from tests.faults import isolation
from tests.faults.preloaded import ShiftedClock, SlowDisk, together
from tests.faults.proxy import Proxy
from tests.faults.system.breath import pause
from tests.redis_groups import SentinelGroup
from tests.support import Kind, StoreServer

_STORE_MB = 256
_DATA_MB = 8
LOOKS = 8
BETWEEN_LOOKS = 2.0


class Machine:
    """A store whose clock and disk can be hurt; with *rabbitmq* another broker, with *isolated* small disks.

    With *replicated* the store is a master and a replica that takes its place, and nobody's clock can be hurt.
    """

    def __init__(
        self, folder: Path, *, store: Kind = "valkey", rabbitmq: bool = False, isolated: bool = False,
        replicated: bool = False,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.isolated = isolated
        self.store_clock = ShiftedClock(folder, "-store")
        self.clock = ShiftedClock(folder)
        self.slow_disk = SlowDisk(folder)
        self.group: SentinelGroup | None = None
        self.disks: dict[str, isolation.SmallDisk] = {}
        self.broker: RabbitServer | None = None
        self.broker_proxy: Proxy | None = None
        self._stack = ExitStack()
        try:
            if replicated:
                self.group = self._stack.enter_context(SentinelGroup(kind=store))
            else:
                self._server = self._stack.enter_context(self._single(store))
            if rabbitmq:
                self.broker = self._stack.enter_context(RabbitServer())
                self.broker_proxy = self._stack.enter_context(Proxy(self.broker.port))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Machine:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _single(self, kind: Kind) -> StoreServer:
        return StoreServer(
            kind=kind, folder=self.disk("store", _STORE_MB),
            environment=together(self.store_clock, self.slow_disk),
            # Where disks are hurt nothing may be answered that is not on the disk yet.
            appendfsync="always" if self.isolated else "everysec",
        )  # fmt: skip

    @property
    def server(self) -> StoreServer:
        """The store; where there are two servers, the one that is the master now."""
        return self._server if self.group is None else self.group.current

    @property
    def environment(self) -> Mapping[str, str]:
        """What beats and agents are started with."""
        found = dict(self.clock.environment)
        if self.group is not None:
            found |= {"DKRONPY_STORE_URL": self.group.url, "DKRONPY_STORE_REPLICAS": "1"}
        if self.broker_proxy is not None:
            found["DKRONPY_BROKER_URL"] = f"amqp://guest:guest@127.0.0.1:{self.broker_proxy.port}//"
        return found

    def disk(self, name: str, megabytes: int = _DATA_MB) -> Path | None:
        """A folder on a disk of its own, where there can be one."""
        if not self.isolated:
            return None
        self.disks[name] = isolation.SmallDisk(self.folder / f"disk-{name}", megabytes)
        return self.disks[name].folder

    def waiting(self) -> list[str]:
        """Queues of the broker of its own in which a message is left, after a while in which one may still be taken."""
        left: list[str] = []
        for _ in range(LOOKS if self.broker else 0):
            left = self._left()
            if not left:
                break
            pause(BETWEEN_LOOKS)
        return left

    def _left(self) -> list[str]:
        assert self.broker is not None, "there is no broker of its own"
        columns = ("name", "messages_ready", "messages_unacknowledged", "consumers")
        lines = self.broker.control("list_queues", "-q", "--no-table-headers", *columns).splitlines()
        rows = [line.split() for line in lines]
        return [f"{row[0]} ({row[1]} ready, {row[2]} under way, {row[3]} consumers)"
                for row in rows if row[1:3] != ["0", "0"]]  # fmt: skip

    def heal(self) -> None:
        """Undo whatever was done."""
        self.store_clock.shift(0)
        self.clock.shift(0)
        self.slow_disk.slow(0)
        for disk in self.disks.values():
            disk.free()
