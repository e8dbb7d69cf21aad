"""Decides what becomes of due times that have passed: which run now, which are recorded as skipped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dkronpy.schedule import Schedule

ON_TIME_MS = 5_000
"""A due time noticed within this is not missed, only late: every policy runs it."""
WINDOW_MS = 24 * 3600 * 1000
"""A missed due time older than this is stale: nobody makes up for it."""
SINGLE_RECORDS = 100
"""Up to so many skipped due times get a record each; more share one that says how many."""
ALL_AT_ONCE = 100
"""How many missed due times ``catch_up=all`` fires in one step; the rest follow in the next."""
LOOK_AHEAD = 200_000
"""The most due times that are counted one by one; a range record beyond it ends here and the rest follows."""


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Due times that do not run: one (``until_ms`` 0), or ``count`` from ``due_ms`` to ``until_ms``."""

    due_ms: int
    reason: str
    until_ms: int = 0
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of the due times up to now, and the next one after them."""

    fire: tuple[int, ...]
    skip: tuple[Skip, ...]
    following_ms: int | None


def decide(schedule: Schedule, due_ms: int, now_ms: int, catch_up: str) -> Decision:
    """Decide about every due time from *due_ms* (which is owed) up to *now_ms*.

    What is on time runs. Of what was missed, ``latest`` runs the latest if nothing newer runs and records the others as
    ``misfire_collapsed``; ``all`` runs each; ``none`` runs none. What is older than the window is ``misfire_late``. A
    schedule that says itself how late it may run (``@after``) is on time until then.
    """
    window = WINDOW_MS if schedule.grace is None else schedule.grace // timedelta(milliseconds=1)
    if catch_up == "all":
        return _every(schedule, due_ms, now_ms, window)
    owed: list[int] = []
    following: int | None = due_ms
    while following is not None and following <= now_ms and len(owed) < LOOK_AHEAD:
        owed.append(following)
        following = schedule.next_ms(following)
    if (
        following is not None and following <= now_ms
    ):  # too many to count at once: these are skipped, the rest comes next
        return Decision(fire=(), skip=_skipped(owed, "misfire_late"), following_ms=following)
    on_time = ON_TIME_MS if schedule.grace is None else window
    fire = [due for due in owed if now_ms - due <= on_time]
    missed = owed[: len(owed) - len(fire)]
    if not fire and catch_up == "latest" and now_ms - missed[-1] <= window:
        fire = [missed.pop()]
    reason = "misfire_collapsed" if fire and catch_up == "latest" else "misfire_late"
    return Decision(fire=tuple(fire), skip=_skipped(missed, reason), following_ms=following)


def _every(schedule: Schedule, due_ms: int, now_ms: int, window: int) -> Decision:
    stale: list[int] = []
    fire: list[int] = []
    following: int | None = due_ms
    while following is not None and following <= now_ms and len(fire) < ALL_AT_ONCE and len(stale) < LOOK_AHEAD:
        (stale if now_ms - following > window else fire).append(following)
        following = schedule.next_ms(following)
    return Decision(fire=tuple(fire), skip=_skipped(stale, "misfire_late"), following_ms=following)


def _skipped(owed: list[int], reason: str) -> tuple[Skip, ...]:
    if len(owed) > SINGLE_RECORDS:
        return (Skip(due_ms=owed[0], until_ms=owed[-1], count=len(owed), reason=reason),)
    return tuple(Skip(due_ms=due, reason=reason) for due in owed)
