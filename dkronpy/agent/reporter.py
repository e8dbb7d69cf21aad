"""Brings outcomes home: spool, ledger, results backend, and the copy that Celery's own result API reads."""

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections.abc import Callable, Sequence

import redis
from msgspec import structs

from dkronpy.agent.processing import Processing
from dkronpy.agent.spool import Report, Spool
from dkronpy.agent.together import MOST, Together
from dkronpy.errors import DkronpyError, StoreUnavailableError
from dkronpy.execution import Execution, Run
from dkronpy.results.backend import ResultsBackend
from dkronpy.store.ledger import End, Finished, Ledger
from dkronpy.store.output import StoreCommand

log = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0
LONGEST_RESULT = 64_000
"""Characters of JSON that a result may have for those who follow; a longer one is for Celery's backend alone."""
SETTLED = {"closed", "amended", "retry", "again"}
Told = tuple[Report, Sequence[StoreCommand], Callable[[], None]]
"""A report, the last commands of its output, and what follows."""
OUTAGES = (redis.RedisError, OSError, DkronpyError)


class _Parcel:
    """A report on its way: where it is written down, what is known by now, what is to be kept, what went wrong."""

    def __init__(self, report: Report, name: str = "", last: Sequence[StoreCommand] = ()) -> None:
        self.report = report
        self.name = name
        self.last = last
        self.error: Exception | None = None
        self.execution: Execution | None = None
        self.run: Run | None = None
        self.kept: Sequence[Execution] = ()
        self.to_process = False


