"""Lets the results backend forget what jobs are not to keep: a bounded piece of that now and then."""

from __future__ import annotations

from collections.abc import Callable

from dkronpy.clock import Clock
from dkronpy.results.backend import ResultsBackend
from dkronpy.results.keep import Keep
from dkronpy.scheduler.keeping import read_ahead

PASS_SECONDS = 0.05
"""As long as a pass is to last at most: nothing is dispatched meanwhile."""
EVERY_MS, SOON_MS = 10_000, 1_000
"""How long after one pass the next follows, where it found nothing and where it did."""
BUDGETS = 50, 800
"""How many runs are forgotten at once: the fewest to begin with, up to the most while that is done in PASS_SECONDS."""


class Forgetting:
    """Remembers when to look again, and how much can be done at once."""

    def __init__(self, results: ResultsBackend, clock: Clock) -> None:
        self.results = results
        self.clock = clock
        self.next_ms = 0
        self.budget = BUDGETS[0]

    def run(self, now_ms: int, keep_of: Callable[[str], Keep]) -> int:
        """Make a pass if it is time for one; returns how many runs went."""
        if now_ms < self.next_ms:
            return 0
        budget, until = self.budget, self.clock.monotonic() + PASS_SECONDS
        gone = self.results.prune(now_ms, keep_of, budget=budget, ahead=lambda jobs: read_ahead(keep_of, jobs))
        fewest, most = BUDGETS
        if self.clock.monotonic() > until:
            self.budget = max(fewest, budget // 2)
        elif gone >= budget:
            self.budget = min(most, budget * 2)
        self.next_ms = now_ms + (SOON_MS if gone else EVERY_MS)
        return gone
