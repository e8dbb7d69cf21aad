"""The tables of the SQL results backend, and how several processes create them at once.

Times are milliseconds since the epoch. No foreign keys: an execution ends, and is kept, before its run.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from dkronpy.errors import StoreRefusedError

VERSION = 3
_PART = "results"
_LOCK = 0x646B726F6E7079  # "dkronpy": whoever creates the tables holds PostgreSQL's advisory lock of this number

# Ids and names sort by their bytes on every database, whatever the collation of this one is.
_NAME = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

METADATA = MetaData()

SCHEMA = Table(
    "dkronpy_schema",
    METADATA,
    Column("part", _NAME, primary_key=True),
    Column("version", Integer, nullable=False),
)

RUN = Table(
    "dkronpy_run",
    METADATA,
    Column("id", _NAME, primary_key=True),
    Column("job", _NAME, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("trigger", _NAME, nullable=False),
    Column("state", _NAME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("fired_ms", BigInteger, nullable=False),
    Column("fired_by", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("finished_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("execution_ids", JSON, nullable=False),
    Column("params", Text, nullable=False),
    Column("record_rank", SmallInteger, nullable=False),
    Column("aged_ms", BigInteger, nullable=False),
    Index("dkronpy_run_due", "due_ms", "id"),
    Index("dkronpy_run_job_due", "job", "due_ms", "id"),
    Index("dkronpy_run_state_due", "state", "due_ms", "id"),
    Index("dkronpy_run_job_until", "job", "until_ms"),
    Index("dkronpy_run_job_aged", "job", "aged_ms", "id"),
    Index("dkronpy_run_aged", "aged_ms"),
)

EXECUTION = Table(
    "dkronpy_execution",
    METADATA,
    Column("id", _NAME, primary_key=True),
    Column("run_id", _NAME, nullable=False),
    Column("job", _NAME, nullable=False),
    Column("node", Text, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("delivery", BigInteger, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("queued_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("finished_ms", BigInteger, nullable=False),
    Column("cancel", Boolean, nullable=False),
    Column("amended", Boolean, nullable=False),
    Column("attempts", JSON, nullable=False),
    Column("output_size", BigInteger, nullable=False),
    Column("record_rank", SmallInteger, nullable=False),
    Column("aged_ms", BigInteger, nullable=False),
    Index("dkronpy_execution_run", "run_id"),
    Index("dkronpy_execution_job", "job"),
    Index("dkronpy_execution_aged", "aged_ms"),
)

OUTPUT = Table(
    "dkronpy_output",
    METADATA,
    Column("execution_id", _NAME, primary_key=True),
    Column("head", LargeBinary, nullable=False),
    Column("tail", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("marks", LargeBinary),
    Column("record_rank", SmallInteger, nullable=False),
)


UPGRADES = {
    1: ("ALTER TABLE dkronpy_run ADD COLUMN params TEXT DEFAULT '' NOT NULL",),
    2: ("ALTER TABLE dkronpy_output ADD COLUMN marks {bytes}",),
}
"""What makes the tables of a version those of the next one; ``bytes`` is what this database calls them."""


def create(engine: Engine) -> None:
    """Create what is missing, and bring older tables up to date.

    Raises ``StoreRefusedError`` when the tables are of a later version.
    """
    if inspect(engine).has_table(SCHEMA.name):
        with engine.connect() as connection:
            if _version(connection) == VERSION:
                return  # a user without the right to create tables is fine once they are there
    with engine.begin() as connection:
        _wait_for_turn(connection)
        for table in METADATA.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(CreateIndex(index, if_not_exists=True))
        found = _version(connection)
        if found is None:
            connection.execute(SCHEMA.insert().values(part=_PART, version=VERSION))
        elif found < VERSION:
            _upgrade(connection, found)


def _upgrade(connection: Connection, found: int) -> None:
    kind = LargeBinary().compile(dialect=connection.dialect)
    for version in range(found, VERSION):
        for statement in UPGRADES[version]:
            connection.exec_driver_sql(statement.format(bytes=kind))
    connection.execute(SCHEMA.update().where(SCHEMA.c.part == _PART).values(version=VERSION))


def _wait_for_turn(connection: Connection) -> None:
    """Until this transaction ends, no other process creates tables."""
    if connection.dialect.name == "postgresql":
        # IF NOT EXISTS alone fails when two sessions create the same table at the same moment.
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _version(connection: Connection) -> int | None:
    """The version in the row that is written last; None where it is not there."""
    found = connection.scalar(select(SCHEMA.c.version).where(SCHEMA.c.part == _PART))
    if found is not None and found > VERSION:
        raise StoreRefusedError(
            f"results backend: its tables are of version {found}, this dkronpy knows version {VERSION}",
            hint="run the version of dkronpy that wrote them, or name another database in results_url",
        )
    return None if found is None else int(found)
