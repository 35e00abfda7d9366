"""Whose turn it is on a table."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, moment_text

__all__ = ["Leases"]

_leases = sa.Table(
    "leases",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("expires", sa.String(32), nullable=False),
)


class Leases(Database):
    """One lease for each table."""

    def take_lease(self, table: str, holder: str, *, now: datetime, lasts: timedelta) -> bool:
        """Take or renew the only lease of the table; False while another holder has it."""
        values = {"holder": holder, "expires": moment_text(now + lasts)}
        is_free = sa.or_(_leases.c.holder == holder, _leases.c.expires <= moment_text(now))
        try:
            with self.transaction() as connection:
                renewed = connection.execute(
                    _leases.update().where(_leases.c.table_name == table, is_free).values(values)
                )
                if renewed.rowcount:
                    return True
                connection.execute(_leases.insert().values(table_name=table, **values))
        except sa.exc.IntegrityError:
            return False
        return True

    def release_lease(self, table: str, holder: str) -> None:
        """Let the next one have its turn."""
        with self.transaction() as connection:
            connection.execute(
                _leases.delete().where(_leases.c.table_name == table, _leases.c.holder == holder)
            )
