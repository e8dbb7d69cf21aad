"""Follows the output of executions: replays what there is, goes on with what comes, ends when it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from dkronpy.cli.failure import say
from dkronpy.cli.output import write_bytes
from dkronpy.cli.times import rfc3339
from dkronpy.clock import from_ms
from dkronpy.errors import DkronpyError, NotFoundError

if TYPE_CHECKING:
    from dkronpy.client import Client
    from dkronpy.execution import Execution
    from dkronpy.marks import Marks, Run

PAUSE_SECONDS = 0.1
JOIN_SECONDS = 3.0
_lock = threading.Lock()


NOT_TOLD_APART = 'its standard error is merged into its output: stderr="separate" in the job\'s options keeps it apart'


class Sink:
    """Standard output for one execution: bytes pass as they are; with a *label* each line bears it.

    With *times* each line bears the moment at which it began to come; with *stderr* what is of the job's standard
    output alone is left out.
    """

    def __init__(self, label: str = "", *, times: bool = False, stderr: bool = False) -> None:
        self._label = label.encode()
        self._times = times
        self._stderr = stderr
        self._in_line = False
        self._took = self._told = False

    def take(self, offset: int, data: bytes, marks: Marks, *, tail: int | None = None) -> None:
        """Put out the bytes at *offset*, or the last *tail* lines of what is wanted of them."""
        from dkronpy.marks import STDOUT

        runs = list(marks.runs(offset, data))
        self._took, self._told = self._took or bool(runs), self._told or marks.separate
        wanted = [run for run in runs if not self._stderr or run.stream != STDOUT]
        for run in wanted if tail is None else _last_lines(wanted, tail):
            stamp = f"{rfc3339(from_ms(run.ms)) if run.ms else '-':24} " if self._times else ""
            self._write(run.data, self._label + stamp.encode())

    def end(self) -> None:
        """Say, beside the data, what could not be left out."""
        if self._stderr and self._took and not self._told:
            with _lock:
                say(NOT_TOLD_APART)

    def write(self, data: bytes) -> None:
        """Put bytes out at once."""
        self._write(data, self._label)

    def _write(self, data: bytes, label: bytes) -> None:
        if data:
            with _lock:
                write_bytes(self._labelled(data, label) if label else data)

    def cut(self, count: int) -> None:
        """Say, beside the data, that some of it is missing here."""
        with _lock:
            say(f"[... {count:,} bytes left out ...]")

    def _labelled(self, data: bytes, label: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        first = b"" if self._in_line else label
        self._in_line = not lines[-1].endswith(b"\n")
        return first + label.join(lines)


def _last_lines(runs: list[Run], count: int) -> Iterator[Run]:
    """The last *count* lines of what these runs are in one."""
    whole = b"".join([run.data for run in runs])
    lines = whole.splitlines(keepends=True)[-count:] if count else []
    before = len(whole) - sum(map(len, lines))
    for run in runs:
        if last := run.data[before:]:
            yield run._replace(data=last)
        before = max(0, before - len(run.data))


class Follower:
    """Prints the executions of a run as they go, each in a thread of its own, until they end or ``stop`` is called.

    With *retries* an execution is followed through all its attempts, from the latest on; otherwise through one.
    """

    def __init__(
        self,
        client: Client,
        run: str,
        *,
        attempt: int | None = None,
        retries: bool = True,
        sink: Callable[[str], Sink] = Sink,
    ) -> None:
        self.client = client
        self.run = run
        self._only = attempt
        self._retries = retries
        self._sink = sink
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._error: Exception | None = None

    def start(self, executions: Iterable[Execution]) -> None:
        """Begin with these executions; several have their lines marked with their nodes' names."""
        executions = list(executions)
        width = max((len(one.node) for one in executions), default=0)
        for one in executions:
            label = f"{one.node or one.id.rpartition('.')[2]:{width}} | " if len(executions) > 1 else ""
            thread = threading.Thread(target=self._follow, args=(one.id, self._sink(label)), daemon=True)
            thread.start()
            self._threads.append(thread)

    def wait(self, seconds: float) -> bool:
        """Whether everything was printed to its end within *seconds*. Raises what a thread ran into."""
        for thread in self._threads:
            thread.join(seconds)
            if thread.is_alive():
                return False
        if self._error is not None:
            raise self._error
        return True

    def stop(self) -> None:
        """Print nothing more."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)

    def _follow(self, execution_id: str, sink: Sink) -> None:
        try:
            for number in self._attempts(execution_id):
                self._attempt(execution_id, number, sink)
            sink.end()
        except (DkronpyError, OSError) as error:
            self._error = error
            self._stopping.set()

    def _attempts(self, execution_id: str) -> Iterator[int]:
        """The attempts to print: the one asked for, or the latest and, with retries, those that come after it."""
        shown = 0
        while not self._stopping.is_set():
            execution = self._execution(execution_id)
            wanted = self._only or (shown + 1 if shown else execution.attempt)
            if wanted and execution.attempt >= wanted:
                yield wanted
                shown = wanted
                if self._only or not self._retries:
                    return
            elif execution.terminal:
                return
            else:
                self._stopping.wait(PAUSE_SECONDS)

    def _attempt(self, execution_id: str, number: int, sink: Sink) -> None:
        if not self._runs(execution_id, number):
            print_output(self.client, self._execution(execution_id), number, sink)
            return
        from dkronpy.marks import Marks

        printed, over = 0, False
        for piece in self.client.follow(execution_id, number):
            if self._stopping.is_set():
                return
            if piece is not None:
                if piece.offset > printed:
                    sink.cut(piece.offset - printed)
                sink.take(piece.offset, piece.data, Marks.decode(piece.marks))
                printed = piece.offset + len(piece.data)
            elif over:
                return  # it wrote no end: its node died, or it printed nothing
            else:
                over = not self._runs(execution_id, number)

    def _runs(self, execution_id: str, number: int) -> bool:
        execution = self._execution(execution_id)
        return execution.attempt == number and execution.state == "running"

    def _execution(self, execution_id: str) -> Execution:
        for execution in self.client.run(self.run).executions:
            if execution.id == execution_id:
                return execution
        raise NotFoundError(f"there is no execution {execution_id!r} any more")


def print_output(
    client: Client, execution: Execution, attempt: int | None, sink: Sink, *, tail: int | None = None
) -> None:
    """Print what an attempt has printed so far, or its last *tail* lines; a cut in the middle is said."""
    from dkronpy.marks import Marks

    output = client.output(execution, attempt)
    marks = Marks.decode(output.marks)
    if tail is not None:
        offset, kept = output.pieces()[1] if output.omitted > 0 else (0, output.head + output.tail)
        sink.take(offset, kept, marks, tail=tail)
        return
    sink.take(0, output.head, marks)
    if output.omitted > 0:
        sink.cut(output.omitted)
    sink.take(output.size - len(output.tail), output.tail, marks)
