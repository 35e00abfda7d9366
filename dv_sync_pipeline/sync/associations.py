"""Pairs of many-to-many relationships, kept equal between linked rows.

Belongs here: comparing pairs, once the rows of their table are there. A pair of which one row is
not linked is never touched: it belongs to the secondary. Does not belong here: making and undoing
them; that is `pairs.py`.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from dv_sync_pipeline.sync.comparison import TablePass
from dv_sync_pipeline.sync.mapping import KEY, PRIMARY_ID, SECONDARY_ID, MappedAssociation
from dv_sync_pipeline.sync.report import DifferenceKind, RowDifference
from dv_sync_pipeline.webapi.client import Dataverse, Row
from dv_sync_pipeline.webapi.metadata import Association
from dv_sync_pipeline.webapi.together import together

__all__ = [
    "OTHER_ID",
    "OTHER_KEY",
    "OTHER_PRIMARY_ID",
    "PairDifference",
    "compare_pairs",
    "compare_pairs_of",
    "pair_differences",
]

OTHER_PRIMARY_ID = "@other_primary_id"
OTHER_ID = "@other_id"
"""The other row's id in the secondary."""
OTHER_KEY = "@other_key"

_END = "@end"
_PAIR = (SECONDARY_ID, OTHER_ID)


@dataclass(frozen=True, slots=True)
class PairDifference:
    """What differs in one relationship; frames hold ids and keys of both rows.

    Attributes:
        association: the relationship.
        missing: pairs that the secondary does not have.
        surplus: pairs of linked rows that the primary does not have.
        primary_pairs: how many pairs the primary showed, those of rows without a link included.
        linked_pairs: how many pairs of linked rows the secondary has.
        waiting: how many pairs of the primary cannot be made yet, because one of their rows waits.

    """

    association: MappedAssociation
    missing: pl.DataFrame
    surplus: pl.DataFrame
    primary_pairs: int
    linked_pairs: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two tables: its links, and the rows that are linked or should be."""

    links: pl.DataFrame
    primary_ids: pl.Series


async def compare_pairs(
    task: TablePass, links: pl.DataFrame, *, primary_ids: pl.Series
) -> list[PairDifference]:
    """Compare every relationship of the table.

    `links` are the table's own; `primary_ids` are all of its rows in the primary, the parked ones
    included.
    """
    own = _Side(links, pl.concat([links[PRIMARY_ID], primary_ids]))
    return [await _compare(task, each, own) for each in task.mapping.associations]


async def compare_pairs_of(task: TablePass, ids: Collection[str]) -> list[PairDifference]:
    """Compare the pairs of these rows of the primary in every relationship of the table."""
    links = task.ledger.links_of(task.table, sorted(ids))
    own = _Side(links, pl.Series(PRIMARY_ID, sorted(ids), dtype=pl.String()))
    return [await _compare_few(task, each, own) for each in task.mapping.associations]


async def _compare_few(
    task: TablePass, association: MappedAssociation, own: _Side
) -> PairDifference:
    """How many pairs the primary has in all is not known here; an empty answer says nothing."""
    ours, theirs = await together(
        [
            _read_of(task.primary, association.source, own.primary_ids),
            _read_of(task.secondary, association.target, own.links[SECONDARY_ID]),
        ]
    )
    ledger, table = task.ledger, association.other.table
    links = pl.concat(
        [ledger.links_of(table, ours["other"]), ledger.links_to(table, theirs["other"])]
    )
    parked = pl.Series([row.primary_id for row in ledger.parked(table)], dtype=pl.String())
    links = links.unique(PRIMARY_ID)
    other = _Side(links, pl.concat([links[PRIMARY_ID], parked]))
    found = _difference(association, own, other, ours=ours, theirs=theirs)
    return replace(found, primary_pairs=max(found.primary_pairs, 1))


async def _read_of(
    environment: Dataverse, association: Association, ids: pl.Series
) -> pl.DataFrame:
    """The pairs of these rows alone."""
    schema = await environment.describe(association.intersect)
    names = (association.column, association.other_column)
    keys = [{association.column: row_id} for row_id in ids]
    return _pairs_frame(await environment.read_rows_by_key(schema, keys, names), names)


def _other_side(task: TablePass, association: MappedAssociation, own: _Side) -> _Side:
    if association.other == task.mapping.own:
        return own
    links = task.parent_links[association.other]
    parked = [row.primary_id for row in task.ledger.parked(association.other.table)]
    ids = pl.concat([links[PRIMARY_ID], pl.Series(PRIMARY_ID, parked, dtype=pl.String())])
    return _Side(links, ids)


async def _compare(task: TablePass, association: MappedAssociation, own: _Side) -> PairDifference:
    other = _other_side(task, association, own)
    ours, theirs = await together(
        [
            _read(task.primary, association.source),
            _read(task.secondary, association.target),
        ]
    )
    return _difference(association, own, other, ours=ours, theirs=theirs)


def _difference(
    association: MappedAssociation,
    own: _Side,
    other: _Side,
    *,
    ours: pl.DataFrame,
    theirs: pl.DataFrame,
) -> PairDifference:
    links, other_links = own.links, other.links
    wanted = _between(ours, _ends(links, PRIMARY_ID), _ends(other_links, PRIMARY_ID))
    present = _between(theirs, _ends(links, SECONDARY_ID), _ends(other_links, SECONDARY_ID))
    return PairDifference(
        association=association,
        missing=wanted.join(present, on=_PAIR, how="anti", maintain_order="left"),
        surplus=present.join(wanted, on=_PAIR, how="anti", maintain_order="left"),
        primary_pairs=ours.height,
        linked_pairs=present.height,
        waiting=_expected(ours, own.primary_ids, other.primary_ids) - wanted.height,
    )


def _expected(pairs: pl.DataFrame, rows: pl.Series, others: pl.Series) -> int:
    """How many pairs there will be once no row waits; rows that a filter leaves out have none."""
    both = pl.col("row").is_in(rows.implode()) & pl.col("other").is_in(others.implode())
    return pairs.filter(both).height


def _ends(links: pl.DataFrame, matched_by: str) -> pl.DataFrame:
    """Linked rows, and by which id pairs name them."""
    ends = links.filter(~pl.col("@intended"))
    return ends.select(pl.col(matched_by).alias(_END), PRIMARY_ID, SECONDARY_ID, KEY)


def _between(pairs: pl.DataFrame, rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The pairs whose rows are both linked, with their ids on both sides and their keys."""
    others = others.select(
        _END,
        pl.col(PRIMARY_ID).alias(OTHER_PRIMARY_ID),
        pl.col(SECONDARY_ID).alias(OTHER_ID),
        pl.col(KEY).alias(OTHER_KEY),
    )
    return pairs.join(rows, left_on="row", right_on=_END).join(
        others, left_on="other", right_on=_END
    )


