"""Where the rows of an environment are kept: one SQL table per Dataverse table.

Belongs here: tables and their indexes, row versions, tombstones, trusted bulk loading, and what
makes all of them survive a restart. Does not belong here: what a client may write (`writes.py`) or
ask (`query.py`).

Row versions come from one counter of the organisation, as a database's rowversion does (DATAVERSE
7.5); a deleted row leaves a tombstone, whether or not its table is tracked. Alternate keys are
partial unique indexes over folded text, so that a row with a null in the key is not checked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from msgspec import UNSET

from dv_sync_pipeline.emulator.rows import money
from dv_sync_pipeline.emulator.rows.database import Database, quoted
from dv_sync_pipeline.emulator.rows.ids import rising_ids
from dv_sync_pipeline.emulator.rows.new_rows import NewRows, property_names
from dv_sync_pipeline.emulator.rows.values import timestamp
from dv_sync_pipeline.emulator.rows.watching import Nobody, Watcher
from dv_sync_pipeline.emulator.tables import ddl
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table, target_column
from dv_sync_pipeline.emulator.tables.define import companions
from dv_sync_pipeline.emulator.tables.messages import filter_rows
from dv_sync_pipeline.emulator.tables.privileges import privilege_rows
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    KeyDefinition,
    KeyStatus,
    ManyToManyDefinition,
    OptionSetDefinition,
    TableDefinition,
)

__all__ = ["Store", "default_state"]

_FIRST_CUSTOM_TYPE_CODE = 10_000
_ROWS_AT_ONCE = 1000
_COMPANION_ROWS: Mapping[str, Callable[[TableDefinition], Iterable[dict[str, Any]]]] = {
    "sdkmessagefilter": filter_rows,
    "privilege": privilege_rows,
}
"""Tables whose rows come and go with every table."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_ids(now: datetime) -> Callable[[], str]:
    """GUIDs that go on beyond those of an earlier start, unless it made 2**16 a second."""
    return rising_ids(int(now.timestamp()) << 16, Random()).__next__


