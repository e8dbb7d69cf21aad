"""What the tests of Python callables call; imported in the child only."""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dkronpy.plugins.executor import RunContext


def add(left: int, right: int = 0) -> int:
    print(f"adding {left} and {right}")
    return left + right


def fail(text: str) -> None:
    raise ValueError(text)


def leave(code: Any = None) -> None:
    sys.exit(code)


def vanish(code: int) -> None:
    print("going", end="")
    sys.stdout.flush()
    os._exit(code)


def unprintable() -> object:
    return {"set", "of", "text"}.__class__


def long_text() -> str:
    return "x" * 200_000


def moment() -> datetime:
    return datetime(2026, 3, 29, 2, 30, tzinfo=timezone.utc)


def surroundings() -> dict[str, Any]:
    return {"env": dict(os.environ), "cwd": str(Path.cwd()), "fds": len(list(Path("/proc/self/fd").iterdir()))}


def read_input() -> str:
    return sys.stdin.read()


def describe(context: RunContext, word: str) -> list[Any]:
    return [context.job, context.due.isoformat(), context.attempt, context.cancelled.is_set(), word]


def wait_for_cancel(context: RunContext) -> str:
    print("waiting")
    return "cancelled" if context.cancelled.wait(60) else "not cancelled"


def ignore_cancel(context: RunContext) -> None:
    print("waiting")
    time.sleep(300)


def talk_slowly() -> None:
    print("first line")
    threading.Event().wait(60)


def leave_a_thread() -> str:
    def say() -> None:
        time.sleep(0.1)
        print("thread done")

    threading.Thread(target=say).start()
    return "main done"


async def later() -> str:
    return "from a coroutine"


class Nested:
    @staticmethod
    def method() -> str:
        return "nested"


not_callable = 3


class ControlCharacters:
    """Its text takes six times as many bytes in JSON."""

    def __repr__(self) -> str:
        return "\x01" * 64_000


def control_characters() -> ControlCharacters:
    """A result without a JSON form."""
    return ControlCharacters()


def write_to_both() -> None:
    """One line to standard output, one to standard error."""
    print("to stdout")
    print("to stderr", file=sys.stderr)
