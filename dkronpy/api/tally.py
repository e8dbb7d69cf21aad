"""Counts what the event stream tells, once for all servers: attempts by day, outcomes, and how long things took."""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import msgspec
import redis

from dkronpy.api.due_tally import due_counts
from dkronpy.api.keys import keys_of
from dkronpy.client import Client
from dkronpy.clock import SystemClock
from dkronpy.errors import DkronpyError
from dkronpy.execution import TERMINAL, Attempt, Execution, due_of, job_of
from dkronpy.store.events import each_of

log = logging.getLogger(__name__)

BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""The upper bounds of the histograms, in seconds."""
_BOUNDS_MS = tuple(round(bound * 1000) for bound in BOUNDS)
QUEUED, LAG, BEGAN, TOOK = "queue_lag", "start_lag", "begin_lag", "duration"
"""How long after its due time a run was queued, taken up by a node, and really began; how long an attempt took."""
MOST_JOBS = 200
"""So many jobs have a series of their own; the others share the one of ``OTHER``, which no job can be called."""
OTHER = "(other)"
_BATCH = 1000
_DAYS_KEPT = 370
_EVERY_SECONDS, _FLUSH_SECONDS = 1.0, 5.0
"""How often events are read, and how often at most what they come to is written."""


class Tally:
    """Reads on from where the last server stopped, in a thread of its own. The cursor moves with the counts.

    What was read is written every few seconds, since it adds up: a job that runs each second is one observation of each
    kind in a second, and one command of each kind in five.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._clock = SystemClock()
        self._pending: _Pending | None = None
        self._flushed = float("-inf")
        self._keys = keys_of(client.deployment.store)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tally", daemon=True)
        self._named: set[str] = set()

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def stop(self) -> None:
        """Stop counting, within moments."""
        self._stopping.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            more = self._attempt(self.step)
            if self._clock.monotonic() - self._flushed >= _FLUSH_SECONDS:
                self._attempt(self.flush)
            if not more:
                self._stopping.wait(_EVERY_SECONDS)
        self._attempt(self.flush)

    def _attempt(self, step: Callable[[], bool]) -> bool:
        """Take a step; where it fails what was not written is read again."""
        try:
            return step()
        except (DkronpyError, redis.RedisError) as error:
            log.debug("nothing is counted now: %s", error)
        except Exception:  # the thread has to outlive whatever it reads
            log.exception("events could not be counted; they are looked at again")
        self._pending = None
        return False

    def step(self) -> bool:
        """Count a batch of events; True when there may be more."""
        store = self._client.deployment.store
        with store.errors():
            if self._pending is None:
                self._pending = _Pending(store.client.get(self._keys.cursor))
            pending = self._pending
            start = "-" if pending.upto is None else f"({pending.upto.decode()}"
            rows = store.client.xrange(store.keys.events, min=start, count=_BATCH)
            if not rows:
                return False
            changes = [change for _, row in rows for change in each_of(row)]
            executions = self._ended([change for change in changes if _settles(change)])
            amended = {one.id for one in executions if one.amended}
            self._count(pending, executions)
            for outcome, times in due_counts(changes, amended, self._counts_of).items():
                pending.add(self._keys.due_times, outcome, times)
            pending.upto = rows[-1][0]
        return len(rows) == _BATCH

    def flush(self) -> bool:
        """Write what was counted; False where nothing was, or another server has meanwhile written the same."""
        pending, self._pending = self._pending, None
        if pending is None or pending.upto == pending.cursor:
            return False
        self._flushed = self._clock.monotonic()
        store = self._client.deployment.store
        with store.errors(), store.client.pipeline() as pipe:
            pipe.watch(self._keys.cursor)
            if pipe.get(self._keys.cursor) != pending.cursor:
                return False
            pipe.multi()
            pending.send(pipe)
            if pending.newest_day:
                self._forget_old_days(pipe, pending.newest_day)
            pipe.set(self._keys.cursor, pending.upto)
            try:
                pipe.execute()
            except redis.WatchError:
                return False
        return True

    def _ended(self, rows: Sequence[Mapping[bytes, bytes]]) -> list[Execution]:
        """The executions of which *rows* tell: by what these say where that is enough, else as the ledger has them."""
        untold = list(dict.fromkeys(row[b"execution"].decode() for row in rows if b"queued" not in row))
        known = {one.id: one for one in self._client.deployment.ledger.executions(untold)}
        found = (_told(row) if b"queued" in row else _then(known.get(row[b"execution"].decode()), row) for row in rows)
        return [one for one in found if one is not None]

    def _counts_of(self, runs: list[str]) -> list[int]:
        return [run.count for run in self._client.deployment.ledger.runs(runs)]

    def _count(self, sums: _Pending, executions: list[Execution]) -> None:
        for execution in executions:
            sums.add(self._keys.totals, "amended" if execution.amended else execution.state, 1)
            if execution.amended:  # it was counted as lost, and what is counted never becomes less
                day = _day(execution.attempts[-1].finished_ms) if execution.attempts else ""
                if execution.state == "success" and day:
                    sums.add(self._keys.days, f"{day}:success", 1)
                    sums.add(self._keys.days, f"{day}:failed", -1)
                continue
            for attempt in execution.attempts:
                if attempt.finished_ms:
                    day, outcome = _day(attempt.finished_ms), "success" if attempt.state == "success" else "failed"
                    sums.newest_day = max(sums.newest_day, day)
                    sums.add(self._keys.days, f"{day}:{outcome}", 1)
            self._time(sums, execution)

    def _time(self, sums: _Pending, execution: Execution) -> None:
        job = self._label(execution.job)
        if execution.trigger == "schedule":
            self._lags(sums, execution, job)
        for attempt in execution.attempts:
            if attempt.started_ms and attempt.finished_ms:
                self._observe(sums, TOOK, job, attempt.finished_ms - attempt.started_ms)

    def _lags(self, sums: _Pending, execution: Execution, job: str) -> None:
        began_ms = execution.attempts[0].began_ms if execution.attempts else 0
        for name, moment_ms in ((QUEUED, execution.queued_ms), (LAG, execution.started_ms), (BEGAN, began_ms)):
            if moment_ms:
                self._observe(sums, name, job, moment_ms - execution.due_ms)

    def _observe(self, sums: _Pending, name: str, job: str, ms: int) -> None:
        sums.observe(self._keys.histogram(name), job, max(0, ms))

    def _label(self, job: str) -> str:
        """The job's own series while there are not too many, else the shared one."""
        if not self._named:
            self._named = {field.rpartition("|")[0] for field in self._series()}
        if job not in self._named and len(self._named) >= MOST_JOBS:
            return OTHER
        self._named.add(job)
        return job

    def _series(self) -> list[str]:
        store = self._client.deployment.store
        return [field.decode() for field in store.client.hkeys(self._keys.histogram(TOOK))]

    def _forget_old_days(self, pipe: Any, newest: str) -> None:
        oldest = (date.fromisoformat(newest) - timedelta(days=_DAYS_KEPT)).isoformat()
        fields = self._client.deployment.store.client.hkeys(self._keys.days)
        gone = [field for field in fields if field.decode()[:10] < oldest]
        if gone:
            pipe.hdel(self._keys.days, *gone)


