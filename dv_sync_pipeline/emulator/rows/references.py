"""From what names a row, in a URL or in a body, to its GUID.

Belongs here: addressing by id and by alternate key, `@odata.bind`, `@odata.id` (DATAVERSE 4.6, 5).
Does not belong here: parsing (`addresses.py`).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from dv_sync_pipeline.emulator.queries.platform_functions import kept_value
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.database import fold, quoted
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.service.addresses import Segment, parse_path
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.tables.ddl import key_expressions
from dv_sync_pipeline.emulator.tables.schema import KeyStatus

__all__ = [
    "exists",
    "find_by_key",
    "find_row",
    "key_values",
    "missing_row",
    "reference_segment",
    "require_row",
]

_API_PREFIX = re.compile(r"^(?:https?://[^/]+)?/*(?:api/data/v\d+\.\d+/)?")
_WITHOUT_NAMED_ID = ("systemuser", "team")


def exists(store: Store, table: Table, row_id: str) -> bool:
    """Whether there is a row of that GUID."""
    sql = f"SELECT 1 FROM {quoted(table.name)} WHERE {quoted(table.primary_id)} = ?"
    return store.database.value(sql, (row_id,)) is not None


def find_row(
    store: Store,
    table: Table,
    segment: Segment,
    *,
    undefined: Callable[[str], replies.DataverseError] = replies.key_not_valid,
) -> str | None:
    """The GUID of the row that a segment addresses; None if there is no such row.

    Raises the error that `undefined` makes if the key is none of the table's.
    """
    if segment.row_id:
        return segment.row_id if exists(store, table, segment.row_id) else None
    if set(segment.key) == {table.primary_id} and table.name not in _WITHOUT_NAMED_ID:
        row_id = str(segment.key[table.primary_id]).lower()
        return row_id if exists(store, table, row_id) else None
    return find_by_key(store, table, key_values(table, segment.key, undefined=undefined))


def require_row(store: Store, table: Table, segment: Segment) -> str:
    """As `find_row`; raises the 404 of DATAVERSE 4.7 if there is no such row."""
    row_id = find_row(store, table, segment)
    if row_id is not None:
        return row_id
    raise missing_row(table, segment)


def missing_row(table: Table, segment: Segment) -> replies.DataverseError:
    """The 404 for a row that the segment addresses in vain."""
    if segment.row_id:
        return replies.row_not_found(table.name, segment.row_id)
    return replies.key_not_found(table.name)


def key_values(
    table: Table,
    key: Mapping[str, Any],
    *,
    undefined: Callable[[str], replies.DataverseError] = replies.key_not_valid,
) -> dict[str, Any]:
    """Column → kept value, for the columns of an active alternate key."""
    columns = [table.properties.get(name) for name in key]
    names = frozenset(column.name for column in columns if column is not None)
    if not names or None in columns:
        raise undefined(table.name)
    if table.active_key(names) is None:
        inactive = any(
            frozenset(known.columns) == names and known.status is not KeyStatus.ACTIVE
            for known in table.definition.keys
        )
        raise replies.key_not_defined(table.name) if inactive else undefined(table.name)
    return {
        column.name: kept_value_of(value, table, column.name)
        for column, value in zip(columns, key.values(), strict=True)
        if column is not None
    }


def kept_value_of(value: Any, table: Table, name: str) -> Any:
    """A key literal as the column keeps it, text not folded."""
    column = table.columns[name]
    if isinstance(value, str) and column.max_length is not None:
        return value
    return kept_value(column, value)


def find_by_key(store: Store, table: Table, values: Mapping[str, Any]) -> str | None:
    """The GUID of the row with these key values; None if there is none."""
    expressions = key_expressions(table.definition, values)
    tests = [f"{sql} = ?" for sql in expressions]
    # Said once more so that SQLite sees that the partial index holds every row it looks for.
    tests += [f"{quoted(name)} IS NOT NULL" for name in values]
    sql = f"SELECT {quoted(table.primary_id)} FROM {quoted(table.name)} WHERE {' AND '.join(tests)}"
    found = store.database.value(sql, [fold(value) for value in values.values()])
    return None if found is None else str(found)


def reference_segment(text: Any) -> Segment:
    """The segment of a reference such as `/accounts(<guid>)`, with or without slash and host."""
    if not isinstance(text, str) or not text:
        raise replies.bad_query("The reference to a row must be a text that is not empty.")
    segments = parse_path(_API_PREFIX.sub("", text, count=1))
    if len(segments) != 1 or not segments[0].has_key:
        raise replies.bad_query(f"'{text}' is no reference to a row.")
    return segments[0]
