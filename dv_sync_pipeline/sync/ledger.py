"""The state database: links, parked rows, what is owed, whose turn it is.

Belongs here: SQLAlchemy Core, and nothing else in `sync/` knows that there is SQL. SQLite unless
`ledger:` names another database. Does not belong here: any decision on what to link or to park.

The ledger is a cache of truth that can be rebuilt (DESIGN 4): lose it, reconcile, and links come
back by key. A link that is only intended was written down before its row was created; it becomes a
link once the row is proven to exist.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from dv_sync_pipeline.errors import ConfigurationError, LedgerError, WrongEnvironmentError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.guards import Removal, RemovalList
from dv_sync_pipeline.sync.mapping import KEY, PRIMARY_ID, SECONDARY_ID, VERSION
from dv_sync_pipeline.sync.projection import LINKS_SCHEMA
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow, ParkedWork

__all__ = ["SCHEMA_VERSION", "Ledger"]

SCHEMA_VERSION = 2
"""Raised whenever the tables below change; a ledger of a newer version is refused."""

_BUSY_SECONDS_MAX = 30
_LINKS_PER_STEP = 50_000
_IDS_PER_STATEMENT = 10_000
"""SQLite takes 32,766 parameters in one statement, PostgreSQL 65,535."""
_ORIGIN, _INTENDED = "@origin", "@intended"

_metadata = sa.MetaData()

_info = sa.Table(
    "ledger_info", _metadata, sa.Column("schema_version", sa.Integer, primary_key=True)
)
_environments = sa.Table(
    "environments",
    _metadata,
    sa.Column("environment", sa.String(16), primary_key=True),
    sa.Column("organization_id", sa.String(36), nullable=False),
)
_reconciles = sa.Table(
    "reconciles",
    _metadata,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("mapping", sa.String(64), nullable=False),
    sa.Column("is_owed", sa.Boolean, nullable=False),
    sa.Column("verified_through", sa.String(32)),
)
_links = sa.Table(
    "links",
    _metadata,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("secondary_id", sa.String(36), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("is_intended", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)
_parked = sa.Table(
    "parked",
    _metadata,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("code", sa.String(16), nullable=False),
    sa.Column("since", sa.String(32), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("work", sa.String(8), nullable=False),
)
_removal_lists = sa.Table(
    "removal_lists",
    _metadata,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("links", sa.Integer, nullable=False),
    sa.Column("primary_rows", sa.Integer, nullable=False),
    sa.Column("approved", sa.String(16), nullable=False),
)
_removals = sa.Table(
    "removals",
    _metadata,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("secondary_id", sa.String(36), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
)
_leases = sa.Table(
    "leases",
    _metadata,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("expires", sa.String(32), nullable=False),
)

_LINK_COLUMNS = {
    PRIMARY_ID: _links.c.primary_id,
    SECONDARY_ID: _links.c.secondary_id,
    VERSION: _links.c.version,
    KEY: _links.c.key,
    _ORIGIN: _links.c.origin,
    _INTENDED: _links.c.is_intended,
}


class Ledger:
    """One state database; open it with `Ledger.open`, close it when done.

    Every method is one transaction and raises `LedgerError` when the database fails.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> "Ledger":
        """Open, and create where there is none; a newer ledger is refused.

        Raises `ConfigurationError` when the address or its driver cannot be used.
        """
        ledger = cls(_create_engine(url))
        try:
            ledger._create_or_check()
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def _create_or_check(self) -> None:
        with self._transaction() as connection:
            if connection.dialect.name == "sqlite":
                # Two processes may start on a fresh folder; one of them creates, the other waits.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            _metadata.create_all(connection)
            found = connection.scalar(sa.select(_info.c.schema_version))
            if found is None:
                connection.execute(_info.insert().values(schema_version=SCHEMA_VERSION))
        if found is not None and found != SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger has version {found}, this program knows version {SCHEMA_VERSION}",
                mend="Install the version of dv-sync-pipeline that wrote it",
            )

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with _explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _explained(), self._engine.connect() as connection:
            yield connection

    # Which environments

    def check_environments(self, organizations: Mapping[str, str]) -> None:
        """Compare organisation ids with the stored ones; `WrongEnvironmentError` if they differ.

        `organizations` is environment name → organisation id.
        """
        with self._reading() as connection:
            rows = connection.execute(sa.select(_environments)).mappings()
            stored = {row["environment"]: row["organization_id"] for row in rows}
        for environment, organization in organizations.items():
            known = stored.get(environment, organization)
            if known != organization:
                raise _wrong_environment(environment, organization, known, stored)

    def remember_environments(self, organizations: Mapping[str, str]) -> None:
        """Store the ids at the first run; later ones must be the same."""
        if not self._knows_environments():
            self._store_environments(organizations)
        self.check_environments(organizations)

    def _knows_environments(self) -> bool:
        with self._reading() as connection:
            return connection.execute(sa.select(_environments)).first() is not None

    def _store_environments(self, organizations: Mapping[str, str]) -> None:
        rows = [
            {"environment": environment, "organization_id": organization}
            for environment, organization in organizations.items()
        ]
        try:
            with self._transaction() as connection:
                _insert(connection, _environments, rows)
        except sa.exc.IntegrityError:
            pass  # Another run was first; its ids are compared all the same.

    # What is owed

    def begin_reconcile(self, table: str, *, mapping: str) -> None:
        """From now until `finish_reconcile` a reconcile is owed."""
        row = _reconciles.c.table_name == table
        with self._transaction() as connection:
            known = connection.execute(
                _reconciles.update().where(row).values(mapping=mapping, is_owed=True)
            )
            if known.rowcount == 0:
                connection.execute(
                    _reconciles.insert().values(table_name=table, mapping=mapping, is_owed=True)
                )

    def finish_reconcile(self, table: str, *, verified_through: datetime) -> None:
        """The pass was completed: nothing is owed any more."""
        with self._transaction() as connection:
            connection.execute(
                _reconciles.update()
                .where(_reconciles.c.table_name == table)
                .values(is_owed=False, verified_through=verified_through.isoformat())
            )

    def owes_reconcile(self, table: str, *, mapping: str) -> bool:
        """Whether a pass was begun and not completed, never made, or made for another mapping."""
        with self._reading() as connection:
            settled = connection.scalar(
                sa.select(_reconciles.c.mapping).where(
                    _reconciles.c.table_name == table, ~_reconciles.c.is_owed
                )
            )
        return settled != mapping

    def mapping_changed(self, table: str, *, mapping: str) -> bool:
        """Whether the last pass, completed or not, was made for another mapping."""
        with self._reading() as connection:
            known = connection.scalar(
                sa.select(_reconciles.c.mapping).where(_reconciles.c.table_name == table)
            )
        return known not in (None, mapping)

    def verified_through(self, table: str) -> datetime | None:
        """When the last completed pass began to read; None if there never was one."""
        with self._reading() as connection:
            moment = connection.scalar(
                sa.select(_reconciles.c.verified_through).where(_reconciles.c.table_name == table)
            )
        return datetime.fromisoformat(moment) if moment else None

    # Links

    def links(self, table: str) -> pl.DataFrame:
        """Every link of the table, intended ones included, as `LINKS_SCHEMA`."""
        query = sa.select(*_LINK_COLUMNS.values()).where(_links.c.table_name == table)
        with self._reading() as connection:
            result = connection.execute(query).yield_per(_LINKS_PER_STEP)
            steps = [_links_frame(rows) for rows in result.partitions()]
        return pl.concat([LINKS_SCHEMA.to_frame(), *steps])

    def save_links(self, table: str, links: pl.DataFrame) -> None:
        """Insert or replace links, given as `LINKS_SCHEMA`."""
        links = links.rename({name: column.name for name, column in _LINK_COLUMNS.items()})
        for step in links.iter_slices(_LINKS_PER_STEP):
            rows = step.with_columns(table_name=pl.lit(table)).to_dicts()
            with self._transaction() as connection:
                _delete_links(connection, table, step["primary_id"])
                _insert(connection, _links, rows)

    def drop_links(self, table: str, primary_ids: Sequence[str] | pl.Series) -> None:
        """Forget the links of these rows."""
        if len(primary_ids):
            with self._transaction() as connection:
                _delete_links(connection, table, primary_ids)

    # Parked rows

    def parked(self, table: str) -> list[ParkedRow]:
        """The rows that wait, by key."""
        query = sa.select(_parked).where(_parked.c.table_name == table).order_by(_parked.c.key)
        with self._reading() as connection:
            return [_parked_row(row) for row in connection.execute(query).mappings()]

    def replace_parked(
        self, table: str, rows: Sequence[ParkedRow], *, work: ParkedWork = ParkedWork.WRITE
    ) -> list[ParkedRow]:
        """Let these rows wait for this work and no others.

        `since` and `attempts` go on from what is stored. Returns the rows as they are stored now.
        """
        known = {row.primary_id: row for row in self.parked(table) if row.work is work}
        if not (known or rows):
            return []
        rows = [_continued(row, known.get(row.primary_id)) for row in rows]
        with self._transaction() as connection:
            _delete_parked(connection, table, [*known, *(row.primary_id for row in rows)])
            _insert(connection, _parked, [_parked_values(row) for row in rows])
        return rows

    def park(self, table: str, rows: Sequence[ParkedRow]) -> None:
        """Let these rows wait too; those that wait already are left as they are."""
        known = {row.primary_id for row in self.parked(table)}
        with self._transaction() as connection:
            new = [_parked_values(row) for row in rows if row.primary_id not in known]
            _insert(connection, _parked, new)

    def drop_parked(self, table: str, primary_ids: Sequence[str]) -> None:
        """Forget that these rows wait."""
        with self._transaction() as connection:
            _delete_parked(connection, table, primary_ids)

    # Rows to remove

    def removals(self, table: str) -> RemovalList:
        """What the last reconcile found to be removed and was not removed since."""
        rows = sa.select(_removals).where(_removals.c.table_name == table).order_by(_removals.c.key)
        lists = sa.select(_removal_lists).where(_removal_lists.c.table_name == table)
        with self._reading() as connection:
            found = connection.execute(lists).mappings().first()
            removals = [
                Removal(row["primary_id"], row["secondary_id"], row["key"])
                for row in connection.execute(rows).mappings()
            ]
        if found is None:
            return RemovalList(table, (), links=0, primary_rows=0)
        return RemovalList(
            table, removals, found["links"], found["primary_rows"], approved=found["approved"]
        )

    def replace_removals(self, found: RemovalList) -> None:
        """Let these rows be the ones to remove; an approval stays with the list it was given to."""
        approved = self.removals(found.table).approved
        with self._transaction() as connection:
            _delete_removals(connection, found.table)
            connection.execute(
                _removal_lists.insert().values(
                    table_name=found.table,
                    links=found.links,
                    primary_rows=found.primary_rows,
                    approved=approved if approved == found.digest else "",
                )
            )
            _insert(
                connection, _removals, [_removal_values(found.table, r) for r in found.removals]
            )

    def approve_removals(self, table: str, digest: str) -> None:
        """A person agrees to exactly the list with this digest."""
        with self._transaction() as connection:
            connection.execute(
                _removal_lists.update()
                .where(_removal_lists.c.table_name == table)
                .values(approved=digest)
            )

    def settle_removals(self, table: str, primary_ids: Sequence[str]) -> None:
        """These rows need not be removed any more: it is done, or they are wanted again."""
        with self._transaction() as connection:
            for ids in _in_steps(primary_ids):
                connection.execute(
                    _removals.delete().where(
                        _removals.c.table_name == table, _removals.c.primary_id.in_(ids)
                    )
                )

    # Turns

    def take_lease(self, table: str, holder: str, *, now: datetime, lasts: timedelta) -> bool:
        """Take or renew the only lease of the table; False while another holder has it."""
        values = {"holder": holder, "expires": _moment(now + lasts)}
        is_free = sa.or_(_leases.c.holder == holder, _leases.c.expires <= _moment(now))
        try:
            with self._transaction() as connection:
                renewed = connection.execute(
                    _leases.update().where(_leases.c.table_name == table, is_free).values(values)
                )
                if renewed.rowcount:
                    return True
                connection.execute(_leases.insert().values(table_name=table, **values))
        except sa.exc.IntegrityError:
            return False
        return True

    def release_lease(self, table: str, holder: str) -> None:
        """Let the next one have its turn."""
        with self._transaction() as connection:
            connection.execute(
                _leases.delete().where(_leases.c.table_name == table, _leases.c.holder == holder)
            )


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
            mend="Free the disk or the lock; if the file is damaged, move it away and reconcile: "
            "links come back by key",
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


