"""Images and files: copied piece by piece, and only when they have changed.

Belongs here: proving that two contents are equal, copying and clearing, and writing down what is
equal. Does not belong here: how content travels (`webapi/files.py`), which rows differ
(`difference.py`), or parking what is refused (`writer.py`).

Dataverse shows an id of a file and the time of an image; both are another after every change. Once
a pair of contents is known to be equal, what both sides show is kept in the ledger, and nothing is
read again until one of the two is another. With the ledger lost, contents of both sides are read
once and compared by digest: what is equal is not written again.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import polars as pl

from dv_sync_pipeline.errors import (
    IncompleteReadError,
    RequestFailedError,
    RequestRefusedError,
)
from dv_sync_pipeline.sync.difference import CHANGED, Difference
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.mapping import PRIMARY_ID, SECONDARY_ID, MappedColumn, TableMapping
from dv_sync_pipeline.sync.projection import COLUMN, CONTENTS_SCHEMA, NEW_CONTENT
from dv_sync_pipeline.sync.refusals import ATTEMPTS_MAX, TOO_LARGE
from dv_sync_pipeline.sync.values import frame_of_rows
from dv_sync_pipeline.webapi.client import Dataverse
from dv_sync_pipeline.webapi.files import Piece
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, TableSchema
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind

__all__ = ["Contents"]

_BYTES_PER_KILOBYTE = 1024
_ONE_FILE = (RequestRefusedError, RequestFailedError, IncompleteReadError)
"""Errors that concern the file that is read, and not the table."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The image and file columns of one table, in one pass.

    Attributes:
        mapping: the table.
        primary, secondary: the two environments.
        ledger: keeps what is equal.

    """

    mapping: TableMapping
    primary: Dataverse
    secondary: Dataverse
    ledger: Ledger

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the frames of these columns."""
        return tuple(column.name for column in self.mapping.contents)

    @property
    def known(self) -> pl.DataFrame:
        """What is known to be equal, as `CONTENTS_SCHEMA`."""
        if not self.names:
            return CONTENTS_SCHEMA.to_frame()
        return self.ledger.contents(self.mapping.table)

    # ---- proving ----------------------------------------------------------------------------

    async def prove_equal(self, difference: Difference, *, known: pl.DataFrame) -> pl.DataFrame:
        """Read contents of which nothing is known on both sides; those that are equal.

        It writes nothing but the ledger: that they are equal is a fact and no intent.
        """
        seen = set(known.select(PRIMARY_ID, COLUMN).iter_rows())
        before = {row[SECONDARY_ID]: row for row in difference.before.iter_rows(named=True)}
        equal = [
            self._line(row[PRIMARY_ID], column.name, row[column.name], there)
            for row in difference.changed.iter_rows(named=True)
            for column in self._changed_in(row)
            if (there := before[row[SECONDARY_ID]][column.name]) is not None
            and row[column.name] is not None
            and (row[PRIMARY_ID], column.name) not in seen
            and await self._is_equal(row, column)
        ]
        proven = pl.DataFrame(equal, schema=CONTENTS_SCHEMA, orient="row")
        if equal:
            self.ledger.save_contents(self.mapping.table, proven)
        return proven

    def _changed_in(self, row: Mapping[str, Any]) -> list[MappedColumn]:
        return [column for column in self.mapping.contents if column.name in row[CHANGED]]

    @staticmethod
    def _line(primary_id: str, column: str, wanted: str, there: str) -> tuple[str, ...]:
        return primary_id, column, wanted.removeprefix(NEW_CONTENT), there

    async def _is_equal(self, row: Mapping[str, Any], column: MappedColumn) -> bool:
        try:
            here = await _digest(self.primary, self.mapping.primary, row[PRIMARY_ID], column.source)
            there = await _digest(
                self.secondary, self.mapping.secondary, row[SECONDARY_ID], column.target
            )
        except _ONE_FILE:
            return False  # Copying it will tell, row by row, what is wrong.
        return here == there

    # ---- copying ----------------------------------------------------------------------------

    async def copy(self, rows: pl.DataFrame) -> list[Outcome]:
        """Make the columns in `CHANGED` of these rows equal; an outcome for each row."""
        outcomes = [await self._copy_row(row) for row in rows.iter_rows(named=True)]
        done = {outcome.id for outcome in outcomes if outcome.kind is OutcomeKind.DONE}
        await self._remember(rows.filter(pl.col(SECONDARY_ID).is_in(list(done))))
        return outcomes

    async def _copy_row(self, row: Mapping[str, Any]) -> Outcome:
        for column in self._changed_in(row):
            outcome = await self._copy_patiently(row, column)
            if outcome.kind is not OutcomeKind.DONE:
                return outcome
        return Outcome(row[SECONDARY_ID], OutcomeKind.DONE)

    async def _copy_patiently(self, row: Mapping[str, Any], column: MappedColumn) -> Outcome:
        """What is unknown is sent again: the same content twice harms nobody."""
        for _ in range(ATTEMPTS_MAX):
            outcome = await self._copy_or_clear(row, column)
            if outcome.kind is not OutcomeKind.UNKNOWN:
                return outcome
        return _refused(outcome.id, f"whether {column.name} arrived is unknown: {outcome.message}")

    async def _copy_or_clear(self, row: Mapping[str, Any], column: MappedColumn) -> Outcome:
        schema, row_id = self.mapping.secondary, row[SECONDARY_ID]
        if row[column.name] is None:
            return await self.secondary.clear_content(schema, row_id, column.target)
        pieces = self.primary.read_content(self.mapping.primary, row[PRIMARY_ID], column.source)
        try:
            async with aclosing(pieces):
                first = await anext(pieces, None)
                if first is None:
                    # It may have been cleared meanwhile; nothing is cleared on a mere guess.
                    return _refused(row_id, f"the primary does not give what {column.name} holds")
                if _is_too_large(first, column.target):
                    return _too_large(row_id, first, column.target)
                everything = _beginning_with(first, pieces)
                return await self.secondary.write_content(schema, row_id, column.target, everything)
        except _ONE_FILE as error:
            return _refused(row_id, str(error))

    async def _remember(self, rows: pl.DataFrame) -> None:
        """Write down what both sides show now, unless the primary's content is another already."""
        if rows.is_empty():
            return
        mapping = self.mapping
        here = await self._shown(
            self.primary,
            mapping.primary,
            rows[PRIMARY_ID],
            {column.name: column.source for column in mapping.contents},
        )
        there = await self._shown(
            self.secondary,
            mapping.secondary,
            rows[SECONDARY_ID],
            {column.name: column.target for column in mapping.contents},
        )
        equal = [
            self._line(row[PRIMARY_ID], name, row[name], there[row[SECONDARY_ID], name])
            for row in rows.iter_rows(named=True)
            for name in row[CHANGED]
            if row[name] == f"{NEW_CONTENT}{here.get((row[PRIMARY_ID], name))}"
            and (row[SECONDARY_ID], name) in there
        ]
        contents = pl.DataFrame(equal, schema=CONTENTS_SCHEMA, orient="row")
        self.ledger.save_contents(mapping.table, contents)

    async def _shown(
        self,
        environment: Dataverse,
        schema: TableSchema,
        ids: Sequence[str] | pl.Series,
        columns: Mapping[str, Column],
    ) -> dict[tuple[str, str], str]:
        """Id and column → what the row shows of content that is there."""
        names = [column.name for column in columns.values()]
        rows = await environment.read_rows(schema, list(ids), names)
        id_column = {SECONDARY_ID: Column(schema.primary_id, ColumnKind.UNIQUE_IDENTIFIER)}
        frame = frame_of_rows(rows, {**id_column, **columns}, where=environment.name)
        return {
            (row[SECONDARY_ID], name): row[name]
            for row in frame.iter_rows(named=True)
            for name in columns
            if row[name] is not None
        }


async def _digest(
    environment: Dataverse, schema: TableSchema, row_id: str, column: Column
) -> bytes:
    digest = sha256()
    async with aclosing(environment.read_content(schema, row_id, column)) as pieces:
        async for piece in pieces:
            digest.update(piece.content)
    return digest.digest()


async def _beginning_with(first: Piece, others: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    yield first
    async for piece in others:
        yield piece


def _is_too_large(piece: Piece, column: Column) -> bool:
    limit = column.max_kilobytes
    return limit is not None and piece.total > limit * _BYTES_PER_KILOBYTE


def _too_large(row_id: str, piece: Piece, column: Column) -> Outcome:
    kilobytes = -(-piece.total // _BYTES_PER_KILOBYTE)
    message = f"{column.name} takes {column.max_kilobytes:,} kB, the file has {kilobytes:,} kB"
    return Outcome(row_id, OutcomeKind.REFUSED, code=TOO_LARGE, message=message)


def _refused(row_id: str, message: str) -> Outcome:
    return Outcome(row_id, OutcomeKind.REFUSED, message=message)
