"""What deleting a row does to the rows around it (DATAVERSE 3.5, 4.4).

Belongs here: the four rules of `CascadeConfiguration.Delete`, and the pairs of many-to-many
relationships. Does not belong here: whether the user may delete (`writes.py`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.navigation import Collection
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.rows.watching import watched_delete
from dv_sync_pipeline.emulator.tables.catalog import Child, Table, target_column
from dv_sync_pipeline.emulator.tables.schema import DeleteRule

__all__ = ["delete_row", "remove_pairs"]


class RowSetter(Protocol):
    """Stores kept values in a row: `writes.Writer`."""

    @property
    def restricted_delete_status(self) -> int:
        """The status for a row that its children keep."""

    def set_values(self, table: Table, row_id: str, values: dict[str, Any]) -> None:
        """Store them; raises the 404."""


def delete_row(writer: RowSetter, store: Store, table: Table, row_id: str) -> None:
    """Delete the row after its children were seen to; raises the 404 if there is none."""
    for child in store.catalog.children(table.name):
        _RULES[child.lookup.on_delete](writer, store, child, row_id)
    _delete_pairs(store, table, row_id)
    sql = f"DELETE FROM {quoted(table.name)} WHERE {quoted(table.primary_id)} = ?"
    with watched_delete(store, table, row_id):
        if store.database.execute(sql, (row_id,)).rowcount == 0:
            raise replies.row_not_found(table.name, row_id)
    store.bury(table.name, row_id)


def _children(store: Store, child: Child, parent_id: str) -> list[str]:
    sql = (
        f"SELECT {quoted(child.table.primary_id)} FROM {quoted(child.table.name)} "
        f"WHERE {quoted(child.column.name)} = ?"
    )
    return [row_id for (row_id,) in store.database.execute(sql, (parent_id,))]


def _restrict(writer: RowSetter, store: Store, child: Child, parent_id: str) -> None:
    if _children(store, child, parent_id):
        raise replies.restricted_by_child(
            child.lookup.target, child.table.name, status=writer.restricted_delete_status
        )


def _cascade(writer: RowSetter, store: Store, child: Child, parent_id: str) -> None:
    for row_id in _children(store, child, parent_id):
        delete_row(writer, store, child.table, row_id)


def _remove_link(writer: RowSetter, store: Store, child: Child, parent_id: str) -> None:
    for row_id in _children(store, child, parent_id):
        values: dict[str, Any] = {child.column.name: None}
        if child.column.is_polymorphic:
            values[target_column(child.column.name)] = None
        writer.set_values(child.table, row_id, values)


def _leave(_writer: RowSetter, _store: Store, _child: Child, _parent_id: str) -> None:
    """The children keep pointing to a row that is gone."""


_RULES: Mapping[DeleteRule, Callable[[RowSetter, Store, Child, str], None]] = {
    DeleteRule.RESTRICT: _restrict,
    DeleteRule.CASCADE: _cascade,
    DeleteRule.REMOVE_LINK: _remove_link,
    DeleteRule.NO_CASCADE: _leave,
}


def _delete_pairs(store: Store, table: Table, row_id: str) -> None:
    for pairs in store.catalog.many_to_many.values():
        sides = ((pairs.first, pairs.first_column), (pairs.second, pairs.second_column))
        for side, column in sides:
            if side == table.name:
                _remove_pairs_where(store, pairs.intersect, {column: row_id})


def remove_pairs(store: Store, collection: Collection, ids: Mapping[str, str]) -> None:
    """Remove the pair of a many-to-many relationship, if it exists."""
    assert collection.pairs is not None  # noqa: S101 - asked for pairs only
    _remove_pairs_where(store, collection.pairs.intersect, ids)


def _remove_pairs_where(store: Store, intersect: str, ids: Mapping[str, str]) -> None:
    table = store.catalog.table(intersect)
    tests = " AND ".join(f"{quoted(name)} = ?" for name in ids)
    sql = f"DELETE FROM {quoted(intersect)} WHERE {tests} RETURNING {quoted(table.primary_id)}"
    for (pair_id,) in store.database.execute(sql, tuple(ids.values())).fetchall():
        store.bury(intersect, pair_id)
