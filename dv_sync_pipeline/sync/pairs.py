"""Making and undoing pairs of many-to-many relationships.

Belongs here: the order of the writes, when undoing waits for a person, why a row is parked. Does
not belong here: which pairs differ; that is `associations.py`.

To undo a pair is a removal, under the same promise (`removals.py`): too many at once wait for a
person, and the primary is asked for each of them once more. Missing pairs are made in any case.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl

from dv_sync_pipeline.errors import RequestFailedError
from dv_sync_pipeline.sync.associations import (
    OTHER_ID,
    OTHER_KEY,
    OTHER_PRIMARY_ID,
    PairDifference,
)
from dv_sync_pipeline.sync.comparison import TablePass
from dv_sync_pipeline.sync.guards import HeldLists, Removal, RemovalList
from dv_sync_pipeline.sync.mapping import KEY, PRIMARY_ID, SECONDARY_ID
from dv_sync_pipeline.sync.refusals import reason_of, stop_without_privilege
from dv_sync_pipeline.sync.report import ParkedRow
from dv_sync_pipeline.webapi.associations import Pair
from dv_sync_pipeline.webapi.metadata import Association, TableSchema
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind

__all__ = ["PairsWritten", "apply_pairs", "held_pairs"]

_Send: TypeAlias = Callable[[TableSchema, Association, Sequence[Pair]], Awaitable[list[Outcome]]]


@dataclass(slots=True)
class PairsWritten:
    """What was written.

    Attributes:
        held: pairs that wait for the approval of a person, and why.
        pairs: how many were made or undone.
        parked: rows of which a pair was refused, by primary id.

    """

    held: HeldLists
    pairs: int = 0
    parked: dict[str, ParkedRow] = field(default_factory=dict)


def held_pairs(task: TablePass, differences: Iterable[PairDifference]) -> HeldLists:
    """The surplus pairs that may not be undone before a person approved them."""
    lists = [_surplus_list(each, task) for each in differences]
    return HeldLists.of(lists, max_removals=task.settings.max_removals)


def _surplus_list(difference: PairDifference, task: TablePass) -> RemovalList:
    name = difference.association.source.name
    rows = difference.surplus.sort(KEY, OTHER_KEY)
    removals = rows.select(PRIMARY_ID, SECONDARY_ID, KEY, OTHER_KEY, OTHER_ID).iter_rows()
    return RemovalList(
        task.table,
        tuple(
            Removal(primary_id, secondary_id, f"{key} with {other_key}", other_id)
            for primary_id, secondary_id, key, other_key, other_id in removals
        ),
        links=difference.linked_pairs,
        primary_rows=difference.primary_pairs,
        approved=task.ledger.removals(task.table, relationship=name).approved,
        relationship=name,
    )


async def apply_pairs(task: TablePass, differences: Sequence[PairDifference]) -> PairsWritten:
    """Undo surplus pairs, unless they are held, and make missing ones, chunk by chunk.

    Both are harmless when repeated, so an outcome that stays unknown only ends the pass with
    `RequestFailedError`: the next one finds out.
    """
    return await _PairWriter(task, held_pairs(task, differences)).apply(differences)


class _PairWriter:
    """One application of the differences of one table."""

    def __init__(self, task: TablePass, held: HeldLists) -> None:
        self._task = task
        self._written = PairsWritten(held)

    async def apply(self, differences: Sequence[PairDifference]) -> PairsWritten:
        held = {each.relationship for each in self._written.held.lists}
        for difference in differences:
            source, target = difference.association.source, difference.association.target
            if source.name not in held:
                surplus = await self._still_surplus(difference.surplus, source)
                await self._in_chunks(self._task.secondary.disassociate_rows, surplus, target)
            await self._in_chunks(self._task.secondary.associate_rows, difference.missing, target)
        return self._written

    async def _still_surplus(self, surplus: pl.DataFrame, source: Association) -> pl.DataFrame:
        """Without the pairs that the primary shows when asked for exactly these rows.

        They came back since, or the long read has missed them (RELIABILITY 0.8): two proofs.
        """
        pairs = _pairs(surplus, PRIMARY_ID, OTHER_PRIMARY_ID)
        there = await self._task.primary.find_pairs(source, pairs)
        return surplus.filter(pl.Series([pair not in there for pair in pairs], dtype=pl.Boolean()))

    async def _in_chunks(self, send: _Send, pairs: pl.DataFrame, target: Association) -> None:
        for chunk in pairs.iter_slices(self._task.rows_per_chunk):
            sent = _pairs(chunk, SECONDARY_ID, OTHER_ID)
            async with self._task.turns.hold():
                self._settle(chunk, await send(self._task.mapping.secondary, target, sent))

    def _settle(self, chunk: pl.DataFrame, outcomes: Sequence[Outcome]) -> None:
        """Count pairs that are as they should be, and park the rows of refused ones."""
        self._stop_if_unknown(outcomes)
        refused = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.REFUSED]
        where = self._task.secondary.name
        stop_without_privilege(refused, sent=len(outcomes), table=self._task.table, where=where)
        self._written.pairs += len(outcomes) - len(refused)
        for row, outcome in zip(chunk.iter_rows(named=True), outcomes, strict=True):
            if outcome.kind is OutcomeKind.REFUSED:
                self._written.parked[row[PRIMARY_ID]] = self._parked_row(row, outcome)

    def _stop_if_unknown(self, outcomes: Sequence[Outcome]) -> None:
        unknown = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.UNKNOWN]
        if unknown:
            raise RequestFailedError(
                f"whether {len(unknown)} pairs of {self._task.table} were written is unknown",
                outcome_unknown=True,
                where=self._task.secondary.name,
                why=unknown[0].message,
                mend="Run it again: it finds out and goes on from there",
            )

    def _parked_row(self, row: Mapping[str, str], outcome: Outcome) -> ParkedRow:
        return ParkedRow(
            table=self._task.table,
            primary_id=row[PRIMARY_ID],
            key=row[KEY],
            reason=reason_of(outcome),
            message=f"its association with {row[OTHER_KEY]}: {outcome.message}",
            code=outcome.code,
            since=self._task.clock(),
            attempts=1,
        )


def _pairs(frame: pl.DataFrame, row: str, other: str) -> list[Pair]:
    return [Pair(row_id, other_id) for row_id, other_id in frame.select(row, other).iter_rows()]
