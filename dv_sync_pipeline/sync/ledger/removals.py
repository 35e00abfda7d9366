"""Rows that a reconcile found to be gone in the primary, and what a person said to it."""

from collections.abc import Sequence

import sqlalchemy as sa

from dv_sync_pipeline.sync.guards import Removal, RemovalList
from dv_sync_pipeline.sync.ledger.database import METADATA, Database, in_steps, insert

__all__ = ["Removals"]

_removal_lists = sa.Table(
    "removal_lists",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("links", sa.Integer, nullable=False),
    sa.Column("primary_rows", sa.Integer, nullable=False),
    sa.Column("approved", sa.String(16), nullable=False),
)


_removals = sa.Table(
    "removals",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("secondary_id", sa.String(36), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
)


class Removals(Database):
    """The list of each table."""

    def removals(self, table: str) -> RemovalList:
        """What the last reconcile found to be removed and was not removed since."""
        rows = sa.select(_removals).where(_removals.c.table_name == table).order_by(_removals.c.key)
        lists = sa.select(_removal_lists).where(_removal_lists.c.table_name == table)
        with self.reading() as connection:
            found = connection.execute(lists).mappings().first()
            removals = [
                Removal(row["primary_id"], row["secondary_id"], row["key"])
                for row in connection.execute(rows).mappings()
            ]
        if found is None:
            return RemovalList(table, (), links=0, primary_rows=0)
        return RemovalList(
            table, removals, found["links"], found["primary_rows"], approved=found["approved"]
        )

    def replace_removals(self, found: RemovalList) -> None:
        """Let these rows be the ones to remove; an approval stays with the list it was given to."""
        approved = self.removals(found.table).approved
        with self.transaction() as connection:
            _delete_removals(connection, found.table)
            connection.execute(
                _removal_lists.insert().values(
                    table_name=found.table,
                    links=found.links,
                    primary_rows=found.primary_rows,
                    approved=approved if approved == found.digest else "",
                )
            )
            insert(connection, _removals, [_removal_values(found.table, r) for r in found.removals])

    def approve_removals(self, table: str, digest: str) -> None:
        """A person agrees to exactly the list with this digest."""
        with self.transaction() as connection:
            connection.execute(
                _removal_lists.update()
                .where(_removal_lists.c.table_name == table)
                .values(approved=digest)
            )

    def settle_removals(self, table: str, primary_ids: Sequence[str]) -> None:
        """These rows need not be removed any more: it is done, or they are wanted again."""
        with self.transaction() as connection:
            for ids in in_steps(primary_ids):
                connection.execute(
                    _removals.delete().where(
                        _removals.c.table_name == table, _removals.c.primary_id.in_(ids)
                    )
                )


def _delete_removals(connection: sa.Connection, table: str) -> None:
    for each in (_removals, _removal_lists):
        connection.execute(each.delete().where(each.c.table_name == table))


def _removal_values(table: str, removal: Removal) -> dict[str, object]:
    return {
        "table_name": table,
        "primary_id": removal.primary_id,
        "secondary_id": removal.secondary_id,
        "key": removal.key,
    }
