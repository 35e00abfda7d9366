"""Which pass wrote which row last, in the order of the ledger.

A row that is linked carries the stamp in its link. Rows that a pass has removed, could not create,
has parked, or found to be deleted are listed here, so that a pass that began before knows of it.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, in_steps, insert

__all__ = [
    "Stamps",
    "latest_sequence",
    "next_sequence",
    "stamp_anew",
    "stamp_unlinked",
    "stamps_of_links",
]

_KEPT_MAX = 1_000_000
"""Stamps that are older by so many writes of the ledger are forgotten: no pass is that long."""

_sequence = sa.Table(
    "write_sequence",
    METADATA,
    sa.Column("only_row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("latest", sa.BigInteger, nullable=False),
)


@sa.event.listens_for(_sequence, "after_create")
def _begin_counting(_table: sa.Table, connection: sa.Connection, **_options: object) -> None:
    connection.execute(_sequence.insert().values(only_row=1, latest=0))


_unlinked = sa.Table(
    "stamps",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("writer", sa.BigInteger, nullable=False),
)

stamps_of_links = ("sequence", "writer")
"""Columns of the links: the ledger's sequence at the last write of the row, and which pass did."""


latest_sequence = sa.select(_sequence.c.latest).scalar_subquery()
"""The number of the last write, as part of a statement."""


def next_sequence(connection: sa.Connection) -> int:
    """The next number; other writers wait for this transaction, so numbers follow commits."""
    number = _sequence.update().values(latest=_sequence.c.latest + 1).returning(_sequence.c.latest)
    return connection.scalar(number) or 0


def stamp_unlinked(
    connection: sa.Connection, table: str, primary_ids: Sequence[str], *, sequence: int, writer: int
) -> None:
    """Rows that may have no link were written now, and very old stamps are forgotten."""
    of_table = _unlinked.c.table_name == table
    connection.execute(_unlinked.delete().where(_unlinked.c.sequence < sequence - _KEPT_MAX))
    for ids in in_steps(primary_ids):
        connection.execute(_unlinked.delete().where(of_table, _unlinked.c.primary_id.in_(ids)))
        rows = [
            {"table_name": table, "primary_id": row_id, "sequence": sequence, "writer": writer}
            for row_id in ids
        ]
        insert(connection, _unlinked, rows)


def stamp_anew(connection: sa.Connection, table: str, *, writer: int, since: int) -> set[str]:
    """Let what a pass has written since count as written now; returns the rows."""
    sequence, found = next_sequence(connection), set[str]()
    for stamped in (METADATA.tables["links"], _unlinked):
        is_its = sa.and_(
            stamped.c.table_name == table, stamped.c.writer == writer, stamped.c.sequence > since
        )
        found |= set(connection.scalars(sa.select(stamped.c.primary_id).where(is_its)))
        connection.execute(stamped.update().where(is_its).values(sequence=sequence))
    return found


class Stamps(Database):
    """Stamps of all tables."""

    def latest_sequence(self) -> int:
        """The number of the last write."""
        with self.reading() as connection:
            return connection.scalar(sa.select(_sequence.c.latest)) or 0

    def claim_rows(
        self, table: str, primary_ids: Sequence[str], *, since: int, writer: int
    ) -> set[str]:
        """Stamp the links of these rows, but for those that others have written since.

        Returns those; rows without a link are stamped when their link is saved.
        """
        links = METADATA.tables["links"]
        overtaken: set[str] = set()
        if not primary_ids:
            return overtaken
        with self.transaction() as connection:
            sequence = next_sequence(connection)
            for ids in in_steps(primary_ids):
                found = [
                    _written(each, table, since=since, writer=writer).where(
                        each.c.primary_id.in_(ids)
                    )
                    for each in (links, _unlinked)
                ]
                overtaken |= set(connection.scalars(sa.union_all(*found)))
                free = [row_id for row_id in ids if row_id not in overtaken]
                connection.execute(
                    links.update()
                    .where(links.c.table_name == table, links.c.primary_id.in_(free))
                    .values(sequence=sequence, writer=writer)
                )
        return overtaken

    def rows_written_since(self, table: str, *, since: int, writer: int) -> set[str]:
        """Every row of the table that others have written since."""
        with self.reading() as connection:
            written = (
                connection.scalars(_written(each, table, since=since, writer=writer))
                for each in (METADATA.tables["links"], _unlinked)
            )
            return {str(row_id) for row_ids in written for row_id in row_ids}

    def stamp_rows(self, table: str, primary_ids: Sequence[str], *, writer: int) -> None:
        """These rows were written now, linked or not.

        The stamp in a link stays beside it: it tells who may have a request on its way.
        """
        if primary_ids:
            with self.transaction() as connection:
                sequence = next_sequence(connection)
                stamp_unlinked(connection, table, primary_ids, sequence=sequence, writer=writer)


def _written(stamped: sa.Table, table: str, *, since: int, writer: int) -> "sa.Select[tuple[str]]":
    return sa.select(stamped.c.primary_id).where(
        stamped.c.table_name == table, stamped.c.sequence > since, stamped.c.writer != writer
    )
