"""What the executors that send a message share: its bytes, how it is marked, and how long it may take."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from dkronpy.plugins.executor import ExecutionContext, ExecutorError
from dkronpy.plugins.values import Duration, Rejected, Text, as_secret, as_timedelta, read_text, shown
from dkronpy.secret import Secret

EXECUTION = "dkronpy-execution-id"
TOKEN = "dkronpy-fencing-token"  # noqa: S105 - the name of a header, of a number that rises
_SAID = {
    "cancelled": "it was cancelled",
    "shutdown": "the agent was stopped",
    "lease_lost_killed": "the node lost touch with the store",
}


def read_headers(value: Any) -> dict[str, str | Secret]:
    """Headers from a table, or from JSON text of one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Rejected(f'{shown(value)} is not JSON; the form is {{"name": "value"}}') from None
    if not isinstance(value, Mapping):
        raise Rejected(f'{shown(value)} is not a table; the form is {{"name": "value"}}')
    return {read_text(name): _content(item) for name, item in value.items()}


def _content(value: Any) -> str | Secret:
    found = as_secret(value)
    return found if isinstance(found, Secret) else read_text(found)


HEADERS = msgspec.Meta(extra={"read": read_headers, "kind": "table of text or secret"})


def payload(text: Text, base64: bytes) -> bytes:
    """The bytes of a message that is given as text or as base64."""
    return base64 or str(text).encode()


def marks(context: ExecutionContext, given: Iterable[str]) -> dict[str, str]:
    """What tells a consumer a repetition, a late one, and the trace, but those headers that were *given* already."""
    ours = {EXECUTION: context.execution_id, TOKEN: str(context.token), **context.trace}
    taken = {name.lower() for name in given}
    return {name: value for name, value in ours.items() if name not in taken}


def time_limit(timeout: Duration, context: ExecutionContext) -> float | None:
    """Seconds that an attempt has: its own option or the job's timeout, whichever ends first. None: no limit."""
    limits = [as_timedelta(timeout), context.timeout and timedelta(seconds=context.remaining() or 0)]
    return min((limit.total_seconds() for limit in limits if limit is not None), default=None)


def ended_early(reason: str, limit: float | None, missing: str, known: str = "") -> ExecutorError:
    """The failure of an attempt that had to end: *missing* is what did not come, *known* what was heard before."""
    if reason == "timeout":
        said = f"{missing} within {limit or 0:g} s"
    else:
        said = f"{_SAID.get(reason, f'it was ended ({reason})')}; {missing} until then"
    return ExecutorError(f"{said}: {known}" if known else said, reason=reason)


class EarlyEnd:
    """Takes note that an attempt must end; for ``context.on_cancel``."""

    def __init__(self, context: ExecutionContext) -> None:
        self.happened = threading.Event()
        self.reason = ""
        context.on_cancel(self._end)

    def _end(self, reason: str) -> None:
        self.reason = reason
        self.happened.set()


def host_of(url: str) -> str:
    """Host and port of *url*, as messages may show them: without user, password and query."""
    return url.rpartition("://")[2].rpartition("@")[2].partition("/")[0].partition("?")[0]