async def _read(environment: Dataverse, association: Association) -> pl.DataFrame:
    schema = await environment.describe(association.intersect)
    names = (association.column, association.other_column)
    pages = environment.read_pages(schema, names)
    return _pairs_frame([row async for page in pages for row in page], names)


def _pairs_frame(rows: Sequence[Row], names: Sequence[str]) -> pl.DataFrame:
    pairs = [tuple(str(row[name]).lower() for name in names) for row in rows]
    columns = {"row": pl.String(), "other": pl.String()}
    return pl.DataFrame(pairs, schema=columns, orient="row").unique(maintain_order=True)


def pair_differences(differences: Sequence[PairDifference]) -> Iterator[RowDifference]:
    """Every row whose pairs differ: the keys to take away, and the keys to add."""
    for difference in differences:
        yield from _differences(difference)


def _differences(difference: PairDifference) -> Iterator[RowDifference]:
    name = difference.association.target.name
    surplus = difference.surplus.select(PRIMARY_ID, SECONDARY_ID, KEY, gone=OTHER_KEY)
    missing = difference.missing.select(PRIMARY_ID, SECONDARY_ID, KEY, new=OTHER_KEY)
    rows = pl.concat([surplus, missing], how="diagonal")
    grouped = rows.group_by(PRIMARY_ID, SECONDARY_ID, KEY, maintain_order=True).agg(
        pl.col("gone", "new").drop_nulls().sort()
    )
    for row in grouped.iter_rows(named=True):
        yield RowDifference(
            kind=DifferenceKind.UPDATE,
            key=row[KEY],
            primary_id=row[PRIMARY_ID],
            secondary_id=row[SECONDARY_ID],
            changes={name: (", ".join(row["gone"]), ", ".join(row["new"]))},
        )
