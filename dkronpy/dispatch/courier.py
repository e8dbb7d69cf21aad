"""What carries the doorbell message of an execution to its node's queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Courier(Protocol):
    """Carries messages: with the ledger's own commit where broker and store are one Redis, else after it."""

    def enclose(self, execution_id: str, delivery: int, job: str, node: str) -> tuple[str, bytes]:
        """The queue's key and the message to be pushed by the commit; ('', b'') where it follows the commit."""
        ...

    def deliver(self, sends: Iterable[tuple[str, int, str, str]]) -> None:
        """After the commit: send (execution, delivery, job, node) where the commit could not."""
        ...


class NoCourier:
    """For programs that only write the ledger and leave the sending to beat."""

    def enclose(self, execution_id: str, delivery: int, job: str, node: str) -> tuple[str, bytes]:
        return "", b""

    def deliver(self, sends: Iterable[tuple[str, int, str, str]]) -> None:
        return None
