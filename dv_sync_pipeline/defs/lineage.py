"""What the UI shows of a table before any run: its columns, and where each of them comes from.

Belongs here: the mapping of `sync.yaml` as Dagster metadata. Column types are not in `sync.yaml`,
and definitions load without the network, so a column is only told apart from a lookup until the
first run has looked.
"""

from collections.abc import Mapping

import dagster as dg

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.defs.names import Names
from dv_sync_pipeline.sync.report import TableReport

__all__ = [
    "column_lineage",
    "columns_of",
    "primary_schema",
    "secondary_schema",
]


def primary_schema(table: TableConfiguration) -> dg.TableSchema:
    """The mapped columns under their names in the primary."""
    return _schema(table, {name: name for name in table.target_columns})


def secondary_schema(table: TableConfiguration) -> dg.TableSchema:
    """The mapped columns under their names in the secondary, then the constants."""
    mapped = _schema(table, table.target_columns)
    return dg.TableSchema([*mapped.columns, *map(_constant, table.constants)])


def column_lineage(table: TableConfiguration, *, names: Names) -> dg.TableColumnLineage:
    """Secondary column → the primary column it is kept equal to."""
    origin = names.primary(table.table)
    return dg.TableColumnLineage(
        {
            target: [dg.TableColumnDep(asset_key=origin, column_name=name)]
            for name, target in table.target_columns.items()
        }
    )


def columns_of(
    table: TableConfiguration, report: TableReport, *, names: Names
) -> Mapping[str, dg.MetadataValue]:
    """Likewise of a pass, which knows the types, and which columns `*` stands for."""
    if not report.columns:
        lineage = column_lineage(table, names=names)
        return {"dagster/column_lineage": dg.MetadataValue.column_lineage(lineage)}
    origin = names.primary(table.table)
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(_typed_schema(table, report)),
        "dagster/column_lineage": dg.MetadataValue.column_lineage(
            dg.TableColumnLineage(
                {
                    each.target: [dg.TableColumnDep(asset_key=origin, column_name=each.source)]
                    for each in report.columns
                }
            )
        ),
    }


def _typed_schema(table: TableConfiguration, report: TableReport) -> dg.TableSchema:
    return dg.TableSchema(
        [
            *(_column(table, each.source, each.target, each.type) for each in report.columns),
            *map(_constant, table.constants),
        ]
    )


def _schema(table: TableConfiguration, names: Mapping[str, str]) -> dg.TableSchema:
    """Columns called by `names` (primary name → shown name)."""
    return dg.TableSchema([_column(table, name, shown) for name, shown in names.items()])


def _constant(name: str) -> dg.TableColumn:
    return dg.TableColumn(name, type="constant", description="The same in every row.")


def _column(table: TableConfiguration, name: str, shown: str, known: str = "") -> dg.TableColumn:
    """With its type where that is `known`, in words such as "text, up to 100 characters"."""
    lookup = table.lookups.get(name)
    parents = " or ".join(target.table for target in lookup.tables) if lookup else ""
    type_, _, details = known.partition(", ")
    return dg.TableColumn(
        shown,
        type=type_ or ("lookup" if lookup else "column"),
        description=f"Points to a row of {parents}." if lookup else details or None,
        constraints=dg.TableColumnConstraints(
            nullable=name not in table.key, other=["key"] if name in table.key else []
        ),
    )
