"""Beat is up and down at random around both clock changes: each due time is decided exactly once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dkronpy.audit import audit
from dkronpy.clock import to_ms
from dkronpy.execution import Run
from dkronpy.schedule import Schedule, parse
from dkronpy.scheduler.misfire import decide
from tests.faults.scheduler.arena import rng_of

UTC = timezone.utc
SPRING, AUTUMN = datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 10, 31, 1, tzinfo=UTC)


def beat(schedule: Schedule, start_ms: int, end_ms: int, policy: str, seed: int) -> list[Run]:
    """The records of a beat that looks at its schedule every few seconds, and now and then not for hours."""
    rng = rng_of(seed, f"{schedule.text} {policy}")
    runs: list[Run] = []
    due, now = schedule.next_ms(start_ms), start_ms
    while now < end_ms:
        now = min(
            end_ms, now + (rng.randrange(1, 3 * 3600) * 1000 if rng.random() < 0.02 else rng.randrange(500, 30_000))
        )
        while due is not None and due <= now:
            decision = decide(schedule, due, now, policy)
            runs += [record(now, due_ms=one, state="success") for one in decision.fire]
            runs += [
                record(now, due_ms=one.due_ms, until_ms=one.until_ms, count=one.count, state="skipped")
                for one in decision.skip
            ]
            due = decision.following_ms
    return runs


def record(fired_ms: int, **fields: Any) -> Run:
    return Run(id="", job="j", fired_ms=fired_ms, **fields)


@pytest.mark.parametrize("policy", ["none", "latest", "all"])
@pytest.mark.parametrize("change", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("text", ["30 2 * * *", "*/7 * * * *", "0,30 1-4 * * *", "59 59 1,2,3 * * *", "@every 37m"])
def test_nothing_is_missed_or_doubled_where_the_clock_changes(
    text: str, change: datetime, policy: str, seed: int
) -> None:
    schedule = parse(text, timezone="Europe/Berlin", anchor=SPRING)
    start_ms, end_ms = to_ms(change - timedelta(hours=30)), to_ms(change + timedelta(hours=30))
    for round_ in range(5):
        found = audit(schedule, beat(schedule, start_ms, end_ms, policy, seed + round_), start_ms, end_ms)
        assert found.owed > 0
        assert found.clean, f"seed {seed + round_}: {found}"


def test_half_past_two_comes_once_in_spring_and_once_in_autumn() -> None:
    schedule = parse("30 2 * * *", timezone="Europe/Berlin")
    for change, expected in ((SPRING, SPRING), (AUTUMN, AUTUMN - timedelta(minutes=30))):
        day = change.replace(hour=0)
        assert list(schedule.between(day - timedelta(hours=1), day + timedelta(hours=20))) == [expected]
