"""The audit log: who changed what, and who was denied what, in two streams that only ever grow and are trimmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from dkronpy.api.keys import keys_of
from dkronpy.store.connection import Store

KEPT = 10_000
LONGEST = 500
"""Characters that are kept of a path or a detail."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry; ``outcome`` is ``done`` or ``denied``, ``status`` the answer's, ``detail`` what else is known."""

    id: str
    at_ms: int
    outcome: str
    who: str
    token: str = ""
    address: str = ""
    method: str = ""
    path: str = ""
    job: str = ""
    status: int = 0
    detail: str = ""


@dataclass
class Note:
    """What a request leaves behind while it is served, for the audit log."""

    address: str = ""
    who: str = ""
    token: str = ""
    action: str = ""
    job: str = ""
    detail: str = ""
    limited: bool = False
    signed_in: bool = False
    matched: bool = False


class AuditLog:
    """Writes and reads it. redis-py's errors pass through."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.keys = keys_of(store)

    def add(self, note: Note, *, outcome: str, method: str, path: str, status: int) -> None:
        """Append an entry."""
        fields = {
            "outcome": outcome, "who": note.who or "nobody", "token": note.token, "address": note.address,
            "method": method, "path": path[:LONGEST], "job": note.job[:LONGEST], "status": str(status),
            "detail": note.detail[:LONGEST],
        }  # fmt: skip
        stream = self.keys.changes if outcome == "done" else self.keys.denials
        kept = {name: value.encode("utf-8", "replace") for name, value in fields.items() if value}
        self.store.client.xadd(stream, kept, maxlen=KEPT, approximate=True)

    def entries(self, *, outcome: str = "done", limit: int = 100, before: str = "+") -> list[Entry]:
        """The newest entries first; *before* is the id of the last one of the page before."""
        stream = self.keys.changes if outcome == "done" else self.keys.denials
        if not before.strip("0-"):
            return []  # nothing comes before the first place, and a store refuses to look there
        top = before if before == "+" else f"({before}"
        return [_entry(name.decode(), row) for name, row in self.store.client.xrevrange(stream, max=top, count=limit)]


def _entry(name: str, row: Mapping[bytes, bytes]) -> Entry:
    text = {key.decode(): value.decode("utf-8", "replace") for key, value in row.items()}
    status = int(text.pop("status", 0))
    known = {key: value for key, value in text.items() if key in Entry.__struct_fields__}
    return Entry(id=name, at_ms=int(name.partition("-")[0]), status=status, **known)
