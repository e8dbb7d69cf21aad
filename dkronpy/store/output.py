"""Live output: a stream of chunks an attempt, head and tail kept, readable while it grows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import redis

from dkronpy.execution import Output
from dkronpy.marks import Mark, Marking, Marks
from dkronpy.store.connection import Store

TTL_SECONDS = 3600
"""How long the stream outlives its last chunk; by then the results backend has the output."""
CHUNK = 16 * 1024
CHUNK_MARKS = 500
"""Marks of one chunk."""
ASK_MS = 300
"""When no output comes for so long, whoever follows it sees whether the attempt goes on."""


StoreCommand = tuple[Any, ...]
"""A command of the store with its arguments."""


class Piece(NamedTuple):
    """Some bytes of an output that grows, at their *offset*, with marks as ``Marks.encode`` writes them."""

    offset: int
    data: bytes
    marks: bytes = b""


class OutputWriter:
    """Writes one attempt's output; at most ``limit`` bytes are kept, half of them head, half tail."""

    def __init__(self, store: Store, execution_id: str, attempt: int, limit: int) -> None:
        self._client = store.client
        self._key = store.keys.output(execution_id, attempt)
        self._head_room = limit // 2
        self._tail_limit = limit - limit // 2
        self._head = bytearray()
        self._tail: deque[tuple[bytes, bytes]] = deque()
        self._tail_size = 0
        self._size = 0
        self._marking = Marking()

    def write(self, data: bytes, *, marks: Iterable[Mark] = (), stream: bool = True, last: bool = False) -> bool:
        """Append bytes with their marks: one round trip however many chunks they make; none at all without *stream*.

        Those who follow are told whether they are the *last*. Returns False when the store did not take them; they
        are kept for the record all the same.
        """
        if not data and not last:
            return True
        adds, commands = self._append(data, marks, last=last)
        ids: list[bytes] = [b""] * len(adds)
        try:
            if not stream:
                return False
            with self._client.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                ids = pipe.execute()[: len(adds)]
        except redis.RedisError:
            return False
        finally:
            self._note(adds, ids)
        return True

    def close(self, data: bytes, *, marks: Iterable[Mark] = ()) -> list[StoreCommand]:
        """Append the last bytes: the commands that put them into the stream and say so, for whoever sends others.

        Where nothing was ever written there are none, and no stream: it would take 4 kB to say so, for each execution
        that prints nothing. Those who follow ask now and then whether it has ended.
        """
        if not data and not self._size:
            return []
        adds, commands = self._append(data, marks, last=True)
        self._note(adds, [b""] * len(adds))
        return commands

    def _append(
        self, data: bytes, marks: Iterable[Mark], *, last: bool
    ) -> tuple[list[tuple[int, bytes]], list[StoreCommand]]:
        """The chunks to be added, and the commands that do it; those of the chunks come first."""
        for mark in marks:
            self._marking.add(mark)
        adds, dropped = self._plan(data) if data else ([], [])
        key = self._key
        commands: list[StoreCommand] = [
            ("XADD", key, "*", "o", offset, "d", chunk, *self._marks_of(offset, chunk)) for offset, chunk in adds
        ]
        if dropped:
            commands.append(("XDEL", key, *dropped))
        if last:
            commands.append(("XADD", key, "*", "end", 1, "o", self._size, "t", self._tail_limit))
        commands.append(("EXPIRE", key, TTL_SECONDS))
        return adds, commands

    def _note(self, adds: Iterable[tuple[int, bytes]], ids: Iterable[bytes]) -> None:
        """Remember what of the tail stands where in the stream."""
        for (offset, chunk), entry_id in zip(adds, ids, strict=True):
            if offset >= self._head_room:
                self._tail.append((entry_id, chunk))
        self._marking.bound(self._kept())

    def _marks_of(self, offset: int, chunk: bytes) -> tuple[str, bytes] | tuple[()]:
        """The field of a chunk that holds its marks, if there are any: it can be read when those before are gone."""
        found = self._marking.of([(offset, offset + len(chunk))], CHUNK_MARKS).encode()
        return ("m", found) if found else ()

    def _kept(self) -> list[tuple[int, int]]:
        """Which parts of all that was written are kept, from where to where."""
        head = len(self._head)
        return [(0, head), (max(head, self._size - self._tail_limit), self._size)]

    def _plan(self, data: bytes) -> tuple[list[tuple[int, bytes]], list[bytes]]:
        adds: list[tuple[int, bytes]] = []
        room = self._head_room - len(self._head)
        if room > 0:
            part = data[:room]
            adds.append((self._size, part))
            self._head += part
            self._size += len(part)
            data = data[room:]
        if len(data) > self._tail_limit:  # what would be dropped at once never travels
            self._size += len(data) - self._tail_limit
            data = data[-self._tail_limit :] if self._tail_limit else b""
        for start in range(0, len(data), CHUNK):
            part = data[start : start + CHUNK]
            adds.append((self._size, part))
            self._size += len(part)
            self._tail_size += len(part)
        return adds, self._trim()

    def _trim(self) -> list[bytes]:
        dropped: list[bytes] = []
        while self._tail and self._tail_size - len(self._tail[0][1]) >= self._tail_limit:
            entry_id, chunk = self._tail.popleft()
            self._tail_size -= len(chunk)
            if entry_id:
                dropped.append(entry_id)
        return dropped

    def end(self) -> None:
        """Say that nothing more will come, to those who follow."""
        self.write(b"", last=True)

    def output(self) -> Output:
        """What is kept, for the record."""
        tail = b"".join(chunk for _, chunk in self._tail)[-self._tail_limit :] if self._tail_limit else b""
        marks = self._marking.of(self._kept()).encode()
        return Output(head=bytes(self._head), tail=tail, size=self._size, marks=marks)


def read_output(store: Store, execution_id: str, attempt: int) -> Output | None:
    """What the stream of an attempt holds now; None where there is no stream (any more)."""
    rows = store.client.xrange(store.keys.output(execution_id, attempt))
    if not rows:
        return None
    head, tail, size, marking = bytearray(), bytearray(), 0, Marking()
    for _, fields in rows:
        offset = int(fields[b"o"])
        chunk = fields.get(b"d", b"")
        if offset == len(head) and not tail:
            head += chunk
        else:
            tail += chunk
        size = max(size, offset + len(chunk))
        found = Marks.decode(fields.get(b"m", b""))
        marking.grain_ms = max(marking.grain_ms, found.grain_ms)
        for mark in found.marks:
            marking.add(mark)
        if b"t" in fields:  # while it goes on only whole chunks are dropped, so that there may be a part too much
            del tail[: max(0, len(tail) - int(fields[b"t"]))]
    return Output(head=bytes(head), tail=bytes(tail), size=size, marks=marking.of([(0, size)]).encode())


def follow_output(store: Store, execution_id: str, attempt: int, *, block_ms: int = ASK_MS) -> Iterator[Piece | None]:
    """Replay an attempt's output, then follow it: chunk by chunk, and None whenever nothing came for a while.

    Ends when the attempt's output has ended; one that never wrote anything does not say so, and is to be asked for.
    """
    key = store.keys.output(execution_id, attempt)
    last: Any = "0"
    while True:
        answer = store.client.xread({key: last}, count=200, block=block_ms)
        if not answer:
            yield None
            continue
        for entry_id, fields in answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))[0]:
            last = entry_id
            if b"end" in fields:
                return
            yield Piece(int(fields[b"o"]), fields[b"d"], fields.get(b"m", b""))
