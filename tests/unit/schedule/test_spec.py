"""Schedules as typed values of a config."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from dkronpy.errors import ConfigError, ScheduleError
from dkronpy.schedule import ScheduleSpec, at, cron, every, manual

UTC = timezone.utc
START = datetime(2027, 1, 1, tzinfo=UTC)


def test_constructors_write_dkron_s_texts() -> None:
    assert cron("30 2 * * *", tz="Europe/Berlin") == ScheduleSpec(text="30 2 * * *", timezone="Europe/Berlin")
    assert cron("@daily", "Asia/Tokyo").timezone == "Asia/Tokyo"
    assert [every(period).text for period in ("90s", 90, timedelta(minutes=1.5))] == ["@every 1m30s"] * 3
    assert every("1d", start=START) == ScheduleSpec(text="@every 24h", starts_at=START)
    assert at("2027-01-01T00:00+01:00").text == "@at 2027-01-01T00:00+01:00"
    assert at(START).text == "@at 2027-01-01T00:00:00+00:00"
    assert at("2027-01-01T00:00", tz="Europe/Berlin", grace="2h").text == "@after 2027-01-01T00:00 <PT7200S"
    assert at(START, grace=0.5).text == "@after 2027-01-01T00:00:00+00:00 <PT0.5S"
    assert manual() == ScheduleSpec(text="@manually")


def test_a_spec_parses_when_asked_and_not_before() -> None:
    wrong = cron("61 * * * *")
    with pytest.raises(ScheduleError, match="61 is out of range"):
        wrong.parse()
    schedule = cron("30 2 * * *", tz="Europe/Berlin", gap="before").parse(job="x")
    assert schedule.next(datetime(2027, 3, 27, 12, tzinfo=UTC)) == datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC)
    assert every("1h").parse(anchor=START).next(START) == START + timedelta(hours=1)
    assert every("1h", start=START).parse().next(START - timedelta(days=1)) == START
    assert at("2027-01-01T00:00+01:00", grace="2h").parse().grace == timedelta(hours=2)
    assert manual().parse().manual


def test_a_period_that_cannot_be_understood_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="every: unknown unit 'min' in '5min'"):
        every("5min")
    with pytest.raises(ConfigError, match="grace: '' is not a duration"):
        at("2027-01-01T00:00Z", grace="")


def test_specs_join() -> None:
    assert (cron("@daily") | every("5m")).text == "@daily | @every 5m"
    both = cron("@daily", "Asia/Tokyo") | cron("TZ=UTC @weekly", "Europe/Berlin") | cron("@hourly", "Europe/Berlin")
    assert both == ScheduleSpec(text="TZ=Asia/Tokyo @daily | TZ=UTC @weekly | TZ=Europe/Berlin @hourly")
    assert [part.timezone for part in both.parse().parts] == ["Asia/Tokyo", "UTC", "Europe/Berlin"]
    with pytest.raises(ScheduleError, match="schedules of one job share start, gap and overlap"):
        cron("@daily", gap="skip") | every("5m")


def test_a_spec_is_frozen_and_goes_through_json() -> None:
    spec = cron("30 2 * * *", tz="Europe/Berlin", start=START, overlap="both")
    with pytest.raises(AttributeError):
        spec.text = "@daily"  # type: ignore[misc]
    assert msgspec.json.decode(msgspec.json.encode(spec), type=ScheduleSpec) == spec
    assert msgspec.json.encode(manual()) == b'{"text":"@manually"}'
