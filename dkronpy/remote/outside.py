"""Runs that something else starts, told by way of a server: as ``dkronpy.client.outside.Outside``, without a store."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from dkronpy.agent.spool import Report, Spool
from dkronpy.client.outside import Begun, Ended, Outside, report_of
from dkronpy.clock import from_ms
from dkronpy.errors import ConflictError, NotFoundError, StoreUnavailableError
from dkronpy.remote.connection import Connection, segment
from dkronpy.wire.outside import AttemptAnswer, AttemptAsked, AttemptBegun, AttemptHeld, ended_out


class RemoteOutside(Outside):
    """Tells the server of runs on *node*; what cannot be told waits in *folder*, as it does beside the store."""

    def __init__(self, connection: Connection, folder: Path, *, node: str, who: str) -> None:
        self.connection = connection
        self.folder = folder
        self.node = node
        self.who = who

    def begin(self, name: str, *, argv: Sequence[str] = (), due_ms: int | None = None, lease_ms: int) -> Begun:
        started_at = None if due_ms is None else from_ms(due_ms)
        asked = AttemptAsked(node=self.node, lease_ms=lease_ms, argv=list(argv), started_at=started_at)
        answer = self.connection.call(
            "POST", f"/api/v1/jobs/{segment(name)}/begin", body=asked, headers={"Idempotency-Key": uuid.uuid4().hex}
        )
        made = self.connection.decode(AttemptBegun, answer)
        return Begun(run_id=made.run, execution_id=made.execution, token=made.token, attempt=made.attempt)

    def renew(self, begun: Begun, lease_ms: int) -> bool:
        held = AttemptHeld(token=begun.token, lease_ms=lease_ms)
        answer = self.connection.call("POST", f"{_path(begun.execution_id)}/renew", body=held)
        return self.connection.decode(AttemptAnswer, answer).answer == "cancel"

    def end(self, begun: Begun, ended: Ended) -> bool:
        spool, report = Spool(self.folder), report_of(begun, ended)
        (name,) = spool.put(report)
        try:
            self._tell(report)
        except StoreUnavailableError:
            return False
        spool.remove(name, report)
        return True

    def _replay(self, spool: Spool) -> None:
        for name, report in spool.waiting():
            self._tell(report)
            spool.remove(name, report)

    def _tell(self, report: Report) -> None:
        try:
            self.connection.call("POST", f"{_path(report.execution_id)}/end", body=ended_out(report))
        except (NotFoundError, ConflictError):
            """It is known no more, or under another token: nobody asks how it ended."""


def _path(execution: str) -> str:
    return f"/api/v1/executions/{segment(execution)}"
