"""Of each table: whether a reconcile is owed, for which mapping, and what the last one proved."""

from datetime import datetime

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database

__all__ = ["Reconciles"]

_reconciles = sa.Table(
    "reconciles",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("mapping", sa.String(64), nullable=False),
    sa.Column("is_owed", sa.Boolean, nullable=False),
    sa.Column("verified_through", sa.String(32)),
)


_reasons = sa.Table(
    "reconcile_reasons",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
)


class Reconciles(Database):
    """What is owed."""

    def owe_reconcile(self, table: str, reason: str) -> None:
        """Only a completed reconcile settles it; the first reason stands."""
        row = _reasons.c.table_name == table
        with self.transaction() as connection:
            known = connection.execute(
                _reasons.update().where(row).values(reason=_reasons.c.reason)
            )
            if known.rowcount == 0:
                connection.execute(_reasons.insert().values(table_name=table, reason=reason))

    def reconcile_owed(self, table: str) -> str:
        """Why a reconcile of the table is owed, in words; "" when none is."""
        with self.reading() as connection:
            row = _reconciles.c.table_name == table
            state = connection.execute(sa.select(_reconciles).where(row)).mappings().first()
            reason = connection.scalar(
                sa.select(_reasons.c.reason).where(_reasons.c.table_name == table)
            )
        if state is None:
            return "it was never reconciled"
        if state["verified_through"] is None:
            return "its first reconcile was not completed"
        return reason or (
            "its last reconcile has begun and is not completed" if state["is_owed"] else ""
        )

    def begin_reconcile(self, table: str, *, mapping: str) -> None:
        """From now until `finish_reconcile` a reconcile is owed."""
        row = _reconciles.c.table_name == table
        with self.transaction() as connection:
            known = connection.execute(
                _reconciles.update().where(row).values(mapping=mapping, is_owed=True)
            )
            if known.rowcount == 0:
                connection.execute(
                    _reconciles.insert().values(table_name=table, mapping=mapping, is_owed=True)
                )

    def finish_reconcile(self, table: str, *, verified_through: datetime) -> None:
        """The pass was completed: nothing is owed any more."""
        with self.transaction() as connection:
            connection.execute(
                _reconciles.update()
                .where(_reconciles.c.table_name == table)
                .values(is_owed=False, verified_through=verified_through.isoformat())
            )
            connection.execute(_reasons.delete().where(_reasons.c.table_name == table))

    def owes_reconcile(self, table: str, *, mapping: str) -> bool:
        """Whether a pass was begun and not completed, never made, or made for another mapping."""
        with self.reading() as connection:
            settled = connection.scalar(
                sa.select(_reconciles.c.mapping).where(
                    _reconciles.c.table_name == table, ~_reconciles.c.is_owed
                )
            )
        return settled != mapping

    def is_reconcile_owed(self, table: str) -> bool:
        """Whether a pass was begun and not completed, whatever its mapping."""
        with self.reading() as connection:
            query = sa.select(_reconciles.c.is_owed).where(_reconciles.c.table_name == table)
            return bool(connection.scalar(query))

    def mapping_changed(self, table: str, *, mapping: str) -> bool:
        """Whether the last pass, completed or not, was made for another mapping."""
        with self.reading() as connection:
            known = connection.scalar(
                sa.select(_reconciles.c.mapping).where(_reconciles.c.table_name == table)
            )
        return known not in (None, mapping)

    def verified_through(self, table: str) -> datetime | None:
        """When the last completed pass began to read; None if there never was one."""
        with self.reading() as connection:
            moment = connection.scalar(
                sa.select(_reconciles.c.verified_through).where(_reconciles.c.table_name == table)
            )
        return datetime.fromisoformat(moment) if moment else None
