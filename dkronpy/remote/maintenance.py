"""Pauses by way of a server: the methods of ``dkronpy.client.maintenance.Maintenance``, each by one route."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from dkronpy.client.maintenance import Maintenance
from dkronpy.job import Job
from dkronpy.pause import Pause, covering
from dkronpy.remote.connection import Connection
from dkronpy.schedule.durations import format_duration
from dkronpy.wire.deployment import StatusOut
from dkronpy.wire.pauses import PauseAsked, PauseList, PauseOut, pause_in
from dkronpy.wire.runs import time_in

_PATH = "/api/v1/pauses"


class RemoteMaintenance(Maintenance):
    """What is paused in the deployment behind a server."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def pause(
        self, *, job: str = "", tag: str = "", reason: str = "", start: datetime | None = None,
        until: datetime | timedelta | None = None, by: str = "",
    ) -> Pause:  # fmt: skip
        asked = PauseAsked(job=job, tag=tag, reason=reason, start=start)
        if isinstance(until, timedelta):
            asked.duration = format_duration(until)
        else:
            asked.until = until
        answer = self.connection.call("POST", _PATH, body=asked, headers={"Idempotency-Key": uuid.uuid4().hex})
        return pause_in(self.connection.decode(PauseOut, answer))

    def resume(self, *, job: str = "", tag: str = "", id: str = "", by: str = "") -> list[Pause]:  # noqa: A002
        answer = self.connection.call("DELETE", _PATH, query={"job": job, "tag": tag, "id": id})
        return [pause_in(one) for one in self.connection.decode(PauseList, answer).items]

    def pauses(self, *, ended: bool = False) -> list[Pause]:
        pages = self.connection.pages(PauseList, _PATH, ended="true" if ended else "false")
        return [pause_in(one) for page in pages for one in page.items]

    def of_job(self, job: Job) -> Pause | None:
        now = self.connection.get(StatusOut, "/api/v1/status").now
        return covering(self.pauses(), job, time_in(now))