def _create_engine(url: str) -> sa.Engine:
    """Nothing is opened yet. No message repeats the address: it may hold a password."""
    try:
        return _create_engine_of(sa.make_url(url))
    except sa.exc.ArgumentError:
        raise ConfigurationError(
            "ledger: this is not the address of a database",
            mend="Leave it out for a file in `state`, or write "
            "postgresql+psycopg://user@host/database",
        ) from None
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"ledger: the database driver {error.name} is not installed",
            mend=f"Install {error.name} in the environment of dv-sync",
        ) from None


def _create_engine_of(address: sa.URL) -> sa.Engine:
    if address.get_backend_name() != "sqlite":
        return sa.create_engine(address, pool_pre_ping=True)
    _prepare_file(address)
    engine = sa.create_engine(address, connect_args={"timeout": _BUSY_SECONDS_MAX})
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # An intent must survive a power failure, or it could not prove what is ours.
    connection.execute("PRAGMA synchronous = FULL")


def _insert(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]
) -> None:
    if rows:
        connection.execute(table.insert(), rows)


def _links_frame(rows: Sequence[sa.Row[Any]]) -> pl.DataFrame:
    columns = dict(zip(LINKS_SCHEMA, zip(*rows, strict=True), strict=True))
    return pl.DataFrame(columns, schema=LINKS_SCHEMA)


