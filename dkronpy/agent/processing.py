"""Runs the processors of an attempt after its outcome was reported, beside the work, each within its time.

The outcome never waits for a processor: a run ends when its work ends. A few threads take one attempt each; every
call of a processor has a thread of its own besides, which is left behind when its time is over, since nothing can
end a thread that waits for a dead server.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from msgspec import structs

from dkronpy.agent.plan import Plan, Step
from dkronpy.agent.spool import Report
from dkronpy.errors import DkronpyError
from dkronpy.execution import Output
from dkronpy.masking import Masker
from dkronpy.plugins.options import resolve_secrets
from dkronpy.plugins.processor import Processor, ProcessorError, ProcessorOptions
from dkronpy.plugins.registry import options_type, plugin_class
from dkronpy.plugins.template import render_options
from dkronpy.plugins.values import as_timedelta
from dkronpy.secret import Secret

log = logging.getLogger(__name__)

THREADS = 4
MOST_HANGING = 16
"""Calls that were given up and still hang; beyond these no further one is begun."""
LONGEST = 1_000_000
"""Bytes that a processor may put in place of the output."""
STOP_SECONDS = 10.0
Done = Callable[[Report], None]


class Processing:
    """The processors of a node. ``submit`` returns at once; *done* gets the report from one of the threads."""

    def __init__(self, resolver: Callable[[Secret], str]) -> None:
        self._resolver = resolver
        self._waiting: queue.Queue[tuple[Report, Done] | None] = queue.Queue()
        self._threads: list[threading.Thread] = []
        self._processors: dict[str, Processor[Any]] = {}
        self._hanging: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the threads."""
        for number in range(THREADS):
            thread = threading.Thread(target=self._run, name=f"processing-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Finish what can be finished in ten seconds. The rest stays in the spool and is done by the next agent."""
        for _ in self._threads:
            self._waiting.put(None)
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for processor in self._processors.values():
            try:
                processor.close()
            except Exception:
                log.exception("%s could not be closed", type(processor).__qualname__)  # the agent still has to sign off

    def submit(self, report: Report, done: Done) -> None:
        """Process the output of *report*, which has a plan; *done* gets it without the plan, as it is to be kept."""
        self._waiting.put((report, done))

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            report, done = item
            try:
                done(self.processed(report))
            except Exception:
                log.exception("the output of %s could not be processed", report.execution_id)

    def processed(self, report: Report) -> Report:
        """*report* after all of its processors, with the output that they left and a note on each that failed."""
        plan = report.plan
        if plan is None:
            return report
        output, notes = report.output, []
        for step in plan.steps:
            try:
                output = self._step(step, output, plan)
            except DkronpyError as error:
                notes.append(f"processor {step.processor} failed: {error}")
                log.warning("%s: %s", report.execution_id, notes[-1])
            except Exception as error:  # noqa: BLE001 - what it says may hold a secret: where it was is enough
                notes.append(f"processor {step.processor} failed: {type(error).__name__}")
                where = "".join(traceback.format_tb(error.__traceback__))
                log.error("%s: %s\n%s", report.execution_id, notes[-1], where)
        return structs.replace(report, plan=None, output=output, note="; ".join(notes))

    def _step(self, step: Step, output: Output, plan: Plan) -> Output:
        options, masker = self._options(step, plan)
        limit = as_timedelta(options.timeout)
        info = structs.replace(plan.info, output_size=output.size, omitted=max(0, output.omitted))
        processor = self._processor(step.processor)
        try:
            left = self._within(
                lambda: processor.process(_whole(output), options, info),
                None if limit is None else limit.total_seconds(),
            )
        except ProcessorError as error:
            raise ProcessorError(masker.text(str(error))) from None
        except Exception as error:
            log.exception("processor %s raised on %s", step.processor, info.execution_id)
            raise ProcessorError(masker.text(f"{type(error).__name__}: {error}")) from None
        if left is None:
            return output
        if not isinstance(left, bytes):
            raise ProcessorError(f"it left a {type(left).__name__} in place of bytes")
        return Output(head=left[:LONGEST], size=len(left))

    def _options(self, step: Step, plan: Plan) -> tuple[ProcessorOptions, Masker]:
        kind = options_type(step.processor, "processor")
        if not issubclass(kind, ProcessorOptions):
            raise ProcessorError(f"{kind.__qualname__} are no options of a processor")
        options = render_options(kind, step.config, plan.facts, job=plan.info.job)
        resolved, masked = resolve_secrets(options, self._resolver)
        return resolved, Masker(masked)

    def _processor(self, name: str) -> Processor[Any]:
        with self._lock:
            if name not in self._processors:
                self._processors[name] = plugin_class("processor", name)()
            return self._processors[name]

    def _within(self, call: Callable[[], bytes | None], seconds: float | None) -> bytes | None:
        """The result of *call*, or what it raises; ProcessorError when it takes longer than *seconds*."""
        with self._lock:
            self._hanging = [thread for thread in self._hanging if thread.is_alive()]
            if len(self._hanging) >= MOST_HANGING:
                raise ProcessorError(f"{len(self._hanging)} earlier calls of processors still hang on this node")
        results: list[bytes | None] = []
        errors: list[BaseException] = []

        def target() -> None:
            try:
                results.append(call())
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
                errors.append(error)

        thread = threading.Thread(target=target, name="processor", daemon=True)
        thread.start()
        thread.join(seconds)
        if errors:
            raise errors[0]
        if results:
            return results[0]
        with self._lock:
            self._hanging.append(thread)
        raise ProcessorError(f"it took longer than {seconds:g} s and was given up")


def _whole(output: Output) -> bytes:
    """Head and tail, and where bytes between them were not kept, a line that says so."""
    if output.omitted <= 0:
        return output.head + output.tail
    return output.head + f"\n[... {output.omitted:,} bytes left out ...]\n".encode() + output.tail
