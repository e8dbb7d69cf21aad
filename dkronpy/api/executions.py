"""Dkron's routes for executions: of a job, one of them, those that run now, and forgetting them."""

from __future__ import annotations

import re
from datetime import timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from litestar.params import FromPath

from dkronpy.api.answers import Answer, AnyRequest, json_answer, list_answer, message_answer
from dkronpy.api.forget import forget_history
from dkronpy.api.handlers import route
from dkronpy.api.jobs import job_answer
from dkronpy.api.records import Record, cut, output_of, records_of
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.client import Client, RunView

_SORTS = {
    "id": lambda record: record.attempt.started_ms,
    "started_at": lambda record: record.attempt.started_ms,
    "finished_at": lambda record: record.attempt.finished_ms,
    "attempt": lambda record: record.attempt.number,
}


@route("GET", "/v1/jobs/{job:str}/executions", action="read", listing=True)
def list_executions(request: AnyRequest, job: FromPath[str]) -> Answer:
    """Every execution that is still known, times in the job's zone; ``output_size_limit`` cuts each output."""
    client = services_of(request).client
    zone = _zone(client.job(job).job.timezone)
    records = records_of(client.history(job))
    sort = request.query_params.get("_sort") or "id"
    if sort not in _SORTS:
        return list_answer(request, [])
    records.sort(key=_SORTS[sort], reverse=request.query_params.get("_order", "DESC") == "DESC")
    limit = _limit(request.query_params.get("output_size_limit", ""))
    return list_answer(request, [_row(client, record, zone, limit) for record in records])


@route("GET", "/v1/jobs/{job:str}/executions/{execution_id:str}", action="read")
def show_execution(request: AnyRequest, job: FromPath[str], execution_id: FromPath[str]) -> Answer:
    """One execution, with all of its output that was kept."""
    client = services_of(request).client
    client.job(job)
    for record in records_of(client.history(job)):
        if record.id == execution_id:
            row = _row(client, record, timezone.utc, None)
            row.pop("output_truncated")
            return json_answer(request, row)
    return message_answer(request, f"job {job!r} has no execution {execution_id!r}", 404)


@route("DELETE", "/v1/jobs/{job:str}/executions", action="edit")
def delete_executions(request: AnyRequest, job: FromPath[str]) -> Answer:
    """Forget what has ended of exactly this job, and set its counters back; its status stays."""
    client = services_of(request).client
    client.job(job)
    gone = forget_history(client, job)
    note_of(request).detail = f"{gone} runs forgotten"
    return job_answer(request, client.job(job))


@route("GET", "/v1/busy", action="read", listing=True)
def list_busy(request: AnyRequest) -> Answer:
    """What runs at this moment, the oldest first."""
    client, identity = services_of(request).client, identity_of(request)
    records = [record for record in running(client) if identity.sees(record.execution.job)]
    rows = []
    for record in records:
        row = _row(client, record, timezone.utc, None)
        row.pop("output_truncated")
        rows.append(row)
    return list_answer(request, rows)


def running(client: Client) -> list[Record]:
    """The attempts that run now, the oldest first."""
    deployment = client.deployment
    with deployment.store.errors():
        names = [name.decode() for name in deployment.store.client.zrange(deployment.store.keys.open, 0, -1)]
        executions = [one for one in deployment.ledger.executions(names) if one.state == "running"]
        runs = {run.id: run for run in deployment.ledger.runs(sorted({one.run_id for one in executions}))}
    views = [RunView(run=runs[one.run_id], executions=(one,)) for one in executions if one.run_id in runs]
    return [record for record in reversed(records_of(views)) if record.running]


def _row(client: Client, record: Record, zone: tzinfo, limit: int | None) -> dict[str, Any]:
    text, truncated = cut(output_of(client, record), limit)
    row = record.encode(zone)
    return {**row, **({"output": text} if text else {}), "output_truncated": truncated}


def _limit(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\+?\d{1,18}", text, re.ASCII) else None


def _zone(name: str) -> tzinfo:
    return ZoneInfo(name) if name and name != "Local" else timezone.utc


ROUTES = [list_executions, show_execution, delete_executions, list_busy]
