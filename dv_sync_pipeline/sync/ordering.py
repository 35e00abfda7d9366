"""The order in which tables are synchronized: parents before the tables that look them up.

Belongs here: the order only. Whether a table exists is for `mapping.py`.
"""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.errors import ConfigurationError

__all__ = ["in_dependency_order"]


def in_dependency_order(tables: Sequence[TableConfiguration]) -> list[TableConfiguration]:
    """Every table after the tables that its lookups point to; the same order each time.

    Raises `ConfigurationError` that names the cycle when tables look each other up.
    """
    by_name = {table.table: table for table in tables}
    graph = {table.table: sorted(set(table.lookups.values())) for table in tables}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        # graphlib names each table before the one that looks it up.
        cycle = " → ".join(reversed(error.args[1]))
        raise ConfigurationError(
            f"lookups go round in a circle, which is not supported yet: {cycle}",
            mend="Leave one of these lookups out of sync.yaml",
        ) from None
