"""Marks: when each part of an attempt's output came, and on which of its streams. They stand beside the bytes.

A mark says that what follows it, up to the next one, came at its moment or up to a grain later. There are at most so
many of an output: where there would be more, the grain doubles until there are not. A change of streams is kept as
long as it can be; where streams change more often than that, what lies within a grain becomes ``mixed``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

MERGED, STDOUT, STDERR, MIXED = range(4)
StreamName = Literal["merged", "stdout", "stderr", "mixed"]
STREAMS: tuple[StreamName, ...] = ("merged", "stdout", "stderr", "mixed")
"""Their names. ``merged``: one stream, in the order of writing; ``mixed``: of several, not told apart any more."""
GRAIN_MS = 100
MOST = 4000
"""Marks of one output."""


class Mark(NamedTuple):
    """From the byte at *offset* on: came at *ms* (since the epoch), on *stream*."""

    offset: int
    ms: int
    stream: int = MERGED


class Run(NamedTuple):
    """Bytes that one mark stands for; ``ms`` is 0 where none does."""

    ms: int
    stream: int
    data: bytes


class Marks(msgspec.Struct, frozen=True):
    """The marks of an output, in order, and what they are right to."""

    marks: tuple[Mark, ...] = ()
    grain_ms: int = GRAIN_MS

    @classmethod
    def decode(cls, data: bytes) -> Marks:
        """The marks that ``encode`` wrote; none for what it did not write."""
        try:
            grain, *numbers = _read(data) if data else (GRAIN_MS,)
        except (msgspec.DecodeError, ValueError):
            return cls()
        marks: list[Mark] = []
        offset = ms = 0
        for step, rest in zip(numbers[::2], numbers[1::2], strict=False):
            offset, ms = offset + step, ms + (rest >> 2)
            marks.append(Mark(offset, ms, rest & 3))
        return cls(tuple(marks), grain)

    def encode(self) -> bytes:
        """A few bytes a mark: numbers by which they differ from the one before; b'' for none."""
        if not self.marks:
            return b""
        numbers = [self.grain_ms]
        offset = ms = 0
        for mark in self.marks:
            numbers += (mark.offset - offset, (mark.ms - ms) << 2 | mark.stream)
            offset, ms = mark.offset, mark.ms
        return msgspec.msgpack.encode(numbers)

    @property
    def separate(self) -> bool:
        """Whether standard error was read apart from standard output."""
        return any(mark.stream != MERGED for mark in self.marks)

    def runs(self, offset: int, data: bytes) -> Iterator[Run]:
        """The bytes at *offset* in the parts that the marks make of them."""
        if not data:
            return
        marks = between(self.marks, offset, offset + len(data))
        if not marks or marks[0].offset > offset:
            end = marks[0].offset - offset if marks else len(data)
            yield Run(0, MERGED, data[:end])
        for index, mark in enumerate(marks):
            end = marks[index + 1].offset - offset if index + 1 < len(marks) else len(data)
            yield Run(mark.ms, mark.stream, data[mark.offset - offset : end])


class Marking:
    """Marks as they are made: those that tell nothing new are left out."""

    def __init__(self, marks: Iterable[Mark] = (), grain_ms: int = GRAIN_MS) -> None:
        self.grain_ms = grain_ms
        self.marks: list[Mark] = []
        for mark in marks:
            self.add(mark)

    def add(self, mark: Mark) -> None:
        """Go on from a byte behind the last mark's; time never goes back."""
        last = self.marks[-1] if self.marks else None
        if last is not None:
            if mark.stream == last.stream and mark.ms - last.ms < self.grain_ms:
                return
            if mark.ms < last.ms:
                mark = mark._replace(ms=last.ms)
            if mark.offset <= last.offset:  # nothing came in between
                self.marks.pop()
                mark = mark._replace(offset=last.offset)
        self.marks.append(mark)

    def bound(self, parts: Sequence[tuple[int, int]], most: int = MOST) -> None:
        """Once there are twice as many as there may be, keep those of *parts* (from, to), thinned."""
        if len(self.marks) > 2 * most:
            bounded = self.of(parts, most)
            self.marks, self.grain_ms = list(bounded.marks), bounded.grain_ms

    def of(self, parts: Sequence[tuple[int, int]], most: int = MOST) -> Marks:
        """The marks of these parts of the output, at most *most*."""
        marks = [mark for start, end in parts for mark in between(self.marks, start, end)]
        grain = self.grain_ms
        while len(marks) > most:
            marks = _coarser(marks, grain, blur=_changes(marks) >= most)
            grain *= 2
        return Marks(tuple(marks), grain)


def between(marks: Sequence[Mark], start: int, end: int) -> list[Mark]:
    """The marks of the bytes from *start* to *end*; the first of them stands at *start* where that has one."""
    if start >= end:
        return []
    first = bisect_right(marks, start, key=_offset)
    covering = [marks[first - 1]._replace(offset=start)] if first else []
    return covering + list(marks[first : bisect_left(marks, end, key=_offset)])


def _offset(mark: Mark) -> int:
    return mark.offset


def _changes(marks: Sequence[Mark]) -> int:
    return sum(one.stream != other.stream for one, other in pairwise(marks)) + 1


def _coarser(marks: Iterable[Mark], grain_ms: int, *, blur: bool) -> list[Mark]:
    """Marks without those that come within a grain of the one before; with *blur* also where streams change.

    What they stand for came within a grain of them: the marks that are left are right to two.
    """
    kept: list[Mark] = []
    for mark in marks:
        if kept and mark.ms - kept[-1].ms <= grain_ms:
            if mark.stream == kept[-1].stream:
                continue
            if blur:
                kept[-1] = kept[-1]._replace(stream=MIXED)
                continue
        kept.append(mark)
    return kept


_read = msgspec.msgpack.Decoder(list[int]).decode
