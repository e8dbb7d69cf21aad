"""Reads the text of a schedule: Dkron's grammar, five-field cron, and what is ours on top."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from dkronpy.clock import to_ms

from .combined import Bounded, Several
from .cronline import read_cron
from .fields import HashRule
from .keywords import read_keyword
from .model import Schedule, ceil_ms
from .problems import did_you_mean
from .reading import Reading, Word, refuse
from .rrule import RECURRENCE, read_recurrence
from .zoned import Gap, Overlap
from .zones import check_zone

LONGEST_TEXT = 2_000
MOST_PARTS = 32

_ZONE = re.compile(r"((?:CRON_)?TZ=)(\S*)\s*", re.IGNORECASE)
_BAR = re.compile(r"(?:(?<=\s)|^)\|(?=\s|$)")
_ANYBODYS = re.compile(r"[^~@h=]+|@[a-z]+", re.IGNORECASE)
"""Texts that say the same whatever the job is named and whenever it was made."""
_COUNTED = re.compile(r"@every\s+\S+", re.IGNORECASE)
"""Those for which it matters when it was made."""


def parse(
    text: str,
    *,
    timezone: str = "",
    job: str = "",
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
    anchor: datetime | None = None,
    gap: Gap = "after",
    overlap: Overlap = "first",
    hash_rule: HashRule = "even",
) -> Schedule:
    """The schedule that ``text`` writes; several are separated by `` | ``.

    ``timezone`` is the job's zone (``""`` is UTC), over which a ``TZ=`` in the text wins. ``job`` seeds ``~``
    and ``H``. Nothing is due before ``starts_at`` or after ``expires_at``. ``@every`` counts from
    ``starts_at``, else from ``anchor`` (the moment the job was made), else from 1970. ``gap`` and ``overlap``
    say what becomes of a wall-clock time that a clock change skips or repeats.
    ``hash_rule="dkron"`` reads ``~`` as Dkron does, with its value, and ``~/15`` from there to the end of the field;
    ``"even"`` spreads names evenly, and goes all the way round.

    Raises ``ScheduleError`` with field, value, column and what is accepted; also for a schedule that never
    fires. Jobs whose schedules are alike share one.
    """
    for field, moment in (("starts_at", starts_at), ("expires_at", expires_at), ("anchor", anchor)):
        if moment is not None and moment.tzinfo is None:
            refuse(
                f"{moment.isoformat()} has no time zone",
                moment.isoformat(),
                field=field,
                accepted="an aware time",
            )
    if isinstance(text, str):
        if _ANYBODYS.fullmatch(text):
            return _shared(text, timezone, "", starts_at, expires_at, None, gap, overlap, hash_rule)
        if _COUNTED.fullmatch(text):
            return _shared(text, timezone, "", starts_at, expires_at, anchor, gap, overlap, hash_rule)
    return _parse(text, timezone, job, starts_at, expires_at, anchor, gap, overlap, hash_rule)


def _parse(
    text: str,
    timezone: str,
    job: str,
    starts_at: datetime | None,
    expires_at: datetime | None,
    anchor: datetime | None,
    gap: Gap,
    overlap: Overlap,
    hash_rule: HashRule,
) -> Schedule:
    _check_choice("gap", gap, ("skip", "before", "after"))
    _check_choice("overlap", overlap, ("first", "second", "both"))
    _check_choice("hash_rule", hash_rule, ("even", "dkron"))
    reading = Reading(
        timezone=check_zone(timezone),
        job=job,
        starts_at=starts_at,
        anchor=anchor,
        gap=gap,
        overlap=overlap,
        hash_rule=hash_rule,
    )
    parts = tuple(_read_part(part, reading) for part in _split(text))
    if len(parts) > 1 and any(part.manual for part in parts):
        refuse("@manually stands alone: with another schedule beside it the job is not manual", text)
    return _bound(parts[0] if len(parts) == 1 else Several(parts), starts_at, expires_at)


_shared = lru_cache(maxsize=4096)(_parse)  # a schedule holds no state


def _bound(schedule: Schedule, starts_at: datetime | None, expires_at: datetime | None) -> Schedule:
    if starts_at is None and expires_at is None:
        return schedule
    if starts_at is not None and expires_at is not None and expires_at < starts_at:
        shown = expires_at.isoformat()
        refuse(
            f"{shown} lies before starts_at, {starts_at.isoformat()}: nothing would ever be due",
            shown,
            field="expires_at",
        )
    return Bounded(
        schedule,
        starts_ms=None if starts_at is None else ceil_ms(starts_at),
        expires_ms=None if expires_at is None else to_ms(expires_at),
    )


def _split(text: str) -> list[Word]:
    """The schedules in ``text``, each with the column at which it begins."""
    if not isinstance(text, str):
        refuse(f"{text!r} is not a text", repr(text))
    if not text.strip():
        refuse(
            "the schedule is empty",
            text,
            accepted="cron fields, @every 1h, @daily, @at, @manually",
            dkron="empty spec string",
        )
    if len(text) > LONGEST_TEXT:
        refuse(f"the text has {len(text)} characters, more than {LONGEST_TEXT}", text[:40])
    bars = [mark.start() for mark in _BAR.finditer(text)]
    if len(bars) >= MOST_PARTS:
        refuse(f"{len(bars) + 1} schedules in one text, more than {MOST_PARTS}", text[:40])
    parts = []
    for start, end in zip([0, *(bar + 1 for bar in bars)], [*bars, len(text)], strict=True):
        piece = text[start:end]
        if not piece.strip():
            refuse("a schedule is missing beside |", "|", min(end, len(text) - 1) + 1)
        parts.append(Word(piece.strip(), end - len(piece.lstrip()) + 1))
    return parts


def _read_part(part: Word, reading: Reading) -> Schedule:
    text, column = part
    prefix = ""
    if match := _ZONE.match(text):
        prefix = f"{match[1].upper()}{match[2]} "
        if not match[2]:
            refuse("a zone must follow TZ=", text, column, field="timezone", accepted="TZ=Europe/Berlin, for one")
        reading = replace(reading, timezone=check_zone(match[2], column=column + len(match[1])))
        column += match.end()
        text = text[match.end() :]
        if not text:
            refuse(
                "a schedule must follow the zone",
                prefix.strip(),
                column,
                accepted=f"{prefix}30 2 * * *, for one",
            )
    if text.startswith("@"):
        schedule = read_keyword(text, column, reading)
    elif RECURRENCE.match(text):
        schedule = read_recurrence(text, column, reading)
    else:
        schedule = read_cron(text, column, reading)
    schedule.text = prefix + schedule.text
    return schedule


def _check_choice(field: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        hint = did_you_mean(str(value), accepted)
        refuse(f"{value!r} is not known", str(value), field=field, accepted=", ".join(accepted), hint=hint)
