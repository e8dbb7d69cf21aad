"""What every schedule can do: name its next due time, and the one before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime, timedelta

from dkronpy.clock import EPOCH, from_ms

from .problems import SchedulePositionError

_MILLISECOND = timedelta(milliseconds=1)


class Schedule(ABC):
    """What yields due times.

    Due times are whole milliseconds since the epoch in the ``_ms`` methods and aware datetimes in UTC in the
    others.

    ``text`` is the schedule as it was written, blanks tidied; ``timezone`` the name of the zone it is read in
    (``""`` for UTC); ``manual`` is true when nothing is ever due (``@manually``); ``grace`` is how late an
    ``@after`` may still run; ``seeded`` says that the job's name decides the times (``~``, ``H``). A schedule
    holds no state: the same question has the same answer, whoever asks.
    """

    text: str = ""
    timezone: str = ""
    manual: bool = False
    grace: timedelta | None = None
    seeded: bool = False

    @abstractmethod
    def next_ms(self, after_ms: int) -> int | None:
        """The first due time strictly after ``after_ms``; None when there is none any more."""

    @abstractmethod
    def prev_ms(self, before_ms: int) -> int | None:
        """The last due time strictly before ``before_ms``; None when there is none."""

    def first_ms(self, saved_ms: int) -> int | None:
        """The due time that a job saved at ``saved_ms`` is owed first.

        That is the next one, except for ``@after``: saved within its grace it is owed the moment that has
        passed.
        """
        return self.next_ms(saved_ms)

    @property
    def parts(self) -> tuple[Schedule, ...]:
        """The single schedules of a text that has several; otherwise this one alone."""
        return (self,)

    def next(self, after: datetime) -> datetime | None:
        """The first due time strictly after ``after`` (aware)."""
        found = self.next_ms(_floor_ms(after))
        return None if found is None else from_ms(found)

    def prev(self, before: datetime) -> datetime | None:
        """The last due time strictly before ``before`` (aware)."""
        found = self.prev_ms(ceil_ms(before))
        return None if found is None else from_ms(found)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Every due time after ``start``, up to and including ``end``."""
        return map(from_ms, self.between_ms(_floor_ms(start), _floor_ms(end)))

    def between_ms(self, start_ms: int, end_ms: int) -> Iterator[int]:
        """As ``between``, in milliseconds."""
        due = self.next_ms(start_ms)
        while due is not None and due <= end_ms:
            yield due
            due = self.next_ms(due)

    def period(self, after: datetime) -> timedelta | None:
        """How far apart the next two due times after ``after`` are; None when there are not two."""
        first = self.next_ms(_floor_ms(after))
        second = None if first is None else self.next_ms(first)
        return None if first is None or second is None else (second - first) * _MILLISECOND

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.text!r} {self.timezone or 'UTC'}>"


def ceil_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware moment, a fraction of one counted in full."""
    return -((EPOCH - _aware(moment)) // _MILLISECOND)


def _floor_ms(moment: datetime) -> int:
    return (_aware(moment) - EPOCH) // _MILLISECOND


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise SchedulePositionError(
            f"{moment.isoformat()} has no time zone",
            field="moment",
            value=moment.isoformat(),
            accepted="an aware datetime",
        )
    return moment
