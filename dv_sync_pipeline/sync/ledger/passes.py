"""The last passes over each table, and how they ended: what `dv-sync status` shows as a strip.

Belongs here: a short memory. Dagster keeps the runs themselves, with their logs.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, moment_text

__all__ = ["PASSES_KEPT", "Pass", "PassKind", "Passes"]

PASSES_KEPT = 60
"""Of each table and mode; older ones are forgotten. Changes come by the second: were they counted
together, they would push out the reconciles of whole weeks within a minute."""

_passes = sa.Table(
    "passes",
    METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("table_name", sa.String(128), nullable=False, index=True),
    sa.Column("mode", sa.String(32), nullable=False),
    sa.Column("began", sa.String(32), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("differences", sa.Integer, nullable=False),
    sa.Column("parked", sa.Integer, nullable=False),
    sa.Column("held", sa.Integer, nullable=False),
    sa.Column("failure", sa.Text, nullable=False),
)


class PassKind(StrEnum):
    """How a pass ended, in one word."""

    FAILED = "failed"
    WAITS = "waits"
    REPAIRED = "repaired"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over one table.

    Attributes:
        table: logical name in the primary.
        mode: "reconcile", "changes", "rows", "deferred lookups" or "removals".
        began: when (UTC).
        seconds: how long it took.
        differences: rows and pairs that were not equal and are now.
        parked: rows that waited when it ended.
        held: removals that waited for a person when it ended.
        failure: why it stopped; "" when it was completed.

    """

    table: str
    mode: str
    began: datetime
    seconds: float
    differences: int = 0
    parked: int = 0
    held: int = 0
    failure: str = ""

    @property
    def kind(self) -> PassKind:
        """The word that matters most to a person."""
        if self.failure:
            return PassKind.FAILED
        if self.parked or self.held:
            return PassKind.WAITS
        return PassKind.REPAIRED if self.differences else PassKind.QUIET


class Passes(Database):
    """Passes of all tables."""

    def record_pass(self, done: Pass) -> None:
        """Remember this pass, and forget the oldest of its kind."""
        its_kind = _kind(done.table, done.mode)
        with self.transaction() as connection:
            connection.execute(_passes.insert().values(_values(done)))
            oldest = connection.scalar(
                sa.select(_passes.c.sequence)
                .where(its_kind)
                .order_by(_passes.c.sequence.desc())
                .offset(PASSES_KEPT)
                .limit(1)
            )
            if oldest is not None:
                connection.execute(_passes.delete().where(its_kind, _passes.c.sequence <= oldest))

    def has_failed(self, table: str, *, mode: str) -> bool:
        """Whether the last pass of this kind that is remembered was not completed."""
        last = (
            sa.select(_passes.c.failure)
            .where(_kind(table, mode))
            .order_by(_passes.c.sequence.desc())
            .limit(1)
        )
        with self.reading() as connection:
            return bool(connection.scalar(last))

    def passes(self, table: str) -> list[Pass]:
        """The last passes over the table, oldest first."""
        query = sa.select(_passes).where(_passes.c.table_name == table).order_by(_passes.c.sequence)
        with self.reading() as connection:
            return [_pass(row) for row in connection.execute(query).mappings()]


def _kind(table: str, mode: str) -> sa.ColumnElement[bool]:
    return sa.and_(_passes.c.table_name == table, _passes.c.mode == mode)


def _values(done: Pass) -> dict[str, object]:
    return {
        "table_name": done.table,
        "mode": done.mode,
        "began": moment_text(done.began),
        "seconds": done.seconds,
        "differences": done.differences,
        "parked": done.parked,
        "held": done.held,
        "failure": done.failure,
    }


def _pass(row: sa.RowMapping) -> Pass:
    return Pass(
        table=row["table_name"],
        mode=row["mode"],
        began=datetime.fromisoformat(row["began"]),
        seconds=row["seconds"],
        differences=row["differences"],
        parked=row["parked"],
        held=row["held"],
        failure=row["failure"],
    )
