"""Which rows wait for which parents.

Belongs here: finding it out from the rows of the primary and the links. Pure. Does not belong here:
what becomes of a row meanwhile (`projection.py`), or when it is looked at again (`changes.py`).
"""

from collections.abc import Collection, Iterator, Mapping

import polars as pl

from dv_sync_pipeline.sync.ledger.waiting import PARENT_ID, PARENT_TABLE, WAITING_SCHEMA
from dv_sync_pipeline.sync.mapping import PRIMARY_ID, MappedColumn, Parent, TableMapping
from dv_sync_pipeline.sync.values import reference, reference_prefix

__all__ = ["all_there", "looked_up", "missing_parents"]


def looked_up(rows: pl.DataFrame, mapping: TableMapping) -> dict[Parent, set[str]]:
    """Synchronized parent → ids of its rows that these rows look up. For few rows."""
    found: dict[Parent, set[str]] = {}
    for column in mapping.lookups:
        shown = set(rows[column.name]) - {None}
        for parent in column.parents:
            if not parent.by:
                prefix = reference_prefix(column.source, parent.table)
                found.setdefault(parent, set()).update(
                    value.removeprefix(prefix) for value in shown if value.startswith(prefix)
                )
    return found


def all_there(ids: Mapping[Parent, Collection[str]], links: Mapping[Parent, pl.DataFrame]) -> bool:
    """Whether each of these rows of these parents is linked."""
    return all(_linked(links[parent]).issuperset(some) for parent, some in ids.items())


def _linked(links: pl.DataFrame) -> set[str]:
    both = zip(links[PRIMARY_ID], links["@intended"], strict=True)
    return {primary_id for primary_id, is_intended in both if not is_intended}


def _pointing(rows: pl.DataFrame, column: MappedColumn, parent: Parent) -> pl.DataFrame:
    """The rows that point to this parent through the column."""
    prefix = reference_prefix(column.source, parent.table)
    value = pl.col(column.name)
    pointing = rows.filter(value.is_not_null() & value.str.starts_with(prefix))
    return pointing.select(
        PRIMARY_ID,
        pl.lit(parent.table).alias(PARENT_TABLE),
        value.str.strip_prefix(prefix).alias(PARENT_ID),
    )


def missing_parents(
    rows: pl.DataFrame, mapping: TableMapping, *known: Mapping[Parent, pl.DataFrame]
) -> pl.DataFrame:
    """Which rows wait for which parents, as `WAITING_SCHEMA`.

    `rows` has the columns of `mapping.primary_columns`; `known` are the links of every synchronized
    parent, the table itself included if it looks itself up. What was known when the rows were
    compared counts as well as what is known now: a parent that came in between is missing in what
    was written, and found to have arrived by whoever looks next.
    """
    missing = [frame for links in known for frame in _missing(rows, mapping, links)]
    return pl.concat([WAITING_SCHEMA.to_frame(), *missing]).unique()


def _missing(
    rows: pl.DataFrame, mapping: TableMapping, links: Mapping[Parent, pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    for column in mapping.lookups:
        pointing = rows.select(PRIMARY_ID, column.name).drop_nulls()
        for parent in column.parents:
            if not parent.by:
                there = _there(column, parent, links[parent])
                absent = pointing.join(there, on=column.name, how="anti")
                yield _pointing(absent, column, parent)


def _there(column: MappedColumn, parent: Parent, links: pl.DataFrame) -> pl.DataFrame:
    """What the column shows of the linked rows of this parent."""
    shown = reference(column.source, parent.table, pl.col(PRIMARY_ID))
    return links.filter(~pl.col("@intended")).select(shown.alias(column.name))
