"""Quiet hours: when a channel is silent."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from dkronpy.clock import to_ms
from dkronpy.errors import InvalidError, ScheduleError
from dkronpy.notices.channel import channel
from dkronpy.notices.quiet import read_quiet


def at(hour: int, minute: int = 0, *, month: int = 1) -> int:
    return to_ms(datetime(2027, month, 15, hour, minute, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("text", "quiet", "loud"),
    [
        ("22:00-07:00", [at(22), at(23, 59), at(0), at(6, 59)], [at(7), at(12), at(21, 59)]),
        ("12:30-13:00", [at(12, 30), at(12, 59)], [at(12, 29), at(13)]),
        ("18:00-24:00", [at(18), at(23, 59)], [at(0), at(17, 59)]),
        ("22:00-07:00 Europe/Berlin", [at(21), at(5, 59), at(20, month=7)], [at(6), at(20), at(5, month=7)]),
    ],
)
def test_a_channel_is_silent_from_one_time_of_the_day_to_another(text: str, quiet: list[int], loud: list[int]) -> None:
    hours = read_quiet(text)

    assert [hours.holds(moment) for moment in quiet] == [True] * len(quiet)
    assert [hours.holds(moment) for moment in loud] == [False] * len(loud)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at night", "is no part of a day"),
        (7, "is no part of a day"),
        ("25:00-26:00", "that no clock shows"),
        ("08:00-08:75", "that no clock shows"),
        ("08:00-08:00", "the whole day"),
        ("00:00-24:00", "the whole day"),
        ("22:00-07:00 Europe/Belin", "unknown time zone"),
    ],
)
def test_hours_that_cannot_be_kept_are_refused(text: object, said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        read_quiet(text)
    with pytest.raises(InvalidError, match=said) as refused:
        channel("ops", {"notifier": "webhook", "url": "https://example.com/", "quiet": text})
    assert [problem.field for problem in refused.value.problems] == ["channels.ops.quiet"]
