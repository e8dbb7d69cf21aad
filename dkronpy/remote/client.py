"""The client over HTTP: the methods of the one on the store, each by one route, so that no broker need be reached."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any, NoReturn

from dkronpy.client import Client as StoreClient
from dkronpy.client import Event, JobView, RunView, Status
from dkronpy.client.backfill import Backfill
from dkronpy.client.calendars import SharedCalendars
from dkronpy.client.maintenance import Maintenance
from dkronpy.client.outside import PingState
from dkronpy.client.records import JobAudit
from dkronpy.client.rename import Renamed
from dkronpy.client.spreading import LOOKED_AT, spread_jobs, usual_run_ms
from dkronpy.clock import from_ms, iso_ms, to_ms
from dkronpy.errors import ConflictError, needs_store
from dkronpy.execution import Execution, Output, Run
from dkronpy.job import Job
from dkronpy.job.chain import Link
from dkronpy.job.json import decode_job, encode_job
from dkronpy.level import Choice
from dkronpy.node import Node
from dkronpy.notices.record import Notices
from dkronpy.remote.backfill import RemoteBackfill
from dkronpy.remote.calendars import RemoteCalendars
from dkronpy.remote.connection import PAGE, Connection, segment
from dkronpy.remote.maintenance import RemoteMaintenance
from dkronpy.remote.notices import RemoteNotices
from dkronpy.remote.pools import RemotePools
from dkronpy.remote.stream import pieces, sent_events
from dkronpy.remote.tokens import RemoteTokens
from dkronpy.store.jobs import Change, Saved, StoredJob
from dkronpy.store.output import Piece
from dkronpy.store.revisions import Revision
from dkronpy.wire.deployment import EventList, NodeList, Quarantined, StatusOut, event_in, node_in, status_in
from dkronpy.wire.jobs import STORED, JobList, RevisionList, Times, Why, job_in, revision_in
from dkronpy.wire.runs import (
    Cancelled,
    ExecutionList,
    OutputOut,
    RunList,
    RunOut,
    RunTree,
    execution_in,
    link_in,
    output_in,
    run_in,
    time_in,
    view_in,
)

_NAMES = 50
"""How many names go into one address."""
_LONGEST_WAIT_MS = 20_000


class Client(StoreClient):
    """A deployment behind a server: ``Client("https://jobs.example.org", token="dkronpy_...")``.

    Its methods are those of ``dkronpy.client.Client``, and raise the same errors; DeniedError where the token may not
    do it, StoreUnavailableError where the server cannot be reached. One that has no route raises ConfigError.
    """

    def __init__(self, url: str, *, token: str = "", who: str = "client", timeout: float = 30.0) -> None:
        self.connection = Connection(url, token, timeout=timeout)
        self.pools = RemotePools(self.connection)
        self.tokens = RemoteTokens(self.connection)
        self.who = who

    @property
    def deployment(self) -> NoReturn:  # type: ignore[override]
        """There is none here. Raises ConfigError."""
        raise needs_store(self.connection.url)

    # jobs

    def jobs(self) -> list[JobView]:
        return [job_in(row) for page in self.connection.pages(JobList, "/api/v1/jobs") for row in page.items]

    def some_jobs(self, names: Sequence[str]) -> list[JobView]:
        pages = (self.connection.get(JobList, "/api/v1/jobs", limit=PAGE, name=part) for part in _parts(names))
        return [job_in(row) for page in pages for row in page.items]

    def job(self, name: str) -> JobView:
        return job_in(self.connection.get(dict[str, Any], f"/api/v1/jobs/{segment(name)}"))

    def stored_jobs(self) -> list[StoredJob]:
        return [view.stored for view in self.jobs()]

    def usual_run_ms(self, name: str) -> int | None:
        return usual_run_ms(self.runs(job=name, state="success", limit=LOOKED_AT))

    def spread(
        self, jobs: Sequence[Job], stored: Sequence[StoredJob] | None = None
    ) -> tuple[list[Job], dict[str, Choice]]:
        known = self.stored_jobs if stored is None else lambda: stored
        return spread_jobs(jobs, known, self.usual_run_ms, lambda: self.status().now_ms)

    def save_job(
        self, job: Job, *, source: str = "api", revision: int | None = None, by: str = "", why: str = ""
    ) -> Saved:
        return self.change_job(Change(job=job, source=source, revision=revision, why=why))

    def change_jobs(self, changes: Sequence[Change]) -> list[Saved]:
        return [self._changed(change) for change in changes]

    def _changed(self, change: Change) -> Saved:
        try:
            return self.change_job(change)
        except ConflictError:
            return Saved(what="conflict", revision=0)

    def change_job(self, change: Change) -> Saved:
        revision = change.revision
        headers = {} if revision is None else {"If-Match": f'"{revision}"'} if revision else {"If-None-Match": "*"}
        query = {"source": change.source, "why": change.why, "owns": "true" if change.owns else None}
        if change.wish is not None:
            query["wish"] = "enabled" if change.wish.enabled else "disabled"
        answer = self.connection.call(
            "PUT", f"/api/v1/jobs/{segment(change.job.name)}", query=query, body=encode_job(change.job), headers=headers
        )
        stored = self.connection.decode(dict[str, Any], answer)[STORED]
        return Saved(what=stored["what"], revision=stored["revision"])

    def delete_job(
        self, name: str, *, revision: int | None = None, by: str = "", why: str = "", heir: str = ""
    ) -> None:
        headers = {} if revision is None else {"If-Match": f'"{revision}"'}
        query = {"why": why, "heir": heir or None}
        self.connection.call("DELETE", f"/api/v1/jobs/{segment(name)}", query=query, headers=headers)

    def job_history(self, name: str) -> list[Revision]:
        pages = self.connection.pages(RevisionList, f"/api/v1/jobs/{segment(name)}/revisions")
        return [revision_in(row) for page in pages for row in page.items]

    def toggle_job(self, name: str, *, by: str = "", why: str = "") -> Job:
        answer = self.connection.call("POST", f"/v1/jobs/{segment(name)}/toggle", query={"why": why})
        return decode_job(answer.content)[0]

    # runs

    def run_job(self, name: str, *, by: str = "", params: Mapping[str, Any] | None = None) -> RunView:
        body = {"params": dict(params)} if params else None
        answer = self.connection.call("POST", f"/api/v1/jobs/{segment(name)}/run", headers=_key(), body=body)
        return view_in(self.connection.decode(RunOut, answer))

    def ping_job(
        self,
        name: str,
        state: PingState = "success",
        *,
        output: bytes = b"",
        exit_code: int | None = None,
        by: str = "",
    ) -> RunView:
        said = state if exit_code is None else str(exit_code)
        answer = self.connection.call("POST", f"/ping/{segment(name)}/{said}", data=output)
        return view_in(self.connection.decode(RunOut, answer))

    def run(self, run: str) -> RunView:
        return view_in(self.connection.get(RunOut, f"/api/v1/runs/{segment(run)}"))

    def runs(
        self, *, job: str | None = None, state: str | None = None, limit: int = 50, before_ms: int | None = None
    ) -> list[Run]:
        before = None if before_ms is None else iso_ms(before_ms)
        found: list[Run] = []
        after: str | None = None
        while len(found) < limit:
            page = self.connection.get(
                RunList, "/api/v1/runs", job=job, state=state, before=before, limit=min(PAGE, limit - len(found)),
                after=after,
            )  # fmt: skip
            found += map(run_in, page.items)
            after = page.after
            if after is None:
                break
        return found

    def some_runs(self, ids: Sequence[str]) -> list[Run]:
        pages = (self.connection.get(RunList, "/api/v1/runs", id=part) for part in _parts(ids))
        return [run_in(one) for page in pages for one in page.items]

    def some_executions(self, ids: Sequence[str]) -> list[Execution]:
        pages = (self.connection.get(ExecutionList, "/api/v1/executions", id=part) for part in _parts(ids))
        return [execution_in(one) for page in pages for one in page.items]

    def cancel_run(self, run: str, *, by: str = "") -> dict[str, str]:
        answer = self.connection.call("POST", f"/api/v1/runs/{segment(run)}/cancel")
        return self.connection.decode(Cancelled, answer).executions

    def run_tree(self, run: str) -> list[Link]:
        page = self.connection.get(RunTree, f"/api/v1/runs/{segment(run)}/tree")
        return [link_in(one) for one in page.items]

    def rerun(self, run: str, *, start: str | None = None, by: str = "") -> list[RunView]:
        answer = self.connection.call(
            "POST", f"/api/v1/runs/{segment(run)}/rerun", query={"start": start}, headers=_key()
        )
        return [view_in(one) for one in self.connection.decode(RunList, answer).items]

    def history(self, job: str, *, limit: int | None = None) -> list[RunView]:
        pages = self.connection.pages(RunList, f"/api/v1/jobs/{segment(job)}/runs")
        return [view_in(one) for one in islice((one for page in pages for one in page.items), limit)]

    def output(self, execution: Execution, attempt: int | None = None) -> Output:
        path = f"/api/v1/executions/{segment(execution.id)}/bytes"
        return output_in(self.connection.get(OutputOut, path, attempt=attempt))

    def follow(self, execution_id: str, attempt: int) -> Iterator[Piece | None]:
        query = {"attempt": attempt, "encoding": "base64", "marks": "true"}
        lines = self.connection.lines("GET", f"/api/v1/executions/{segment(execution_id)}/follow", query)
        yield from pieces(sent_events(lines))

    # answers

    def due_times(self, name: str, after: datetime, count: int) -> list[datetime]:
        path, query = f"/api/v1/jobs/{segment(name)}/next", {"after": iso_ms(to_ms(after)), "count": count}
        return [from_ms(time_in(text)) for text in self.connection.get(Times, path, **query).times]

    def run_at(self, name: str, at: datetime) -> RunView | None:
        found = self.connection.get(Why, f"/api/v1/jobs/{segment(name)}/why", at=iso_ms(to_ms(at)))
        return None if found.run is None else self.run(found.run)

    def audit_job(self, name: str, start_ms: int, end_ms: int) -> JobAudit:
        query = {"start": iso_ms(start_ms), "end": iso_ms(end_ms)}
        return self.connection.get(JobAudit, f"/api/v1/jobs/{segment(name)}/audit", **query)

    def backfill(self, name: str, *, max_active: int = 1) -> Backfill:
        return RemoteBackfill(self.connection, name, max_active=max_active)

    # the deployment

    @cached_property
    def calendars(self) -> SharedCalendars:
        return RemoteCalendars(self.connection)

    @cached_property
    def maintenance(self) -> Maintenance:
        return RemoteMaintenance(self.connection)

    @cached_property
    def notices(self) -> Notices:
        return RemoteNotices(self.connection)

    def nodes(self) -> list[Node]:
        return [node_in(one) for page in self.connection.pages(NodeList, "/api/v1/nodes") for one in page.items]

    def forget_node(self, name: str) -> None:
        self.connection.call("DELETE", f"/api/v1/nodes/{segment(name)}")

    def drain_node(self, name: str) -> None:
        self.connection.call("POST", f"/api/v1/nodes/{segment(name)}/drain")

    def undrain_node(self, name: str) -> None:
        self.connection.call("POST", f"/api/v1/nodes/{segment(name)}/undrain")

    def rename_node(self, old: str, new: str) -> Renamed:
        answer = self.connection.call("POST", f"/api/v1/nodes/{segment(old)}/rename", body={"to": new})
        return self.connection.decode(Renamed, answer)

    def status(self) -> Status:
        found = self.connection.get(StatusOut, "/api/v1/status")
        return status_in(found, self.nodes(), self.connection.url)

    def quarantined(self) -> dict[str, str]:
        pages = self.connection.pages(Quarantined, "/api/v1/quarantine")
        return {key: text for page in pages for key, text in page.items.items()}

    def position(self) -> str:
        return self.connection.get(EventList, "/api/v1/events").position

    def changes(self, after: str, most: int) -> list[Event] | None:
        found: list[Event] = []
        while len(found) <= most:
            page = self.connection.get(EventList, "/api/v1/events", after=after, limit=min(most, PAGE))
            if page.missed:
                return None
            if page.position == after:
                return found
            after = page.position
            found += map(event_in, page.items)
        return None

    def _events(self, last: str | bytes, block_ms: int) -> Iterator[Event | None]:
        position = last.decode() if isinstance(last, bytes) else last
        wait, before = min(block_ms, _LONGEST_WAIT_MS), (0, 0)
        while True:
            page = self.connection.get(EventList, "/api/v1/events", after=position, wait=wait)
            if page.missed:  # what came next is known no more: it goes on with the oldest that is, as on the store
                before, position = _place(position), "0"
                continue
            position = page.position
            events = [one for one in map(event_in, page.items) if _place(one.id) > before]
            yield from events
            if not events:
                yield None

    def events(self, *, after: str = "$", block_ms: int = 1000) -> Iterator[Event | None]:
        return self._events(self.position() if after == "$" else after, block_ms)

    def backup(self, *, history: bool = True) -> Iterator[bytes]:
        """The lines of a backup (``dkronpy.backup.write_lines`` packs them)."""
        query = {"history": "true" if history else "false"}
        return (line + b"\n" for line in self.connection.lines("GET", "/api/v1/backup", query))

    def ping(self) -> None:
        self.connection.get(StatusOut, "/api/v1/status")

    def close(self) -> None:
        self.connection.close()


def _place(position: str) -> tuple[int, int]:
    """Where an entry stands among others."""
    ms, _, number = position.partition("-")
    return int(ms), int(number or 0)


def _key() -> dict[str, str]:
    """The header with which a request may be sent again when its connection broke."""
    return {"Idempotency-Key": uuid.uuid4().hex}


def _parts(names: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _NAMES):
        yield list(names[start : start + _NAMES])
