"""What the platform keeps beside a picture: its id, its time, its address (DATAVERSE 3.3).

Belongs here: the three companions. Does not belong here: the picture's content (`values.py`,
`files.py`).
"""

from typing import Any

from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.catalog import Table

__all__ = ["complete"]

_TICKS_PER_SECOND = 10_000_000


def complete(store: Store, table: Table, values: dict[str, Any]) -> None:
    """Extend a write by the companions of the pictures in it."""
    for name in table.images:
        if name in values:
            values |= _companions(store, table, name, has_content=values[name] is not None)


def _companions(store: Store, table: Table, name: str, *, has_content: bool) -> dict[str, Any]:
    if not has_content:
        return {f"{name}id": None, f"{name}_timestamp": None, f"{name}_url": None}
    picture_id = store.new_id()
    ticks = int(store.clock().timestamp() * _TICKS_PER_SECOND)
    url = f"/Image/download.aspx?Entity={table.name}&Attribute={name}&Id={picture_id}"
    return {
        f"{name}id": picture_id,
        f"{name}_timestamp": ticks,
        f"{name}_url": f"{url}&Timestamp={ticks}",
    }
