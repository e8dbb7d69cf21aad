"""Server-Sent Events: parsed line by line, and an attempt's output read out of them byte for byte."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from dkronpy.store.output import Piece
from dkronpy.wire.runs import MarkOut, marks_in

_read_marks = msgspec.json.Decoder(list[MarkOut]).decode


class Sent(NamedTuple):
    """One event. A comment, which says that nothing is new, has the kind ``''``."""

    kind: str
    id: str
    data: str


def sent_events(lines: Iterable[bytes]) -> Iterator[Sent]:
    """The events of a stream, comments among them."""
    kind = name = ""
    data: list[str] = []
    for raw in lines:
        line = raw.decode("utf-8", "replace")
        if line.startswith(":"):
            yield Sent("", "", "")
        elif not line:
            if kind or data:
                yield Sent(kind or "message", name, "\n".join(data))
            kind, data = "", []
        else:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                kind = value
            elif field == "id":
                name = value
            elif field == "data":
                data.append(value)


def pieces(events: Iterable[Sent]) -> Iterator[Piece | None]:
    """The pieces of an output that is followed as base64, with marks; None when nothing came."""
    marks = b""
    for event in events:
        if event.kind == "output":
            data = base64.b64decode(json.loads(event.data))
            yield Piece(int(event.id) - len(data), data, marks)
            marks = b""
        elif event.kind == "marks":
            marks = marks_in(_read_marks(event.data)).encode()
        elif event.kind == "end":
            return
        elif not event.kind:
            yield None
