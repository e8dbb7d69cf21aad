"""The pool of an agent's worker: threads that are started as they are needed, and stay."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

from celery.concurrency.base import BasePool, apply_target
from celery.worker.state import reserved_requests

Call = Callable[[], None]

log = logging.getLogger(__name__)


class Threads(BasePool):  # type: ignore[misc]  # no types there
    """Celery's thread pool without its futures, which nobody asks, and which cost more than handing over a call.

    It tells the loop that there is room again, which that would see at its next timer.
    """

    signal_safe = False
    body_can_be_buffer = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._hub: Any = None
        self._told = False

    def register_with_event_loop(self, loop: Any) -> None:
        """Know whom to tell."""
        self._hub, self._told = loop, False

    def answer(self, call: Call) -> None:
        """Let a thread make *call*. What is reserved, this one among it, is what threads are needed for."""
        if len(self._threads) < min(self.limit, len(reserved_requests)):
            thread = threading.Thread(target=self._run, name=f"worker-{len(self._threads)}")
            self._threads.append(thread)
            thread.start()
        self._calls.put(call)

    def on_apply(
        self, target: Any, args: Any = None, kwargs: Any = None, callback: Any = None, accept_callback: Any = None,
        **_: Any,
    ) -> None:  # fmt: skip
        """Hand over a task as Celery does."""
        self.answer(partial(apply_target, target, args, kwargs, callback, accept_callback))

    def on_stop(self) -> None:
        """Let each thread end what it is at, and wait for that."""
        self.on_terminate()
        for thread in self._threads:
            thread.join()

    def on_terminate(self) -> None:
        """Let each thread end what it is at; the process does not end before they have."""
        for _ in self._threads:
            self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:
                log.exception("a call of the worker failed")  # its thread goes on: nobody would start another
            del call  # an idle thread holds nothing
            self._tell()

    def _tell(self) -> None:
        # Where half of the threads are idle the loop is already asking for more; what ends together is told once.
        if self._hub is not None and not self._told and 2 * (len(reserved_requests) + 1) >= self.limit:
            self._told = True
            self._hub.call_soon(self._look)

    def _look(self) -> None:
        """Nothing more: the loop looks by itself whether it may take another message, once it is awake."""
        self._told = False

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "max-concurrency": self.limit, "threads": len(self._threads)}
