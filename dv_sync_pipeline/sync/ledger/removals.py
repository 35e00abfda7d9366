"""What a reconcile found to be removed, and what a person said to it: rows, and pairs of rows.

One list for the rows of a table, and one for each of its many-to-many relationships whose pairs are
held.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from dv_sync_pipeline.sync.guards import Removal, RemovalList
from dv_sync_pipeline.sync.ledger.database import (
    METADATA,
    Database,
    in_steps,
    insert,
    moment_text,
)

__all__ = ["Removals"]

_lists = sa.Table(
    "lists_of_removals",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("relationship", sa.String(128), primary_key=True),
    sa.Column("links", sa.Integer, nullable=False),
    sa.Column("primary_rows", sa.Integer, nullable=False),
    sa.Column("approved", sa.String(16), nullable=False),
)


_listed = sa.Table(
    "listed_removals",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("relationship", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("other_id", sa.String(36), primary_key=True),
    sa.Column("secondary_id", sa.String(36), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
)

_removed = sa.Table(
    "removed_lately",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("moment", sa.String(32), primary_key=True),
    sa.Column("rows", sa.Integer, nullable=False),
)

_REMOVED_KEPT = timedelta(days=1)

_OF_ROWS = ""
"""Stands for the relationship in the list of a table's rows."""


class Removals(Database):
    """The lists of each table."""

    def removals(self, table: str, *, relationship: str = _OF_ROWS) -> RemovalList:
        """The rows that the last reconcile found to be removed and that were not removed since.

        With a relationship, its pairs that are held.
        """
        found = [each for each in self._lists_of(table) if each.relationship == relationship]
        none = RemovalList(table, (), links=0, primary_rows=0, relationship=relationship)
        return found[0] if found else none

    def removal_lists(self, table: str) -> list[RemovalList]:
        """Every list of the table that is not empty, the one of its rows first."""
        return [each for each in self._lists_of(table) if each.removals]

    def _lists_of(self, table: str) -> list[RemovalList]:
        lists = sa.select(_lists).where(_lists.c.table_name == table)
        with self.reading() as connection:
            found = connection.execute(lists.order_by(_lists.c.relationship)).mappings().all()
            return [_list_of(row, connection) for row in found]

    def replace_removals(self, found: RemovalList) -> None:
        """Let these rows be the ones to remove; an approval stays with the list it was given to."""
        self._replace(found.table, [found], chosen=_lists.c.relationship == _OF_ROWS)

    def replace_held_pairs(self, table: str, found: Sequence[RemovalList]) -> None:
        """Let these pairs, of all relationships of the table, be the ones that are held."""
        self._replace(table, found, chosen=_lists.c.relationship != _OF_ROWS)

    def _replace(
        self, table: str, found: Sequence[RemovalList], *, chosen: sa.ColumnElement[bool]
    ) -> None:
        approved = {each.approved for each in self._lists_of(table)}
        with self.transaction() as connection:
            names = sa.select(_lists.c.relationship).where(_lists.c.table_name == table, chosen)
            for relationship in connection.scalars(names).all():
                _delete_list(connection, table, relationship)
            for each in found:
                kept = each.digest if each.digest in approved else ""
                connection.execute(_lists.insert().values(_list_values(each, approved=kept)))
                insert(connection, _listed, [_listed_values(each, row) for row in each.removals])

    def approve_removals(self, found: RemovalList) -> None:
        """A person agrees to exactly this list."""
        with self.transaction() as connection:
            connection.execute(
                _lists.update()
                .where(
                    _lists.c.table_name == found.table,
                    _lists.c.relationship == found.relationship,
                )
                .values(approved=found.digest)
            )

    def note_removed(self, table: str, rows: int, *, now: datetime) -> None:
        """So many rows went now."""
        if not rows:
            return
        values = {"table_name": table, "moment": moment_text(now)}
        with self.transaction() as connection:
            old = _removed.c.moment < moment_text(now - _REMOVED_KEPT)
            same = _removed.c.moment == values["moment"]
            connection.execute(
                _removed.delete().where(_removed.c.table_name == table, sa.or_(old, same))
            )
            connection.execute(_removed.insert().values(**values, rows=rows))

    def removed_since(self, table: str, moment: datetime) -> int:
        """How many rows of the table went since then, at most a day ago."""
        query = sa.select(sa.func.sum(_removed.c.rows)).where(
            _removed.c.table_name == table, _removed.c.moment >= moment_text(moment)
        )
        with self.reading() as connection:
            return connection.scalar(query) or 0

    def settle_removals(self, table: str, primary_ids: Sequence[str]) -> None:
        """These rows need not be removed any more: it is done, or they are wanted again."""
        with self.transaction() as connection:
            for ids in in_steps(primary_ids):
                connection.execute(
                    _listed.delete().where(
                        _listed.c.table_name == table,
                        _listed.c.relationship == _OF_ROWS,
                        _listed.c.primary_id.in_(ids),
                    )
                )


def _delete_list(connection: sa.Connection, table: str, relationship: str) -> None:
    for each in (_listed, _lists):
        connection.execute(
            each.delete().where(each.c.table_name == table, each.c.relationship == relationship)
        )


def _list_of(found: sa.RowMapping, connection: sa.Connection) -> RemovalList:
    rows = sa.select(_listed).where(
        _listed.c.table_name == found["table_name"],
        _listed.c.relationship == found["relationship"],
    )
    return RemovalList(
        found["table_name"],
        [_removal(row) for row in connection.execute(rows.order_by(_listed.c.key)).mappings()],
        found["links"],
        found["primary_rows"],
        approved=found["approved"],
        relationship=found["relationship"],
    )


def _removal(row: sa.RowMapping) -> Removal:
    return Removal(row["primary_id"], row["secondary_id"], row["key"], row["other_id"])


def _list_values(found: RemovalList, *, approved: str) -> dict[str, object]:
    return {
        "table_name": found.table,
        "relationship": found.relationship,
        "links": found.links,
        "primary_rows": found.primary_rows,
        "approved": approved,
    }


def _listed_values(found: RemovalList, removal: Removal) -> dict[str, object]:
    return {
        "table_name": found.table,
        "relationship": found.relationship,
        "primary_id": removal.primary_id,
        "other_id": removal.other_id,
        "secondary_id": removal.secondary_id,
        "key": removal.key,
    }
