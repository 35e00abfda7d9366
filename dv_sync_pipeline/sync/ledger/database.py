"""The database behind the ledger: opening it, its version, its transactions.

Belongs here: SQLAlchemy Core and what every part of the ledger shares. Nothing outside this package
knows that there is SQL. Does not belong here: any table but the one that holds the version; each
part defines its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import polars as pl
import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from dv_sync_pipeline.errors import ConfigurationError, LedgerError
from dv_sync_pipeline.redact import redact

__all__ = ["METADATA", "SCHEMA_VERSION", "Database", "in_steps", "insert", "moment_text"]

SCHEMA_VERSION = 5
"""Raised whenever a table that exists changes; a ledger of a newer version is refused.

A new table needs no new version: it is created where it is missing.
"""

_MIGRATIONS: Mapping[int, Sequence[str]] = {
    # Lists of removals moved to other tables; the next reconcile makes them anew.
    3: ("DROP TABLE removals", "DROP TABLE removal_lists"),
    # Each link knows which pass wrote its row last, and when in the order of the ledger.
    4: (
        "ALTER TABLE links ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE links ADD COLUMN writer BIGINT NOT NULL DEFAULT 0",
        "CREATE INDEX links_by_secondary_row ON links (table_name, secondary_id)",
    ),
    # Each lease knows the last write of the ledger before it was taken.
    5: ("ALTER TABLE leases ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0",),
}
"""Version → the statements that lead to it from the version before, for both kinds of database.

