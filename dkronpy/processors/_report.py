"""What people are told of an attempt: one line, a few facts, and the end of the output."""

from __future__ import annotations

from dkronpy.plugins.processor import ExecutionInfo


def headline(info: ExecutionInfo) -> str:
    """One line: ``backup failed on web1: exit status 3``."""
    why = f": {info.message or info.reason}" if not info.success else ""
    return " ".join(f"{info.job} {'succeeded' if info.success else 'failed'} on {info.node}{why}".split())


def particulars(info: ExecutionInfo) -> list[tuple[str, str]]:
    """The facts, each with its name."""
    duration = (info.finished - info.started).total_seconds()
    facts = [
        ("Job", info.job),
        ("Node", info.node),
        ("Due", info.due.isoformat(timespec="seconds")),
        ("Started", info.started.isoformat(timespec="milliseconds")),
        ("Took", f"{duration:.3f} s"),
        ("Attempt", str(info.attempt)),
        ("Execution", info.execution_id),
        ("Reason", info.reason),
        ("Message", info.message),
    ]
    return [(name, value) for name, value in facts if value]


def last_lines(output: bytes, *, most: int, characters: int) -> str:
    """The last lines of the output as text, at most so many of each."""
    text = output.decode("utf-8", "replace").rstrip("\n")
    lines = text.split("\n")
    kept = "\n".join(lines[-most:])[-characters:]
    return kept if len(kept) == len(text) else f"[...]\n{kept}"
