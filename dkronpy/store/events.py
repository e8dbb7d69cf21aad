"""What an entry of the event stream tells: one change of state, or every run that one commit fired."""

from __future__ import annotations

from collections.abc import Mapping

_MANY = {"runs": "run", "jobs": "job", "executions": "executions"}
"""The fields of a commit, one line a run, and what each line is called."""


def changes_of(row: Mapping[bytes, bytes]) -> list[dict[str, str]]:
    """The changes of an entry, each as its fields; ``event`` says of what kind it is."""
    fields = {key.decode(): value.decode("utf-8", "replace") for key, value in row.items()}
    if "runs" not in fields:
        return [fields]
    shared = {name: text for name, text in fields.items() if name not in _MANY}
    columns = [fields[name].split("\n") for name in _MANY]
    return [{**shared, **dict(zip(_MANY.values(), cells, strict=True))} for cells in zip(*columns, strict=True)]
