"""Quiet hours: a part of the day in which a channel is silent, and after which it tells what has gathered."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import msgspec

from dkronpy.clock import from_ms
from dkronpy.errors import ScheduleError
from dkronpy.schedule.zones import check_zone

ACCEPTED = "as in '22:00-07:00 Europe/Berlin'; without a zone it is UTC"
_HOURS = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)(?:\s+(\S+))?", re.ASCII)
_DAY = 24 * 60


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """From a minute of the day up to another, on the clocks of a zone; it may pass midnight."""

    begin: int
    end: int
    zone: str = ""

    def holds(self, moment_ms: int) -> bool:
        """Whether it is quiet at a moment."""
        local = from_ms(moment_ms).astimezone(ZoneInfo(self.zone or "UTC"))
        minute = local.hour * 60 + local.minute
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


def read_quiet(text: object) -> Quiet:
    """The quiet hours that *text* names. Raises ScheduleError."""
    match = _HOURS.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ScheduleError(f"{text!r} is no part of a day", hint=ACCEPTED)
    begin, end = (int(match[group]) * 60 + int(match[group + 1]) for group in (1, 3))
    if begin >= _DAY or end > _DAY or int(match[2]) > 59 or int(match[4]) > 59:
        raise ScheduleError(f"{text!r} has a time that no clock shows", hint=ACCEPTED)
    if begin == end % _DAY:
        raise ScheduleError(f"{text!r} is the whole day: nobody would ever be told", hint=ACCEPTED)
    return Quiet(begin=begin, end=end % _DAY, zone=check_zone(match[5] or ""))
