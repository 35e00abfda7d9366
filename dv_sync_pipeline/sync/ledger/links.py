"""Which row of the secondary shows which row of the primary.

A link that is only intended was written down before its row was created; it becomes a link once the
row is proven to exist.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, in_steps, insert
from dv_sync_pipeline.sync.mapping import KEY, PRIMARY_ID, SECONDARY_ID, VERSION
from dv_sync_pipeline.sync.projection import LINKS_SCHEMA

__all__ = ["Links"]

_LINKS_PER_STEP = 50_000
_ORIGIN, _INTENDED = "@origin", "@intended"


_links = sa.Table(
    "links",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("secondary_id", sa.String(36), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("is_intended", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)


_LINK_COLUMNS = {
    PRIMARY_ID: _links.c.primary_id,
    SECONDARY_ID: _links.c.secondary_id,
    VERSION: _links.c.version,
    KEY: _links.c.key,
    _ORIGIN: _links.c.origin,
    _INTENDED: _links.c.is_intended,
}


class Links(Database):
    """Links of all tables."""

    def links(self, table: str) -> pl.DataFrame:
        """Every link of the table, intended ones included, as `LINKS_SCHEMA`."""
        query = sa.select(*_LINK_COLUMNS.values()).where(_links.c.table_name == table)
        with self.reading() as connection:
            result = connection.execute(query).yield_per(_LINKS_PER_STEP)
            steps = [_links_frame(rows) for rows in result.partitions()]
        return pl.concat([LINKS_SCHEMA.to_frame(), *steps])

    def count_links(self, table: str) -> int:
        """How many links there are."""
        query = sa.select(sa.func.count()).where(_links.c.table_name == table)
        with self.reading() as connection:
            return connection.scalar(query) or 0

    def save_links(self, table: str, links: pl.DataFrame) -> None:
        """Insert or replace links, given as `LINKS_SCHEMA`."""
        links = links.rename({name: column.name for name, column in _LINK_COLUMNS.items()})
        for step in links.iter_slices(_LINKS_PER_STEP):
            rows = step.with_columns(table_name=pl.lit(table)).to_dicts()
            with self.transaction() as connection:
                _delete_links(connection, table, step["primary_id"])
                insert(connection, _links, rows)

    def drop_links(self, table: str, primary_ids: Sequence[str] | pl.Series) -> None:
        """Forget the links of these rows."""
        if len(primary_ids):
            with self.transaction() as connection:
                _delete_links(connection, table, primary_ids)


def _links_frame(rows: Sequence[sa.Row[Any]]) -> pl.DataFrame:
    columns = dict(zip(LINKS_SCHEMA, zip(*rows, strict=True), strict=True))
    return pl.DataFrame(columns, schema=LINKS_SCHEMA)


def _delete_links(
    connection: sa.Connection, table: str, primary_ids: Sequence[str] | pl.Series
) -> None:
    for ids in in_steps(primary_ids):
        connection.execute(
            _links.delete().where(_links.c.table_name == table, _links.c.primary_id.in_(ids))
        )
