"""What tables looked like a moment ago, so that not every process has to ask.

To describe a table takes some twenty requests, more than a few changed rows. Belongs here: keeping
the answers for other processes. Does not belong here: how long they are good for (`engine.py`), or
what a table looked like at the last completed run (`schemas.py`).
"""

from datetime import datetime

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, moment_text
from dv_sync_pipeline.sync.ledger.schemas import schema_of, text_of
from dv_sync_pipeline.webapi.metadata import TableSchema

__all__ = ["Descriptions"]

_descriptions = sa.Table(
    "descriptions",
    METADATA,
    sa.Column("environment", sa.String(16), primary_key=True),
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("schema", sa.Text, nullable=False),
    sa.Column("described_at", sa.String(32), nullable=False),
)


class Descriptions(Database):
    """One answer for each environment and table."""

    def description(self, environment: str, table: str, *, since: datetime) -> TableSchema | None:
        """What the table looked like, if somebody has asked since then.

        `table` is the name in that environment.
        """
        query = sa.select(_descriptions.c.schema).where(
            _descriptions.c.environment == environment,
            _descriptions.c.table_name == table,
            _descriptions.c.described_at >= moment_text(since),
        )
        with self.reading() as connection:
            text = connection.scalar(query)
        return None if text is None else schema_of(text)

    def remember_description(self, environment: str, schema: TableSchema, *, now: datetime) -> None:
        """Store the answer, in place of the one before."""
        name = {"environment": environment, "table_name": schema.name}
        answer = {"schema": text_of(schema), "described_at": moment_text(now)}
        try:
            with self.transaction() as connection:
                connection.execute(_descriptions.delete().filter_by(**name))
                connection.execute(_descriptions.insert().values(**name, **answer))
        except sa.exc.IntegrityError:
            return  # Another process has stored what it was told at the same moment.

    def forget_descriptions(self) -> None:
        """Let everybody ask anew."""
        with self.transaction() as connection:
            connection.execute(_descriptions.delete())
