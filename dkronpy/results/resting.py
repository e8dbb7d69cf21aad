"""A results backend that is away is left alone for a while: who needs it often does not wait for each answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, cast

from dkronpy.clock import Clock, SystemClock
from dkronpy.errors import DkronpyError, StoreRefusedError, StoreUnavailableError
from dkronpy.results.backend import ResultsBackend

log = logging.getLogger(__name__)

REST_SECONDS = 5.0
FAILURES = (StoreUnavailableError, StoreRefusedError)


def resting(results: ResultsBackend, clock: Clock | None = None) -> ResultsBackend:
    """*results*, which for some seconds after it has failed raises the same again, unasked."""
    return cast("ResultsBackend", _Resting(results, clock or SystemClock()))


class _Resting:
    def __init__(self, results: ResultsBackend, clock: Clock) -> None:
        self._results = results
        self._clock = clock
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._failed: DkronpyError | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._results, name)

        def ask(*args: Any, **named: Any) -> Any:
            failed = self._failed
            if failed is not None and self._clock.monotonic() < self._until:
                raise type(failed)(str(failed), hint=failed.hint)
            try:
                answer = method(*args, **named)
            except FAILURES as error:
                self._note(error)
                raise
            self._note(None)
            return answer

        return ask

    def _note(self, error: DkronpyError | None) -> None:
        """Say what has changed."""
        if error is None and self._failed is None:
            return
        with self._lock:
            before, self._failed = self._failed, error
            self._until = self._clock.monotonic() + REST_SECONDS
        if before is None and error is not None:
            log.error("what has ended waits to be filed: %s", error)
        elif error is None:
            log.warning("the results backend works again")
