"""Attempts that run beside the test."""

from __future__ import annotations

import threading
from typing import Any

from dkronpy.plugins.executor import Executor, Outcome
from dkronpy.plugins.options import Options
from dkronpy.testing.harness import ExecutorHarness


class running:  # noqa: N801 - reads as a word
    """Runs an attempt in a thread for the length of a ``with``; the list that it gives holds the result."""

    def __init__(self, harness: ExecutorHarness, executor: Executor[Any], options: Options) -> None:
        self._result: list[tuple[Outcome, bytes]] = []
        self._thread = threading.Thread(target=lambda: self._result.append(harness.run(executor, options)))

    def __enter__(self) -> list[tuple[Outcome, bytes]]:
        self._thread.start()
        return self._result

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive(), "the attempt has not ended"
