"""Records of the ledger as values: the fields of a hash in the store, read as an execution, an attempt or a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dkronpy.execution import Attempt, Execution, Run, due_of, execution_id, job_of, run_of


def pairs(flat: Sequence[bytes]) -> dict[str, str]:
    """A flat list of names and values."""
    texts = [part.decode("utf-8", "replace") for part in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def texts(row: Mapping[bytes, bytes]) -> dict[str, str]:
    """A hash; what is no UTF-8 is marked so."""
    return {key.decode(): value.decode("utf-8", "replace") for key, value in row.items()}


def _number(fields: Mapping[str, str], name: str) -> int:
    return int(fields.get(name) or 0)


def read_execution(execution_id: str, fields: Mapping[str, str]) -> Execution:
    """An execution with its attempts, without output."""
    run, last = run_of(execution_id), _number(fields, "attempt")
    return Execution(
        id=execution_id,
        run_id=run,
        job=job_of(run),
        node=fields.get("node", ""),
        due_ms=due_of(run),
        trigger=fields.get("trigger", "schedule"),
        state=fields.get("state", "queued"),
        reason=fields.get("reason", ""),
        message=fields.get("message", ""),
        delivery=int(fields.get("delivery", 1)),
        attempt=last,
        queued_ms=_number(fields, "queued_ms"),
        started_ms=_number(fields, "started_ms"),
        finished_ms=_number(fields, "finished_ms"),
        cancel=fields.get("cancel") == "1",
        amended=fields.get("amended") == "1",
        attempts=tuple(_attempt(number, fields) for number in range(1, last + 1)),
    )


def _size(fields: Mapping[str, str]) -> int:
    """How many executions a run has; 0.1 listed them by name."""
    return len(fields["executions"].split()) if "executions" in fields else int(fields.get("size", 1))


def _attempt(number: int, fields: Mapping[str, str]) -> Attempt:
    a = f"a{number}."
    code = fields.get(a + "exit_code", "")
    return Attempt(
        number=number,
        node=fields.get(a + "node", ""),
        token=_number(fields, a + "token"),
        started_ms=_number(fields, a + "started_ms"),
        began_ms=_number(fields, a + "began_ms"),
        finished_ms=_number(fields, a + "finished_ms"),
        state=fields.get(a + "state", "running"),
        reason=fields.get(a + "reason", ""),
        message=fields.get(a + "message", ""),
        exit_code=int(code) if code else None,
    )


def read_run(run_id: str, fields: Mapping[str, str]) -> Run:
    """A run."""
    return Run(
        id=run_id,
        job=job_of(run_id),
        due_ms=due_of(run_id),
        trigger=fields.get("trigger", "schedule"),
        state=fields.get("state", "running"),
        reason=fields.get("reason", ""),
        message=fields.get("message", ""),
        fired_ms=_number(fields, "fired_ms"),
        fired_by=fields.get("fired_by", ""),
        decision=fields.get("decision", "fire"),
        revision=_number(fields, "revision"),
        finished_ms=_number(fields, "finished_ms"),
        until_ms=_number(fields, "until_ms"),
        count=int(fields.get("count", 1)),
        execution_ids=tuple([execution_id(run_id, index) for index in range(_size(fields))]),
        params=fields.get("params", ""),
    )
