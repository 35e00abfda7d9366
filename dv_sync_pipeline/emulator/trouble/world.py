"""What faults do to an environment behind its Web API.

Belongs here: the few changes that no request could make. Does not belong here: when they happen
(`faults.py`).
"""

from dataclasses import replace

from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind
from dv_sync_pipeline.emulator.trouble.faults import SchemaChange

__all__ = ["StoredWorld"]

_SHORTENED_LENGTH = 3


class StoredWorld:
    """The environment whose rows are in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def highest_version(self) -> int:
        """The row version that was given out last."""
        return self._store.version

    def lower_versions(self, *, above: int, by: int) -> int:
        """Give rows and tombstones whose version is above that number an older one; how many."""
        execute = self._store.database.execute
        with self._store.transaction():
            counts = [
                execute(_LOWER_ROWS.format(quoted(table.name)), (by, above)).rowcount
                for table in self._store.catalog.tables.values()
                if "versionnumber" in table.columns
            ]
            counts.append(execute(_LOWER_TOMBSTONES, (by, above)).rowcount)
        return sum(counts)

    def primary_id(self, entity_set: str) -> str:
        """The name of the id column of a table, given by its name in URLs; "" if there is none."""
        table = self._store.catalog.find_set(entity_set)
        return table.primary_id if table else ""

    def change_schema(self, *, table: str, column: str, change: SchemaChange) -> None:
        """Change a column behind everybody's back; `KeyError` if there is none of that name.

        Values survive a renaming only; the alternate keys of the column are gone.
        """
        if change != "added" and column not in self._store.catalog.table(table).columns:
            raise KeyError(column)
        with self._store.transaction():
            _CHANGES[change](self._store, table, column)


_LOWER_ROWS = (
    'UPDATE {} SET "versionnumber" = max(1, "versionnumber" - ?) WHERE "versionnumber" > ?'
)
_LOWER_TOMBSTONES = "UPDATE _dv_tombstone SET version = max(1, version - ?) WHERE version > ?"


def _remove(store: Store, table: str, name: str) -> None:
    for key in store.catalog.table(table).definition.keys:
        if name in key.columns:
            store.drop_key(table, key.name)
    store.drop_column(table, name)


def _rename(store: Store, table: str, name: str) -> None:
    column = store.catalog.table(table).columns[name]
    renamed = replace(column, schema_name=f"{column.schema_name}Renamed")
    store.add_column(table, renamed)
    store.database.execute(f"UPDATE {quoted(table)} SET {quoted(renamed.name)} = {quoted(name)}")
    _remove(store, table, name)


def _shorten(store: Store, table: str, name: str) -> None:
    column = store.catalog.table(table).columns[name]
    _replace_column(store, table, replace(column, max_length=_SHORTENED_LENGTH))


def _replace_column(store: Store, table: str, column: ColumnDefinition) -> None:
    definition = store.catalog.table(table).definition
    columns = tuple(column if other.name == column.name else other for other in definition.columns)
    store.redefine_table(replace(definition, columns=columns))


def _retype(store: Store, table: str, name: str) -> None:
    column = store.catalog.table(table).columns[name]
    _remove(store, table, name)
    is_text = column.kind is ColumnKind.STRING
    constructor = define.integer if is_text else define.string
    store.add_column(table, constructor(column.schema_name))


def _add(store: Store, table: str, name: str) -> None:
    store.add_column(table, define.string(name))


_CHANGES = {
    "removed": _remove,
    "renamed": _rename,
    "shortened": _shorten,
    "retyped": _retype,
    "added": _add,
}
