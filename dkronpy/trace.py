"""The ids of traces, as W3C's Trace Context has them, worked out of what is known anyway.

Nothing about a trace is stored or handed on: every process works out the same ids from the ids of run, execution and
attempt, so that beat, agents and whatever an executor calls speak of one trace. This takes a hash and no library.
"""

from __future__ import annotations

import hashlib


def trace_id(run: str) -> str:
    """The trace of a run: 32 hexadecimal digits."""
    return _digits(32, "trace", run)


def run_span(run: str) -> str:
    """The span of a run, from its due time to its end: 16 hexadecimal digits."""
    return _digits(16, "run", run)


def execution_span(execution: str) -> str:
    """The span of an execution, from its message to its end."""
    return _digits(16, "execution", execution)


def attempt_span(execution: str, attempt: int, token: int) -> str:
    """The span of an attempt, from its start to its end. The token tells apart what one number may hide."""
    return _digits(16, "attempt", execution, str(attempt), str(token))


def traceparent(run: str, execution: str, attempt: int, token: int) -> str:
    """The header that says whose child a call of this attempt is."""
    return f"00-{trace_id(run)}-{attempt_span(execution, attempt, token)}-01"


def _digits(count: int, *parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:count]
