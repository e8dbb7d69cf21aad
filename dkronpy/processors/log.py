"""Prints the output of each attempt where the agent prints its own log."""

from __future__ import annotations

import os
import threading
from typing import ClassVar

from dkronpy.plugins.processor import ExecutionInfo, Processor, ProcessorError, ProcessorOptions


class Log(ProcessorOptions, frozen=True, kw_only=True):
    """The agent's standard output and standard error."""

    plugin: ClassVar[str] = "log"


class LogProcessor(Processor[Log]):
    """Prints the output of successes to the agent's standard output, that of failures to its standard error."""

    options = Log

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()

    def process(self, output: bytes, options: Log, info: ExecutionInfo) -> bytes | None:
        """Print it in one piece between two lines that say whose it is."""
        first = f"----- BEGIN OUTPUT job={info.job} execution={info.execution_id} -----\n".encode()
        whole = first + output + b"\n----- END OUTPUT -----\n"
        # Past Python's streams: Celery replaces them with its logger, which would add its own to every line.
        number = 1 if info.success else 2
        try:
            with self._one_at_a_time:
                while whole:
                    whole = whole[os.write(number, whole) :]
        except OSError as error:
            raise ProcessorError(f"cannot print: {error.strerror}") from None
        return options.instead("Output in dkron log")
