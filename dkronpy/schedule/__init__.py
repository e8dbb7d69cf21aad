"""When a job is due: reading schedules, due times across clock changes, and saying it in words.

Pure: no clock is read here, every question brings the moment it is about.
"""

from .clock_changes import dst_notes
from .durations import format_duration, parse_duration
from .english import explain
from .model import Schedule
from .parser import parse
from .spec import ScheduleSpec, at, cron, every, manual

__all__ = [
    "Schedule",
    "ScheduleSpec",
    "at",
    "cron",
    "dst_notes",
    "every",
    "explain",
    "format_duration",
    "manual",
    "parse",
    "parse_duration",
]
