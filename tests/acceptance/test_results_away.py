"""A results backend that is locked or stands still: what is due goes on, and what ended is filed once that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from dkronpy.job import Job, Run
from tests.acceptance.fleet import Fleet
from tests.services_postgres import PostgresServer
from tests.support import StoreServer, wait_until

Trouble = Callable[[PostgresServer, str], AbstractContextManager[None]]


@contextmanager
def locked(server: PostgresServer, database: str) -> Iterator[None]:
    """Somebody else has the tables, as VACUUM FULL has."""
    with server.connect(database) as connection, connection.transaction():
        connection.execute("LOCK TABLE dkronpy_run, dkronpy_execution IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def frozen(server: PostgresServer, database: str) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@pytest.mark.parametrize("trouble", [locked, frozen])
def test_due_times_go_on_while_the_results_do_not_answer(server: StoreServer, tmp_path: Path, trouble: Trouble) -> None:
    with PostgresServer() as postgres:
        database = postgres.new_database()
        settings = {"DKRONPY_RESULTS_URL": postgres.url(database)}
        with Fleet(server, tmp_path, settings) as fleet:
            client, ledger = fleet.client, fleet.client.deployment.ledger
            fleet.beat()
            fleet.leader_pid()
            job = Job(name="tick", schedule="@every 1s", run=Run("shell", {"command": "true"}), catch_up="none")
            fleet.save(job)
            client.maintenance.pause(job="tick")  # each due time ends at once, and beat files it
            results = client.deployment.results
            wait_until(lambda: results.runs(job="tick"), timeout=30, description="the first is filed")

            with trouble(postgres, database):
                began_ms = client.deployment.store.now_ms()
                last_ms = began_ms + 12_000
                wait_until(
                    lambda: any(run.due_ms >= last_ms for run in ledger.recent_runs("tick")),
                    timeout=30, description="12 s of due times are recorded",
                )  # fmt: skip
                fired = [run for run in ledger.recent_runs("tick") if began_ms <= run.due_ms <= last_ms]

            assert len(fired) == 12
            assert {run.reason for run in fired} == {"paused"}, "none was missed"
            late = max(run.fired_ms - run.due_ms for run in fired)
            assert late < 1_500, f"one was {late} ms late"
            names = [run.id for run in fired]
            wait_until(
                lambda: all(kept.run is not None for kept in results.filed(names)),
                timeout=60, description="what ended meanwhile is filed",
            )  # fmt: skip
