"""What the readers of schedule texts share: settings, words with their columns, a way to refuse."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, NoReturn

from .fields import HashRule
from .problems import SchedulePositionError
from .zoned import Gap, Overlap


class Word(NamedTuple):
    """A word of the text and the column (from 1) where it begins."""

    text: str
    column: int


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is known beside the text: the zone that is in force, and the arguments of ``parse``."""

    timezone: str
    job: str
    starts_at: datetime | None
    anchor: datetime | None
    gap: Gap
    overlap: Overlap
    hash_rule: HashRule


def words_of(text: str, column: int) -> list[Word]:
    """The words of a text that begins at ``column``."""
    return [Word(match.group(), column + match.start()) for match in re.finditer(r"\S+", text)]


def refuse(
    message: str,
    value: str,
    column: int = 0,
    *,
    field: str = "schedule",
    accepted: str = "",
    hint: str = "",
    dkron: str = "",
) -> NoReturn:
    """Raise the error that names field, value, column and what is accepted."""
    raise SchedulePositionError(
        message, field=field, value=value, column=column, accepted=accepted, hint=hint, dkron=dkron
    )