class Reporter:
    """Reports at once where it can; what cannot be delivered waits in the spool and is tried again by a thread.

    What ends while others are on their way goes next, all of it together: the more there is to report, the less of
    each step a report costs.
    """

    def __init__(
        self,
        spool: Spool,
        ledger: Ledger,
        results: ResultsBackend,
        copy_results: Callable[[Sequence[Report]], None],
    ) -> None:
        self.spool = spool
        self.ledger = ledger
        self.results = results
        self.processing: Processing | None = None
        self._copy_results = copy_results
        self._send: Together[Told] = Together(self._send_all)
        self._under_way: set[str] = set()
        self._waiting: set[str] = set()
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

    def report(self, report: Report, last: Sequence[StoreCommand] = ()) -> None:
        """Write the report down, then deliver it, the *last* of its output ahead. Returns once it is safe."""
        safe = threading.Event()
        self.hand_in(report, last, safe.set)
        safe.wait()

    def hand_in(self, report: Report, last: Sequence[StoreCommand], then: Callable[[], None]) -> None:
        """The same, maybe by another thread, which calls *then* once it is safe."""
        self._send((report, last, then))

    def _send_all(self, told: Sequence[Told]) -> None:
        try:
            try:
                names = self.spool.put(*(report for report, _, _ in told))
            except OSError as error:
                for report, _, _ in told:
                    name = report.execution_id
                    log.error("the spool cannot be written (%s); the outcome of %s goes out unsaved", error, name)
                    self._deliver_unsaved(report)
            else:
                self._deliver(
                    [_Parcel(report, name, last) for name, (report, last, _) in zip(names, told, strict=True)]
                )
        finally:
            for report, _, then in told:
                try:
                    then()
                except Exception:
                    log.exception("what follows the outcome of %s failed", report.execution_id)

    def _deliver(self, parcels: Sequence[_Parcel]) -> bool:
        """Bring home what is written down; False where some of it has to wait."""
        with self._lock:
            parcels = [parcel for parcel in parcels if parcel.report.key not in self._under_way]
            self._under_way.update(parcel.report.key for parcel in parcels)
        try:
            self._bring_home(parcels)
            for parcel in parcels:
                self._see_to(parcel)
        finally:
            with self._lock:
                self._under_way.difference_update(one.report.key for one in parcels if not one.to_process)
        return all(parcel.error is None for parcel in parcels)

    def _see_to(self, parcel: _Parcel) -> None:
        """What is written down goes, or waits, or is filed once its processors are through."""
        name, report = parcel.name, parcel.report
        if parcel.error is not None:
            if report.key not in self._waiting:
                log.warning("the outcome of %s waits in the spool: %s", report.execution_id, parcel.error)
            self._waiting.add(report.key)
            self._behind.set()
            return
        self._waiting.discard(report.key)
        if not parcel.to_process:
            self.spool.remove(name, report)
        elif self.processing is not None:
            self.processing.submit(report, lambda done: self._file_processed(name, done))

    def _deliver_unsaved(self, report: Report) -> None:
        while True:
            parcel = _Parcel(report)
            self._bring_home([parcel])
            if parcel.error is None:
                break
            log.error("the outcome of %s cannot be reported yet: %s", report.execution_id, parcel.error)
            if self._stopped.wait(AGAIN_SECONDS):
                return
        if parcel.to_process and self.processing is not None:
            self.processing.submit(report, self._deliver_unsaved)

    def _bring_home(self, parcels: Sequence[_Parcel]) -> None:
        """Tell the ledger, then the results backend, then Celery."""
        if not parcels:
            return
        try:
            finished = self.ledger.finish_all(
                [_end(parcel.report) for parcel in parcels],
                first=[command for parcel in parcels for command in parcel.last],
            )
        except OUTAGES as error:
            for parcel in parcels:
                parcel.error = error
            return
        for parcel, found in zip(parcels, finished, strict=True):
            try:
                self._settle(parcel, found)
            except OUTAGES as error:
                parcel.error = error
        self._file_all([parcel for parcel in parcels if parcel.run is not None])
        ended = [one for one in parcels if not one.error and one.execution is not None and one.execution.terminal]
        try:
            if ended:
                self._copy_results([parcel.report for parcel in ended])
        except OUTAGES as error:
            for parcel in ended:
                parcel.error = error

    def _settle(self, parcel: _Parcel, found: Finished | BaseException) -> None:
        """See what the ledger knows by now; what goes without a run that has ended is filed at once."""
        if isinstance(found, BaseException):
            raise found
        report = parcel.report
        if found.happened not in SETTLED:
            log.warning("the outcome of %s came too late and does not count (%s)", report.execution_id, found.happened)
            return
        if found.execution is None:
            return
        parcel.execution = found.execution
        parcel.to_process = report.plan is not None and self.processing is not None
        by_this = found.run_state or found.happened == "again"
        parcel.run = found.run if by_this and found.run is not None and found.run.terminal else None
        if parcel.to_process:
            return
        if parcel.run is None or report.note:
            self._file(report, found.execution)
        else:
            parcel.kept = _own(report, found.execution)

    def _file_all(self, parcels: Sequence[_Parcel]) -> None:
        """Keep runs that have ended, each with the part that ended here, unless processors come first."""
        if len(parcels) > 1:
            try:
                self.results.save_runs([(parcel.run, parcel.kept) for parcel in parcels if parcel.run is not None])
            except StoreUnavailableError as error:
                for parcel in parcels:
                    parcel.error = error
                return
            except OUTAGES as error:  # one of them is refused: the others are not to wait for it
                log.warning("runs cannot be filed together: %s", error)
            else:
                return
        for parcel in parcels:
            try:
                if parcel.run is not None:
                    self.results.save_run(parcel.run, executions=parcel.kept)
            except OUTAGES as error:
                parcel.error = error

    def _file(self, report: Report, execution: Execution | None) -> None:
        """Keep the execution with the output of its last attempt; nothing if that is no longer this one."""
        if report.note:
            self.ledger.store.scripts.call("note", report.execution_id, report.token, report.note)
            execution = self.ledger.execution(report.execution_id)
        for own in [] if execution is None else _own(report, execution):
            self.results.save_execution(own)

    def _file_processed(self, name: str, report: Report) -> None:
        """What the processors have left is written down, so that a crash repeats none of them, and filed."""
        try:
            self.spool.put(report)
            self._file(report, self.ledger.execution(report.execution_id))
            self.spool.remove(name, report)
        except OUTAGES as error:
            log.warning("the output of %s waits in the spool: %s", report.execution_id, error)
            self._behind.set()
        finally:
            with self._lock:
                self._under_way.discard(report.key)

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
        waiting = (_Parcel(report, name) for name, report in self.spool.waiting())
        while parcels := list(itertools.islice(waiting, MOST)):
            if not self._deliver(parcels):
                return False
        return True


def _own(report: Report, execution: Execution) -> list[Execution]:
    """The execution as it is kept, with the output of its last attempt, if that is still the one of the report."""
    if not execution.attempts or execution.attempts[-1].token != report.token:
        return []
    last = structs.replace(execution.attempts[-1], began_ms=report.began_ms)
    return [structs.replace(execution, attempts=(*execution.attempts[:-1], last), output=report.output)]


def _end(report: Report) -> End:
    return End(
        execution_id=report.execution_id,
        token=report.token,
        success=report.success,
        reason=report.reason,
        message=report.message,
        exit_code=report.exit_code,
        pause_ms=report.pause_ms,
        result=_result(report),
        began_ms=report.began_ms,
    )


def _result(report: Report) -> str:
    if report.result is None or not report.success:
        return ""
    text = json.dumps(report.result, default=str)
    return text if len(text) <= LONGEST_RESULT else ""
