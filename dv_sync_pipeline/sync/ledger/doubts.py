"""Rows whose last writer has lost its turn: a request of it may arrive later than it should.

Belongs here: which rows, and when to look at them again. Does not belong here: how a turn is lost
(`leases.py`), or who looks (`rows_pass.py`).
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, in_steps, insert, moment_text

__all__ = ["LOOKS_AFTER", "Doubts", "put_in_doubt"]

LOOKS_AFTER = (timedelta(), timedelta(seconds=30), timedelta(minutes=5))
"""When to look: at once, when it has most probably arrived, and when none is on its way any more.

The last is as long as a request and its answer may take (`webapi/transport.py`).
"""

_doubts = sa.Table(
    "rows_in_doubt",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("due", sa.String(32), primary_key=True),
)


def put_in_doubt(
    connection: sa.Connection, table: str, primary_ids: Collection[str], *, now: datetime
) -> None:
    """Look at these rows again; looks that were due for them before are made all the same."""
    moments = [moment_text(now + after) for after in LOOKS_AFTER]
    for ids in in_steps(sorted(primary_ids)):
        is_same = sa.and_(_doubts.c.primary_id.in_(ids), _doubts.c.due.in_(moments))
        connection.execute(_doubts.delete().where(_doubts.c.table_name == table, is_same))
        rows = [
            {"table_name": table, "primary_id": row_id, "due": due}
            for row_id in ids
            for due in moments
        ]
        insert(connection, _doubts, rows)


class Doubts(Database):
    """Rows in doubt of all tables."""

    def doubt_rows(self, table: str, primary_ids: Collection[str], *, now: datetime) -> None:
        """Somebody has written these rows without having the turn."""
        if primary_ids:
            with self.transaction() as connection:
                put_in_doubt(connection, table, primary_ids, now=now)

    def rows_in_doubt(self, table: str, *, due: datetime | None = None) -> set[str]:
        """All of them, or those that must be looked at by then."""
        query = sa.select(_doubts.c.primary_id).where(_doubts.c.table_name == table)
        if due is not None:
            query = query.where(_doubts.c.due <= moment_text(due))
        with self.reading() as connection:
            return set(connection.scalars(query))

    def settle_doubts(self, table: str, *, due: datetime) -> None:
        """What had to be looked at by then was looked at since."""
        is_over = sa.and_(_doubts.c.table_name == table, _doubts.c.due <= moment_text(due))
        with self.transaction() as connection:
            connection.execute(_doubts.delete().where(is_over))
