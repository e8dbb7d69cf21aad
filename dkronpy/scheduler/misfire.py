"""Decides what becomes of due times that have passed: which run now, which are recorded as skipped."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from dkronpy.schedule import Schedule

ON_TIME_MS = 5_000
"""A due time noticed within this is not missed, only late: every policy runs it."""
WINDOW = timedelta(hours=24)
"""A missed due time older than this is stale, unless the job says otherwise: nobody makes up for it."""
SINGLE_RECORDS = 100
"""Up to so many skipped due times get a record each; more share one that says how many."""
ALL_AT_ONCE = 100
"""How many missed due times ``catch_up=all`` fires in one step; the rest follow in the next."""
LOOK_AHEAD = 200_000
"""The most due times that are counted one by one; a range record beyond it ends here and the rest follows."""
_MILLISECOND = timedelta(milliseconds=1)


class Skip(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Due times that do not run: one (``until_ms`` 0), or ``count`` from ``due_ms`` to ``until_ms``."""

    due_ms: int
    reason: str
    until_ms: int = 0
    count: int = 1


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What becomes of the due times up to now, and the next one after them.

    The first ``made_up`` of those that run were missed; the rest is on time.
    """

    fire: tuple[int, ...]
    skip: tuple[Skip, ...] = ()
    following_ms: int | None
    made_up: int = 0


def decide(
    schedule: Schedule,
    due_ms: int,
    now_ms: int,
    catch_up: str,
    *,
    window: timedelta = WINDOW,
    limit: int | None = None,
    on_time_ms: int = ON_TIME_MS,
) -> Decision:
    """Decide about every due time from *due_ms* (which is owed) up to *now_ms*.

    What is on time runs. Of what was missed, ``latest`` runs the latest if nothing newer runs; ``all`` runs each, of
    more than *limit* the latest; ``none`` runs none. What could have run and did not is ``misfire_collapsed``, what is
    older than *window* is ``misfire_late``. On time is what is no older than *on_time_ms*, or than a schedule says
    itself (``@after``). The decision depends on nothing but the arguments: what one step leaves, the
    next decides alike.
    """
    following = schedule.next_ms(due_ms)
    if now_ms - due_ms <= on_time_ms and (following is None or following > now_ms) and schedule.grace is None:
        return Decision(fire=(due_ms,), following_ms=following)  # as nearly always
    span = (window if schedule.grace is None else schedule.grace) // _MILLISECOND
    on_time = on_time_ms if schedule.grace is None else span
    if catch_up == "all" and limit is None:
        return _every(schedule, due_ms, now_ms, span, on_time)
    owed: list[int] = []
    following = due_ms
    while following is not None and following <= now_ms and len(owed) < LOOK_AHEAD:
        owed.append(following)
        following = schedule.next_ms(following)
    stale = [due for due in owed if now_ms - due > max(span, on_time)]
    usable = owed[len(stale) :]
    if following is not None and following <= now_ms:
        few = (limit or 0) if catch_up == "all" else 0
        reason = "misfire_late" if catch_up == "none" else "misfire_collapsed"
        return _first_part(stale, usable, following, few, reason)
    current = [due for due in usable if now_ms - due <= on_time]
    missed = usable[: len(usable) - len(current)]
    kept = {"none": 0, "latest": 0 if current else 1, "all": limit or 0}[catch_up]
    fire = missed[max(0, len(missed) - kept) :] + current if kept else current
    given_up = usable[: len(usable) - len(fire)]
    reason = "misfire_collapsed" if fire and catch_up != "none" else "misfire_late"
    return Decision(
        fire=tuple(fire[:ALL_AT_ONCE]),
        skip=(*_skipped(stale, "misfire_late"), *_skipped(given_up, reason)),
        following_ms=fire[ALL_AT_ONCE] if len(fire) > ALL_AT_ONCE else following,
        made_up=min(len(fire) - len(current), ALL_AT_ONCE),
    )


def _every(schedule: Schedule, due_ms: int, now_ms: int, span: int, on_time: int) -> Decision:
    """``all`` without a limit: nobody has to know how many there are."""
    stale: list[int] = []
    fire: list[int] = []
    following: int | None = due_ms
    while following is not None and following <= now_ms and len(fire) < ALL_AT_ONCE and len(stale) < LOOK_AHEAD:
        (stale if now_ms - following > max(span, on_time) else fire).append(following)
        following = schedule.next_ms(following)
    made_up = sum(1 for due in fire if now_ms - due > on_time)
    return Decision(fire=tuple(fire), skip=_skipped(stale, "misfire_late"), following_ms=following, made_up=made_up)


def _first_part(stale: list[int], usable: list[int], following: int, limit: int, reason: str) -> Decision:
    """More was missed than is counted at once: what is given up for sure goes now, the rest comes in the next step."""
    kept = usable[max(0, len(usable) - limit) :] if limit else []
    given_up = usable[: len(usable) - len(kept)]
    skip = (*_skipped(stale, "misfire_late"), *_skipped(given_up, reason))
    return Decision(fire=(), skip=skip, following_ms=kept[0] if kept else following)


def _skipped(owed: list[int], reason: str) -> tuple[Skip, ...]:
    if len(owed) > SINGLE_RECORDS:
        return (Skip(due_ms=owed[0], until_ms=owed[-1], count=len(owed), reason=reason),)
    return tuple(Skip(due_ms=due, reason=reason) for due in owed)
