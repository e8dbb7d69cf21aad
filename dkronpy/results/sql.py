"""Results in SQL: one row for each run and execution, output in a table of its own; SQLite and PostgreSQL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dkronpy.errors import DkronpyError, StoreRefusedError, StoreUnavailableError
from dkronpy.execution import Attempt, Execution, Output, Run
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
from dkronpy.results.cutting import Cutter
from dkronpy.results.keep import Keep
from dkronpy.results.schema import EXECUTION, OUTPUT, RUN, create
from dkronpy.results.surplus import surplus
from dkronpy.results.url import one_line

_BATCH = 200
_LOOSE_EVERY_MS = 600_000
_RUN_COLUMNS = [RUN.c[name] for name in Run.__struct_fields__]
_EXECUTION_COLUMNS = [EXECUTION.c[name] for name in Execution.__struct_fields__ if name != "output"]

_REFUSALS = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry", "readonly")
"""Words by which a server that is there turns somebody away; drivers report both cases as the same error."""


class SqlResults:
    """A ``ResultsBackend`` on an SQLAlchemy engine. It creates its tables at its first use.

    *shown* is the URL without its password, for messages. With *patience_s* a server that stands still counts as away
    after so many seconds.
    """

    def __init__(self, engine: sa.Engine, *, shown: str, patience_s: float | None = None) -> None:
        self._engine = engine
        self._patience_s = patience_s
        self._cutter = Cutter(engine) if patience_s and engine.dialect.name == "postgresql" else None
        self._shown = shown
        self._lock = threading.Lock()
        self._created = False
        self._pid = os.getpid()
        self._pruned, self._loose_next_ms = "", 0
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    def save_execution(self, execution: Execution) -> None:
        with self._begin() as connection:
            self._put_execution(connection, execution)

    def save_run(self, run: Run, *, executions: Sequence[Execution] = ()) -> None:
        self.save_runs([(run, executions)])

    def save_runs(self, kept: Sequence[tuple[Run, Sequence[Execution]]]) -> None:
        with self._begin() as connection:
            for run, executions in kept:
                for execution in executions:
                    self._put_execution(connection, execution)
                self._put_run(connection, run)

    def _put_run(self, connection: sa.Connection, run: Run) -> None:
        row = msgspec.structs.asdict(run)
        row.update(
            message=storable(run.message),
            execution_ids=list(run.execution_ids),
            record_rank=rank_of_run(run),
            aged_ms=age_of_run(run),
        )
        connection.execute(self._upsert(RUN, row))

    def _put_execution(self, connection: sa.Connection, execution: Execution) -> None:
        execution = checked(execution)
        output = execution.output
        row = msgspec.structs.asdict(execution)
        del row["output"]
        row.update(
            attempts=msgspec.to_builtins(execution.attempts),
            output_size=output.size,
            record_rank=rank_of_execution(execution),
            aged_ms=age_of_execution(execution),
        )
        connection.execute(self._upsert(EXECUTION, row))
        if carries_output(output):
            kept = {"execution_id": execution.id, **msgspec.structs.asdict(output), "record_rank": row["record_rank"]}
            connection.execute(self._upsert(OUTPUT, kept))

    def filed(self, run_ids: Sequence[str]) -> list[Filed]:
        kept = {run.id: run for run in self._runs(sa.select(*_RUN_COLUMNS).where(RUN.c.id.in_(run_ids)))}
        executions: dict[str, set[str]] = {}
        with self._begin() as connection:
            query = sa.select(EXECUTION.c.run_id, EXECUTION.c.id).where(EXECUTION.c.run_id.in_(run_ids))
            for run_id, execution_id in connection.execute(query):
                executions.setdefault(run_id, set()).add(execution_id)
        return [Filed(run=kept.get(name), executions=frozenset(executions.get(name, ()))) for name in run_ids]

    def make_room(self, kept: Sequence[tuple[Run, Keep]]) -> None:
        """Nothing at once: a search for each run would cost more than ``prune``, and no record expires here."""

    def _upsert(self, table: sa.Table, row: Mapping[str, Any]) -> sa.Insert:
        """Insert *row* or replace the one of the same key, unless that one has a higher rank."""
        insert = self._insert(table).values(row)
        key = next(iter(table.primary_key.columns))
        return insert.on_conflict_do_update(
            index_elements=[key],
            set_={name: insert.excluded[name] for name in row if name != key.name},
            where=insert.excluded["record_rank"] >= table.c["record_rank"],
        )

    def execution(self, execution_id: str, *, output: bool = True) -> Execution | None:
        query = sa.select(*_EXECUTION_COLUMNS, EXECUTION.c.output_size).where(EXECUTION.c.id == execution_id)
        if output:
            query = query.add_columns(OUTPUT.c.head, OUTPUT.c.tail, OUTPUT.c.marks).outerjoin(
                OUTPUT, OUTPUT.c.execution_id == EXECUTION.c.id
            )
        return next(iter(self._executions(query)), None)

    def executions(self, run_id: str) -> list[Execution]:
        query = sa.select(*_EXECUTION_COLUMNS, EXECUTION.c.output_size).where(EXECUTION.c.run_id == run_id)
        return in_order(self._executions(query))

    def _executions(self, query: sa.Select[Any]) -> list[Execution]:
        with self._begin() as connection:
            return [_execution(row) for row in connection.execute(query).mappings()]

    def run(self, run_id: str) -> Run | None:
        return next(iter(self._runs(sa.select(*_RUN_COLUMNS).where(RUN.c.id == run_id))), None)

    def run_at(self, job: str, due_ms: int) -> Run | None:
        of_job = sa.select(*_RUN_COLUMNS).where(RUN.c.job == job).limit(1)
        exact = of_job.where(RUN.c.due_ms == due_ms).order_by(RUN.c.trigger != "schedule", RUN.c.id)
        covering = of_job.where(RUN.c.until_ms >= due_ms, RUN.c.due_ms <= due_ms).order_by(RUN.c.until_ms, RUN.c.id)
        return next(iter(self._runs(exact) or self._runs(covering)), None)

    def runs(
        self,
        *,
        job: str | None = None,
        state: str | None = None,
        limit: int = 50,
        before_ms: int | None = None,
        after_ms: int | None = None,
    ) -> list[Run]:
        query = sa.select(*_RUN_COLUMNS).order_by(RUN.c.due_ms.desc(), RUN.c.id.desc()).limit(max(0, limit))
        if job is not None:
            query = query.where(RUN.c.job == job)
        if state is not None:
            query = query.where(RUN.c.state == state)
        if before_ms is not None:
            query = query.where(RUN.c.due_ms < before_ms)
        if after_ms is not None:
            query = query.where(RUN.c.due_ms >= after_ms)
        return self._runs(query)

    def _runs(self, query: sa.Select[Any]) -> list[Run]:
        with self._begin() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def delete_job(self, job: str) -> int:
        gone = 0
        kept = sa.select(RUN.c.id).where(RUN.c.job == job)
        loose = sa.select(EXECUTION.c.run_id).where(EXECUTION.c.job == job).distinct()
        for query in (kept, loose):
            while ids := self._ids(query.limit(_BATCH)):
                gone += self._forget(ids)
        return gone

    def prune(
        self, now_ms: int, keep_of: Callable[[str], Keep], *, budget: int = 1000,
        ahead: Callable[[Sequence[str]], None] | None = None,
    ) -> int:  # fmt: skip
        gone = self._forget_loose(now_ms, keep_of("").age_ms, budget)
        page = self._following_jobs()
        if ahead is not None:
            ahead([job for job, _, _ in page])
        keeps = {job: keep_of(job) for job, _, _ in page}
        crowded = {
            job: keeps[job]
            for job, runs, oldest_ms in page
            if runs > keeps[job].runs or oldest_ms < now_ms - keeps[job].age_ms
        }
        while crowded and gone < budget:
            with self._begin() as connection:
                ids, crowded = surplus(connection, crowded, now_ms, min(_BATCH, budget - gone))
            gone += self._forget(ids)
        self._go_on(list(keeps), crowded)
        return gone

    def _go_on(self, page: Sequence[str], crowded: Mapping[str, Keep]) -> None:
        """Where the next call begins: with the first of *page* that is still crowded, or behind them all."""
        if crowded:
            done = page[: page.index(next(iter(crowded)))]
            self._pruned = done[-1] if done else self._pruned
        else:
            self._pruned = page[-1] if len(page) == PRUNED_JOBS else ""

    def _following_jobs(self) -> list[tuple[str, int, int]]:
        """The jobs whose turn it is, how many runs each has, and when the oldest ended: an index says all of it."""
        counts = (sa.func.count(), sa.func.min(RUN.c.aged_ms))
        query = sa.select(RUN.c.job, *counts).where(RUN.c.job > self._pruned).group_by(RUN.c.job).order_by(RUN.c.job)
        with self._begin() as connection:
            return [(job, runs, oldest) for job, runs, oldest in connection.execute(query.limit(PRUNED_JOBS))]

    def _forget_loose(self, now_ms: int, age_ms: int, budget: int) -> int:
        """Forget executions whose run was never saved; there are hardly any, and finding them takes a while."""
        if now_ms < self._loose_next_ms:
            return 0
        before_ms = now_ms - age_ms
        loose = (
            sa.select(EXECUTION.c.run_id)
            .where(EXECUTION.c.aged_ms < before_ms, ~sa.exists().where(RUN.c.id == EXECUTION.c.run_id))
            .distinct()
        )
        gone = 0
        while gone < budget and (ids := self._ids(loose.limit(min(_BATCH, budget - gone)))):
            gone += self._forget(ids)
        if gone < budget:
            self._loose_next_ms = now_ms + _LOOSE_EVERY_MS
        return gone

    def ping(self) -> None:
        with self._begin() as connection:
            connection.execute(sa.select(sa.literal(1)))

    def close(self) -> None:
        self._engine.dispose()

    def _ids(self, query: sa.Select[Any]) -> list[str]:
        with self._begin() as connection:
            return list(connection.scalars(query))

    def _forget(self, run_ids: Sequence[str]) -> int:
        theirs = sa.select(EXECUTION.c.id).where(EXECUTION.c.run_id.in_(run_ids))
        if not run_ids:
            return 0
        with self._begin() as connection:
            connection.execute(sa.delete(OUTPUT).where(OUTPUT.c.execution_id.in_(theirs)))
            connection.execute(sa.delete(EXECUTION).where(EXECUTION.c.run_id.in_(run_ids)))
            connection.execute(sa.delete(RUN).where(RUN.c.id.in_(run_ids)))
        return len(run_ids)

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        """A transaction. A write has to be its first statement: SQLite then waits for its turn."""
        limit: AbstractContextManager[None] = (
            nullcontext() if self._cutter is None else self._cutter.within(self._patience_s or 0)
        )
        try:
            with limit:
                self._prepare()
                with self._engine.begin() as connection:
                    yield connection
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            raise self._named(error, away=not any(words in str(error) for words in _REFUSALS)) from error
        except sa.exc.SQLAlchemyError as error:
            raise self._named(error, away=getattr(error, "connection_invalidated", False)) from error

    def _named(self, error: sa.exc.SQLAlchemyError, *, away: bool) -> DkronpyError:
        said = one_line(getattr(error, "orig", None) or error)
        if away:
            return StoreUnavailableError(f"results backend {self._shown}: not reachable: {said}")
        return StoreRefusedError(f"results backend {self._shown}: it refuses: {said}")

    def _prepare(self) -> None:
        with self._lock:
            if self._pid != os.getpid():  # forked: the connections are the parent's
                self._engine.dispose(close=False)
                self._pid = os.getpid()
            if not self._created:
                create(self._engine)
                self._created = True


def _run(row: sa.RowMapping) -> Run:
    fields: dict[str, Any] = dict(row)
    return Run(**{**fields, "execution_ids": tuple(fields["execution_ids"])})


def _execution(row: sa.RowMapping) -> Execution:
    fields: dict[str, Any] = dict(row)
    size = fields.pop("output_size")
    head, tail, marks = (fields.pop(name, None) for name in ("head", "tail", "marks"))
    output = Output(size=size) if head is None else Output(head=head, tail=tail or b"", size=size, marks=marks or b"")
    attempts = msgspec.convert(fields.pop("attempts"), tuple[Attempt, ...])
    return Execution(**fields, attempts=attempts, output=output)
