"""Zones as stretches of constant offset: every one agrees with zoneinfo."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkronpy.schedule.zones import check_zone, zone_table

UTC = timezone.utc


def offset(zone: str, second: int) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    found = moment.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset()
    assert found is not None
    return found // timedelta(seconds=1)


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(
        [
            "Europe/Berlin",
            "America/Havana",
            "Australia/Lord_Howe",
            "Africa/Casablanca",
            "Asia/Kathmandu",
            "Pacific/Apia",
            "UTC",
        ]
    ),
    second=st.integers(-2_000_000_000, 6_000_000_000),
)
def test_a_stretch_keeps_its_offset_and_has_true_borders(zone: str, second: int) -> None:
    here = zone_table(zone).stretch(second)
    assert here.start <= second < here.end
    length = here.end - here.start
    probes = [here.start, here.end - 1, second, *(here.start + length * part // 41 for part in range(41))]
    assert {offset(zone, probe) for probe in probes} == {here.offset}
    assert offset(zone, here.end) == here.after
    assert offset(zone, here.start - 1) == here.before


def test_a_stretch_that_ends_without_a_change_ends_well_before_the_next_one() -> None:
    # Perth had no change for years, and then one a day after the point up to which the table looks.
    here = zone_table("Australia/Perth").stretch(12 * (1 << 25) - 10)
    assert here.after == here.offset
    assert offset("Australia/Perth", here.end + 2 * 86_400 - 1) == here.offset


def test_berlin_in_2027() -> None:
    here = zone_table("Europe/Berlin").stretch(1_800_000_000)  # January
    assert datetime.fromtimestamp(here.end, UTC) == datetime(2027, 3, 28, 1, tzinfo=UTC)
    assert (here.before, here.offset, here.after) == (7200, 3600, 7200)


@pytest.mark.parametrize("name", ["", "UTC", "Europe/Berlin", "Etc/GMT+5", "EST"])
def test_names_that_are_zones(name: str) -> None:
    assert check_zone(name) == name
