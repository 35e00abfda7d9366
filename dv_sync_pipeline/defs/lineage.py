"""What the UI shows of a table before any run: its columns, and where each of them comes from.

Belongs here: the mapping of `sync.yaml` as Dagster metadata. Column types are not in `sync.yaml`,
and definitions load without the network, so a column is only told apart from a lookup.
"""

from collections.abc import Mapping

import dagster as dg

from dv_sync_pipeline.config import TableConfiguration

__all__ = [
    "column_lineage",
    "deferred_key",
    "primary_key",
    "primary_schema",
    "removals_key",
    "secondary_key",
    "secondary_schema",
]


def primary_key(table: str) -> dg.AssetKey:
    """The asset that stands for a table of the primary."""
    return dg.AssetKey(["primary", table])


def secondary_key(table: TableConfiguration) -> dg.AssetKey:
    """The asset of a synchronized table."""
    return dg.AssetKey(["secondary", table.target])


def deferred_key(table: TableConfiguration) -> dg.AssetKey:
    """The asset of those lookups of a table that close a circle."""
    return dg.AssetKey(["deferred_lookups", table.target])


def removals_key(table: TableConfiguration) -> dg.AssetKey:
    """The asset of the removals of a synchronized table."""
    return dg.AssetKey(["removals", table.target])


def primary_schema(table: TableConfiguration) -> dg.TableSchema:
    """The mapped columns under their names in the primary."""
    return _schema(table, {name: name for name in table.target_columns})


def secondary_schema(table: TableConfiguration) -> dg.TableSchema:
    """The mapped columns under their names in the secondary, then the constants."""
    mapped = _schema(table, table.target_columns)
    return dg.TableSchema([*mapped.columns, *map(_constant, table.constants)])


def column_lineage(table: TableConfiguration) -> dg.TableColumnLineage:
    """Secondary column → the primary column it is kept equal to."""
    origin = primary_key(table.table)
    return dg.TableColumnLineage(
        {
            target: [dg.TableColumnDep(asset_key=origin, column_name=name)]
            for name, target in table.target_columns.items()
        }
    )


def _schema(table: TableConfiguration, names: Mapping[str, str]) -> dg.TableSchema:
    """Columns called by `names` (primary name → shown name)."""
    return dg.TableSchema([_column(table, name, shown) for name, shown in names.items()])


def _constant(name: str) -> dg.TableColumn:
    return dg.TableColumn(name, type="constant", description="The same in every row.")


def _column(table: TableConfiguration, name: str, shown: str) -> dg.TableColumn:
    lookup = table.lookups.get(name)
    parents = " or ".join(target.table for target in lookup.tables) if lookup else ""
    return dg.TableColumn(
        shown,
        type="lookup" if lookup else "column",
        description=f"Points to a row of {parents}." if lookup else None,
        constraints=dg.TableColumnConstraints(
            nullable=name not in table.key, other=["key"] if name in table.key else []
        ),
    )
