"""A job that is to be spread gets the minute in which least else is under way, and always the same one."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from dkronpy.level import MINUTE_MS, Level
from dkronpy.schedule import parse

START = 1_795_392_000_000  # 2026-11-23T00:00:00Z, a Monday
HOUR = timedelta(hours=1)
NIGHTLY = parse("0 2 * * *")


def level(*others: tuple[str, int, int]) -> Level:
    """A week with so many jobs of each schedule, each of which takes so many minutes."""
    found = Level(START)
    for text, minutes, count in others:
        found.add(found.due(parse(text)), minutes * MINUTE_MS, count)
    return found


def test_it_goes_where_nothing_is() -> None:
    busy = level(("0-39 2 * * *", 1, 5), ("41-59 2 * * *", 1, 5))
    choice = busy.choose("report", NIGHTLY, HOUR, MINUTE_MS)
    assert (choice.by_ms, choice.peak, choice.before) == (40 * MINUTE_MS, 1, 6)
    assert choice.sentence() == "40 minutes later than its schedule says: at most 1 run is under way then, 6 before"


def test_how_long_the_others_take_counts_and_not_only_when_they_begin() -> None:
    long = level(("0 2 * * *", 50, 3), ("55 2 * * *", 30, 1))
    choice = long.choose("report", NIGHTLY, HOUR, MINUTE_MS)
    assert 50 <= choice.by_ms // MINUTE_MS < 55
    assert (choice.peak, choice.before) == (1, 4)


def test_how_long_it_takes_itself_counts_too() -> None:
    gaps = level(("0-9,15-29 2 * * *", 1, 1), ("0-59 3 * * *", 1, 1))
    assert 30 <= gaps.choose("report", NIGHTLY, HOUR, 20 * MINUTE_MS).by_ms // MINUTE_MS <= 40


def test_every_due_time_of_the_week_counts() -> None:
    sunday = level(("0-29 2 * * SUN", 1, 9), ("30-58 2 * * *", 1, 1))
    assert sunday.choose("report", NIGHTLY, HOUR, MINUTE_MS).by_ms == 59 * MINUTE_MS


def test_among_equals_the_name_decides_and_always_alike() -> None:
    empty = level()
    minutes = Counter(empty.choose(f"job-{n}", NIGHTLY, HOUR, MINUTE_MS).by_ms // MINUTE_MS for n in range(300))
    assert len(minutes) > 50
    again = [level().choose("report", NIGHTLY, HOUR, MINUTE_MS).by_ms for _ in range(2)]
    assert again == [empty.choose("report", NIGHTLY, HOUR, MINUTE_MS).by_ms] * 2


def test_nothing_is_put_off_beyond_its_next_due_time() -> None:
    often = level(("0 * * * *", 1, 3))
    for name in ("a", "b", "c", "d"):
        assert often.choose(name, parse("*/5 * * * *"), HOUR, MINUTE_MS).by_ms < 5 * MINUTE_MS
    assert often.choose("e", parse("* * * * *"), HOUR, MINUTE_MS).sentence().startswith("not put off")


def test_what_is_not_due_within_the_week_has_a_minute_as_well() -> None:
    choice = level().choose("yearly", parse("0 2 1 6 *"), HOUR, MINUTE_MS)
    assert 0 <= choice.by_ms < 60 * MINUTE_MS
