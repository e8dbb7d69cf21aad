"""Paces make-up runs: each gets a moment of its own, so that what was missed together does not start together."""

from __future__ import annotations

from dataclasses import dataclass

from dkronpy.store.connection import Store

KEPT_MS = 24 * 3600 * 1000


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a deployment makes up for what it missed.

    ``rate`` is the most make-up runs that start in a second, ``budget`` the most that wait for their moment at a time.
    """

    rate: int = 10
    budget: int = 10_000


class Pacer:
    """Hands out moments to make-up runs, in order, for one beat.

    Where the last moment lies is kept in the store, so that a beat that takes over in the middle goes on behind it.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._interval = 1000 / pace.rate
        self._next = 0.0
        self._saved = 0
        self._epochs: tuple[int, ...] = ()
        self._jobs: dict[str, float] = {}

    def moment(self, job: str, now_ms: int, spacing_ms: int, until_ms: int) -> int | None:
        """When a make-up run of *job* may start, *spacing_ms* after the last; None where that is after *until_ms*.

        None as well where the budget is used up. What gets no moment takes none from others.
        """
        at = max(self._next, float(now_ms))
        if (at - now_ms) / self._interval >= self.pace.budget:
            return None
        own = max(at, self._jobs.get(job, 0.0) + spacing_ms) if spacing_ms else at
        if own > until_ms:
            return None
        self._next = at + self._interval
        if spacing_ms:
            self._jobs = {name: last for name, last in self._jobs.items() if last > now_ms - KEPT_MS}
            self._jobs[job] = own
        return int(own)

    def follow(self, store: Store, epochs: tuple[int, ...]) -> None:
        """With leads that are new, go on where the beat before has ended, at our share of the deployment's pace."""
        if epochs == self._epochs:
            return
        self._epochs = epochs
        self._interval = 1000 / self.pace.rate * store.shards / max(1, len(epochs))
        self._next = max(self._next, float(store.client.get(store.keys.pace) or 0))

    def save(self, store: Store) -> None:
        """Keep where we are, if that has changed."""
        if int(self._next) > self._saved:
            self._saved = int(self._next)
            store.client.set(store.keys.pace, self._saved, px=KEPT_MS)
