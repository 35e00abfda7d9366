"""Which row waits for which parent row.

A row that is parked for a missing parent, or was written without an optional one, is listed here
until it was looked at again; so a parent that arrives settles its children without anybody asking.
"""

from collections.abc import Container

import polars as pl
import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, in_steps, insert
from dv_sync_pipeline.sync.ledger.links import links_table
from dv_sync_pipeline.sync.ledger.scope import EVERY_ROW
from dv_sync_pipeline.sync.mapping import PRIMARY_ID

__all__ = ["PARENT_ID", "PARENT_TABLE", "WAITING_SCHEMA", "WaitingRows"]

PARENT_TABLE = "@parent_table"
PARENT_ID = "@parent_id"

WAITING_SCHEMA = pl.Schema(
    {PRIMARY_ID: pl.String(), PARENT_TABLE: pl.String(), PARENT_ID: pl.String()}
)
"""A frame of waiting rows: one line for each parent that a row waits for."""

_waiting = sa.Table(
    "waiting",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("parent_table", sa.String(128), primary_key=True),
    sa.Column("parent_id", sa.String(36), primary_key=True),
)

_has_arrived = sa.and_(
    links_table.c.table_name == _waiting.c.parent_table,
    links_table.c.primary_id == _waiting.c.parent_id,
    ~links_table.c.is_intended,
)


class WaitingRows(Database):
    """Rows of all tables that wait for parents."""

    def replace_waiting(
        self, table: str, waiting: pl.DataFrame, *, among: Container[str] = EVERY_ROW
    ) -> None:
        """Of the rows `among`, let these wait for these parents, and no others.

        They are given as `WAITING_SCHEMA`.
        """
        of_table = _waiting.c.table_name == table
        with self.reading() as connection:
            known = set(connection.scalars(sa.select(_waiting.c.primary_id).where(of_table)))
        over = sorted(row_id for row_id in known if row_id in among)
        if not over and waiting.is_empty():
            return
        with self.transaction() as connection:
            for ids in in_steps(over):
                connection.execute(
                    _waiting.delete().where(of_table, _waiting.c.primary_id.in_(ids))
                )
            insert(connection, _waiting, _rows(table, waiting))

    def add_waiting(self, table: str, waiting: pl.DataFrame) -> None:
        """Let these rows wait for these parents, besides those that they wait for already."""
        rows = _rows(table, waiting)
        same = sa.and_(*(column == sa.bindparam(f"same_{column.name}") for column in _waiting.c))
        with self.transaction() as connection:
            if rows:
                named = [{f"same_{name}": value for name, value in row.items()} for row in rows]
                connection.execute(_waiting.delete().where(same), named)
            insert(connection, _waiting, rows)

    def arrived(self, table: str) -> list[str]:
        """Ids of rows of the table for which a parent has arrived since they began to wait."""
        query = (
            sa.select(_waiting.c.primary_id)
            .join(links_table, _has_arrived)
            .where(_waiting.c.table_name == table)
            .distinct()
        )
        with self.reading() as connection:
            return sorted(connection.scalars(query))

    def tables_with_arrivals(self) -> set[str]:
        """Tables of which some row waits for a parent that has arrived."""
        query = sa.select(_waiting.c.table_name).join(links_table, _has_arrived).distinct()
        with self.reading() as connection:
            return set(connection.scalars(query))


def _rows(table: str, waiting: pl.DataFrame) -> list[dict[str, str]]:
    names = {PRIMARY_ID: "primary_id", PARENT_TABLE: "parent_table", PARENT_ID: "parent_id"}
    return waiting.rename(names).with_columns(table_name=pl.lit(table)).to_dicts()
