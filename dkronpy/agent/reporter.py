"""Brings outcomes home: spool, ledger, results backend, and the copy that Celery's own result API reads."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence

import redis
from msgspec import structs

from dkronpy.agent.parcel import Parcel
from dkronpy.agent.processing import Processing
from dkronpy.agent.spool import Report, Spool
from dkronpy.agent.together import MOST, Together
from dkronpy.errors import DkronpyError, StoreUnavailableError
from dkronpy.execution import Execution
from dkronpy.results.backend import ResultsBackend
from dkronpy.store.ledger import End, Finished, Ledger
from dkronpy.store.output import StoreCommand

log = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0
LAST_SECONDS = 10.0
"""For so long an agent that stops goes on trying to save what can be neither written down nor reported."""
LONGEST_RESULT = 64_000
"""Characters of JSON that a result may have for those who follow; a longer one is for Celery's backend alone."""
SETTLED = {"closed", "amended", "retry", "again"}
Told = tuple[Report, Sequence[StoreCommand], Callable[[], None]]
"""A report, the last commands of its output, and what follows."""
OUTAGES = (redis.RedisError, OSError, DkronpyError)


class Reporter:
    """Reports at once where it can; what cannot be delivered waits in the spool and is tried again by a thread.

    What ends while others are on their way goes next, all of it together: the more there is to report, the less of
    each step a report costs. What can be neither delivered nor written down is held, and tried again by that thread:
    nothing else waits for it.
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
        self._held: list[Parcel] = []
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
        """One last try for what waits, and ten seconds of them for what is not written down; then the end."""
        self._stopped.set()
        self._behind.set()
        self._thread.join()
        until = time.monotonic() + LAST_SECONDS
        while not self._try_to_catch_up() and self._held and time.monotonic() < until:
            time.sleep(AGAIN_SECONDS)
        if self.processing is not None:
            self.processing.stop()
        for parcel in self._taken():
            log.error("the outcome of %s is lost with this agent: %s", parcel.report.execution_id, parcel.error)
            parcel.tell()

    def report(self, report: Report, last: Sequence[StoreCommand] = ()) -> None:
        """Write the report down, then deliver it, the *last* of its output ahead. Returns once it is safe."""
        safe = threading.Event()
        self.hand_in(report, last, safe.set)
        safe.wait()

    def hand_in(self, report: Report, last: Sequence[StoreCommand], then: Callable[[], None]) -> None:
        """The same, maybe by another thread, which calls *then* once it is safe."""
        self._send((report, last, then))

    def _send_all(self, told: Sequence[Told]) -> None:
        parcels = [Parcel(report, last=last, then=then) for report, last, then in told]
        self._write_down(parcels)
        self._deliver(parcels)

    def _write_down(self, parcels: Sequence[Parcel]) -> None:
        """Put them into the spool. One that cannot be written down keeps no other from it, and stays without a file."""
        try:
            names = self.spool.put(*(parcel.report for parcel in parcels))
        except Exception as error:  # noqa: BLE001 - whatever it was, the outcome may still arrive
            if len(parcels) > 1:
                for parcel in parcels:
                    self._write_down([parcel])
                return
            for parcel in parcels:
                if parcel.error is None:
                    name = parcel.report.execution_id
                    log.error("the spool cannot be written (%s); the outcome of %s goes out unsaved", error, name)
        else:
            for parcel, name in zip(parcels, names, strict=True):
                parcel.name = name

    def _deliver(self, parcels: Sequence[Parcel]) -> int:
        """Bring home what is not under way; of how many that has to be tried again."""
        with self._lock:
            ours = [parcel for parcel in parcels if parcel.report.key not in self._under_way]
            self._under_way.update(parcel.report.key for parcel in ours)
        try:
            self._bring_home(ours)
            for parcel in ours:
                self._see_to(parcel)
        finally:
            with self._lock:
                self._under_way.difference_update(parcel.report.key for parcel in ours if not parcel.handed_on)
        late = [parcel for parcel in ours if parcel.error is not None]
        for parcel in parcels:
            if parcel.name or parcel.error is None:
                parcel.tell()
        if late:
            with self._lock:
                self._held.extend(parcel for parcel in late if not parcel.name)
            self._behind.set()
        return len(late)

    def _see_to(self, parcel: Parcel) -> None:
        """What has arrived goes, or is filed once its processors are through; the rest waits."""
        name, report = parcel.name, parcel.report
        if parcel.error is not None:
            if report.key not in self._waiting:
                where = "in the spool" if name else "unsaved"
                log.warning("the outcome of %s waits %s: %s", report.execution_id, where, parcel.error)
            self._waiting.add(report.key)
            return
        self._waiting.discard(report.key)
        if parcel.to_process and self.processing is not None:
            parcel.handed_on = True
            self.processing.submit(report, lambda done: self._file_processed(name, done))
        elif name:
            self._remove(name, report)

    def _remove(self, name: str, report: Report) -> None:
        try:
            self.spool.remove(name, report)
        except OSError as error:
            log.warning("the outcome of %s has arrived, but its file stays for now: %s", report.execution_id, error)
            self._behind.set()

    def _bring_home(self, parcels: Sequence[Parcel]) -> None:
        """Do so for all of them together; where one brings that down, for each by itself."""
        try:
            if parcels:
                self._bring_together(parcels)
        except Exception as error:
            if len(parcels) > 1:
                for parcel in parcels:
                    self._bring_home([parcel])
                return
            for parcel in parcels:
                parcel.error = error
                if parcel.report.key not in self._waiting:
                    log.exception("the outcome of %s could not be brought home", parcel.report.execution_id)

    def _bring_together(self, parcels: Sequence[Parcel]) -> None:
        """Tell the ledger, then the results backend, then Celery."""
        for parcel in parcels:
            parcel.set_out()
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

    def _settle(self, parcel: Parcel, found: Finished | BaseException) -> None:
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

    def _file_all(self, parcels: Sequence[Parcel]) -> None:
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
            if name:
                self._file_in_place(name, report)
        finally:
            with self._lock:
                self._under_way.discard(report.key)
        if not name:
            self._send_all([(report, (), lambda: None)])

    def _file_in_place(self, name: str, report: Report) -> None:
        try:
            self.spool.replace(name, report)
        except Exception as error:  # noqa: BLE001 - whatever it was, the output may still be filed
            log.error("what processors left of %s cannot be written down: %s", report.execution_id, error)
        try:
            self._file(report, self.ledger.execution(report.execution_id))
            self.spool.remove(name, report)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
            log.warning("the output of %s waits in the spool: %s", report.execution_id, error)
            self._behind.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._behind.wait()
            if self._stopped.is_set():
                return
            self._behind.clear()
            if not self._try_to_catch_up():
                self._stopped.wait(AGAIN_SECONDS)
                self._behind.set()

    def _try_to_catch_up(self) -> bool:
        try:
            return self._catch_up()
        except Exception:  # the thread has to outlive whatever its disk does
            log.exception("what waits in the spool cannot be delivered now")
            return False

    def _catch_up(self) -> bool:
        """Deliver what waits, oldest first; False where some of it still has to."""
        held = self._taken()
        if held:
            self._write_down(held)
        for parcel in held:
            if parcel.name:
                parcel.tell()  # from here on it is one of those in the spool
        held = [parcel for parcel in held if not parcel.name]
        late = sum(self._deliver(held[first : first + MOST]) for first in range(0, len(held), MOST))
        failures: list[OSError] = []
        waiting = (Parcel(report, name) for name, report in self.spool.waiting(failures.append))
        while parcels := list(itertools.islice(waiting, MOST)):
            failed = self._deliver(parcels)
            late += failed
            if failed == len(parcels):
                return False  # the store is away, or all but
        return not late and not failures

    def _taken(self) -> list[Parcel]:
        """What was held, which nobody holds any more."""
        with self._lock:
            held, self._held = self._held, []
        return held


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
