"""Rows of tables that are not synchronized, found again on the other side by a column.

Belongs here: users, teams, business units and currencies, whose GUIDs differ (DATAVERSE 13). They
are read on both sides and never written. Does not belong here: what becomes of a row whose parent
was not found; that is `projection.py`, as for any missing parent.
"""

import polars as pl

from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.mapping import FOLDED_KEY, KEY, PRIMARY_ID, SECONDARY_ID, VERSION, Parent
from dv_sync_pipeline.sync.projection import LINKS_SCHEMA
from dv_sync_pipeline.sync.values import VALUE_TYPES, empty_frame, fold_keys, frame_of_rows
from dv_sync_pipeline.webapi.client import Dataverse
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline.webapi.together import together

__all__ = ["match_rows"]


async def match_rows(parent: Parent, *, primary: Dataverse, secondary: Dataverse) -> pl.DataFrame:
    """Links of the rows that `parent.by` tells apart on both sides, as `LINKS_SCHEMA`.

    A row without a value, and a value that stands twice on one side, match nothing: nothing is
    guessed. Raises `SchemaMismatchError` when the table or the column is not there.
    """
    ours, theirs = await together(
        [
            _read(primary, parent.table, parent.by, id_name=PRIMARY_ID),
            _read(secondary, parent.target, parent.by, id_name=SECONDARY_ID),
        ]
    )
    return (
        ours.join(theirs.drop(KEY), on=FOLDED_KEY)
        .with_columns(
            pl.lit(0, pl.Int64).alias(VERSION),
            pl.lit("matched").alias("@origin"),
            pl.lit(value=False).alias("@intended"),
        )
        .select(LINKS_SCHEMA.names())
    )


async def _read(environment: Dataverse, table: str, by: str, *, id_name: str) -> pl.DataFrame:
    """Ids and values of one side, those that stand alone."""
    schema = await environment.describe(table)
    column = schema.columns.get(by)
    if column is None or column.kind not in VALUE_TYPES:
        raise SchemaMismatchError(
            f"rows of {table} cannot be matched by {by}",
            where=environment.name,
            why="there is no such column" if column is None else f"it is of type {column.kind}",
            mend="Correct `by` of this lookup in sync.yaml",
        )
    columns = {id_name: Column(schema.primary_id, ColumnKind.UNIQUE_IDENTIFIER), KEY: column}
    where = f"{environment.name}, table {table}"
    pages = [
        frame_of_rows(page, columns, where=where)
        async for page in environment.read_pages(schema, [by])
    ]
    rows = pl.concat([empty_frame(columns), *pages]).unique(id_name, keep="last")
    return (
        rows.with_columns(fold_keys(rows, [KEY]).alias(FOLDED_KEY), pl.col(KEY).cast(pl.String))
        .drop_nulls(FOLDED_KEY)
        .unique(FOLDED_KEY, keep="none")
    )
