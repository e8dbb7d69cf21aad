"""Functions that the tests of the python executor call by name."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from dkronpy.plugins.executor import RunContext


def purge(days: int, *, dry: bool = True) -> dict[str, Any]:
    """Return what it was given, and say so."""
    print(f"purging {days} days", flush=True)
    print("on standard error", file=sys.stderr)
    return {"days": days, "dry": dry, "pid": os.getpid()}


def fail(text: str) -> None:
    """Raise."""
    raise ValueError(text)


def describe(context: RunContext, word: str) -> list[Any]:
    """Return what is known of the run."""
    return [word, context.job, context.execution_id, context.attempt, context.token, context.due.isoformat()]


def wait(context: RunContext) -> str:
    """Wait to be cancelled, and tidy up."""
    print("waiting", flush=True)
    context.cancelled.wait(60)
    print("tidied", flush=True)
    return "ended well"


def stubborn() -> None:
    """Take no notice of anything."""
    print("on", flush=True)
    while True:
        time.sleep(60)


def hungry() -> None:
    """Hold 200 MB."""
    block = bytearray(200_000_000)
    time.sleep(60)
    del block


async def later(value: int) -> int:
    """A coroutine."""
    return value + 1


def reveal(value: str) -> str:
    """Print in capitals what it was given."""
    print(value.upper())
    return os.environ.get("TOKEN", "")


class Report:
    """A class with functions in it."""

    @staticmethod
    def build(day: str) -> str:
        """Return the day."""
        return day

    @classmethod
    def name(cls) -> str:
        """Return the name of the class."""
        return cls.__name__

    def method(self) -> None:
        """Need an object."""
