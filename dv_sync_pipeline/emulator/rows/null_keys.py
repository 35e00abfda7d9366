"""Alternate keys with a null, checked like any others: a switch (DATAVERSE 16).

Belongs here: the check for rows that the unique indexes leave out. Does not belong here: those
indexes (`ddl.py`).
"""

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.tables.schema import KeyDefinition, KeyStatus

__all__ = ["check"]


def check(store: Store, table: Table, row_id: str) -> None:
    """Raise the 412 if another row has the same key values, nulls counting as equal."""
    for key in table.definition.keys:
        if key.status is KeyStatus.ACTIVE and store.database.value(_sql(table, key), (row_id,)):
            raise replies.duplicate_key(key.display_name or key.schema_name, key.columns)


def _sql(table: Table, key: KeyDefinition) -> str:
    name, primary_id = quoted(table.name), quoted(table.primary_id)
    same = " AND ".join(
        f"dv_fold(a.{quoted(column)}) IS dv_fold(b.{quoted(column)})" for column in key.columns
    )
    empty = " OR ".join(f"a.{quoted(column)} IS NULL" for column in key.columns)
    return (
        f"SELECT 1 FROM {name} AS a JOIN {name} AS b ON a.{primary_id} <> b.{primary_id} "
        f"WHERE a.{primary_id} = ? AND ({empty}) AND {same} LIMIT 1"
    )
