"""An event loop in a thread of its own, for clients that are asynchronous: there, everything can be ended in time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from dkronpy.plugins.executor import ExecutionContext

from ._messaging import ended_early

T = TypeVar("T")

_GRACE = 1.0


class Loop:
    """The loop of one executor. It starts with the first attempt and ends with ``close``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._running: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._background: set[asyncio.Task[None]] = set()

    def run(
        self,
        work: Coroutine[Any, Any, T],
        limit: float | None,
        context: ExecutionContext,
        missing: str,
        heard: Sequence[str] = (),
    ) -> T:
        """The result of *work*, or what it raises.

        After *limit* seconds (None is no limit) or on a cancel it is cancelled, and ExecutorError is raised,
        which says that *missing* did not come, and what was *heard* until then.
        """
        woken, gone = threading.Event(), threading.Event()
        reasons: list[str] = []

        async def carried() -> T:
            try:
                return await work
            finally:
                gone.set()

        def end(reason: str) -> None:
            reasons.append(reason)
            woken.set()

        future = asyncio.run_coroutine_threadsafe(carried(), self._started())
        future.add_done_callback(lambda _: woken.set())
        context.on_cancel(end)
        if not woken.wait(limit):
            reasons.append("timeout")
        if reasons and future.cancel():
            gone.wait(_GRACE)
            raise ended_early(reasons[0], limit, missing, "; ".join(heard))
        try:
            return future.result()
        except CancelledError:
            raise ended_early("shutdown", limit, missing) from None

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let *work*, which ends by itself, go on beside; from any thread."""
        loop = self._running
        if loop is None or loop.is_closed():
            work.close()
            return

        def begin() -> None:
            task = loop.create_task(work)
            self._background.add(task)
            task.add_done_callback(self._background.discard)

        loop.call_soon_threadsafe(begin)

    def close(self) -> None:
        """Let what goes on beside end, within a second, and end the thread."""
        with self._lock:
            loop, thread, self._running, self._thread = self._running, self._thread, None, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._finish(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    async def _finish(self) -> None:
        if self._background:
            await asyncio.wait(set(self._background), timeout=_GRACE)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_GRACE)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._running is None:
                self._running = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._running.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return self._running
