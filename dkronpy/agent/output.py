"""Carries output from running attempts to the store: gathered for a moment, capped, never holding up the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dkronpy.execution import Output
from dkronpy.marks import MERGED, Mark, Marking
from dkronpy.masking import Masker
from dkronpy.store.output import OutputWriter, StoreCommand

FLUSH_SECONDS = 0.1
FLUSH_BYTES = 64 * 1024
OFFLINE_SECONDS = 2.0
"""After the store did not take output, it is not asked again for this long; the record has it all the same."""


class _Stream:
    """One of several streams of an output: its lines are passed on whole, so that none is torn by the others."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._line = b""
        self._since = 0.0

    def feed(self, data: bytes) -> bytes:
        """What of all that came so far makes lines, or more than is gathered."""
        text = self._line + self._masker.feed(data)
        end = len(text) if len(text) >= FLUSH_BYTES else text.rfind(b"\n") + 1
        if end or not self._line:
            self._since = time.monotonic()
        self._line = text[end:]
        return text[:end]

    def overdue(self) -> bytes:
        """The beginning of a line that has waited long enough for its end: a prompt, or a bar that grows."""
        if time.monotonic() - self._since < FLUSH_SECONDS:
            return b""
        line, self._line = self._line, b""
        return line

    def end(self) -> bytes:
        """The rest."""
        return self._line + self._masker.end()


class AttemptOutput:
    """The output of one attempt: written by its thread, flushed by that or by the pump.

    *now_ms* says at which moment, in milliseconds since the epoch, something comes.
    """

    def __init__(self, writer: OutputWriter, masker: Masker, now_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._masker = masker
        self._now_ms = now_ms
        self._streams: dict[int, _Stream] = {}
        self._pending = bytearray()
        self._passed = 0
        self._marking = Marking()
        self._offline_until = 0.0
        self._lock = threading.Lock()

    def write(self, data: bytes, stream: int = MERGED) -> None:
        """Append bytes of one of the streams of ``dkronpy.marks``."""
        with self._lock:
            if stream == MERGED:
                self._append(self._masker.feed(data), self._now_ms())
            else:
                self._append(self._stream(stream).feed(data), self._now_ms(), stream)
            if len(self._pending) >= FLUSH_BYTES:
                self._flush()

    def flush(self) -> None:
        """Pass on what has gathered."""
        with self._lock:
            for stream, lines in self._streams.items():
                self._append(lines.overdue(), self._now_ms(), stream)
            self._flush()

    def end(self) -> tuple[Output, list[StoreCommand]]:
        """What is kept, and the commands that pass on the rest and tell those who follow that it was all."""
        with self._lock:
            for stream, lines in self._streams.items():
                self._append(lines.end(), self._now_ms(), stream)
            self._append(self._masker.end(), self._now_ms())
            online = time.monotonic() >= self._offline_until
            commands = self._writer.close(bytes(self._pending), marks=self._marks())
            self._pending = bytearray()
            return self._writer.output(), commands if online else []

    def _stream(self, stream: int) -> _Stream:
        """A secret is masked wherever in a stream it is cut, so each has a masker of its own."""
        found = self._streams.get(stream)
        if found is None:
            found = self._streams[stream] = _Stream(self._masker.another())
        return found

    def _append(self, data: bytes, ms: int, stream: int = MERGED) -> None:
        if data:
            self._marking.add(Mark(self._passed, ms, stream))
            self._passed += len(data)
            self._pending += data

    def _marks(self) -> list[Mark]:
        """The marks since the last time; the last one stays here, for the next to be compared with."""
        marks, self._marking.marks = self._marking.marks, self._marking.marks[-1:]
        return marks

    def _flush(self) -> None:
        if not self._pending:
            return
        data, self._pending = bytes(self._pending), bytearray()
        online = time.monotonic() >= self._offline_until
        if not self._writer.write(data, marks=self._marks(), stream=online) and online:
            self._offline_until = time.monotonic() + OFFLINE_SECONDS


class OutputPump:
    """One thread that flushes every attempt's output a few times a second."""

    def __init__(self) -> None:
        self._outputs: set[AttemptOutput] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def add(self, output: AttemptOutput) -> None:
        """Take an attempt's output into care."""
        with self._lock:
            self._outputs.add(output)

    def remove(self, output: AttemptOutput) -> None:
        """Let it go again."""
        with self._lock:
            self._outputs.discard(output)

    def _run(self) -> None:
        while not self._stopped.wait(FLUSH_SECONDS):
            with self._lock:
                outputs = list(self._outputs)
            for output in outputs:
                output.flush()
