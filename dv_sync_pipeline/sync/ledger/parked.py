"""Rows that wait for a person or a parent."""

from collections.abc import Collection, Container, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, in_steps, insert
from dv_sync_pipeline.sync.ledger.scope import EVERY_ROW
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow, ParkedWork

__all__ = ["ParkedRows"]

_parked = sa.Table(
    "parked",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("since", sa.String(32), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("work", sa.String(8), nullable=False),
)


class ParkedRows(Database):
    """Parked rows of all tables."""

    def parked(
        self, table: str, *, reasons: Collection[ParkedReason] = tuple(ParkedReason)
    ) -> list[ParkedRow]:
        """The rows that wait, for one of these reasons, by key."""
        query = sa.select(_parked).where(_wait_for(table, reasons)).order_by(_parked.c.key)
        with self.reading() as connection:
            return [_parked_row(row) for row in connection.execute(query).mappings()]

    def count_parked(
        self, table: str, *, reasons: Collection[ParkedReason] = tuple(ParkedReason)
    ) -> int:
        """How many rows wait, for one of these reasons."""
        query = sa.select(sa.func.count()).where(_wait_for(table, reasons))
        with self.reading() as connection:
            return connection.scalar(query) or 0

    def replace_parked(
        self,
        table: str,
        rows: Sequence[ParkedRow],
        *,
        work: ParkedWork = ParkedWork.WRITE,
        among: Container[str] = EVERY_ROW,
    ) -> list[ParkedRow]:
        """Of the rows `among`, let these wait for this work and no others.

        `since` and `attempts` go on from what is stored. Returns the rows as they are stored now.
        """
        known = {
            row.primary_id: row
            for row in self.parked(table)
            if row.work is work and row.primary_id in among
        }
        if not (known or rows):
            return []
        rows = [_continued(row, known.get(row.primary_id)) for row in rows]
        with self.transaction() as connection:
            _delete_parked(connection, table, [*known, *(row.primary_id for row in rows)])
            insert(connection, _parked, [_parked_values(row) for row in rows])
        return rows

    def drop_parked(self, table: str, primary_ids: Sequence[str]) -> None:
        """Forget that these rows wait."""
        with self.transaction() as connection:
            _delete_parked(connection, table, primary_ids)


def _wait_for(table: str, reasons: Collection[ParkedReason]) -> sa.ColumnElement[bool]:
    is_reason = _parked.c.reason.in_([each.value for each in reasons])
    return sa.and_(_parked.c.table_name == table, is_reason)


def _delete_parked(connection: sa.Connection, table: str, primary_ids: Sequence[str]) -> None:
    for ids in in_steps(primary_ids):
        connection.execute(
            _parked.delete().where(_parked.c.table_name == table, _parked.c.primary_id.in_(ids))
        )


def _continued(row: ParkedRow, known: ParkedRow | None) -> ParkedRow:
    if known is None:
        return row
    return replace(row, since=known.since, attempts=known.attempts + 1)


def _parked_values(row: ParkedRow) -> dict[str, object]:
    return {
        "table_name": row.table,
        "primary_id": row.primary_id,
        "key": row.key,
        "reason": row.reason.value,
        "message": row.message,
        "code": row.code,
        "since": row.since.isoformat(),
        "attempts": row.attempts,
        "work": row.work.value,
    }


def _parked_row(row: sa.RowMapping) -> ParkedRow:
    return ParkedRow(
        table=row["table_name"],
        primary_id=row["primary_id"],
        key=row["key"],
        reason=ParkedReason(row["reason"]),
        message=row["message"],
        code=row["code"],
        since=datetime.fromisoformat(row["since"]),
        attempts=row["attempts"],
        work=ParkedWork(row["work"]),
    )
