"""Reading both sides of one table completely, and comparing them.

Belongs here: what `reconcile`, `plan` and `verify` have in common. It writes nothing anywhere.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

import polars as pl

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.sync.contents import Contents
from dv_sync_pipeline.sync.difference import Difference, compare
from dv_sync_pipeline.sync.feed import MODIFIED
from dv_sync_pipeline.sync.key_changes import STUCK, without_stuck
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.mapping import (
    KEY,
    PRIMARY_ID,
    SECONDARY_ID,
    VERSION,
    Parent,
    TableMapping,
)
from dv_sync_pipeline.sync.projection import (
    CONTENTS_SCHEMA,
    LINKS_SCHEMA,
    MESSAGE,
    REASON,
    project,
)
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow, Progress, ProgressListener
from dv_sync_pipeline.sync.turns import Clock, Turns
from dv_sync_pipeline.sync.values import empty_frame, frame_of_rows, share_texts
from dv_sync_pipeline.webapi.client import Dataverse
from dv_sync_pipeline.webapi.metadata import Column, TableSchema

__all__ = [
    "Clock",
    "Comparison",
    "ParentsCome",
    "Sides",
    "TablePass",
    "at_once",
    "compare_sides",
    "compare_with_contents",
    "links_of",
    "names_to_read",
    "with_parked",
]


ParentsCome: TypeAlias = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """No other row is on its way."""


@dataclass(frozen=True, slots=True)
class TablePass:
    """What one pass over one table works with.

    Attributes:
        settings: what `sync.yaml` says of the table.
        mapping: the table, as both environments agree on it.
        primary, secondary: the two environments.
        ledger: the state database.
        parent_links: the links of the other tables that it looks up.
        clock: the time.
        progress: is told how far the pass has come.
        rows_per_chunk: rows that are written between two entries in the ledger.
        turns: the turns on the table, begun before anything was read.
        parents_come: returns when rows of other tables that are on their way have been written; is
            asked for that only when a row looks one up that is not there.

    """

    settings: TableConfiguration
    mapping: TableMapping
    primary: Dataverse
    secondary: Dataverse
    ledger: Ledger
    parent_links: Mapping[Parent, pl.DataFrame]
    clock: Clock
    progress: ProgressListener
    rows_per_chunk: int
    turns: Turns
    parents_come: ParentsCome = at_once

    @property
    def table(self) -> str:
        """Logical name in the primary."""
        return self.mapping.table

    def report(self, stage: str, *, done: int, total: int | None) -> None:
        """Tell the listener how far this pass has come."""
        self.progress(Progress(self.table, stage, done, total))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides of a table, compared.

    Attributes:
        began: when the primary began to be read; nothing later is proven.
        rows: what the primary shows of lookups, and when its rows were modified if that was read.
        parent_links: what was known of the rows that these rows look up.
        primary_ids: ids of every row of the primary, parked ones included.
        waiting: how many compared rows go without an optional parent.
        difference: what the secondary does not show of what it must.
        parked: the rows that were not compared, and why.

    """

    began: datetime
    rows: pl.DataFrame
    parent_links: Mapping[Parent, pl.DataFrame]
    primary_ids: pl.Series
    waiting: int
    difference: Difference
    parked: tuple[ParkedRow, ...]

    @property
    def primary_rows(self) -> int:
        """How many rows the primary has."""
        return len(self.primary_ids)

    @property
    def expected_links(self) -> pl.DataFrame:
        """The links that the table would have once the difference is applied."""
        return pl.concat([self.difference.links, links_of(self.difference.creates)])

    def foreseen(self, mapping: TableMapping) -> "Comparison":
        """As a plan must show it: a row that cannot take its key will be parked, not updated."""
        difference, stuck = without_stuck(self.difference, mapping)
        reason = pl.lit(ParkedReason.KEYS_EXCHANGED.value).alias(REASON)
        rows = stuck.select(PRIMARY_ID, KEY, reason, pl.lit(STUCK).alias(MESSAGE)).to_dicts()
        parked = [_parked_row(row, mapping.table, self.began) for row in rows]
        return replace(self, difference=difference, parked=(*self.parked, *parked))


def links_of(
    rows: pl.DataFrame, *, origin: str = "created", intended: bool = False
) -> pl.DataFrame:
    """Links of wanted rows to the secondary rows under the same GUID (DESIGN 4: `ids: same`)."""
    return rows.select(
        PRIMARY_ID,
        pl.col(PRIMARY_ID).alias(SECONDARY_ID),
        VERSION,
        KEY,
        pl.lit(origin).alias("@origin"),
        pl.lit(intended).alias("@intended"),
    )


def with_parked(links: pl.DataFrame, parked: Sequence[ParkedRow]) -> pl.DataFrame:
    """The links of a parent table, and its parked rows as links that are only intended.

    So a child that waits for one of them can tell its key.
    """
    waiting = pl.DataFrame(
        [(row.primary_id, None, 0, row.key, "created", True) for row in parked],
        schema=LINKS_SCHEMA,
        orient="row",
    )
    return pl.concat([links, waiting.join(links, on=PRIMARY_ID, how="anti")])


def names_to_read(schema: TableSchema, columns: Mapping[str, Column]) -> list[str]:
    """The columns to ask for; the id comes unasked."""
    return [column.name for column in columns.values() if column.name != schema.primary_id]


