"""What a server goes on doing after it has answered: a few things at a time, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from dkronpy.errors import ConflictError, DkronpyError

log = logging.getLogger(__name__)

MOST = 4


class Works:
    """Thread-safe. What is under way when the server stops is left as it is; whoever asks again goes on with it."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[str, threading.Thread] = {}

    def start(self, name: str, work: Callable[[threading.Event], object]) -> None:
        """Begin *work*, which ends early when the event is set. Raises ConflictError for one too many, or the same."""
        with self._lock:
            self._running = {key: thread for key, thread in self._running.items() if thread.is_alive()}
            if name in self._running:
                raise ConflictError(f"{name} is under way on this server", hint="ask again when it is done")
            if len(self._running) >= MOST:
                raise ConflictError(f"{MOST} things are under way on this server", hint="ask again later")
            thread = threading.Thread(target=self._run, args=(name, work), name=name, daemon=True)
            self._running[name] = thread
            thread.start()

    def _run(self, name: str, work: Callable[[threading.Event], object]) -> None:
        try:
            work(self.stopping)
        except DkronpyError as error:
            log.error("%s stopped: %s", name, error)