def _in_steps(ids: Sequence[str] | pl.Series) -> Iterator[list[str]]:
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        yield list(ids[start : start + _IDS_PER_STATEMENT])


def _delete_links(
    connection: sa.Connection, table: str, primary_ids: Sequence[str] | pl.Series
) -> None:
    for ids in _in_steps(primary_ids):
        connection.execute(
            _links.delete().where(_links.c.table_name == table, _links.c.primary_id.in_(ids))
        )


def _delete_parked(connection: sa.Connection, table: str, primary_ids: Sequence[str]) -> None:
    for ids in _in_steps(primary_ids):
        connection.execute(
            _parked.delete().where(_parked.c.table_name == table, _parked.c.primary_id.in_(ids))
        )


def _delete_removals(connection: sa.Connection, table: str) -> None:
    for each in (_removals, _removal_lists):
        connection.execute(each.delete().where(each.c.table_name == table))


def _removal_values(table: str, removal: Removal) -> dict[str, object]:
    return {
        "table_name": table,
        "primary_id": removal.primary_id,
        "secondary_id": removal.secondary_id,
        "key": removal.key,
    }


def _wrong_environment(
    environment: str, organization: str, known: str, stored: Mapping[str, str]
) -> WrongEnvironmentError:
    is_swapped = organization in stored.values()
    return WrongEnvironmentError(
        f"the {environment} environment is organisation {organization}, and not {known} as before",
        why="primary and secondary seem to be swapped" if is_swapped else "",
        mend="Correct the urls in sync.yaml, or give the new pair of environments its own `state`",
    )


def _moment(moment: datetime) -> str:
    """Text that sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _continued(row: ParkedRow, known: ParkedRow | None) -> ParkedRow:
    if known is None:
        return row
    return replace(row, since=known.since, attempts=known.attempts + 1)


def _parked_values(row: ParkedRow) -> dict[str, object]:
    return {
        "table_name": row.table,
        "primary_id": row.primary_id,
        "key": row.key,
        "reason": row.reason.value,
        "message": row.message,
        "code": row.code,
        "since": row.since.isoformat(),
        "attempts": row.attempts,
        "work": row.work.value,
    }


def _parked_row(row: sa.RowMapping) -> ParkedRow:
    return ParkedRow(
        table=row["table_name"],
        primary_id=row["primary_id"],
        key=row["key"],
        reason=ParkedReason(row["reason"]),
        message=row["message"],
        code=row["code"],
        since=datetime.fromisoformat(row["since"]),
        attempts=row["attempts"],
        work=ParkedWork(row["work"]),
    )
