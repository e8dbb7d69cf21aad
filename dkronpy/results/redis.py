"""Results in Redis: two hashes for each run and sorted sets to find it by; every key expires."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

import msgspec
import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from dkronpy.errors import StoreRefusedError, StoreUnavailableError
from dkronpy.execution import Execution, Output, Run, run_of
from dkronpy.redis_pool import pool_of
from dkronpy.results.backend import (
    PRUNED_JOBS,
    Filed,
    age_of_execution,
    age_of_run,
    carries_output,
    checked,
    in_order,
    rank_of_execution,
    rank_of_run,
    storable,
)
from dkronpy.results.keep import Keep
from dkronpy.results.redis_scripts import DROP, FILED, MAKE_ROOM, SAVE
from dkronpy.results.url import bad_url, mask, one_line
from dkronpy.settings.redis_url import split_url

_MILLISECOND = timedelta(milliseconds=1)
_PAGE = 200
_TOGETHER = 50
"""Runs that are saved in one step: with more of them the server would answer nobody else for too long."""
_EXECUTION = "execution:"
ROOM = 2
"""How many older runs go at once for one that is filed: two, so that a lowered limit is reached soon."""


@dataclass(frozen=True)
class Keys:
    """Every key of the results. What varies stands last in a key, so that no name runs into another."""

    prefix: str

    def run(self, run_id: str) -> str:
        return f"{self.prefix}run:{run_id}"

    def output(self, run_id: str) -> str:
        return f"{self.prefix}output:{run_id}"

    def job(self, job: str) -> str:
        return f"{self.prefix}job:{job}"

    def job_aged(self, job: str) -> str:
        return f"{self.prefix}job-aged:{job}"

    def job_ranges(self, job: str) -> str:
        return f"{self.prefix}job-ranges:{job}"

    def job_failed(self, job: str) -> str:
        return f"{self.prefix}job-failed:{job}"

    @property
    def runs(self) -> str:
        return f"{self.prefix}runs"

    @property
    def aged(self) -> str:
        return f"{self.prefix}aged"

    @property
    def jobs(self) -> str:
        return f"{self.prefix}jobs"

    def state(self, state: str) -> str:
        return f"{self.prefix}state:{state}"


class RedisResults:
    """A ``ResultsBackend`` in Redis; whatever else becomes of it, a run lives for *lifetime* after its last save."""

    def __init__(self, url: str, *, lifetime: timedelta, prefix: str) -> None:
        self._shown = mask(url)
        self._client = redis.Redis(connection_pool=_pool(url, prefix))
        self._keys = Keys(prefix)
        self._lifetime_ms = max(1, lifetime // _MILLISECOND)
        self._save = self._client.register_script(SAVE)
        self._make_room = self._client.register_script(MAKE_ROOM)
        self._filed = self._client.register_script(FILED)
        self._drop = self._client.register_script(DROP)
        self._jobs_cursor = self._aged_cursor = 0
        self._page: list[str] = []

    def save_execution(self, execution: Execution) -> None:
        self._save_all([_saved(execution.run_id, execution.job, [execution], None)])

    def save_run(self, run: Run, *, executions: Sequence[Execution] = ()) -> None:
        self.save_runs([(run, executions)])

    def save_runs(self, kept: Sequence[tuple[Run, Sequence[Execution]]]) -> None:
        for start in range(0, len(kept), _TOGETHER):
            self._save_all([_saved(run.id, run.job, own, run) for run, own in kept[start : start + _TOGETHER]])

    def _save_all(self, items: Sequence[Sequence[Any]]) -> None:
        with self._reach():
            self._save(args=[self._keys.prefix, self._lifetime_ms, *chain(*items)])

    def filed(self, run_ids: Sequence[str]) -> list[Filed]:
        with self._reach():
            rows = self._filed(args=[self._keys.prefix, *run_ids]) if run_ids else []
        return [
            Filed(
                run=None if record is None else msgspec.json.decode(record[1:], type=Run),
                executions=frozenset([field[len(_EXECUTION) :].decode() for field in executions]),
            )
            for record, *executions in rows
        ]

    def make_room(self, kept: Sequence[tuple[Run, Keep]]) -> None:
        items = [_room(run.job, age_of_run(run), keep, run.id, self._lifetime_ms) for run, keep in kept]
        if items:
            with self._reach():
                self._make_room(args=[self._keys.prefix, ROOM, ROOM * len(items), *chain(*items)])

    def execution(self, execution_id: str, *, output: bool = True) -> Execution | None:
        run_id, field = run_of(execution_id), _EXECUTION + execution_id
        with self._reach():
            pipe = self._client.pipeline()
            pipe.hget(self._keys.run(run_id), field)
            if output:
                pipe.hget(self._keys.output(run_id), field)
            record, *outputs = pipe.execute()
        if record is None:
            return None
        found = _execution(record)
        if not outputs or outputs[0] is None:
            return found
        return msgspec.structs.replace(found, output=msgspec.msgpack.decode(outputs[0], type=Output))

    def run(self, run_id: str) -> Run | None:
        return next(iter(self._load([run_id])), None)

    def run_at(self, job: str, due_ms: int) -> Run | None:
        with self._reach():
            exact: Any = self._client.zrange(self._keys.job(job), due_ms, due_ms, byscore=True, offset=0, num=_PAGE)
        found = self._load(exact)
        if found:
            return min(found, key=lambda run: (run.trigger != "schedule", run.id))
        ranges = self._pages(self._keys.job_ranges(job), low=due_ms, newest_first=False)
        return next((run for page in ranges for run in page if run.due_ms <= due_ms), None)

    def executions(self, run_id: str) -> list[Execution]:
        with self._reach():
            fields: Any = self._client.hgetall(self._keys.run(run_id))
        prefix = _EXECUTION.encode()
        return in_order(_execution(record) for field, record in fields.items() if field.startswith(prefix))

    def runs(
        self,
        *,
        job: str | None = None,
        state: str | None = None,
        limit: int = 50,
        before_ms: int | None = None,
        after_ms: int | None = None,
    ) -> list[Run]:
        key = self._keys.runs if state is None else self._keys.state(state)
        pages = self._pages(
            key if job is None else self._keys.job(job),
            low="-inf" if after_ms is None else after_ms,
            high="+inf" if before_ms is None else f"({before_ms}",
            page=min(_PAGE, max(limit, 1)) if job is None or state is None else _PAGE,
        )
        found: dict[str, Run] = {}
        while len(found) < limit and (page := next(pages, None)) is not None:
            # What is saved meanwhile shifts the pages: the same run may come twice, and counts once.
            found.update((run.id, run) for run in page if state in (None, run.state))
        return list(found.values())[: max(0, limit)]

    def delete_job(self, job: str) -> int:
        gone = 0
        with self._reach():
            for key in (self._keys.job_aged(job), self._keys.job_failed(job)):
                while ids := self._zrange(key, 0, _PAGE - 1):
                    gone += self._forget(job, ids)
        return gone

    def prune(
        self, now_ms: int, keep_of: Callable[[str], Keep], *, budget: int = 1000,
        ahead: Callable[[Sequence[str]], None] | None = None,
    ) -> int:  # fmt: skip
        gone = 0
        with self._reach():
            self._forget_expired()
            if not self._page:
                answer: Any = self._client.zscan(self._keys.jobs, self._jobs_cursor, count=PRUNED_JOBS)
                self._jobs_cursor, self._page = int(answer[0]), [name.decode() for name, _ in answer[1]]
            if ahead is not None:
                ahead(self._page)
            items = [_room(job, now_ms, keep_of(job)) for job in self._page]
            while items and gone < budget:
                most = min(_PAGE, budget - gone)
                went = int(self._make_room(args=[self._keys.prefix, most, most, *chain(*items)]))
                gone += went
                if went < most:
                    self._page, items = [], []
        return gone

    def _forget_expired(self) -> None:
        """Take some runs that have expired out of the indexes; a few of all in one call, in turn."""
        ids = self._zrange(self._keys.aged, self._aged_cursor, self._aged_cursor + _PAGE - 1)
        keys = [self._keys.run(run_id.decode()) for run_id in ids]
        gone: list[bytes] = []
        if keys and self._client.exists(*keys) < len(keys):  # mostly none has
            pipe = self._client.pipeline(transaction=False)
            for key in keys:
                pipe.exists(key)
            gone = [run_id for run_id, there in zip(ids, pipe.execute(), strict=True) if not there]
        by_job: dict[str, list[bytes]] = {}
        for run_id in gone:
            by_job.setdefault(run_id.decode().rpartition("@")[0], []).append(run_id)
        for job, members in by_job.items():
            self._forget(job, members)
        self._aged_cursor = self._aged_cursor + len(ids) - len(gone) if len(ids) == _PAGE else 0

    def ping(self) -> None:
        with self._reach():
            self._client.ping()

    def close(self) -> None:
        self._client.connection_pool.disconnect()

    def _forget(self, job: str, ids: Sequence[bytes]) -> int:
        gone = 0
        for start in range(0, len(ids), _PAGE):
            args: list[Any] = [self._keys.prefix, job, *ids[start : start + _PAGE]]
            gone += int(self._drop(args=args))
        return gone

    def _zrange(self, key: str, first: int, last: int) -> list[bytes]:
        members: Any = self._client.zrange(key, first, last)
        return list(members)

    def _pages(
        self,
        key: str,
        *,
        low: int | str = "-inf",
        high: int | str = "+inf",
        newest_first: bool = True,
        page: int = _PAGE,
    ) -> Iterator[list[Run]]:
        """The runs an index lists between two scores, a page at a time."""
        offset = 0
        while True:
            ends = (high, low) if newest_first else (low, high)
            with self._reach():
                ids: Any = self._client.zrange(
                    key,
                    *ends,
                    desc=newest_first,
                    byscore=True,
                    offset=offset,
                    num=page,
                )
            if ids:
                yield self._load(ids)
            if len(ids) < page:
                return
            offset += page

    def _load(self, ids: Sequence[str | bytes]) -> list[Run]:
        """The runs of those ids that are (still) there, in the same order."""
        if not ids:
            return []
        with self._reach():
            pipe = self._client.pipeline(transaction=False)
            for run_id in ids:
                pipe.hget(self._keys.run(run_id if isinstance(run_id, str) else run_id.decode()), "run")
            records = pipe.execute()
        return [msgspec.json.decode(record[1:], type=Run) for record in records if record is not None]

    @contextmanager
    def _reach(self) -> Iterator[None]:
        try:
            yield
        except (redis.AuthenticationError, redis.ResponseError) as error:
            raise StoreRefusedError(f"results backend {self._shown}: it refuses: {one_line(error)}") from error
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailableError(f"results backend {self._shown}: not reachable: {one_line(error)}") from error


def _saved(run_id: str, job: str, executions: Sequence[Execution], run: Run | None) -> list[int | bytes | str]:
    """What the script is told of a run."""
    args: list[int | bytes | str] = [run_id, job, len(executions)]
    for execution in executions:
        args += _of_execution(execution)
    if run is None:
        return [*args, 0]
    run = msgspec.structs.replace(run, message=storable(run.message))
    record = b"%d" % rank_of_run(run) + msgspec.json.encode(run)
    return [*args, 1, record, age_of_run(run), run.due_ms, run.until_ms, run.state]


def _of_execution(execution: Execution) -> list[int | bytes | str]:
    """What the script is told of an execution."""
    execution = checked(execution)
    output = execution.output
    kept = msgspec.structs.replace(execution, output=Output(size=output.size))
    return [
        _EXECUTION + execution.id,
        b"%d" % rank_of_execution(execution) + msgspec.json.encode(kept),
        age_of_execution(execution),
        _output(output),
    ]


def _output(output: Output) -> bytes:
    if not output.size:
        return b"-"
    return msgspec.msgpack.encode(output) if carries_output(output) else b""


def _room(job: str, now_ms: int, keep: Keep, run_id: str = "", lifetime_ms: int = 0) -> list[int | str]:
    """What the script is told of a job; of a run only where that is to live longer than it does by itself."""
    limits: list[int | str] = [job, keep.runs, now_ms - keep.age_ms, keep.failures, now_ms - keep.failures_age_ms]
    longest_ms = keep.longest_ms
    return [*limits, run_id if longest_ms > lifetime_ms else "", longest_ms]


def _execution(record: bytes) -> Execution:
    return msgspec.json.decode(record[1:], type=Execution)


def _pool(url: str, prefix: str) -> redis.ConnectionPool:
    """A pool for *url* that gives up in seconds; options in the URL's query win over these."""
    try:
        parts = split_url(url)
        database = "" if parts.scheme == "unix" else parts.path.strip("/")
        pool = pool_of(
            url,
            prefix,
            socket_timeout=5,
            socket_connect_timeout=2,
            health_check_interval=5,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 2),
        )
        # Connections are made from the query's options at first use; a wrong option is to be found now.
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, redis.RedisError) as error:
        raise bad_url(url, one_line(error)) from None
    if database and not database.isdecimal():  # redis-py would quietly take database 0
        raise bad_url(url, f"the database {database!r} is not a number")
    if parts.scheme == "unix" and not parts.path:
        raise bad_url(url, "it names no socket")
    return pool
