"""Pairs of many-to-many relationships, kept equal between linked rows.

Belongs here: comparing and repairing pairs, which follow the rows of their table. A pair of which
one row is not linked is never touched: it belongs to the secondary. Does not belong here: the rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from dv_sync_pipeline.errors import RequestFailedError
from dv_sync_pipeline.sync.comparison import TablePass
from dv_sync_pipeline.sync.mapping import KEY, PRIMARY_ID, SECONDARY_ID, MappedAssociation
from dv_sync_pipeline.sync.report import DifferenceKind, ParkedReason, ParkedRow, RowDifference
from dv_sync_pipeline.webapi.associations import Pair
from dv_sync_pipeline.webapi.client import Dataverse
from dv_sync_pipeline.webapi.metadata import Association
from dv_sync_pipeline.webapi.together import together
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind

__all__ = ["PairDifference", "PairsWritten", "apply_pairs", "compare_pairs", "pair_differences"]

_OTHER_ID = "@other_id"
_OTHER_KEY = "@other_key"
_END = "@end"
_PAIR = (SECONDARY_ID, _OTHER_ID)


@dataclass(frozen=True, slots=True)
class PairDifference:
    """What differs in one relationship; frames hold ids of the secondary and keys of both rows.

    Attributes:
        association: the relationship.
        missing: pairs that the secondary does not have.
        surplus: pairs of linked rows that the primary does not have.

    """

    association: MappedAssociation
    missing: pl.DataFrame
    surplus: pl.DataFrame


@dataclass(slots=True)
class PairsWritten:
    """What was written.

    Attributes:
        pairs: how many were made or undone.
        parked: rows of which a pair was refused, by primary id.

    """

    pairs: int = 0
    parked: dict[str, ParkedRow] = field(default_factory=dict)


async def compare_pairs(task: TablePass, links: pl.DataFrame) -> list[PairDifference]:
    """Compare every relationship of the table; `links` are the table's own."""
    return [await _compare(task, each, links) for each in task.mapping.associations]


async def _compare(
    task: TablePass, association: MappedAssociation, links: pl.DataFrame
) -> PairDifference:
    is_own = association.other == task.mapping.own
    other_links = links if is_own else task.parent_links[association.other]
    ours, theirs = await together(
        [
            _read(task.primary, association.source),
            _read(task.secondary, association.target),
        ]
    )
    wanted = _between(ours, _ends(links, PRIMARY_ID), _ends(other_links, PRIMARY_ID))
    present = _between(theirs, _ends(links, SECONDARY_ID), _ends(other_links, SECONDARY_ID))
    return PairDifference(
        association=association,
        missing=wanted.join(present, on=_PAIR, how="anti", maintain_order="left"),
        surplus=present.join(wanted, on=_PAIR, how="anti", maintain_order="left"),
    )


def _ends(links: pl.DataFrame, matched_by: str) -> pl.DataFrame:
    """Linked rows, and by which id pairs name them."""
    ends = links.filter(~pl.col("@intended"))
    return ends.select(pl.col(matched_by).alias(_END), PRIMARY_ID, SECONDARY_ID, KEY)


def _between(pairs: pl.DataFrame, rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The pairs whose rows are both linked, with their ids in the secondary and their keys."""
    others = others.select(
        _END, pl.col(SECONDARY_ID).alias(_OTHER_ID), pl.col(KEY).alias(_OTHER_KEY)
    )
    return pairs.join(rows, left_on="row", right_on=_END).join(
        others, left_on="other", right_on=_END
    )


async def _read(environment: Dataverse, association: Association) -> pl.DataFrame:
    schema = await environment.describe(association.intersect)
    names = (association.column, association.other_column)
    pairs = [
        tuple(str(row[name]).lower() for name in names)
        async for page in environment.read_pages(schema, names)
        for row in page
    ]
    columns = {"row": pl.String(), "other": pl.String()}
    return pl.DataFrame(pairs, schema=columns, orient="row").unique(maintain_order=True)


async def apply_pairs(
    task: TablePass, differences: Sequence[PairDifference], *, ensure_turn: Callable[[], None]
) -> PairsWritten:
    """Undo surplus pairs and make missing ones, chunk by chunk.

    Both are harmless when repeated, so an outcome that stays unknown only ends the pass with
    `RequestFailedError`: the next one finds out.
    """
    written = PairsWritten()
    for difference in differences:
        target = difference.association.target
        for send, pairs in (
            (task.secondary.disassociate_rows, difference.surplus),
            (task.secondary.associate_rows, difference.missing),
        ):
            for chunk in pairs.iter_slices(task.rows_per_chunk):
                ensure_turn()
                outcomes = await send(task.mapping.secondary, target, _pairs(chunk))
                written.pairs += _settle(task, chunk, outcomes, written)
    return written


def _pairs(chunk: pl.DataFrame) -> list[Pair]:
    return [Pair(row, other) for row, other in chunk.select(_PAIR).iter_rows()]


def _settle(
    task: TablePass, chunk: pl.DataFrame, outcomes: list[Outcome], written: PairsWritten
) -> int:
    """Park rows of refused pairs; returns how many pairs are as they should be."""
    unknown = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.UNKNOWN]
    if unknown:
        raise RequestFailedError(
            f"whether {len(unknown)} pairs of {task.table} were written is unknown",
            outcome_unknown=True,
            where=task.secondary.name,
            why=unknown[0].message,
            mend="Run it again: it finds out and goes on from there",
        )
    done = 0
    for row, outcome in zip(chunk.iter_rows(named=True), outcomes, strict=True):
        if outcome.kind is OutcomeKind.DONE:
            done += 1
        else:
            written.parked[row[PRIMARY_ID]] = _parked_row(task, row, outcome)
    return done


def _parked_row(task: TablePass, row: Mapping[str, str], outcome: Outcome) -> ParkedRow:
    return ParkedRow(
        table=task.table,
        primary_id=row[PRIMARY_ID],
        key=row[KEY],
        reason=ParkedReason.REFUSED,
        message=f"its association with {row[_OTHER_KEY]}: {outcome.message}",
        code=outcome.code,
        since=task.clock(),
        attempts=1,
    )


def pair_differences(differences: Sequence[PairDifference]) -> Iterator[RowDifference]:
    """Every row whose pairs differ: the keys to take away, and the keys to add."""
    for difference in differences:
        yield from _differences(difference)


def _differences(difference: PairDifference) -> Iterator[RowDifference]:
    name = difference.association.target.name
    surplus = difference.surplus.select(PRIMARY_ID, SECONDARY_ID, KEY, gone=_OTHER_KEY)
    missing = difference.missing.select(PRIMARY_ID, SECONDARY_ID, KEY, new=_OTHER_KEY)
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
