"""What an entry of the event stream tells: one change of state, or several of a kind that one step made."""

from __future__ import annotations

from collections.abc import Mapping

MANY = b"many"
"""The field that says how many changes an entry tells: the others then have a line for each, or a value for all."""
_FIRED = {b"runs": b"run", b"jobs": b"job", b"executions": b"executions"}
"""How 0.1 told of all runs that a commit fired: the fields with a line for each."""


def each_of(row: Mapping[bytes, bytes]) -> list[Mapping[bytes, bytes]]:
    """The changes of an entry, as they stand there."""
    if MANY in row:
        many = int(row[MANY])
        columns = {name: text.split(b"\n") if b"\n" in text else [text] * many for name, text in row.items()}
        del columns[MANY]
    elif b"runs" in row:
        columns = {_FIRED[name]: row[name].split(b"\n") for name in _FIRED}
        many = len(columns[b"run"])
        columns.update((name, [text] * many) for name, text in row.items() if name not in _FIRED)
    else:
        return [row]
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def changes_of(row: Mapping[bytes, bytes]) -> list[dict[str, str]]:
    """The changes of an entry, each as its fields; ``event`` says of what kind it is."""
    return [
        {key.decode(): value.decode("utf-8", "replace") for key, value in change.items()} for change in each_of(row)
    ]
