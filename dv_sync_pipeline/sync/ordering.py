"""The order in which tables are synchronized: parents before the tables that look them up.

Belongs here: the order only. Which lookups cannot keep to it is for `deferral.py`, whether a table
exists for `mapping.py`.
"""

from collections.abc import Sequence
from graphlib import TopologicalSorter

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.sync.deferral import deferred_lookups, parents_before

__all__ = ["children_of", "in_dependency_order"]


def in_dependency_order(tables: Sequence[TableConfiguration]) -> list[TableConfiguration]:
    """Every table after the tables that its lookups point to; the same order each time.

    Deferred lookups do not count. Raises `ConfigurationError` as `deferred_lookups` does.
    """
    deferred = deferred_lookups(tables)
    by_name = {table.table: table for table in tables}
    graph = {
        table.table: sorted(parents_before(table, deferred.get(table.table, ())))
        for table in tables
    }
    return [by_name[name] for name in TopologicalSorter(graph).static_order()]


def children_of(
    parent: TableConfiguration, tables: Sequence[TableConfiguration]
) -> list[TableConfiguration]:
    """The tables that look up `parent`: their rows are moved and removed before its rows go.

    Deferred lookups do not count, so that the order is that of the tables, reversed.
    """
    deferred = deferred_lookups(tables)
    return [
        table
        for table in tables
        if parent.table in parents_before(table, deferred.get(table.table, ()))
    ]
