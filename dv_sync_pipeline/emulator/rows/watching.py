"""The seam between writing rows and what is set off by it: nobody watches, or webhooks do.

Belongs here: telling a watcher what was written, at no cost when it does not want to know. Does not
belong here: what it does with it (`hooks.py`), and the feed of changes, which reads versions.

The functions are called by `writes.py` and `cascades.py` around their SQL, inside the transaction.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from dv_sync_pipeline.emulator.rows.database import Database, quoted
from dv_sync_pipeline.emulator.rows.new_rows import NewRows
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.webhooks.webhook_payload import Pair, RowChange

__all__ = ["Nobody", "Watcher", "watch_creates", "watch_pair", "watched_delete", "watched_update"]


class Watcher(Protocol):
    """Wants to know what is written."""

    def watches(self, message: str, table: str) -> bool:
        """Whether it wants to be told about that message on that table."""

    def written(self, change: RowChange) -> None:
        """A row was written, in a transaction that is still open; `DataverseError` undoes it."""


class Nobody:
    """Does not want to know anything."""

    def watches(self, _message: str, _table: str) -> bool:
        """Never."""
        return False

    def written(self, change: RowChange) -> None:
        """Is never told."""


class WatchedStore(Protocol):
    """What is needed of `store.Store`."""

    database: Database
    watcher: Watcher


def watch_creates(store: WatchedStore, table: Table, rows: NewRows) -> None:
    """Rows were inserted; they are complete."""
    if not store.watcher.watches("Create", table.name):
        return
    for record in rows.records(table.sql_columns):
        row = dict(zip(table.sql_columns, record, strict=True))
        submitted = {name: value for name, value in row.items() if value is not None}
        store.watcher.written(
            RowChange("Create", table.name, row[table.primary_id], submitted=submitted, after=row)
        )


@contextmanager
def watched_update(
    store: WatchedStore, table: Table, row_id: str, values: Mapping[str, Any]
) -> Iterator[None]:
    """Around the update of a row; `values` are those of the request, by SQL column."""
    if not store.watcher.watches("Update", table.name):
        yield
        return
    submitted, before = dict(values), _read(store, table, row_id)
    yield
    after = _read(store, table, row_id)
    store.watcher.written(
        RowChange("Update", table.name, row_id, submitted=submitted, before=before, after=after)
    )


@contextmanager
def watched_delete(store: WatchedStore, table: Table, row_id: str) -> Iterator[None]:
    """Around the deletion of a row."""
    if not store.watcher.watches("Delete", table.name):
        yield
        return
    before = _read(store, table, row_id)
    yield
    store.watcher.written(RowChange("Delete", table.name, row_id, before=before))


def watch_pair(store: WatchedStore, table: Table, row_id: str, *, message: str, pair: Pair) -> None:
    """Rows were connected to a row (Associate), or disconnected from it (Disassociate)."""
    if store.watcher.watches(message, table.name):
        store.watcher.written(RowChange(message, table.name, row_id, pair=pair))


def _read(store: WatchedStore, table: Table, row_id: str) -> dict[str, Any] | None:
    names = ", ".join(map(quoted, table.sql_columns))
    sql = f"SELECT {names} FROM {quoted(table.name)} WHERE {quoted(table.primary_id)} = ?"
    found = store.database.execute(sql, (row_id,)).fetchone()
    return None if found is None else dict(zip(table.sql_columns, found, strict=True))
