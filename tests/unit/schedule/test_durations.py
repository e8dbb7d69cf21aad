"""Durations: what people write, and what comes back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.errors import DkronpyError
from dkronpy.schedule import format_duration, parse_duration


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (90, timedelta(seconds=90)),
        (0.25, timedelta(milliseconds=250)),
        (timedelta(days=2), timedelta(days=2)),
        ("90", timedelta(seconds=90)),
        ("1.5", timedelta(seconds=1.5)),
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1h30m0s", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        (".5s", timedelta(milliseconds=500)),
        ("500ms", timedelta(milliseconds=500)),
        ("5us", timedelta(microseconds=5)),
        ("5µs", timedelta(microseconds=5)),
        ("5μs", timedelta(microseconds=5)),
        ("1500ns", timedelta(microseconds=1)),
        ("1d12h", timedelta(hours=36)),
        ("2w", timedelta(weeks=2)),
        ("+5m", timedelta(minutes=5)),
        (" 5m ", timedelta(minutes=5)),
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
    ],
)
def test_parse(value: str | float | timedelta, expected: timedelta) -> None:
    assert parse_duration(value) == expected


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("", "timeout: '' is not a duration; accepted: a number with a unit, such as 90s, 1h30m or 2d", ""),
        ("soon", "timeout: 'soon' is not a duration (stuck at 'soon')", ""),
        ("5 m", "timeout: '5 m' is not a duration (stuck at '5 m')", ""),
        ("1h30", "timeout: '1h30' is not a duration (stuck at '30')", "'30' has no unit: did you mean '1h30s'?"),
        ("5min", "timeout: unknown unit 'min' in '5min'", "did you mean '5m'?"),
        ("5M", "timeout: unknown unit 'M' in '5M'", "did you mean '5m'?"),
        ("5y", "timeout: unknown unit 'y' in '5y'", ""),
        ("-5m", "timeout: '-5m' is below zero", ""),
        (-5, "timeout: -5s is below zero", ""),
        (timedelta(seconds=-90), "timeout: -1m30s is below zero", ""),
        ("9" * 31 + "s", "timeout: '9999999999999999999999999999999s' is more than a duration can hold", ""),
        ("9" * 40, "timeout: '99999999999999999999999999999999'... is too long for a duration", ""),
        (1e300, "timeout: 1e+300 seconds is more than a duration can hold", ""),
        (float("nan"), "timeout: nan seconds is more than a duration can hold", ""),
        (True, "timeout: True is not a duration", ""),
        (None, "timeout: None is not a duration", ""),
    ],
)
def test_what_cannot_be_read_is_named(value: str, message: str, hint: str) -> None:
    with pytest.raises(DkronpyError) as caught:
        parse_duration(value, field="timeout")
    assert str(caught.value).startswith(message)
    assert caught.value.hint == hint
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(minutes=90), "1h30m"),
        (timedelta(hours=36), "36h"),
        (timedelta(seconds=61.5), "1m1s500ms"),
        (timedelta(microseconds=5), "5us"),
        (timedelta(0), "0s"),
        (timedelta(seconds=-90), "-1m30s"),
    ],
)
def test_format(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=100_000)))
def test_what_is_written_is_read_again(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
