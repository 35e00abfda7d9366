"""The `MetadataId` of everything that has one.

Belongs here: how ids follow from names, so that reading and writing metadata agree. Does not belong
here: looking anything up by its id (`metadata_writes.py`, `metadata_read.py`).
"""

from dv_sync_pipeline.emulator.tables.schema import metadata_id

__all__ = ["column_id", "key_id", "option_set_id", "relationship_id", "table_id"]


def table_id(table: str) -> str:
    """Of a table, by its logical name."""
    return metadata_id("table", table)


def column_id(table: str, column: str) -> str:
    """Of a column, by logical names."""
    return metadata_id("column", table, column)


def key_id(table: str, key: str) -> str:
    """Of an alternate key, by logical names."""
    return metadata_id("key", table, key)


def relationship_id(schema_name: str) -> str:
    """Of a relationship of either kind."""
    return metadata_id("relationship", schema_name)


def option_set_id(name: str) -> str:
    """Of a global choice."""
    return metadata_id("option_set", name)
