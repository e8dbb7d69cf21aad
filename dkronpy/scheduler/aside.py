"""Has ended runs seen off beside the dispatch: what is due waits for no results backend.

Mostly a pass takes a few milliseconds, and beat waits for its end, so that the two do not get in each other's way. One
that takes longer, since the results backend is slow, locked or stands still, is left behind: beat goes on, no other
pass begins before that one has ended, and it goes on by itself as long as more waits. What it still does then is
fenced: it ends where its beat does not lead any more, what follows from a run is fired under the epoch of the pass, and
all the rest of it may be repeated.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import redis

from dkronpy.clock import Clock, SystemClock
from dkronpy.node import Node
from dkronpy.scheduler.chains import SupersededError
from dkronpy.scheduler.farewell import Farewell

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.15
"""How long beat waits for a pass, which is to take a third of that."""
REST_SECONDS = 30.0
"""How long after one that failed, and nobody knows why, the next begins."""


class _Pass(threading.Thread):
    """One pass. It is a daemon: a beat that is told to stop does not wait for a server that stands still."""

    def __init__(self, farewell: Farewell, now_ms: int, nodes: Sequence[Node], epoch: int) -> None:
        super().__init__(name="farewell", daemon=True)
        self._farewell = farewell
        self.given = (now_ms, nodes, epoch)
        """What it goes by; whoever has left it behind says now and then what it is by now."""
        self.left_behind = False
        self.more = False
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            going_on = True
            while going_on:
                self.more = self._farewell.look(*self.given)
                going_on = self.more and self.left_behind
        except Exception as error:  # noqa: BLE001 - whoever asks for the next pass sees to it
            self.error = error


class Aside:
    """Takes the place of a ``Farewell``; ``look`` is called by one thread alone."""

    def __init__(self, farewell: Farewell, clock: Clock | None = None) -> None:
        self._farewell = farewell
        self._clock = clock or SystemClock()
        self._pass: _Pass | None = None
        self._next = float("-inf")

    def look(self, now_ms: int, nodes: Sequence[Node], epoch: int) -> bool:
        """Make a pass, or look after the one that goes on; True when more waits. redis-py's errors pass through."""
        if self._clock.monotonic() < self._next:
            return False
        late = self._pass is not None
        if self._pass is None:
            self._pass = _Pass(self._farewell, now_ms, nodes, epoch)
            self._pass.start()
            self._pass.join(PATIENCE_SECONDS)
        self._pass.given = (now_ms, nodes, epoch)
        if self._pass.is_alive():
            self._pass.left_behind = True
            return False
        done, self._pass = self._pass, None
        if done.error is None:
            return done.more
        if isinstance(done.error, SupersededError):
            return False
        if isinstance(done.error, (redis.RedisError, OSError)):
            if not late:
                raise done.error
            log.warning("what has ended could not be seen to while the store was away: %s", done.error)
            return False
        log.error("what has ended could not be seen to; once more in %g s", REST_SECONDS, exc_info=done.error)
        self._next = self._clock.monotonic() + REST_SECONDS
        return False