async def compare_sides(task: TablePass) -> Comparison:
    """Read both environments at the same time and compare them."""
    began = task.clock()
    mapping = task.mapping
    links = task.ledger.links(task.table)
    rows, present = await _together(
        _read(
            task, task.primary, mapping.primary, mapping.primary_columns, condition=mapping.filter
        ),
        _read(task, task.secondary, mapping.secondary, mapping.secondary_columns),
    )
    is_first = task.ledger.verified_through(task.table) is None
    sides = Sides(began, rows, present, links, is_first=is_first)
    return await compare_with_contents(task, sides, parent_links=task.parent_links)


async def compare_with_contents(
    task: TablePass, sides: "Sides", *, parent_links: Mapping[Parent, pl.DataFrame]
) -> Comparison:
    """Compare; images and files of which nothing is known are read on both sides first."""
    contents = Contents(task.mapping, task.primary, task.secondary, task.ledger)
    known = contents.known
    sides = replace(sides, contents=known)
    comparison = sides.compare(task.mapping, parent_links=parent_links)
    if not contents.names:
        return comparison
    proven = await contents.prove_equal(comparison.difference, known=known)
    if proven.is_empty():
        return comparison
    sides = replace(sides, contents=pl.concat([known, proven]))
    return sides.compare(task.mapping, parent_links=parent_links)


@dataclass(frozen=True, slots=True)
class Sides:
    """Rows of both sides as they were read, and the links known so far.

    Attributes:
        began: when the primary began to be read.
        rows: rows of the primary, with the columns of `TableMapping.primary_columns`.
        present: rows of the secondary, with those of `TableMapping.secondary_columns`.
        links: the links of the rows that are compared.
        other_links: links of other rows of the table that these rows look up.
        contents: images and files that are known to be equal.
        is_first: no reconcile of the table was ever completed, so that links may have been lost.

    """

    began: datetime
    rows: pl.DataFrame
    present: pl.DataFrame
    links: pl.DataFrame
    other_links: pl.DataFrame = field(default_factory=LINKS_SCHEMA.to_frame)
    is_first: bool = False
    contents: pl.DataFrame = field(default_factory=CONTENTS_SCHEMA.to_frame)

    def compare(
        self, mapping: TableMapping, *, parent_links: Mapping[Parent, pl.DataFrame]
    ) -> Comparison:
        """Compare; `parent_links` are those of the other tables that the rows look up."""
        if not mapping.chained:
            return self._compare(mapping, parent_links)
        # Rows that look up rows of their own table: only a comparison tells where those will be.
        alone = self._compare(mapping.without(mapping.chained), parent_links)
        own_links = pl.concat([alone.expected_links, self.other_links])
        return self._compare(mapping, {**parent_links, mapping.own: own_links})

    def _compare(
        self, mapping: TableMapping, parent_links: Mapping[Parent, pl.DataFrame]
    ) -> Comparison:
        projection = project(
            self.rows,
            mapping,
            links=self.links,
            parent_links=parent_links,
            contents=self.contents,
        )
        difference = compare(
            projection, self.present, mapping, links=self.links, is_first=self.is_first
        )
        parked = pl.concat([projection.parked, difference.parked]).to_dicts()
        return Comparison(
            began=self.began,
            rows=_kept(self.rows, mapping),
            parent_links=parent_links,
            primary_ids=projection.primary_ids,
            waiting=projection.waiting,
            difference=difference,
            parked=tuple(_parked_row(row, mapping.table, self.began) for row in parked),
        )


def _kept(rows: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    """The columns that are asked for once all is compared; of a million rows, each counts."""
    names = {PRIMARY_ID, MODIFIED, *(column.name for column in mapping.lookups)}
    return rows.select(name for name in rows.columns if name in names)


def _parked_row(row: dict[str, Any], table: str, since: datetime) -> ParkedRow:
    return ParkedRow(
        table=table,
        primary_id=row[PRIMARY_ID],
        key=row[KEY],
        reason=ParkedReason(row[REASON]),
        message=row[MESSAGE],
        code="",
        since=since,
        attempts=1,
    )


async def _together(
    *coroutines: Coroutine[Any, Any, pl.DataFrame],
) -> list[pl.DataFrame]:
    """All results; the first failure stops the others and is raised as it is, not in a group."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(
    task: TablePass,
    environment: Dataverse,
    schema: TableSchema,
    columns: Mapping[str, Column],
    *,
    condition: str = "",
) -> pl.DataFrame:
    names = names_to_read(schema, columns)
    where = f"{environment.name}, table {schema.name}"
    total = await environment.count(schema, condition=condition)
    pages, done = [empty_frame(columns)], 0
    async for page in environment.read_pages(schema, names, condition=condition):
        pages.append(share_texts(frame_of_rows(page, columns, where=where)))
        done += len(page)
        task.report(f"read {environment.name}", done=done, total=total)
    return _each_once(_stacked(pages), id_name=next(iter(columns)))


def _stacked(pages: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One frame of all pages, which are empty afterwards: no value is held in memory twice."""
    names = pages[0].columns
    return pl.DataFrame(
        [pl.concat([page.drop_in_place(name) for page in pages], rechunk=True) for name in names]
    )


def _each_once(rows: pl.DataFrame, *, id_name: str) -> pl.DataFrame:
    """A row that changes while pages are read can come twice; the later one is the newer."""
    if rows[id_name].n_unique() == rows.height:
        return rows  # No copy of a frame that may have a million rows.
    return rows.unique(id_name, keep="last", maintain_order=True)
