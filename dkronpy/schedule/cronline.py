"""Five or six cron fields in a row: which they are, how days combine, whether they ever meet."""

from __future__ import annotations

from functools import lru_cache

from .crontab import Crontab
from .days import DayRule
from .fields import KINDS, Field, FieldKind, FieldReader, HashRule
from .model import Schedule
from .reading import Reading, Word, refuse, words_of
from .zoned import ZonedSchedule


def read_cron(text: str, column: int, reading: Reading) -> Schedule:
    """The schedule of five fields (minute first) or six (second first)."""
    words = words_of(text, column)
    return cron_schedule(words, " ".join(word.text for word in words), reading)


def cron_schedule(words: list[Word], text: str, reading: Reading) -> Schedule:
    """The schedule of fields that are already words; ``text`` is what it is called."""
    if len(words) not in (5, 6):
        refuse(
            f"expected 5 fields (minute hour day month weekday) or 6 (second first), found {len(words)}",
            text,
            words[0].column,
            dkron=f"expected exactly 6 fields, found {len(words)}: [{text}]",
        )
    with_seconds = len(words) == 6
    given = words if with_seconds else [Word("0", 0), *words]
    fields = tuple(_field(kind, word, reading, lenient=with_seconds) for kind, word in zip(KINDS, given, strict=True))
    both = _needs_both(fields, with_seconds=with_seconds)
    rule = DayRule(month_days=fields[3], months=fields[4], weekdays=fields[5], both=both)
    _check_fires(fields, rule, given)
    return ZonedSchedule(
        Crontab(fields, rule=rule),
        text=text,
        timezone=reading.timezone,
        gap=reading.gap,
        overlap=reading.overlap,
        seeded=any(field.seeded for field in fields),
    )


def _field(kind: FieldKind, word: Word, reading: Reading, *, lenient: bool) -> Field:
    """One field; what the job's name has no part in is kept, since the schedules of a fleet are made of few words."""
    if "~" in word.text or "h" in word.text.lower():
        return FieldReader(kind=kind, job=reading.job, hash_rule=reading.hash_rule, lenient=lenient).read(*word)
    return _plain_field(kind.place, word, reading.hash_rule, lenient)


@lru_cache(maxsize=2048)
def _plain_field(place: int, word: Word, hash_rule: HashRule, lenient: bool) -> Field:
    return FieldReader(kind=KINDS[place], job="", hash_rule=hash_rule, lenient=lenient).read(*word)


def _needs_both(fields: tuple[Field, ...], *, with_seconds: bool) -> bool:
    """Whether a day must match both of its fields: five as Debian's cron decides it, six as Dkron."""
    if with_seconds:
        return fields[3].has_plain_star or fields[5].has_plain_star
    return fields[3].starts_with_star or fields[5].starts_with_star


def _check_fires(fields: tuple[Field, ...], rule: DayRule, words: list[Word]) -> None:
    for kind, field, word in zip(KINDS, fields, words, strict=True):
        if field.is_empty:
            refuse(
                f"{word.text!r} names no value, so the schedule never fires",
                word.text,
                word.column,
                field=kind.name,
            )
    if reason := rule.never():
        refuse(f"{reason}, so the schedule never fires", words[3].text, words[3].column, field="day of month")