class Store:
    """The data of one environment, in memory or in a file.

    Args:
        file: the database file, created if need be; None keeps everything in memory.
        clock: the present, in UTC.
        new_id: a GUID for a row that comes without one; rising ones by default.

    Its `watcher` is told what clients write; there is none at first.

    """

    def __init__(
        self,
        file: Path | None = None,
        *,
        clock: Callable[[], datetime] = _utc_now,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        self.database = Database(file)
        self.clock = clock
        self.new_id = new_id or _new_ids(clock())
        self.watcher: Watcher = Nobody()
        self._create_bookkeeping()
        self.reload()

    def reload(self) -> None:
        """Read again what is kept in memory: the database was opened, or replaced by a snapshot."""
        self.catalog = Catalog()
        self._load_definitions()
        self._version: int = self.database.value("SELECT value FROM _dv_counter") or 0

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever defined in it."""
        return not self.catalog.tables

    def now(self) -> str:
        """The present as rows keep it."""
        return timestamp(self.clock())

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing."""
        return self.database.transaction()

    def close(self) -> None:
        """Save the counter and close the file."""
        self.save_version()
        self.database.close()

    # ---- versions and tombstones ----------------------------------------------------------------

    @property
    def version(self) -> int:
        """The highest row version handed out so far."""
        return self._version

    def next_version(self) -> int:
        """A version for one more write."""
        self._version += 1
        return self._version

    def save_version(self) -> None:
        """Write the counter down, inside the transaction whose rows it numbered."""
        self.database.execute("UPDATE _dv_counter SET value = ?", (self._version,))

    def bury(self, table: str, row_id: str) -> None:
        """Leave a tombstone of a deleted row."""
        self.database.execute(
            "INSERT INTO _dv_tombstone VALUES (?, ?, ?, ?)",
            (table, row_id, self.next_version(), self.now()),
        )

    # ---- tables ---------------------------------------------------------------------------------

    def create_table(self, definition: TableDefinition) -> Table:
        """Make the table, its columns and the indexes of its keys."""
        numbered = replace(
            definition,
            columns=tuple(
                each for column in definition.columns for each in (column, *companions(column))
            ),
            object_type_code=definition.object_type_code or self._next_type_code(),
        )
        with self.transaction():
            self.database.execute(ddl.table_sql(numbered))
            for statement in ddl.index_statements(numbered):
                self.database.execute(statement)
            table = self._define(numbered)
            for companion, rows in self._companion_rows(numbered):
                self.load_rows(companion.name, rows)
            return table

    def _companion_rows(
        self, definition: TableDefinition
    ) -> Iterable[tuple[Table, list[dict[str, Any]]]]:
        """The rows of other tables that follow from the definition of one."""
        for name, rows in _COMPANION_ROWS.items():
            if name in self.catalog.tables:
                yield self.catalog.tables[name], list(rows(definition))

    def drop_table(self, name: str) -> None:
        """Remove the table, its rows and their tombstones."""
        definition = self.catalog.table(name).definition
        with self.transaction():
            for companion, rows in self._companion_rows(definition):
                sql = (
                    f"DELETE FROM {quoted(companion.name)} WHERE {quoted(companion.primary_id)} = ?"
                )
                self.database.executemany(sql, [(row[companion.primary_id],) for row in rows])
            self.database.execute(f"DROP TABLE {quoted(name)}")
            self.database.execute("DELETE FROM _dv_tombstone WHERE table_name = ?", (name,))
            self._forget("table", name)
            self.catalog.remove(name)

    def add_column(self, table: str, column: ColumnDefinition) -> None:
        """Add a column; the rows that exist have null in it."""
        definition = self.catalog.table(table).definition
        added = (column, *companions(column))
        with self.transaction():
            for each in added:
                self._add_sql_columns(table, each)
            self._define(replace(definition, columns=(*definition.columns, *added)))

    def _add_sql_columns(self, table: str, column: ColumnDefinition) -> None:
        for declaration in ddl.column_sql(column):
            self.database.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {declaration}")
        for statement in ddl.lookup_index_statements(table, column):
            self.database.execute(statement)

    def drop_column(self, table: str, name: str) -> None:
        """Remove a column, what the platform added beside it, and their values."""
        definition = self.catalog.table(table).definition
        removed = [each for each in definition.columns if name in (each.name, each.attribute_of)]
        with self.transaction():
            for each in removed:
                self._drop_sql_columns(table, each)
            remaining = tuple(each for each in definition.columns if each not in removed)
            self._define(replace(definition, columns=remaining))

    def _drop_sql_columns(self, table: str, column: ColumnDefinition) -> None:
        index = quoted(ddl.index_name(table, column.name))
        self.database.execute(f"DROP INDEX IF EXISTS {index}")
        names = [column.name, *([target_column(column.name)] if column.is_polymorphic else [])]
        for name in names:
            self.database.execute(f"ALTER TABLE {quoted(table)} DROP COLUMN {quoted(name)}")

    def create_key(self, table: str, key: KeyDefinition) -> None:
        """Build the index of the key; `sqlite3.IntegrityError` if rows collide."""
        definition = self.catalog.table(table).definition
        with self.transaction():
            if key.status is KeyStatus.ACTIVE:
                self.database.execute(ddl.key_sql(definition, key))
            others = tuple(other for other in definition.keys if other.name != key.name)
            self._define(replace(definition, keys=(*others, key)))

    def drop_key(self, table: str, name: str) -> None:
        """Remove the key and its index."""
        definition = self.catalog.table(table).definition
        with self.transaction():
            self.database.execute(f"DROP INDEX IF EXISTS {quoted(ddl.index_name(table, name))}")
            remaining = tuple(key for key in definition.keys if key.name != name)
            self._define(replace(definition, keys=remaining))

    def redefine_table(self, definition: TableDefinition) -> Table:
        """Save a definition that differs in what needs no SQL, such as labels."""
        with self.transaction():
            return self._define(definition)

    def create_many_to_many(self, relationship: ManyToManyDefinition) -> None:
        """Save the relationship; its intersect table is created like any other."""
        with self.transaction():
            self._save("many_to_many", relationship.schema_name, relationship)
            self.catalog.many_to_many[relationship.schema_name] = relationship

    def drop_many_to_many(self, schema_name: str) -> None:
        """Forget the relationship."""
        self._forget("many_to_many", schema_name)
        del self.catalog.many_to_many[schema_name]

    def put_option_set(self, option_set: OptionSetDefinition) -> None:
        """Save a global choice."""
        self._save("option_set", option_set.name, option_set)
        self.catalog.option_sets[option_set.name] = option_set

    def drop_option_set(self, name: str) -> None:
        """Forget a global choice."""
        self._forget("option_set", name)
        del self.catalog.option_sets[name]

    def _define(self, definition: TableDefinition) -> Table:
        self._save("table", definition.name, definition)
        return self.catalog.put(definition)

    def _save(self, kind: str, name: str, definition: object) -> None:
        self.database.execute(
            "INSERT OR REPLACE INTO _dv_definition VALUES (?, ?, ?)",
            (kind, name, msgspec.json.encode(definition)),
        )

    def _forget(self, kind: str, name: str) -> None:
        sql = "DELETE FROM _dv_definition WHERE kind = ? AND name = ?"
        self.database.execute(sql, (kind, name))

    def _next_type_code(self) -> int:
        codes = (table.definition.object_type_code for table in self.catalog.tables.values())
        return max((_FIRST_CUSTOM_TYPE_CODE - 1, *codes)) + 1

    def _create_bookkeeping(self) -> None:
        for statement in ddl.BOOKKEEPING:
            self.database.execute(statement)

    def _load_definitions(self) -> None:
        catalog, decode = self.catalog, msgspec.json.decode
        for text in self._definitions("table"):
            catalog.put(decode(text, type=TableDefinition))
        for text in self._definitions("many_to_many"):
            relationship = decode(text, type=ManyToManyDefinition)
            catalog.many_to_many[relationship.schema_name] = relationship
        for text in self._definitions("option_set"):
            option_set = decode(text, type=OptionSetDefinition)
            catalog.option_sets[option_set.name] = option_set

    def _definitions(self, kind: str) -> list[bytes]:
        sql = "SELECT body FROM _dv_definition WHERE kind = ? ORDER BY rowid"
        return [body for (body,) in self.database.execute(sql, (kind,))]

    # ---- rows -----------------------------------------------------------------------------------

    def insert(self, table: Table, rows: NewRows) -> None:
        """Insert rows, each with an id and a version from now on."""
        rows.fill(table.primary_id, self.new_id)
        rows.columns["versionnumber"] = [self.next_version() for _ in range(rows.count)]
        rows.settle()
        bound = rows.columns.keys()
        shared = {name: value for name, value in rows.shared.items() if name not in bound}
        self.database.executemany(ddl.insert_sql(table, bound, shared), rows.records(bound))

    def load_rows(self, table_name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Insert prepared rows quickly; their number is returned.

        A row maps logical column names to JSON values as DATAVERSE 3.3 shows them (`Decimal` for
        exact numbers); a lookup is the GUID of its target, one with several targets the pair
        `(table, GUID)`. What the platform sets (id, times, versions, owner, state) may be given
        and is set where it is not. Limits are checked, privileges and targets of lookups are not.
        """
        table = self.catalog.table(table_name)
        defaults = self.defaults(table)
        remaining, count = iter(rows), 0
        with self.transaction():
            while some := list(islice(remaining, _ROWS_AT_ONCE)):
                self.insert(table, self._prepare(table, defaults, some))
                count += len(some)
            self.save_version()
        return count

    def defaults(self, table: Table) -> dict[str, Any]:
        """The kept values of a row that is created now, by nobody in particular."""
        now = self.now()
        values: dict[str, Any] = {
            column.name: column.default
            for column in table.definition.columns
            if column.default is not None
        }
        values |= {"createdon": now, "modifiedon": now}
        if table.has_state:
            values |= default_state(table)
        values |= self._default_owner()
        return {name: value for name, value in values.items() if name in table.sql_columns}

    def _default_owner(self) -> dict[str, Any]:
        owner = self.database.value("SELECT value FROM _dv_setting WHERE name = 'system user'")
        unit = self.database.value("SELECT value FROM _dv_setting WHERE name = 'business unit'")
        return {
            "createdby": owner,
            "modifiedby": owner,
            "ownerid": owner,
            target_column("ownerid"): "systemuser",
            "owningbusinessunit": unit,
        }

    def _prepare(
        self, table: Table, defaults: Mapping[str, Any], bodies: Sequence[Mapping[str, Any]]
    ) -> NewRows:
        rows = NewRows(len(bodies))
        rows.shared = defaults
        for name in property_names(bodies):
            given = [body.get(name, UNSET) for body in bodies]
            if name in table.decoders:
                rows.decode(name, given, table.decoders[name])
            else:
                rows.columns[name] = given
        for name in table.polymorphic:
            _split_pointers(rows, name)
        if table.amounts:
            for row in range(rows.count):
                values = rows.said(row)
                money.complete(self, table, values)
                rows.update(row, values)
        return rows

    # ---- settings -------------------------------------------------------------------------------

    def setting(self, name: str) -> str:
        """A fact about the environment, such as the id of its organisation."""
        return str(self.database.value("SELECT value FROM _dv_setting WHERE name = ?", (name,)))

    def set_setting(self, name: str, value: str) -> None:
        """Remember a fact about the environment."""
        self.database.execute("INSERT OR REPLACE INTO _dv_setting VALUES (?, ?)", (name, value))


def _split_pointers(rows: NewRows, name: str) -> None:
    """Table and id, given as a pair, into the two columns that keep them."""
    for row, pointer in enumerate(rows.columns.get(name, ())):
        if isinstance(pointer, tuple):
            rows.update(row, {target_column(name): pointer[0], name: pointer[1]})


def default_state(table: Table) -> dict[str, Any]:
    """State and status reason of a new row (DATAVERSE 12)."""
    first = table.columns["statecode"].options[0]
    return {"statecode": first.value, "statuscode": first.default_status}