class _Pending:
    """What events from *cursor* on, up to ``upto``, add to fields of hashes: what shares a field is one command."""

    def __init__(self, cursor: bytes | None) -> None:
        self.cursor = self.upto = cursor
        self.newest_day = ""
        self._counts: Counter[tuple[str, str]] = Counter()
        self._series: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 2))

    def add(self, key: str, field: str, count: int) -> None:
        """So many more."""
        self._counts[key, field] += count

    def observe(self, key: str, job: str, ms: int) -> None:
        """One more in a histogram, which has its sum in seconds."""
        series = self._series[key, job]
        series[bisect_left(_BOUNDS_MS, ms)] += 1
        series[-1] += ms

    def send(self, pipe: Any) -> None:
        """Add all of it."""
        for (key, field), count in self._counts.items():
            pipe.hincrby(key, field, count)
        for (key, job), (*counts, ms) in self._series.items():
            for place, count in enumerate(counts):
                if count:
                    pipe.hincrby(key, f"{job}|{place}", count)
            pipe.hincrbyfloat(key, f"{job}|sum", ms / 1000)


def _settles(fields: Mapping[bytes, bytes]) -> bool:
    return fields.get(b"event") == b"execution" and fields.get(b"state", b"").decode() in TERMINAL


def _told(row: Mapping[bytes, bytes]) -> Execution:
    """An execution that was scheduled and ended with its first attempt, as far as its event tells of it."""
    run, state, finished_ms = row[b"run"].decode(), row[b"state"].decode(), int(row[b"at"])
    started_ms = int(row[b"started"])
    attempt = Attempt(
        number=1, started_ms=started_ms, began_ms=int(row[b"began"]), finished_ms=finished_ms, state=state
    )  # fmt: skip
    return Execution(
        id=row[b"execution"].decode(), run_id=run, job=job_of(run), due_ms=due_of(run), state=state, attempt=1,
        queued_ms=int(row[b"queued"]), started_ms=started_ms, finished_ms=finished_ms, attempts=(attempt,),
    )  # fmt: skip


def _then(known: Execution | None, row: Mapping[bytes, bytes]) -> Execution | None:
    """An execution as it was when *row* told of it: one that was lost then may have been amended since."""
    if known is None or not known.amended or row[b"state"] != b"lost":
        return known
    *before, last = known.attempts
    last = msgspec.structs.replace(last, state="lost", finished_ms=int(row[b"at"]))
    return msgspec.structs.replace(known, state="lost", amended=False, attempts=(*before, last))


@lru_cache(maxsize=16)
def _day_of(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def _day(ms: int) -> str:
    """The day in UTC: few are asked for, again and again."""
    return _day_of(ms // 86_400_000)
