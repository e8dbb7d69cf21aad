"""What only SQL promises: tables that several processes create at once, a version, and rows anybody can read."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from dkronpy.errors import StoreRefusedError, StoreUnavailableError
from dkronpy.execution import Output
from dkronpy.results.engine import make_engine
from dkronpy.results.schema import VERSION
from dkronpy.results.sql import SqlResults
from tests.integration.results.conftest import Opener, Place
from tests.integration.results.records import a_run, an_execution, save_all, save_in_processes
from tests.services_postgres import PostgresServer
from tests.support import ROOT

TABLES = {"dkronpy_schema", "dkronpy_run", "dkronpy_execution", "dkronpy_output"}


def test_eight_processes_create_the_tables_at_once(sql_place: Place) -> None:
    save_in_processes(sql_place.url, *([f"job{number}"] for number in range(8)), threads=1, count=1)
    engine = make_engine(sql_place.url)
    assert set(sa.inspect(engine).get_table_names()) == TABLES
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT part, version FROM dkronpy_schema")).all() == [("results", VERSION)]
        assert connection.scalar(sa.text("SELECT count(*) FROM dkronpy_run")) == 8
    engine.dispose()


def test_beat_waits_for_no_lock_for_long(postgresql_place: Place) -> None:
    patience = {}
    for hurried in (False, True):
        engine = make_engine(postgresql_place.url, hurried=hurried)
        with engine.begin() as connection:
            patience[hurried] = [connection.scalar(sa.text(f"SHOW {name}_timeout")) for name in ("lock", "statement")]
        with engine.connect() as connection, connection.execution_options(isolation_level="AUTOCOMMIT"):
            assert connection.scalar(sa.text("SHOW lock_timeout")) == "0", "of the transaction alone"
        engine.dispose()
    assert patience == {False: ["0", "0"], True: ["2s", "30s"]}


def test_a_server_that_stands_still_counts_as_away_after_a_while(
    postgres_server: PostgresServer, postgresql_place: Place
) -> None:
    results = SqlResults(make_engine(postgresql_place.url, hurried=True), shown="here", patience_s=0.5)
    assert results.runs() == []
    postgres_server.freeze()
    try:
        for _ in range(2):  # on the connection that it holds, then on none
            with pytest.raises(StoreUnavailableError, match="not reachable"):
                results.runs()
    finally:
        postgres_server.thaw()
    assert results.runs() == []
    results.close()


def test_rows_can_be_read_by_anything_that_speaks_sql(sql_place: Place, open_place: Opener) -> None:
    results = open_place(sql_place.url)
    results.save_run(a_run())
    results.save_execution(an_execution())
    engine = make_engine(sql_place.url)
    with engine.connect() as connection:
        row = connection.execute(
            sa.text(
                "SELECT r.job, r.state, e.node, e.output_size, o.head, e.attempts FROM dkronpy_run r "
                "JOIN dkronpy_execution e ON e.run_id = r.id JOIN dkronpy_output o ON o.execution_id = e.id"
            )
        ).one()
    engine.dispose()
    assert tuple(row)[:5] == ("backup", "success", "web1", 5000, b"hello\n")
    assert '"exit_code": 0' in str(row.attempts) or row.attempts[1]["exit_code"] == 0


def test_tables_of_an_earlier_version_are_brought_up_to_date(sql_place: Place, open_place: Opener) -> None:
    open_place(sql_place.url).save_run(a_run())
    engine = make_engine(sql_place.url)
    with engine.begin() as connection:  # as 0.1 made them
        connection.execute(sa.text("ALTER TABLE dkronpy_run DROP COLUMN params"))
        connection.execute(sa.text("ALTER TABLE dkronpy_output DROP COLUMN marks"))
        connection.execute(sa.text("UPDATE dkronpy_schema SET version = 1"))
    engine.dispose()
    save_in_processes(sql_place.url, *([f"job{number}"] for number in range(4)), threads=1, count=1)
    results = open_place(sql_place.url)
    assert results.run(a_run().id) == msgspec.structs.replace(a_run(), params="")
    assert len(results.runs()) == 5
    marked = an_execution(output=Output(head=b"one\n", size=4, marks=b"\x93\x64\x00\xff"))
    results.save_execution(marked)
    assert results.execution(marked.id) == marked


def test_tables_of_a_later_version_are_left_alone(sql_place: Place, open_place: Opener) -> None:
    open_place(sql_place.url).ping()
    engine = make_engine(sql_place.url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE dkronpy_schema SET version = {VERSION + 1}"))
    engine.dispose()
    with pytest.raises(
        StoreRefusedError, match=f"its tables are of version {VERSION + 1}, this dkronpy knows version {VERSION}"
    ):
        open_place(sql_place.url).save_run(a_run())


def test_deleted_jobs_leave_no_row(sql_place: Place, open_place: Opener) -> None:
    results = open_place(sql_place.url)
    save_all(results, ["backup"], 5, threads=1)
    results.delete_job("backup")
    engine = make_engine(sql_place.url)
    with engine.connect() as connection:
        for table in TABLES - {"dkronpy_schema"}:
            assert connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) == 0
    engine.dispose()


def test_sqlite_readers_do_not_wait_for_a_writer(sqlite_place: Place, tmp_path: Path, open_place: Opener) -> None:
    results = open_place(sqlite_place.url)
    results.save_run(a_run())
    writer = sqlite3.connect(tmp_path / "results.db", isolation_level=None)
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    writer.execute("BEGIN IMMEDIATE")
    assert results.runs() == [a_run()]
    writer.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, open_place: Opener) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, not a database " * 100)
    with pytest.raises(StoreRefusedError, match="file is not a database"):
        open_place(f"sqlite:///{tmp_path}/notes.txt").runs()


def test_a_wrong_password_is_not_shown(postgres_server: PostgresServer, open_place: Opener) -> None:
    url = postgres_server.url().replace(postgres_server.password, "wrong-one")
    with pytest.raises(StoreRefusedError, match="password authentication failed") as caught:
        open_place(url).ping()
    assert "wrong-one" not in str(caught.value)
    assert "dkronpy:***@" in str(caught.value)


def test_sessions_that_the_server_ended_are_replaced(
    postgres_server: PostgresServer, postgresql_place: Place, open_place: Opener
) -> None:
    results = open_place(postgresql_place.url)
    results.save_run(a_run())
    postgres_server.kill()
    postgres_server.start()
    assert results.runs() == [a_run()]


def test_who_may_not_create_tables_may_use_them(postgres_server: PostgresServer, open_place: Opener) -> None:
    database = postgres_server.new_database()
    url = postgres_server.url(database)
    guest = url.replace("//dkronpy:", "//guest:")
    with postgres_server.connect(database) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute(f"CREATE ROLE guest LOGIN PASSWORD '{postgres_server.password}'")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM public")
        with pytest.raises(StoreRefusedError, match="permission denied for schema public"):
            open_place(guest).ping()
        open_place(url).ping()
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest")
        results = open_place(guest)
        results.save_run(a_run())
        assert results.runs() == [a_run()]
        connection.execute("DROP OWNED BY guest")


def test_a_fork_opens_connections_of_its_own(sql_place: Place, open_place: Opener) -> None:
    program = (
        "import os, sys\n"
        "from dkronpy.results.opening import open_results\n"
        "from tests.integration.results.records import T0, a_run\n"
        "results = open_results(sys.argv[1])\n"
        "results.save_run(a_run())\n"
        "child = os.fork()\n"
        "for number in range(50):\n"
        "    results.save_run(a_run(due_ms=T0 + 1 + number * 2 + bool(child)))\n"
        "results.close()\n"
        "sys.exit(os.waitpid(child, 0)[1] if child else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, sql_place.url], cwd=ROOT, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert len(open_place(sql_place.url).runs(limit=1000)) == 101
