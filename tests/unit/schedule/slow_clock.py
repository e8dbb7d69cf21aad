"""A cron that looks at its clock every single second or minute: slow, plain, and the judge of the fast one.

It shares nothing with the code it judges: fields are sets of numbers, days are asked of ``datetime``, zones of
``zoneinfo``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

UTC = timezone.utc
BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))

# Zones whose clock changes are unlike one another, and a moment near one: (zone, UTC moment of the change).
CHANGES = [
    ("Europe/Berlin", datetime(2027, 3, 28, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2027, 10, 31, 1, tzinfo=UTC)),
    ("Europe/London", datetime(2027, 3, 28, 1, tzinfo=UTC)),
    ("Europe/London", datetime(2027, 10, 31, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2027, 3, 14, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2027, 11, 7, 6, tzinfo=UTC)),
    # Midnight does not exist, and comes twice.
    ("America/Havana", datetime(2027, 3, 14, 5, tzinfo=UTC)),
    ("America/Havana", datetime(2027, 11, 7, 5, tzinfo=UTC)),
    ("America/Santiago", datetime(2027, 9, 5, 4, tzinfo=UTC)),
    ("America/Santiago", datetime(2027, 4, 4, 3, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2019, 2, 17, 2, tzinfo=UTC)),
    # Half an hour; three quarters of an hour past the hour.
    ("Australia/Lord_Howe", datetime(2027, 10, 2, 15, 30, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2027, 4, 3, 15, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2027, 9, 25, 14, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2027, 4, 3, 14, tzinfo=UTC)),
    # A whole day that was left out.
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("UTC", datetime(2027, 3, 28, 1, tzinfo=UTC)),
]


@dataclass(frozen=True)
class Written:
    """A field as text and as the numbers it stands for."""

    text: str
    values: frozenset[int]

    @property
    def is_star(self) -> bool:
        return self.text.startswith(("*", "?"))


@dataclass(frozen=True)
class Expression:
    fields: tuple[Written, ...]

    @property
    def text(self) -> str:
        return " ".join(field.text for field in self.fields)

    def _values(self, place: int) -> Written:
        padded = self.fields if len(self.fields) == 6 else (Written("0", frozenset({0})), *self.fields)
        return padded[place]

    @property
    def is_wildcard(self) -> bool:
        # A field that names all its values is as good as a star.
        return any(
            "*" in self._values(place).text
            or "?" in self._values(place).text
            or len(self._values(place).values) == BOUNDS[place][1] + 1
            for place in (1, 2)
        )

    def matches(self, local: datetime) -> bool:
        numbers = (local.second, local.minute, local.hour, None, local.month)
        if any(number is not None and number not in self._values(i).values for i, number in enumerate(numbers)):
            return False
        by_month = local.day in self._values(3).values
        by_week = (local.weekday() + 1) % 7 in self._values(5).values
        if self._needs_both():
            return by_month and by_week
        return by_month or by_week

    def _needs_both(self) -> bool:
        days, weekdays = self._values(3), self._values(5)
        if len(self.fields) == 5:  # Debian: the text begins with a star
            return days.is_star or weekdays.is_star
        # Dkron: a star without a step above one stands somewhere in the field
        return any(item in ("*", "?", "*/1") for field in (days, weekdays) for item in field.text.split(","))


def due_times(
    expression: Expression, zone: str, start: datetime, end: datetime, *, gap: str = "after", overlap: str = "first"
) -> list[datetime]:
    """Every due time in (start, end], found by looking at every minute (every second for six fields)."""
    step = timedelta(seconds=1) if len(expression.fields) == 6 else timedelta(minutes=1)
    info = ZoneInfo(zone)
    due = set()
    moment = start
    before = start.astimezone(info)
    while moment < end:
        moment += step
        local = moment.astimezone(info)
        if expression.is_wildcard:
            if expression.matches(local):
                due.add(moment)
        else:
            if expression.matches(local) and _counts(local, overlap):
                due.add(moment)
            missing = _wall(before) + step
            while missing < _wall(local):
                if expression.matches(missing) and gap != "skip":
                    due.add(moment if gap == "after" else moment - timedelta(seconds=1))
                missing += step
        before = local
    return sorted(moment for moment in due if start < moment <= end)


def _wall(local: datetime) -> datetime:
    return local.replace(tzinfo=None, fold=0)


def _counts(local: datetime, overlap: str) -> bool:
    comes_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return not comes_twice or overlap == "both" or overlap == ("first", "second")[local.fold]


def _item(place: int) -> st.SearchStrategy[Written]:
    low, high = BOUNDS[place]
    value = st.integers(low, high)
    step = st.integers(1, high)

    def stepped(start: int, by: int) -> Written:
        return Written(f"{start}/{by}", frozenset(range(start, high + 1, by)))

    def ranged(first: int, last: int, by: int) -> Written:
        values, size = [], high - low + 1
        number = first
        while number <= (last if last >= first else last + size):
            values.append((number - low) % size + low)
            number += by
        return Written(f"{first}-{last}" + (f"/{by}" if by > 1 else ""), frozenset(values))

    return st.one_of(
        value.map(lambda number: Written(str(number), frozenset({number}))),
        st.builds(stepped, value, step),
        st.builds(ranged, value, value, step),
        step.map(lambda by: Written(f"*/{by}", frozenset(range(low, high + 1, by)))),
        st.sampled_from("*?").map(lambda star: Written(star, frozenset(range(low, high + 1)))),
    )


def _field(place: int) -> st.SearchStrategy[Written]:
    return st.lists(_item(place), min_size=1, max_size=3).map(
        lambda items: Written(
            ",".join(item.text for item in items), frozenset().union(*(item.values for item in items))
        )
    )


def expressions(*, seconds: bool = False) -> st.SearchStrategy[Expression]:
    """Random expressions of five fields, or of six."""
    return st.tuples(*(_field(place) for place in range(0 if seconds else 1, 6))).map(Expression)


def frequent_expressions(*, seconds: bool = False) -> st.SearchStrategy[Expression]:
    """Expressions that are due every day, so that the hours around a clock change have something to show."""
    star = Written("*", frozenset(range(32)))
    times = st.tuples(*(_field(place) for place in range(0 if seconds else 1, 3)))
    return times.map(lambda fields: Expression((*fields, star, star, star)))
