"""One field of a cron expression, read into a bit mask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from .problems import SchedulePositionError, did_you_mean
from .spread import dkron_value, even_value

HashRule = Literal["even", "dkron"]

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_NUMBER = re.compile(r"\+?\d{1,6}", re.ASCII)
_SPREAD = re.compile(r"H(?:\((\d{1,2})-(\d{1,2})\))?", re.ASCII | re.IGNORECASE)
_LAST_DAY = re.compile(r"L(?:-(\d{1,2}))?", re.ASCII | re.IGNORECASE)
_NEAR_DAY = re.compile(r"(\d{1,2})W", re.ASCII | re.IGNORECASE)
_LAST_WEEKDAY = re.compile(r"(\d|[A-Z]{3})L", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class FieldKind:
    """What a field may hold: its place (0 seconds ... 5 day of week), its name, its bounds and its words."""

    place: int
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()
    spread_high: int
    more: str = ""

    @property
    def accepted(self) -> str:
        words = f" or {self.words[0]}-{self.words[-1]}" if self.words else ""
        top = 7 if self.place == 5 else self.high
        return f"{self.low}-{top}{words}, ranges, lists, steps, *, ?, ~, H{self.more}"


KINDS = (
    FieldKind(place=0, name="second", low=0, high=59, spread_high=59),
    FieldKind(place=1, name="minute", low=0, high=59, spread_high=59),
    FieldKind(place=2, name="hour", low=0, high=23, spread_high=23),
    FieldKind(place=3, name="day of month", low=1, high=31, spread_high=28, more=", L, L-3, LW, 15W"),
    FieldKind(place=4, name="month", low=1, high=12, words=MONTHS, spread_high=12),
    FieldKind(place=5, name="day of week", low=0, high=6, words=WEEKDAYS, spread_high=6, more=", 5L, MON#2"),
)


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field that was read. ``mask`` has bit *n* for value *n*; the rest is what a mask cannot say.

    ``starts_with_star`` is Debian cron's star flag, ``has_plain_star`` Dkron's, ``is_wildcard`` ours for
    clock changes. ``from_last`` holds the *n* of ``L-n``, ``near`` that of ``nW``, ``last_workday`` stands
    for ``LW``, ``nth`` holds (day, k) of ``n#k``, ``last`` the days of ``nL``. ``seeded`` says that the job's
    name had a part in it.
    """

    text: str
    mask: int = 0
    starts_with_star: bool = False
    has_plain_star: bool = False
    is_wildcard: bool = False
    seeded: bool = False
    from_last: tuple[int, ...] = ()
    near: tuple[int, ...] = ()
    last_workday: bool = False
    nth: tuple[tuple[int, int], ...] = ()
    last: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.mask or self.from_last or self.near or self.last_workday or self.nth or self.last)


