"""Time zones as stretches of constant offset, which is what a search for due times needs."""

from __future__ import annotations

import functools
import zoneinfo
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta

from dkronpy.clock import EPOCH

from .problems import SchedulePositionError, did_you_mean

_CHUNK = 1 << 25  # seconds, about 388 days
_DAY = 86_400
# Farther from a clock change than this no wall-clock time can be skipped or repeated by it.
_MARGIN = 2 * _DAY
# The years that a datetime can hold, with a year to spare on each side.
FIRST_SECOND = -62_100_000_000
LAST_SECOND = 253_370_000_000
_NOT_ZONES = {"local", "localtime", "posixrules"}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a zone keeps one offset: from ``start`` up to, not including, ``end`` (UTC seconds).

    ``offset`` is local minus UTC, in seconds; ``before`` and ``after`` are the offsets on either side. A
    stretch may end without a change of the clock (``after == offset``), two days or more from any change that
    is not its own border.
    """

    start: int
    end: int
    offset: int
    before: int
    after: int


class ZoneTable:
    """The clock changes of one zone, found year by year as they are asked for and then kept."""

    def __init__(self, zone: zoneinfo.ZoneInfo) -> None:
        self._zone = zone
        self._chunks: dict[int, list[int]] = {}

    def offset(self, second: int) -> int:
        """Local time minus UTC, in seconds, at a UTC second."""
        moment = (EPOCH + timedelta(seconds=second)).astimezone(self._zone)
        return _seconds(moment.utcoffset())

    def local(self, second: int) -> int:
        """The wall-clock second (from 1970-01-01 00:00 on the wall) at a UTC second."""
        return second + self.offset(second)

    def stretch(self, second: int) -> Stretch:
        """The stretch of constant offset that holds the UTC second."""
        index = second // _CHUNK
        changes = [change for chunk in range(index - 1, index + 2) for change in self._changes(chunk)]
        place = bisect_right(changes, second)
        start = changes[place - 1] if place else (index - 1) * _CHUNK + _MARGIN
        end = changes[place] if place < len(changes) else (index + 2) * _CHUNK - _MARGIN
        offset = self.offset(second)
        before = self.offset(start - 1) if place else offset
        after = self.offset(end) if place < len(changes) else offset
        return Stretch(start=start, end=end, offset=offset, before=before, after=after)

    def _changes(self, index: int) -> list[int]:
        known = self._chunks.get(index)
        if known is None:
            known = self._chunks[index] = self._find_changes(index * _CHUNK, (index + 1) * _CHUNK)
        return known

    def _find_changes(self, start: int, end: int) -> list[int]:
        """Every second in [start, end) whose offset differs from that of the second before it.

        zoneinfo does not tell its transitions, so the offsets are probed a day apart and the change is closed
        in on.
        """
        changes: list[int] = []
        low = max(start - 1, FIRST_SECOND)
        last = min(end - 1, LAST_SECOND)
        low_offset = self.offset(low) if low < last else 0
        while low < last:
            high = min(low + _DAY, last)
            high_offset = self.offset(high)
            if high_offset != low_offset:
                left, right = low, high
                while right - left > 1:
                    middle = (left + right) // 2
                    if self.offset(middle) == low_offset:
                        left = middle
                    else:
                        right = middle
                changes.append(right)
            low, low_offset = high, high_offset
        return changes


@functools.cache
def zone_table(name: str) -> ZoneTable:
    """The table of a zone whose name ``check_zone`` has let pass."""
    return ZoneTable(zoneinfo.ZoneInfo(name or "UTC"))


def check_zone(name: str, *, column: int = 0) -> str:
    """``name`` if it is a time zone of the tz database; ``""`` means UTC.

    Raises ``ScheduleError`` with a near name.
    ``Local``, which Dkron takes, is refused: it is another zone on another machine.
    """
    if not name:
        return ""
    if name.lower() not in _NOT_ZONES and "." not in name:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            pass
        else:
            return name
    hint = "name the zone: Local differs from machine to machine" if name.lower() in _NOT_ZONES else _near_zone(name)
    raise SchedulePositionError(
        f"unknown time zone {name!r}",
        field="timezone",
        value=name,
        column=column,
        accepted="a name of the tz database, such as Europe/Berlin or UTC",
        hint=hint,
        dkron=f"provided bad location {name}: unknown time zone {name}",
    )


@functools.lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    # Walks the zone files, some milliseconds: only on the way to an error.
    return frozenset(zoneinfo.available_timezones())


def _near_zone(name: str) -> str:
    cities = {zone.rsplit("/", 1)[-1].lower(): zone for zone in sorted(_zone_names(), reverse=True) if "/" in zone}
    city = cities.get(name.rsplit("/", 1)[-1].replace(" ", "_").lower())
    return f"did you mean {city!r}?" if city else did_you_mean(name, _zone_names())


def _seconds(offset: timedelta | None) -> int:
    return 0 if offset is None else offset // timedelta(seconds=1)


def wall_date(wall: int) -> datetime:
    """The naive local datetime of a wall-clock second (seconds since 1970-01-01 00:00 on the local clock)."""
    return datetime(1970, 1, 1) + timedelta(seconds=wall)  # noqa: DTZ001 - a local time is naive on purpose
