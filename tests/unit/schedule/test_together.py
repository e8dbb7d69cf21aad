"""Whole jobs around a clock change, against a clock that is looked at every second.

Several schedules in one, ``@every``, ``~``, a first and a last moment, a job that is put off, and a beat whose own
clock jumps about.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dkronpy.clock import from_ms, to_ms
from dkronpy.job import Job, Run
from dkronpy.schedule import Schedule, parse
from dkronpy.scheduler.misfire import decide
from tests.unit.schedule.slow_clock import CHANGES, Expression, Written, due_times, frequent_expressions

REACH = timedelta(minutes=50)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Drawn:
    """A job, and every second around its clock change at which the slow clock finds it due."""

    job: Job
    anchor: datetime
    start: datetime
    end: datetime
    owed: list[datetime]

    @property
    def schedule(self) -> Schedule:
        return self.job.parsed_schedule(self.anchor)


def every_second(period: int, origin: datetime, first: int, start: datetime, end: datetime) -> set[datetime]:
    """The seconds that lie a whole number of periods behind *origin*, at least *first* of them."""
    began = (start - origin) // SECOND
    return {
        start + SECOND * number
        for number in range(1, (end - start) // SECOND + 1)
        if (began + number) % period == 0 and began + number >= first * period
    }


@st.composite
def tildes(draw: st.DrawFn, name: str) -> Expression:
    """``~`` for the minute, beside any hours: one minute, which the name has wherever else it stands."""
    hours = draw(frequent_expressions()).fields[1:]
    found = parse("~ * * * *", job=name).next(datetime(2027, 1, 1, tzinfo=CHANGES[0][1].tzinfo))
    assert found is not None
    return Expression((Written("~", frozenset({found.minute})), *hours))


@st.composite
def jobs(draw: st.DrawFn) -> Drawn:
    """A job of one to four schedules, which all of its bounds and its spread touch."""
    zone, change = draw(st.sampled_from(CHANGES))
    start, end = change - REACH, change + REACH
    name = draw(st.sampled_from(("backup", "report", "job-0017")))
    lines = st.one_of(frequent_expressions(), frequent_expressions(seconds=True), tildes(name))
    parts = draw(st.lists(lines, min_size=0, max_size=2))
    periods = draw(st.lists(st.integers(1, 4_000), min_size=0 if parts else 1, max_size=2))
    options = {"gap": draw(st.sampled_from(("skip", "before", "after"))),
               "overlap": draw(st.sampled_from(("first", "second", "both")))}  # fmt: skip
    by = draw(st.sampled_from((0, 0, 60, 1_020, 3_540)))
    around = st.integers(-5_000, 5_000).map(lambda seconds: change + SECOND * seconds)
    anchor, starts_at = draw(around), draw(st.none() | around)
    expires_at = draw(st.none() | around.filter(lambda moment: starts_at is None or moment > starts_at))
    texts = [part.text for part in parts] + [f"@every {period}s" for period in periods]
    job = Job(
        name=name, run=Run("shell", {"command": "true"}), schedule=" | ".join(draw(st.permutations(texts))),
        timezone=zone, starts_at=starts_at, expires_at=expires_at,
        spread=timedelta(hours=1) if by else None, spread_by=SECOND * by if by else None,
        **options,
    )  # fmt: skip
    assume(not job.check())  # one that never runs within its bounds is refused
    late = SECOND * by
    found: set[datetime] = set()
    for part in parts:
        found.update(due_times(part, zone, start - late, end - late, **options))
    for period in periods:
        origin, first = (anchor, 1) if starts_at is None else (starts_at, 0)
        found.update(every_second(period, origin, first, start - late, end - late))
    inside = [moment + late for moment in sorted(found) if starts_at is None or moment >= starts_at]
    owed = [moment for moment in inside if start < moment <= end and (expires_at is None or moment <= expires_at)]
    return Drawn(job=job, anchor=anchor, start=start, end=end, owed=owed)


@settings(max_examples=30, deadline=None)
@given(jobs())
def test_a_job_is_due_when_one_of_its_schedules_is_within_its_bounds_and_so_much_later(drawn: Drawn) -> None:
    schedule = drawn.schedule
    assert list(schedule.between(drawn.start, drawn.end)) == drawn.owed
    backwards, before = [], to_ms(drawn.end) + 1
    while (due := schedule.prev_ms(before)) is not None and due > to_ms(drawn.start):
        backwards.append(from_ms(due))
        before = due
    assert backwards[::-1] == drawn.owed, "the same from the other side"


@settings(max_examples=30, deadline=None)
@given(
    drawn=jobs(),
    steps=st.lists(st.integers(-2_000, 4_000), min_size=1, max_size=12),
    catch_up=st.sampled_from(("none", "latest", "all")),
    limit=st.none() | st.integers(1, 5),
    window=st.integers(1, 6_000).map(lambda seconds: SECOND * seconds),
)
def test_whenever_beat_looks_each_due_time_is_decided_about_once(
    drawn: Drawn, steps: list[int], catch_up: str, limit: int | None, window: timedelta
) -> None:
    """Its clock stands still, jumps ahead and back; what it comes to, run or skipped, is what the slow clock found."""
    schedule, now = drawn.schedule, to_ms(drawn.start)
    owed = [to_ms(due) for due in drawn.owed]
    due = schedule.next_ms(now)
    latest, fired, ranges = now, [], []
    for step in steps:
        now = min(now + step * 1000, to_ms(drawn.end))
        latest = max(latest, now)
        while due is not None and due <= now:
            decision = decide(schedule, due, now, catch_up, window=window, limit=limit)
            fired += decision.fire
            ranges += [(skip.due_ms, skip.until_ms or skip.due_ms, skip.count) for skip in decision.skip]
            due = decision.following_ms
    passed = [moment for moment in owed if moment <= latest]
    skipped = [[moment for moment in passed if first <= moment <= last] for first, last, _ in ranges]
    assert [len(moments) for moments in skipped] == [count for _, _, count in ranges]
    assert sorted([*fired, *(moment for moments in skipped for moment in moments)]) == passed