@dataclass(kw_only=True)
class FieldReader:
    """Reads one field; ``lenient`` lets pass the oddities that Dkron does."""

    kind: FieldKind
    job: str
    hash_rule: HashRule
    lenient: bool
    mask: int = 0
    plain_star: bool = False
    wildcard: bool = False
    seeded: bool = False
    from_last: list[int] = field(default_factory=list)
    near: list[int] = field(default_factory=list)
    last_workday: bool = False
    nth: list[tuple[int, int]] = field(default_factory=list)
    last: list[int] = field(default_factory=list)

    def read(self, text: str, column: int) -> Field:
        for item, place in _items(text, column):
            if item:
                self._item(item, place)
            elif not self.lenient:
                self._fail("an item of the list is empty", text, place)
        star = text[0] in "*?" or (self.wildcard and text[0] in "Hh~")
        return Field(
            text=text,
            mask=self.mask,
            starts_with_star=star,
            has_plain_star=self.plain_star,
            is_wildcard=self.wildcard or self.mask == _span_mask(self.kind),
            seeded=self.seeded,
            from_last=tuple(self.from_last),
            near=tuple(self.near),
            last_workday=self.last_workday,
            nth=tuple(self.nth),
            last=tuple(self.last),
        )

    def _item(self, item: str, column: int) -> None:
        body, slash, step_text = item.partition("/")
        if "/" in step_text:
            self._fail(f"{item!r} has two slashes", item, column, dkron=f"too many slashes: {item}")
        step = self._step(item, step_text, column + len(body) + 1) if slash else 1
        spread = _SPREAD.fullmatch(body)
        if body in ("*", "?") or (self.lenient and re.fullmatch(r"[*?]-\d{1,6}", body)):
            self.wildcard = True
            self.plain_star = self.plain_star or step == 1
            self._add(self.kind.low, self.kind.high, step)
        elif spread:
            self._spread(body, spread, step if slash else 0, column)
        elif body == "~" and slash and self.hash_rule == "even":
            self.seeded = self.wildcard = True
            first = even_value(self.job, self.kind.place, self.kind.low, min(self.kind.high, self.kind.low + step - 1))
            self._add(first, self.kind.high, step)
        elif self._special(body, column):
            if slash:
                self._fail(f"{body!r} takes no step", item, column)
        else:
            self._range(item, body, column, step if slash else 0)

    def _range(self, item: str, body: str, column: int, step: int) -> None:
        low_text, dash, high_text = body.partition("-")
        if "-" in high_text:
            self._fail(f"{body!r} has two hyphens", body, column, dkron=f"too many hyphens: {item}")
        low = self._value(low_text, column, item)
        top = self.kind.high if step else low
        high = self._value(high_text, column + len(low_text) + 1, item) if dash else top
        if self.kind.place == 5 and low == 7 and (high < 7 or not dash):
            low, high = 0, (high if dash or step else 0)
        self._add(low, high, step or 1)

    def _spread(self, body: str, match: re.Match[str], step: int, column: int) -> None:
        kind = self.kind
        low, high = kind.low, kind.spread_high
        if match[1] is not None:
            low, high = int(match[1]), int(match[2])
            if not kind.low <= low <= high <= kind.high:
                self._fail(f"{body!r} is not a range within {kind.low}-{kind.high}", body, column)
        self.seeded = True
        if step:
            self.wildcard = self.wildcard or match[1] is None
            start = even_value(self.job, kind.place, low, min(high, low + step - 1))
            self._add(start, kind.high if match[1] is None else high, step)
        else:
            value = even_value(self.job, kind.place, low, high)
            self._add(value, value, 1)

    def _special(self, body: str, column: int) -> bool:
        if self.kind.place == 3:
            return self._special_day(body, column)
        if self.kind.place == 5:
            return self._special_weekday(body, column)
        return False

    def _special_day(self, body: str, column: int) -> bool:
        if body.upper() == "LW":
            self.last_workday = True
            return True
        if last := _LAST_DAY.fullmatch(body):
            back = int(last[1] or 0)
            if back > 30:
                self._fail(f"{body!r} goes back further than a month has days", body, column)
            self.from_last.append(back)
            return True
        if near := _NEAR_DAY.fullmatch(body):
            self.near.append(self._value(near[1], column, body))
            return True
        return False

    def _special_weekday(self, body: str, column: int) -> bool:
        if last := _LAST_WEEKDAY.fullmatch(body):
            self.last.append(self._value(last[1], column, body) % 7)
            return True
        day_text, mark, count_text = body.partition("#")
        if mark:
            day = self._value(day_text, column, body) % 7
            if count_text not in ("1", "2", "3", "4", "5"):
                place = column + len(day_text) + 1
                self._fail(f"{count_text!r} after # must be 1 to 5, as in MON#2", count_text, place)
            self.nth.append((day, int(count_text)))
            return True
        if body.upper() == "L":
            self._fail("L stands after a day of the week, as in 5L or FRIL", body, column)
        return False

    def _value(self, text: str, column: int, item: str) -> int:
        kind = self.kind
        if text == "~":
            self.seeded = True
            if self.hash_rule == "dkron":
                return dkron_value(self.job, kind.place)
            return even_value(self.job, kind.place, kind.low, kind.spread_high)
        if _NUMBER.fullmatch(text):
            value = int(text)
            top = 7 if kind.place == 5 else kind.high
            if not kind.low <= value <= top:
                self._fail_bounds(text, value, item, column)
            return value
        if text.upper() in kind.words:
            return kind.words.index(text.upper()) + (kind.low if kind.place == 4 else 0)
        dkron = f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        hint = self._near_word(text)
        what = f"{text!r} is not a value of this field" if text else f"a value is missing in {item!r}"
        raise self._fault(what, text, column, hint=hint, dkron=dkron, accepted=kind.accepted)

    def _step(self, item: str, text: str, column: int) -> int:
        if _NUMBER.fullmatch(text):
            if step := int(text):
                return step
            dkron = f"step of range should be a positive number: {item}"
            self._fail("a step must be 1 or more", text, column, dkron=dkron)
        dkron = f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        what = f"{text!r} is not a step" if text else f"a step is missing in {item!r}"
        raise self._fault(what, text, column, dkron=dkron, accepted="a whole number, 1 or more")

    def _add(self, low: int, high: int, step: int) -> None:
        """Every ``step``-th value from low to high, round the end of the field when high is below low."""
        size = self.kind.high - self.kind.low + 1
        if high < low:
            high += size
        for value in range(low, high + 1, step):
            self.mask |= 1 << (value - self.kind.low) % size + self.kind.low

    def _near_word(self, text: str) -> str:
        if not self.kind.words or not text.isalpha():
            return ""
        if text[:3].upper() in self.kind.words:
            return f"did you mean {text[:3].upper()!r}?"
        return did_you_mean(text, self.kind.words)

    def _fail_bounds(self, text: str, value: int, item: str, column: int) -> NoReturn:
        kind = self.kind
        top = 7 if kind.place == 5 else kind.high
        if value < kind.low:
            dkron = f"beginning of range ({value}) below minimum ({kind.low}): {item}"
        else:
            dkron = f"end of range ({value}) above maximum ({kind.high}): {item}"
        self._fail(f"{value} is out of range {kind.low}-{top}", text, column, dkron=dkron)

    def _fail(self, message: str, value: str, column: int, *, dkron: str = "") -> NoReturn:
        raise self._fault(message, value, column, dkron=dkron)

    def _fault(
        self, message: str, value: str, column: int, *, hint: str = "", dkron: str = "", accepted: str = ""
    ) -> SchedulePositionError:
        return SchedulePositionError(
            message,
            field=self.kind.name,
            value=value,
            column=column,
            hint=hint,
            dkron=dkron,
            accepted=accepted,
        )


def _items(text: str, column: int) -> Iterator[tuple[str, int]]:
    place = column
    for item in text.split(","):
        yield item, place
        place += len(item) + 1


def _span_mask(kind: FieldKind) -> int:
    return (1 << (kind.high + 1)) - (1 << kind.low)
