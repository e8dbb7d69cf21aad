"""What a processor is: one class with typed options that gets the output of an attempt once it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec

from dkronpy.errors import DkronpyError, Problem
from dkronpy.plugins.options import Options, doc
from dkronpy.plugins.values import Duration, as_timedelta


class ProcessorError(DkronpyError):
    """The output could not be processed, in one line; the outcome of the attempt is not touched by it."""


class ProcessorOptions(Options, frozen=True, kw_only=True):
    """What every processor can be told."""

    plugin: ClassVar[str] = ""

    forward: Annotated[
        bool, doc("Pass the output on to the next processor and to the history. Else a note takes its place.")
    ] = False
    timeout: Annotated[Duration, doc("It is given up after this.")] = timedelta(seconds=10)

    def check(self) -> Iterator[Problem]:
        """Nothing may take for ever."""
        if not as_timedelta(self.timeout):
            yield self.problem("timeout", "a duration above zero is needed", "leave it out for 10s")

    def instead(self, note: str) -> bytes | None:
        """What a processor that has taken the output returns: *note* in its place, or None with ``forward``."""
        return None if self.forward else note.encode()


OptionsT = TypeVar("OptionsT", bound=ProcessorOptions)


class ExecutionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a processor is told of the attempt whose output it gets. Times are in UTC.

    ``reason`` is empty for a success. ``output_size`` is how many bytes the attempt printed in all, ``omitted`` how
    many of them were not kept; a line in the output says where they stood.
    """

    job: str
    run_id: str
    execution_id: str
    attempt: int
    node: str
    due: datetime
    started: datetime
    finished: datetime
    success: bool
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    output_size: int = 0
    omitted: int = 0

    @property
    def state(self) -> str:
        """``success`` or ``failed``."""
        return "success" if self.success else "failed"

    @property
    def id(self) -> str:
        """The name of this attempt, the same whenever it is processed again: execution id, dot, number."""
        return f"{self.execution_id}.{self.attempt}"

    def facts(self) -> dict[str, Any]:
        """Everything as JSON values, for machines that read it."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        duration = (self.finished - self.started).total_seconds()
        return values | {"state": self.state, "duration": round(duration, 3)}


class Processor(Generic[OptionsT]):
    """The base of every processor: one instance a node, shared by its threads.

    Subclasses set ``options`` to their options type and implement ``process``.
    """

    options: ClassVar[type[ProcessorOptions]]

    def process(self, output: bytes, options: OptionsT, info: ExecutionInfo) -> bytes | None:
        """Do something with *output*; the bytes that take its place from here on, or None to leave it as it is.

        The outcome is on record by then. The same attempt may come a second time after a crash of the node; ``info.id``
        tells. Raises ProcessorError for what it can name; then the output goes on as it is.
        """
        raise TypeError(f"{type(self).__name__} does not implement process()")

    def close(self) -> None:
        """Let go of what is kept between attempts."""
