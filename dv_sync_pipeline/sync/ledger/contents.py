"""Which content of a file or image column of the secondary equals which of the primary.

Content is told apart by what Dataverse shows instead of it: the id of a file, the time of an image.
While both are as they are written down here, nothing needs to be read again.
"""

import polars as pl
import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, in_steps, insert
from dv_sync_pipeline.sync.mapping import PRIMARY_ID
from dv_sync_pipeline.sync.projection import COLUMN, CONTENTS_SCHEMA, HERE, THERE

__all__ = ["EqualContents"]

_contents = sa.Table(
    "contents",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("column_name", sa.String(128), primary_key=True),
    sa.Column("here", sa.String(64), nullable=False),
    sa.Column("there", sa.String(64), nullable=False),
)

_NAMES = {PRIMARY_ID: "primary_id", COLUMN: "column_name", HERE: "here", THERE: "there"}


class EqualContents(Database):
    """Contents of all tables."""

    def contents(self, table: str) -> pl.DataFrame:
        """All that is known of the table, as `CONTENTS_SCHEMA`."""
        query = sa.select(*(_contents.c[name] for name in _NAMES.values()))
        with self.reading() as connection:
            rows = connection.execute(query.where(_contents.c.table_name == table)).all()
        return pl.DataFrame(list(map(tuple, rows)), schema=CONTENTS_SCHEMA, orient="row")

    def save_contents(self, table: str, contents: pl.DataFrame) -> None:
        """These are equal now, given as `CONTENTS_SCHEMA`; in place of what was known of them."""
        rows = contents.rename(_NAMES).with_columns(table_name=pl.lit(table)).to_dicts()
        with self.transaction() as connection:
            for column in contents[COLUMN].unique():
                of_column = contents.filter(pl.col(COLUMN) == column)
                for ids in in_steps(of_column[PRIMARY_ID]):
                    connection.execute(
                        _contents.delete().where(
                            _contents.c.table_name == table,
                            _contents.c.column_name == column,
                            _contents.c.primary_id.in_(ids),
                        )
                    )
            insert(connection, _contents, rows)
