"""Which messages tables know: rows of `sdkmessage`, `sdkmessagefilter` (DATAVERSE 8.1, 10.1).

Belongs here: the rows, which follow from the tables. Does not belong here: their columns
(`webhook_tables.py`) and carrying messages out.

Ids follow from names, so that they are the same in every environment and every start.
"""

from collections.abc import Iterator
from typing import Any

from dv_sync_pipeline.emulator.tables.schema import TableDefinition, metadata_id

__all__ = ["filter_id", "filter_rows", "message_id", "message_rows"]

_ROW_MESSAGES = ("Create", "Update", "Delete")
_PAIR_MESSAGES = ("Associate", "Disassociate")
_BULK_MESSAGES = ("CreateMultiple", "UpdateMultiple")
"""A filter of these shows that a table has bulk messages; UpsertMultiple has none (8.1)."""


def message_id(name: str) -> str:
    """The id of the `sdkmessage` row of that name."""
    return metadata_id("sdkmessage", name)


def filter_id(message: str, *, table: str) -> str:
    """The id of the `sdkmessagefilter` row for that message on that table."""
    return metadata_id("sdkmessagefilter", table, message)


def message_rows() -> Iterator[dict[str, Any]]:
    """The messages for which steps can be registered."""
    for name in (*_ROW_MESSAGES, *_PAIR_MESSAGES, *_BULK_MESSAGES):
        yield {"sdkmessageid": message_id(name), "name": name}


def filter_rows(definition: TableDefinition) -> Iterator[dict[str, Any]]:
    """The messages that a table knows, by which clients also find out about bulk messages."""
    if definition.is_intersect:
        return
    for message in _ROW_MESSAGES + (_BULK_MESSAGES if definition.supports_bulk else ()):
        yield {
            "sdkmessagefilterid": filter_id(message, table=definition.name),
            "name": message,
            "primaryobjecttypecode": definition.name,
            "secondaryobjecttypecode": "none",
            "sdkmessageid": message_id(message),
        }