`METADATA.create_all` runs before them: they alter tables that exist, and create none.
"""

_OLDEST_VERSION = 2

_ONE_CREATES: Mapping[str, str] = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "SELECT pg_advisory_xact_lock(4717501)",
}
"""Kind of database → what keeps every other process from creating until this transaction ends."""

BUSY_SECONDS_MAX = 30.0
_CONNECT_SECONDS_MAX = 10
_IDS_PER_STATEMENT = 10_000
"""SQLite takes 32,766 parameters in one statement, PostgreSQL 65,535."""

METADATA = sa.MetaData()


_info = sa.Table("ledger_info", METADATA, sa.Column("schema_version", sa.Integer, primary_key=True))


class Database:
    """One state database, for one part of the ledger after the other to be built upon.

    Every method of every part is one transaction and raises `LedgerError` when the database fails.
    Several calls within `transaction` are one together: each commit waits for the disk.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._open: ContextVar[sa.Connection | None] = ContextVar("open", default=None)

    @classmethod
    def open(cls, url: str, *, busy_seconds_max: float = BUSY_SECONDS_MAX) -> Self:
        """Open, and create where there is none; a newer ledger is refused.

        While another process writes, ours waits for at most `busy_seconds_max`.
        Raises `ConfigurationError` when the address or its driver cannot be used.
        """
        ledger = cls(_create_engine(url, busy_seconds_max=busy_seconds_max))
        try:
            ledger._create_or_check()
        except BaseException:
            ledger.close()
            raise
        return ledger

    def __enter__(self) -> Self:
        """For `with Ledger.open(...) as ledger`."""
        return self

    def __exit__(self, *_failure: object) -> None:
        """Close, whatever happened."""
        self.close()

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def _create_or_check(self) -> None:
        with self.transaction() as connection:
            # Two processes may start on a fresh ledger; one of them creates, the other waits.
            connection.exec_driver_sql(_ONE_CREATES[connection.dialect.name])
            METADATA.create_all(connection)
            found = connection.scalar(sa.select(_info.c.schema_version))
            if found is None:
                connection.execute(_info.insert().values(schema_version=SCHEMA_VERSION))
            else:
                _migrate(connection, found)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """All of it or nothing; within another one, a part of that.

        Other tasks of this process would wait for it without end: nothing may be awaited inside.
        `IntegrityError` is for the caller.
        """
        outer = self._open.get()
        if outer is not None:
            yield outer
            return
        with _explained(), self._engine.begin() as connection:
            token = self._open.set(connection)
            try:
                yield connection
            finally:
                self._open.reset(token)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that writes nothing; within a transaction, one that sees what it wrote."""
        outer = self._open.get()
        if outer is not None:
            yield outer
            return
        with _explained(), self._engine.connect() as connection:
            yield connection


def _migrate(connection: sa.Connection, found: int) -> None:
    """Bring a ledger of an older version to ours, within the transaction that found it."""
    if found > SCHEMA_VERSION or found < _OLDEST_VERSION:
        raise LedgerError(
            f"the ledger has version {found}, this program knows version {SCHEMA_VERSION}",
            mend="Install the version of dv-sync-pipeline that wrote it",
        )
    for version in range(found + 1, SCHEMA_VERSION + 1):
        for statement in _MIGRATIONS[version]:
            connection.exec_driver_sql(statement)
    connection.execute(_info.update().values(schema_version=SCHEMA_VERSION))


@contextmanager
def _explained() -> Iterator[None]:
    """Failures of the database as `LedgerError`; a broken uniqueness is for the caller."""
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except sa.exc.SQLAlchemyError as error:
        raise LedgerError(
            "the ledger cannot be used",
            why=redact(str(getattr(error, "orig", None) or error)),
            mend="Free the disk or the lock, or start the database server; if the file is damaged, "
            "move it away and reconcile: links come back by key",
        ) from error


def _prepare_file(address: sa.URL) -> None:
    """The file is for us alone: it holds key values of rows (RELIABILITY 5)."""
    if not address.database or address.database == ":memory:":
        return
    file = Path(address.database)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"the ledger {file} cannot be created",
            why=error.strerror or str(error),
            mend="Check the folder that `state` names in sync.yaml",
        ) from None


def _create_engine(url: str, *, busy_seconds_max: float) -> sa.Engine:
    """Nothing is opened yet. No message repeats the address: it may hold a password."""
    try:
        return _create_engine_of(sa.make_url(url), busy_seconds_max=busy_seconds_max)
    except sa.exc.ArgumentError:
        raise ConfigurationError(
            "ledger: this is not the address of a database",
            mend="Leave it out for a file in `state`, or write "
            "postgresql+psycopg://user@host/database",
        ) from None
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"ledger: the database driver {error.name} is not installed",
            mend=f"Install {error.name} in the environment of dv-sync; for PostgreSQL, "
            "pip install 'dv-sync-pipeline[postgres]'",
        ) from None


def _create_engine_of(address: sa.URL, *, busy_seconds_max: float) -> sa.Engine:
    kind = address.get_backend_name()
    if kind not in _ONE_CREATES:
        raise ConfigurationError(
            f"ledger: it cannot be kept in {kind}",
            mend=f"Use one of {', '.join(_ONE_CREATES)}",
        )
    create = _create_sqlite if kind == "sqlite" else _create_postgresql
    return create(address, busy_seconds_max=busy_seconds_max)


def _create_postgresql(address: sa.URL, *, busy_seconds_max: float) -> sa.Engine:
    if address.drivername == "postgresql":
        # SQLAlchemy's own choice of a driver changes from version to version.
        address = address.set(drivername="postgresql+psycopg")
    settings = {"connect_timeout": _CONNECT_SECONDS_MAX, "application_name": "dv-sync"}
    # A connection that the server has ended meanwhile is replaced before it is used.
    engine = sa.create_engine(address, pool_pre_ping=True, connect_args=settings)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.execute(f"SET lock_timeout = {busy_seconds_max * 1000:.0f}")
        connection.commit()

    return engine


def _create_sqlite(address: sa.URL, *, busy_seconds_max: float) -> sa.Engine:
    _prepare_file(address)
    engine = sa.create_engine(address, connect_args={"timeout": busy_seconds_max})
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # An intent must survive a power failure, or it could not prove what is ours.
    connection.execute("PRAGMA synchronous = FULL")


def insert(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]
) -> None:
    """Insert the rows, if there are any."""
    if rows:
        connection.execute(table.insert(), rows)


def in_steps(ids: Sequence[Any] | pl.Series) -> Iterator[list[Any]]:
    """The ids in pieces that fit into one statement."""
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        yield list(ids[start : start + _IDS_PER_STATEMENT])


def moment_text(moment: datetime) -> str:
    """Text that sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
