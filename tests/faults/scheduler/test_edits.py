"""A job is changed, disabled, enabled or deleted in the very moment it is due: no due time is lost or doubled."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

from dkronpy.audit import Audit, audit
from dkronpy.execution import Run
from dkronpy.job import Job
from dkronpy.schedule import Schedule, parse
from tests.faults.scheduler.arena import Arena, due_of, rng_of, shell
from tests.support import wait_until

EVERY_SECOND, EVERY_OTHER = "* * * * * *", "*/2 * * * * *"
NAME = "edited"


def test_a_job_that_changes_while_it_is_due(arena: Arena, seed: int) -> None:
    rng = rng_of(seed, "edits")
    client = arena.fleet.client
    run = shell(f'echo "$DKRONPY_RUN_ID" >> {arena.truth}')
    job = Job(name=NAME, schedule=EVERY_SECOND, run=run, catch_up="all")  # beat may be behind on a slow machine
    plan: list[tuple[str, Callable[[], object]]] = [
        (EVERY_SECOND, lambda: client.save_job(job)),
        (EVERY_OTHER, lambda: client.save_job(job.but(schedule=EVERY_OTHER))),
        (EVERY_SECOND, lambda: client.save_job(job)),
        ("@manually", lambda: client.toggle_job(NAME)),
        (EVERY_SECOND, lambda: client.toggle_job(NAME)),
        (EVERY_SECOND, lambda: client.save_job(job.but(owner="somebody"))),
        ("@manually", lambda: client.delete_job(NAME)),
    ]
    since = arena.fleet.client.deployment.store.client.xrevrange("dkronpy:events", count=1)[0][0]
    for _, edit in plan:
        _as_it_is_due(arena, rng)
        edit()
    arena.wait(1.5)
    runs = wait_until(lambda: _ended(arena), description="all its runs have ended")

    moments = [*_edits(arena, since), arena.now_ms()]
    assert len(moments) == len(plan) + 1
    for (text, _), (start_ms, end_ms) in zip(plan, pairwise(moments), strict=True):
        deleted = end_ms == moments[-2]
        _check(audit(_schedule(text), runs, start_ms, end_ms), start_ms, end_ms, deleted=deleted)
    ran = sorted(run.id for run in runs if run.state == "success")
    assert sorted(line for line in arena.lines() if line.startswith(f"{NAME}@")) == ran
    assert {run.reason for run in runs if run.state == "skipped"} <= {"paused"}


def _check(found: Audit, start_ms: int, end_ms: int, *, deleted: bool) -> None:
    # What is owed in the moment of a deletion goes with the job; nobody could say what became of it.
    missing = [due for due in found.missing if not (deleted and end_ms - due < 1000)]
    # A save that began before the full second may count that second already; a slow machine takes its time for it.
    unexpected = [due for due in found.unexpected if end_ms - due > 1000]
    assert not missing, f"{start_ms}-{end_ms}: {found}"
    assert [*unexpected, *found.doubled, *found.early] == [], f"{start_ms}-{end_ms}: {found}"


def _as_it_is_due(arena: Arena, rng: random.Random) -> None:
    """Wait two seconds or so, until some milliseconds before or after a full second."""
    arena.wait(1.2)
    offset = rng.randrange(-30, 20)
    wait_until(lambda: (arena.now_ms() - offset) % 1000 < 15, description="a full second is near")


def _ended(arena: Arena) -> list[Run]:
    ledger, truth = arena.fleet.client.deployment.ledger, set(arena.lines())
    names = {f"{NAME}@{second}" for second in _seconds(arena)}
    runs = ledger.runs(sorted(names))
    ran = {run.id for run in runs if run.state == "success"}
    return runs if all(run.terminal for run in runs) and ran <= truth else []


def _seconds(arena: Arena) -> list[str]:
    from dkronpy.clock import iso_ms

    now = arena.now_ms() // 1000 * 1000
    return [iso_ms(now - step * 1000) for step in range(60)]


def _edits(arena: Arena, since: bytes) -> list[int]:
    """When each edit took effect, as the store's own events say."""
    rows = arena.fleet.client.deployment.store.client.xrange("dkronpy:events", min=b"(" + since)
    return [int(row[b"at"]) for _, row in rows if row[b"event"] == b"job" and row[b"job"] == NAME.encode()]


def _schedule(text: str) -> Schedule:
    return parse(text)


def test_the_due_time_of_an_id_is_read_back() -> None:
    assert due_of("a@1970-01-01T00:00:01.500Z-backfill2") == 1500
