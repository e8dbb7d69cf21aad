"""The pool of an agent's worker: one thread that claims what has come, and threads that run what was granted."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

from celery.concurrency.base import BasePool, apply_target
from celery.worker.state import reserved_requests

from dkronpy.agent.together import MOST

log = logging.getLogger(__name__)

Call = Callable[[], None]
PLACE_SECONDS = 0.5
REPORTING = 1
"""A thread that brings outcomes home runs nothing meanwhile: so many more may be there than run something."""


class Bell(Protocol):
    """What is claimed together with others; each then calls the pool, or not."""

    def answer_all(self, bells: Sequence[Any], pool: Threads) -> None:
        """See to *bells*, of which this is one."""


class Threads(BasePool):  # type: ignore[misc]  # no types there
    """Celery's thread pool without its futures, which nobody asks, and which cost more than handing over a call.

    Threads are started as they are needed, and stay. It tells the loop that there is room again, which that would see
    at its next timer.
    """

    signal_safe = False
    body_can_be_buffer = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._bells: SimpleQueue[Bell | None] = SimpleQueue()
        self._places = threading.Semaphore(self.limit)
        self._over = False
        self._gatherer = threading.Thread(target=self._gather, name="claims")
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        # One for each call that is still to be made or under way. What Celery has as reserved is something else: after
        # a reconnect it forgets what has not begun. Both ends of a deque are safe without a lock.
        self._open: deque[None] = deque()
        self._threads: list[threading.Thread] = []
        self._hub: Any = None
        self._told = False

    def register_with_event_loop(self, loop: Any) -> None:
        """Know whom to tell."""
        self._hub, self._told = loop, False

    def on_start(self) -> None:
        """Start the thread that claims."""
        self._gatherer.start()

    def bring(self, bell: Bell) -> None:
        """Have *bell* claimed as soon as there is a place, with all that come while others are."""
        self._bells.put(bell)

    def call(self, call: Call) -> None:
        """Let a thread make *call*: one that is idle, else a further one as long as there may be more."""
        if len(self._threads) < min(self.limit + REPORTING, len(self._open) + 1):
            self._start_one()
        self._open.append(None)
        self._calls.put(call)

    def _start_one(self) -> None:
        thread = threading.Thread(target=self._run, name=f"worker-{len(self._threads)}")
        try:
            thread.start()
        except RuntimeError as error:  # the system lets us have no more
            if not self._threads:
                raise
            log.warning("%s; what is to run waits for one of %d threads", error, len(self._threads))
        else:
            self._threads.append(thread)

    def on_apply(
        self, target: Any, args: Any = None, kwargs: Any = None, callback: Any = None, accept_callback: Any = None,
        **_: Any,
    ) -> None:  # fmt: skip
        """Hand over a task as Celery does."""
        self.call(partial(self._apply, target, args, kwargs, callback, accept_callback))

    def ended(self) -> None:
        """A bell that was answered has gone its way: its place is free."""
        self._places.release()
        self._tell()

    def _tell(self) -> None:
        # Where half of the threads are idle the loop is already asking for more; what ends together is told once.
        if self._hub is not None and not self._told and 2 * (len(reserved_requests) + 1) >= self.limit:
            self._told = True
            self._hub.call_soon(self._look)

    def on_stop(self) -> None:
        """Let each thread end what it is at, and wait for that."""
        self.on_terminate()
        self._gatherer.join()  # until then it may start others
        for thread in self._threads:
            thread.join()

    def on_terminate(self) -> None:
        """Let each thread end what it is at; the process does not end before they have."""
        self._over = True
        self._bells.put(None)

    def _gather(self) -> None:
        while bells := self._next():
            try:
                bells[0].answer_all(bells, self)
            except Exception:
                log.exception("%d doorbells could not be answered", len(bells))
        for _ in self._threads:
            self._calls.put(None)

    def _next(self) -> list[Bell]:
        """All that have come and have a place; none once it is over."""
        bells: list[Bell] = []
        while not bells or (len(bells) < MOST and not self._bells.empty() and self._places.acquire(blocking=False)):
            bell = self._bells.get()
            if bell is None:
                self._bells.put(None)  # for the next time
                break
            if not bells and not self._place():
                break
            bells.append(bell)
        return bells

    def _place(self) -> bool:
        """Wait for a place: a broker may give more than there is room for. False where it was over before."""
        while not self._places.acquire(timeout=PLACE_SECONDS):
            if self._over:
                return False
        return True

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:
                log.exception("a call of the worker failed")  # its thread goes on: nobody would start another
            finally:
                self._open.pop()
            del call  # an idle thread holds nothing

    def _apply(self, *task: Any) -> None:
        apply_target(*task)
        self._tell()

    def _look(self) -> None:
        """Nothing more: the loop looks by itself whether it may take another message, once it is awake."""
        self._told = False

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "max-concurrency": self.limit, "threads": len(self._threads)}
