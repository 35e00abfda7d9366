"""What each table looked like at the last completed run, so that a change can be told."""

import msgspec
import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database
from dv_sync_pipeline.webapi.metadata import TableSchema

__all__ = ["SeenSchemas", "schema_of", "text_of"]

_schemas = sa.Table(
    "schemas",
    METADATA,
    sa.Column("environment", sa.String(16), primary_key=True),
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("schema", sa.Text, nullable=False),
)


class SeenSchemas(Database):
    """One schema for each environment and table."""

    def schema_seen(self, environment: str, table: str) -> TableSchema | None:
        """The schema as it was remembered last; None if never, or by a version unlike ours.

        `table` is the name in that environment.
        """
        with self.reading() as connection:
            text = connection.scalar(
                sa.select(_schemas.c.schema).where(
                    _schemas.c.environment == environment, _schemas.c.table_name == table
                )
            )
        return None if text is None else schema_of(text)

    def remember_schema(self, environment: str, schema: TableSchema) -> None:
        """Store the schema, in place of the one before."""
        if self.schema_seen(environment, schema.name) == schema:
            return
        name = {"environment": environment, "table_name": schema.name}
        with self.transaction() as connection:
            connection.execute(_schemas.delete().filter_by(**name))
            connection.execute(_schemas.insert().values(**name, schema=text_of(schema)))


def text_of(schema: TableSchema) -> str:
    """The schema as a ledger keeps it."""
    return msgspec.json.encode(schema).decode()


def schema_of(text: str) -> TableSchema | None:
    """What was kept; None if a version unlike ours has done so."""
    try:
        return msgspec.json.decode(text, type=TableSchema)
    except msgspec.ValidationError:
        return None
