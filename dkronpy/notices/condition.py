"""How a job is doing, as the notifier knows it: what the next outcome changes about that, and what is worth telling."""

from __future__ import annotations

from statistics import median

import msgspec

from dkronpy.job.notify import Happening

MISSED = frozenset(
    {"misfire_late", "no_live_node", "no_node", "not_started_in_deadline", "pool_full", "rate_limited", "store_full"}
)
"""Reasons of a skipped run that nobody decided: the work was owed and did not happen."""
REMEMBERED = 20
FEWEST = 5
"""How many runs must be known before one can be called slow."""


class Condition(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A job's condition. ``bad`` counts failures and missed runs in a row, which began at ``since_ms``.

    ``took_ms`` are the last successful runs' times; kept only for jobs whose rules ask for slow runs.
    """

    bad: int = 0
    since_ms: int = 0
    took_ms: list[int] = msgspec.field(default_factory=list)

    def outcome(self, job: str, run_id: str, state: str, reason: str, at_ms: int) -> Happening | None:
        """Take in how a run ended; what there is to tell of it, if anything."""
        if state == "success":
            bad, since = self.bad, self.since_ms
            self.bad, self.since_ms = 0, 0
            return Happening(
                event="recovery" if bad else "success", job=job, at_ms=at_ms, run_id=run_id, state=state,
                times=bad or 1, since_ms=since or at_ms,
            )  # fmt: skip
        if state == "skipped" and reason not in MISSED:
            return None  # somebody or some rule decided so: overlap, pause, cancel, a parent
        if reason == "cancelled":
            return None
        self.bad += 1
        self.since_ms = self.since_ms or at_ms
        return Happening(
            event="missed" if state == "skipped" else "failure", job=job, at_ms=at_ms, run_id=run_id, state=state,
            reason=reason, times=self.bad, since_ms=self.since_ms,
        )  # fmt: skip

    def took(self, ms: int) -> None:
        """Remember how long a successful run took."""
        self.took_ms = [*self.took_ms[-REMEMBERED + 1 :], ms]

    @property
    def usual_ms(self) -> float | None:
        """The median of what its runs took; None while too few are known."""
        return max(1.0, median(self.took_ms)) if len(self.took_ms) >= FEWEST else None
