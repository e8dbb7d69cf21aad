"""How a schedule says what is wrong with it: field, value, column, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dkronpy.errors import ScheduleError


class SchedulePositionError(ScheduleError):
    """One place in a schedule that cannot be used.

    ``field`` is what is wrong (``minute``, ``timezone``, ``schedule``), ``value`` what stands there,
    ``column`` where it begins in the text that was handed in (from 1; 0 when the fault is in no place of the
    text), and ``dkron`` what Dkron says in the same case (empty where Dkron accepts it or says nothing
    usable).
    """

    def __init__(
        self,
        message: str,
        *,
        field: str,
        value: str,
        column: int = 0,
        accepted: str = "",
        hint: str = "",
        dkron: str = "",
    ) -> None:
        place = f" at column {column}" if column else ""
        rest = f"; accepted: {accepted}" if accepted else ""
        super().__init__(f"{field}: {message}{place}{rest}", hint=hint)
        self.field = field
        self.value = value
        self.column = column
        self.accepted = accepted
        self.dkron = dkron


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint with the known word nearest to ``word``, or an empty string when none is near."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[near[0]]!r}?" if near else ""
