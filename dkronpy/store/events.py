"""What an entry of the event stream tells: one change of state, or several of a kind that one step made."""

from __future__ import annotations

import logging
from collections.abc import Mapping

log = logging.getLogger(__name__)

MANY = b"many"
"""The field that says how many changes an entry tells: the others then have a line for each, or a value for all."""
_FIRED = {b"runs": b"run", b"jobs": b"job", b"executions": b"executions"}
"""How 0.1 told of all runs that a commit fired: the fields with a line for each."""


def each_of(row: Mapping[bytes, bytes]) -> list[Mapping[bytes, bytes]]:
    """The changes of an entry, as they stand there; none of one that makes no sense, which is logged."""
    try:
        if MANY in row:
            many = int(row[MANY])
            columns = {name: _cells(text, many) for name, text in row.items() if name != MANY}
        elif b"runs" in row:
            columns = {_FIRED[name]: row[name].split(b"\n") for name in _FIRED}
            many = len(columns[b"run"])
            columns.update((name, [text] * many) for name, text in row.items() if name not in _FIRED)
        else:
            return [row]
        return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    except (ValueError, KeyError) as error:
        log.warning("an entry of the event stream makes no sense and is passed over (%r): %s", error, dict(row))
        return []


def _cells(text: bytes, many: int) -> list[bytes]:
    """A line for each, or the text for all: that of one that has other lines, as reasons once could, is one line."""
    if b"\n" not in text:
        return [text] * many
    cells = text.split(b"\n")
    return cells if len(cells) == many else [b" ".join(cells)] * many


def changes_of(row: Mapping[bytes, bytes]) -> list[dict[str, str]]:
    """The changes of an entry, each as its fields; ``event`` says of what kind it is."""
    return [
        {key.decode(): value.decode("utf-8", "replace") for key, value in change.items()} for change in each_of(row)
    ]
