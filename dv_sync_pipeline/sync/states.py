"""State and status reason of rows of the secondary, set last of all.

Belongs here: which rows are due, the steps that transitions need, and inactive rows that refuse any
other change. Does not belong here: which steps are allowed (`status.py`), or parking what is
refused (`writer.py`).
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import polars as pl

from dv_sync_pipeline.sync.comparison import TablePass
from dv_sync_pipeline.sync.difference import STATUS_CHANGED, Difference
from dv_sync_pipeline.sync.mapping import PRIMARY_ID, SECONDARY_ID, STATUS_COLUMNS, TableMapping
from dv_sync_pipeline.sync.status import steps_to
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind, RowWrite

__all__ = ["ACTIVE", "States", "Update", "with_present_status"]

ACTIVE = 0

INACTIVE_CODES = frozenset({"0x80040230", "0x8004022e"})
"""Dataverse refuses to change a row because of its state (DATAVERSE 12)."""

_PRESENT = "@present_status"


class Update(Protocol):
    """Updates rows and settles what is unknown: an outcome for each, done or refused."""

    def __call__(
        self, writes: Sequence[RowWrite], expected: pl.DataFrame, *, proof: Sequence[str]
    ) -> Awaitable[list[Outcome]]:
        """`expected` holds the rows as they must be shown then in the columns `proof`."""


def with_present_status(difference: Difference, mapping: TableMapping) -> Difference:
    """The same, its rows knowing the status reason that they show now or are created with."""
    if not mapping.sets_status:
        return difference
    default = pl.lit(mapping.secondary.default_status.get(ACTIVE), pl.Int64).alias(_PRESENT)
    present = difference.before["statuscode"].alias(_PRESENT)
    return replace(
        difference,
        creates=difference.creates.with_columns(default),
        changed=difference.changed.with_columns(present),
    )


class States:
    """The states of the rows of one table, in one pass."""

    def __init__(self, task: TablePass, update: Update) -> None:
        self._is_ours = task.mapping.sets_status
        self._schema = task.mapping.secondary
        self._update = update
        self._woken: set[str] = set()

    async def change(
        self, writes: Sequence[RowWrite], expected: pl.DataFrame, *, proof: Sequence[str]
    ) -> list[Outcome]:
        """Update rows; those that refuse because they are inactive are made active first.

        Whether inactive rows may be changed is not the same everywhere (DATAVERSE 12): the code of
        the refusal tells.
        """

        async def write(rows: pl.DataFrame) -> list[Outcome]:
            ids = set(rows[SECONDARY_ID])
            due = [each for each in writes if each.id in ids]
            return await self._update(due, rows, proof=proof)

        return await self.write_awake(expected, write)

    async def write_awake(
        self, expected: pl.DataFrame, write: Callable[[pl.DataFrame], Awaitable[list[Outcome]]]
    ) -> list[Outcome]:
        """As `change`, for any way to write to rows."""
        outcomes = await write(expected)
        asleep = {each.id for each in outcomes if each.code in INACTIVE_CODES}
        if not (asleep and self._is_ours):
            return outcomes
        stubborn = await self._wake(_of(expected, asleep))
        awake = asleep - {outcome.id for outcome in stubborn}
        done = await write(_of(expected, awake))
        return [*(each for each in outcomes if each.id not in asleep), *stubborn, *done]

    async def _wake(self, rows: pl.DataFrame) -> list[Outcome]:
        """Make rows active; returns the refusals of those that stay as they are."""
        active = rows.with_columns(
            pl.lit(ACTIVE, pl.Int64).alias("statecode"),
            pl.lit(self._schema.default_status[ACTIVE], pl.Int64).alias("statuscode"),
        )
        outcomes = await self.set_states(active)
        refused = [each for each in outcomes if each.kind is OutcomeKind.REFUSED]
        self._woken |= set(rows[SECONDARY_ID]) - {each.id for each in refused}
        return refused

    def due(self, difference: Difference, *, parked: Collection[str]) -> pl.DataFrame:
        """New rows that are to be inactive, rows whose state differs, and rows that were woken.

        A row that was made active only to be changed goes back to sleep even when the change itself
        was refused, which `parked` tells by primary id.
        """
        if not (self._is_ours and self._may_be_due(difference)):
            return difference.creates.clear()
        is_welcome = ~pl.col(PRIMARY_ID).is_in(list(parked))
        is_woken = pl.col(SECONDARY_ID).is_in(list(self._woken))
        creates = difference.creates.with_columns(pl.col(PRIMARY_ID).alias(SECONDARY_ID))
        created = creates.filter((pl.col("statecode") != ACTIVE) & is_welcome)
        changed = difference.changed.filter(is_woken | (pl.col(STATUS_CHANGED) & is_welcome))
        now = pl.lit(self._schema.default_status.get(ACTIVE), pl.Int64)
        changed = changed.with_columns(
            pl.when(is_woken).then(now).otherwise(pl.col(_PRESENT)).alias(_PRESENT)
        )
        return pl.concat([created, changed], how="diagonal")

    def _may_be_due(self, difference: Difference) -> bool:
        """Of most differences not: they are changes of columns alone."""
        is_changing = difference.changed[STATUS_CHANGED].any()
        return bool(self._woken or is_changing or not difference.creates.is_empty())

    async def set_states(self, rows: pl.DataFrame) -> list[Outcome]:
        """Give each row its pair, step by step where there is no direct way (DATAVERSE 12)."""
        ways = {row[SECONDARY_ID]: self._way(row) for row in rows.iter_rows(named=True)}
        settled: dict[str, Outcome] = {}
        while ways:
            due = {row_id: way[0] for row_id, way in ways.items()}
            outcomes = await self._set_pairs(_with_pairs(_of(rows, due), due))
            settled |= {outcome.id: outcome for outcome in outcomes}
            ways = {
                row_id: way[1:]
                for row_id, way in ways.items()
                if len(way) > 1 and settled[row_id].kind is OutcomeKind.DONE
            }
        return list(settled.values())

    def _way(self, row: Mapping[str, Any]) -> list[tuple[int, int]]:
        """The pairs of state and status reason that lead to the wanted one, which comes last."""
        steps = steps_to(row["statuscode"], present=row.get(_PRESENT), schema=self._schema)
        states = {each.value: each.state for each in self._schema.status_options}
        detour = [(states[status], status) for status in steps[:-1]]
        return [*detour, (row["statecode"], row["statuscode"])]

    async def _set_pairs(self, rows: pl.DataFrame) -> list[Outcome]:
        writes = [
            RowWrite(row[SECONDARY_ID], {name: row[name] for name in STATUS_COLUMNS})
            for row in rows.iter_rows(named=True)
        ]
        return await self._update(writes, rows, proof=STATUS_COLUMNS)


def _of(rows: pl.DataFrame, ids: Iterable[str]) -> pl.DataFrame:
    return rows.filter(pl.col(SECONDARY_ID).is_in(list(ids)))


def _with_pairs(rows: pl.DataFrame, pairs: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    """The rows with these pairs in place of the wanted ones."""
    ids = rows[SECONDARY_ID]
    return rows.with_columns(
        pl.Series(name, [pairs[row_id][place] for row_id in ids], dtype=pl.Int64)
        for place, name in enumerate(STATUS_COLUMNS)
    )
