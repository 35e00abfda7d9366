"""Which row of the secondary shows which row of the primary.

A link that is only intended was written down before its row was created; it becomes a link once the
row is proven to exist.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, in_steps, insert
from dv_sync_pipeline.sync.ledger.stamps import next_sequence, stamp_unlinked, stamps_of_links
from dv_sync_pipeline.sync.mapping import KEY, PRIMARY_ID, SECONDARY_ID, VERSION
from dv_sync_pipeline.sync.projection import LINKS_SCHEMA

__all__ = ["Links", "links_table"]

_LINKS_PER_STEP = 50_000
_ORIGIN, _INTENDED = "@origin", "@intended"


links_table = sa.Table(
    "links",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("secondary_id", sa.String(36), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("is_intended", sa.Boolean, nullable=False),
    *(
        sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
        for name in stamps_of_links
    ),
    sa.Index("links_by_secondary_row", "table_name", "secondary_id"),
    sqlite_with_rowid=False,
)


_LINK_COLUMNS = {
    PRIMARY_ID: links_table.c.primary_id,
    SECONDARY_ID: links_table.c.secondary_id,
    VERSION: links_table.c.version,
    KEY: links_table.c.key,
    _ORIGIN: links_table.c.origin,
    _INTENDED: links_table.c.is_intended,
}


class Links(Database):
    """Links of all tables."""

    def links(self, table: str) -> pl.DataFrame:
        """Every link of the table, intended ones included, as `LINKS_SCHEMA`."""
        query = sa.select(*_LINK_COLUMNS.values()).where(links_table.c.table_name == table)
        with self.reading() as connection:
            result = connection.execute(query).yield_per(_LINKS_PER_STEP)
            steps = [_links_frame(rows) for rows in result.partitions()]
        return pl.concat([LINKS_SCHEMA.to_frame(), *steps])

    def links_of(self, table: str, primary_ids: Sequence[str] | pl.Series) -> pl.DataFrame:
        """The links of these rows, intended ones included, as `LINKS_SCHEMA`."""
        return self._links_where(table, links_table.c.primary_id, primary_ids)

    def links_to(self, table: str, secondary_ids: Sequence[str] | pl.Series) -> pl.DataFrame:
        """The links that lead to these rows of the secondary, as `LINKS_SCHEMA`."""
        return self._links_where(table, links_table.c.secondary_id, secondary_ids)

    def _links_where(
        self, table: str, column: "sa.Column[str]", values: Sequence[str] | pl.Series
    ) -> pl.DataFrame:
        query = sa.select(*_LINK_COLUMNS.values()).where(links_table.c.table_name == table)
        rows: list[sa.Row[Any]] = []
        if len(values):
            with self.reading() as connection:
                for some in in_steps(values):
                    rows += connection.execute(query.where(column.in_(some))).all()
        return _links_frame(rows) if rows else LINKS_SCHEMA.to_frame()

    def count_links(self, table: str) -> int:
        """How many links the table has, intended ones included."""
        query = sa.select(sa.func.count()).where(links_table.c.table_name == table)
        with self.reading() as connection:
            return connection.scalar(query) or 0

    def save_links(self, table: str, links: pl.DataFrame, *, writer: int = 0) -> None:
        """Insert or replace links, given as `LINKS_SCHEMA`; `writer` is the pass that does it."""
        links = links.rename({name: column.name for name, column in _LINK_COLUMNS.items()})
        for step in links.iter_slices(_LINKS_PER_STEP):
            rows = step.with_columns(table_name=pl.lit(table), writer=pl.lit(writer))
            with self.transaction() as connection:
                rows = rows.with_columns(sequence=pl.lit(next_sequence(connection)))
                _delete_links(connection, table, step["primary_id"])
                insert(connection, links_table, rows.to_dicts())

    def drop_links(
        self, table: str, primary_ids: Sequence[str] | pl.Series, *, writer: int = 0
    ) -> None:
        """Forget the links of these rows, and remember that this was done just now."""
        if len(primary_ids):
            with self.transaction() as connection:
                sequence = next_sequence(connection)
                _delete_links(connection, table, primary_ids)
                stamp_unlinked(
                    connection, table, list(primary_ids), sequence=sequence, writer=writer
                )


def _links_frame(rows: Sequence[sa.Row[Any]]) -> pl.DataFrame:
    columns = dict(zip(LINKS_SCHEMA, zip(*rows, strict=True), strict=True))
    return pl.DataFrame(columns, schema=LINKS_SCHEMA)


def _delete_links(
    connection: sa.Connection, table: str, primary_ids: Sequence[str] | pl.Series
) -> None:
    for ids in in_steps(primary_ids):
        connection.execute(
            links_table.delete().where(
                links_table.c.table_name == table, links_table.c.primary_id.in_(ids)
            )
        )
