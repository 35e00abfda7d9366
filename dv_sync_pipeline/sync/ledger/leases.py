"""Whose turn it is on a table, and who waits for it, first come first served."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, moment_text
from dv_sync_pipeline.sync.ledger.doubts import put_in_doubt
from dv_sync_pipeline.sync.ledger.stamps import latest_sequence, stamp_anew

__all__ = ["Leases"]

_leases = sa.Table(
    "leases",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("expires", sa.String(32), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False, server_default="0"),
)
"""`sequence` is the number of the last write before the lease was taken (`stamps.py`)."""

_queue = sa.Table(
    "lease_queue",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("holder", sa.String(64), primary_key=True),
    sa.Column("since", sa.String(32), nullable=False),
    sa.Column("expires", sa.String(32), nullable=False),
)

_ASKS_AGAIN_WITHIN = timedelta(seconds=2)
"""Who waits for longer without asking again has given up, or was killed."""


class Leases(Database):
    """One lease for each table; who holds it is told by the number of a writer, as in stamps."""

    def take_lease(self, table: str, writer: int, *, now: datetime, lasts: timedelta) -> bool:
        """Take or renew the only lease of the table; False while another writer has it.

        Who is refused is next: a holder that gives the lease back and wants it again at once waits
        behind those who have asked before. Whoever had it and let it run out may have a request on
        its way: what it has written in its turn is in doubt, and counts as written now.
        """
        holder, expires = _holder(writer), moment_text(now + lasts)
        try:
            with self.transaction() as connection:
                if _renew(connection, table, holder, expires=expires):
                    return True
                queue = _queued(connection, table)
                if _others_wait(queue, holder, now=now):
                    return _enqueue(connection, table, holder, now=now)
                if not _take(connection, table, holder, now=now, expires=expires):
                    return _enqueue(connection, table, holder, now=now)
                if queue:
                    _leave_queue(connection, table, holder, now=now)
        except sa.exc.IntegrityError:
            return False
        return True

    def renew_lease(self, table: str, writer: int, *, now: datetime, lasts: timedelta) -> bool:
        """Keep the lease; False if another writer has taken it."""
        with self.transaction() as connection:
            return _renew(connection, table, _holder(writer), expires=moment_text(now + lasts))

    def release_lease(self, table: str, writer: int) -> bool:
        """Let the next one have its turn; False if another writer has taken it already."""
        is_mine = sa.and_(_leases.c.table_name == table, _leases.c.holder == _holder(writer))
        with self.transaction() as connection:
            return connection.execute(_leases.delete().where(is_mine)).rowcount > 0


def _holder(writer: int) -> str:
    return f"{writer:016x}"


def _writer(holder: str) -> int:
    return int(holder, 16)


def _renew(connection: sa.Connection, table: str, holder: str, *, expires: str) -> bool:
    mine = sa.and_(_leases.c.table_name == table, _leases.c.holder == holder)
    return bool(connection.execute(_leases.update().where(mine).values(expires=expires)).rowcount)


def _take(
    connection: sa.Connection, table: str, holder: str, *, now: datetime, expires: str
) -> bool:
    """Whether the lease was free: nobody's, or run out."""
    of_table = _leases.c.table_name == table
    known = connection.execute(sa.select(_leases).where(of_table)).first()
    values = {"holder": holder, "expires": expires, "sequence": latest_sequence}
    if known is None:
        connection.execute(_leases.insert().values(table_name=table, **values))
        return True
    if known.expires > moment_text(now):
        return False
    is_as_known = sa.and_(_leases.c.holder == known.holder, _leases.c.expires == known.expires)
    taken = connection.execute(_leases.update().where(of_table, is_as_known).values(values))
    if taken.rowcount:
        _doubt_turn(connection, table, known, now=now)
    return taken.rowcount > 0


def _doubt_turn(connection: sa.Connection, table: str, lost: sa.Row[Any], *, now: datetime) -> None:
    written = stamp_anew(connection, table, writer=_writer(lost.holder), since=lost.sequence)
    put_in_doubt(connection, table, written, now=now)


def _queued(connection: sa.Connection, table: str) -> Sequence[sa.Row[Any]]:
    """Who has asked in vain, those included that gave up."""
    return connection.execute(sa.select(_queue).where(_queue.c.table_name == table)).all()


def _others_wait(queue: Sequence[sa.Row[Any]], holder: str, *, now: datetime) -> bool:
    """Whether somebody has asked before and still waits."""
    since = {row.holder: row.since for row in queue if row.expires > moment_text(now)}
    mine = since.pop(holder, moment_text(now))
    return any(other < mine for other in since.values())


def _enqueue(connection: sa.Connection, table: str, holder: str, *, now: datetime) -> bool:
    """Wait from now on, or still; always False, as the answer to who asked."""
    mine = sa.and_(_queue.c.table_name == table, _queue.c.holder == holder)
    expires = moment_text(now + _ASKS_AGAIN_WITHIN)
    if not connection.execute(_queue.update().where(mine).values(expires=expires)).rowcount:
        values = {"table_name": table, "holder": holder, "since": moment_text(now)}
        connection.execute(_queue.insert().values(**values, expires=expires))
    return False


def _leave_queue(connection: sa.Connection, table: str, holder: str, *, now: datetime) -> None:
    """Together with those who gave up."""
    is_over = sa.or_(_queue.c.holder == holder, _queue.c.expires <= moment_text(now))
    connection.execute(_queue.delete().where(_queue.c.table_name == table, is_over))
