"""Brings outcomes home: spool, ledger, results backend, and the copy that Celery's own result API reads."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import redis
from msgspec import structs

from dkronpy.agent.processing import Processing
from dkronpy.agent.spool import Report, Spool
from dkronpy.errors import DkronpyError
from dkronpy.execution import Execution, Run
from dkronpy.results.backend import ResultsBackend
from dkronpy.store.ledger import Ledger

log = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0
LONGEST_RESULT = 64_000
"""Characters of JSON that a result may have for those who follow; a longer one is for Celery's backend alone."""
SETTLED = {"closed", "amended", "retry", "again"}
OUTAGES = (redis.RedisError, OSError, DkronpyError)


class Reporter:
    """Reports at once where it can; what cannot be delivered waits in the spool and is tried again by a thread."""

    def __init__(
        self, spool: Spool, ledger: Ledger, results: ResultsBackend, copy_result: Callable[[Report], None]
    ) -> None:
        self.spool = spool
        self.ledger = ledger
        self.results = results
        self.processing: Processing | None = None
        self._copy_result = copy_result
        self._under_way: set[Path] = set()
        self._waiting: set[Path] = set()
        self._lock = threading.Lock()
        self._behind = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        """Start the thread; what an earlier life of this agent left in the spool goes first."""
        if self.processing is not None:
            self.processing.start()
        self._behind.set()
        self._thread.start()

    def stop(self) -> None:
        """One last try for what waits, then the end."""
        self._stopped.set()
        self._behind.set()
        self._thread.join()
        self._catch_up()
        if self.processing is not None:
            self.processing.stop()

    def report(self, report: Report) -> None:
        """Write the report down, then deliver it. Returns once it is safe, delivered or not."""
        try:
            path = self.spool.put(report)
        except OSError as error:
            log.error(
                "the spool cannot be written (%s); the outcome of %s goes out unsaved", error, report.execution_id
            )
            self._deliver_unsaved(report)
            return
        self._deliver(path, report)

    def _deliver(self, path: Path, report: Report) -> bool:
        with self._lock:
            if path in self._under_way:
                return True
            self._under_way.add(path)
        processing = False
        try:
            processing = self._bring_home(report, lambda done: self._file_processed(path, done))
            if not processing:
                self.spool.remove(path)
            self._waiting.discard(path)
        except OUTAGES as error:
            if path not in self._waiting:
                log.warning("the outcome of %s waits in the spool: %s", report.execution_id, error)
            self._waiting.add(path)
            self._behind.set()
            return False
        finally:
            if not processing:
                with self._lock:
                    self._under_way.discard(path)
        return True

    def _deliver_unsaved(self, report: Report) -> None:
        while True:
            try:
                self._bring_home(report, self._deliver_unsaved)
            except OUTAGES as error:
                log.error("the outcome of %s cannot be reported yet: %s", report.execution_id, error)
                if self._stopped.wait(AGAIN_SECONDS):
                    return
            else:
                return

    def _bring_home(self, report: Report, filed_later: Callable[[Report], None]) -> bool:
        """Tell the ledger, then the results backend. True when processors come first: *filed_later* gets the report."""
        happened, run_state = self.ledger.finish(
            report.execution_id,
            report.token,
            success=report.success,
            reason=report.reason,
            message=report.message,
            exit_code=report.exit_code,
            pause_ms=report.pause_ms,
            result=_result(report),
            began_ms=report.began_ms,
        )
        if happened not in SETTLED:
            log.warning("the outcome of %s came too late and does not count (%s)", report.execution_id, happened)
            return False
        execution, run = self.ledger.execution_and_run(report.execution_id)
        if execution is None:
            return False
        process = report.plan is not None and self.processing is not None
        ended = run if run is not None and run.terminal and (run_state or happened == "again") else None
        if not process:
            self._file(report, execution, ended)
        elif ended is not None:
            self.results.save_run(ended)
        if execution.terminal:
            self._copy_result(report)
        if process and self.processing is not None:
            self.processing.submit(report, filed_later)
        return process

    def _file(self, report: Report, execution: Execution | None, run: Run | None = None) -> None:
        """Keep a *run* that has ended, and the execution with the output of its last attempt if that is this one."""
        if report.note:
            self.ledger.store.scripts.call("note", report.execution_id, report.token, report.note)
            execution = self.ledger.execution(report.execution_id)
        own = []
        if execution is not None and execution.attempts and execution.attempts[-1].token == report.token:
            last = structs.replace(execution.attempts[-1], began_ms=report.began_ms)
            attempts = (*execution.attempts[:-1], last)
            own = [structs.replace(execution, attempts=attempts, output=report.output)]
        if run is not None:
            self.results.save_run(run, executions=own)
        elif own:
            self.results.save_execution(own[0])

    def _file_processed(self, path: Path, report: Report) -> None:
        """What the processors have left is written down, so that a crash repeats none of them, and filed."""
        try:
            self.spool.put(report)
            self._file(report, self.ledger.execution(report.execution_id))
            self.spool.remove(path)
        except OUTAGES as error:
            log.warning("the output of %s waits in the spool: %s", report.execution_id, error)
            self._behind.set()
        finally:
            with self._lock:
                self._under_way.discard(path)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._behind.wait()
            if self._stopped.is_set():
                return
            self._behind.clear()
            if not self._catch_up():
                self._stopped.wait(AGAIN_SECONDS)
                self._behind.set()

    def _catch_up(self) -> bool:
        """Deliver what waits, oldest first; False when the store is still away."""
        return all(self._deliver(path, report) for path, report in self.spool.waiting())


def _result(report: Report) -> str:
    if report.result is None or not report.success:
        return ""
    text = json.dumps(report.result, default=str)
    return text if len(text) <= LONGEST_RESULT else ""
