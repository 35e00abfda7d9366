"""The SQL that makes the tables of a definition.

Belongs here: statements as text. Does not belong here: running them (`store.py`).

Alternate keys are partial unique indexes over folded text (DATAVERSE 4.6): a row with a null in the
key is not checked.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from dv_sync_pipeline.emulator.rows.database import literal, quoted
from dv_sync_pipeline.emulator.rows.values import sql_type
from dv_sync_pipeline.emulator.tables.catalog import Table, target_column
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    KeyDefinition,
    KeyStatus,
    TableDefinition,
)

__all__ = [
    "BOOKKEEPING",
    "column_sql",
    "index_name",
    "index_statements",
    "insert_sql",
    "key_expressions",
    "key_sql",
    "lookup_index_statements",
    "table_sql",
]

_TEXT_KINDS = (ColumnKind.STRING, ColumnKind.MEMO)

BOOKKEEPING = (
    """CREATE TABLE IF NOT EXISTS _dv_definition
       (kind TEXT, name TEXT, body BLOB, PRIMARY KEY (kind, name))""",
    "CREATE TABLE IF NOT EXISTS _dv_setting (name TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE IF NOT EXISTS _dv_counter (value INTEGER)",
    "INSERT INTO _dv_counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM _dv_counter)",
    """CREATE TABLE IF NOT EXISTS _dv_tombstone
       (table_name TEXT, row_id TEXT, version INTEGER, deleted_on TEXT)""",
    "CREATE INDEX IF NOT EXISTS _dv_tombstone_version ON _dv_tombstone (table_name, version)",
    """CREATE TABLE IF NOT EXISTS _dv_role_privilege
       (role_id TEXT, action TEXT, table_name TEXT, depth TEXT,
        PRIMARY KEY (role_id, action, table_name))""",
    """CREATE TABLE IF NOT EXISTS _dv_file
       (table_name TEXT, row_id TEXT, column_name TEXT, content BLOB,
        PRIMARY KEY (table_name, row_id, column_name))""",
    """CREATE TABLE IF NOT EXISTS _dv_upload
       (token TEXT PRIMARY KEY, table_name TEXT, row_id TEXT, column_name TEXT, file_name TEXT)""",
    """CREATE TABLE IF NOT EXISTS _dv_chunk
       (token TEXT, first_byte INTEGER, content BLOB, PRIMARY KEY (token, first_byte))""",
)
"""The tables beside those of Dataverse; their names cannot be those of a table."""


def insert_sql(table: Table, names: Iterable[str], shared: Mapping[str, Any]) -> str:
    """The statement that inserts a row: named columns are bound, shared ones stand in the text.

    Binding takes as long as inserting: what is the same for every row should not be bound for each.
    """
    expressions = {name: literal(value) for name, value in shared.items()}
    expressions |= dict.fromkeys(names, "?")
    columns = ", ".join(map(quoted, expressions))
    return (
        f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ({', '.join(expressions.values())})"
    )


def index_name(table: str, part: str) -> str:
    """The SQL index of a key or a lookup of the table."""
    return f"{table}.{part}"


def key_expressions(definition: TableDefinition, columns: Iterable[str]) -> list[str]:
    """How the columns of a key are compared: text folded (DATAVERSE 4.6)."""
    return [
        f"dv_fold({quoted(name)})"
        if _column(definition, name).kind in _TEXT_KINDS
        else quoted(name)
        for name in columns
    ]


def _column(definition: TableDefinition, name: str) -> ColumnDefinition:
    column = definition.column(name)
    if column is None:
        raise KeyError(name)
    return column


def table_sql(definition: TableDefinition) -> str:
    """The statement that makes the table."""
    declarations = [
        declaration for column in definition.columns for declaration in column_sql(column)
    ]
    return f"CREATE TABLE {quoted(definition.name)} ({', '.join(declarations)})"


def column_sql(column: ColumnDefinition) -> list[str]:
    """The declarations of the SQL columns that hold one column."""
    name = quoted(column.name)
    if column.generated:
        return [f"{name} TEXT GENERATED ALWAYS AS ({column.generated}) VIRTUAL"]
    if column.is_primary_id:
        return [f"{name} TEXT PRIMARY KEY NOT NULL"]
    if column.is_polymorphic:
        return [f"{name} TEXT", f"{quoted(target_column(column.name))} TEXT"]
    return [f"{name} {sql_type(column.kind)}"]


def index_statements(definition: TableDefinition) -> list[str]:
    """The statements that build every index of a new table."""
    version_index = quoted(index_name(definition.name, "versionnumber"))
    statements = [f'CREATE INDEX {version_index} ON {quoted(definition.name)} ("versionnumber")']
    for column in definition.columns:
        statements += lookup_index_statements(definition.name, column)
    for key in definition.keys:
        if key.status is KeyStatus.ACTIVE:
            statements.append(key_sql(definition, key))
    return statements


def lookup_index_statements(table: str, column: ColumnDefinition) -> list[str]:
    """Customers' lookups are indexed, for joins and for deleting parents."""
    if not (column.lookups and column.is_custom):
        return []
    index, name = quoted(index_name(table, column.name)), quoted(column.name)
    return [f"CREATE INDEX {index} ON {quoted(table)} ({name}) WHERE {name} IS NOT NULL"]


def key_sql(definition: TableDefinition, key: KeyDefinition) -> str:
    """The statement that builds the unique index of an alternate key."""
    name = quoted(index_name(definition.name, key.name))
    expressions = ", ".join(key_expressions(definition, key.columns))
    complete = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in key.columns)
    return (
        f"CREATE UNIQUE INDEX {name} ON {quoted(definition.name)} ({expressions}) WHERE {complete}"
    )
