"""The rows of `privilege` that follow from a table (DATAVERSE 13).

Belongs here: names and ids of privileges. Does not belong here: who has them (`security.py`).
"""

from collections.abc import Iterator
from typing import Any

from dv_sync_pipeline.emulator.tables.schema import TableDefinition, metadata_id

__all__ = ["ACTIONS", "privilege_id", "privilege_name", "privilege_rows"]

ACTIONS = ("Create", "Read", "Write", "Delete", "Assign", "Share", "Append", "AppendTo")


def privilege_name(definition: TableDefinition, action: str) -> str:
    """Such as `prvCreatecontoso_Hotel`."""
    return f"prv{action}{definition.schema_name}"


def privilege_id(name: str) -> str:
    """The id of the privilege of that name."""
    return metadata_id("privilege", name)


def privilege_rows(definition: TableDefinition) -> Iterator[dict[str, Any]]:
    """One row for each thing that can be done to the rows of a table."""
    if definition.is_intersect:
        return
    for action in ACTIONS:
        name = privilege_name(definition, action)
        yield {
            "privilegeid": privilege_id(name),
            "name": name,
            "action": action,
            "entityname": definition.name,
            "canbeglobal": True,
        }
