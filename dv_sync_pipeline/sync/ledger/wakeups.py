"""Wake-ups that wait to be acted upon: one entry for each row, however often it was woken.

Whoever acts on a wake-up settles it by its sequence. A row that was woken again in the meantime has
a new sequence by then, so its entry stays and nothing is lost.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, in_steps, moment_text
from dv_sync_pipeline.sync.wakeups import WaitingWakeUps, WakeUp, WakeUpKind

__all__ = ["WakeUps"]

_wake_ups = sa.Table(
    "wake_ups",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("primary_id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("received", sa.String(32), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False, unique=True),
    sa.Index("wake_ups_by_age", "received", "sequence"),
)

_turns = sa.Table(
    "wake_up_turns",
    METADATA,
    sa.Column("only_row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
)
"""One row: the last sequence given. Whoever changes wake-ups updates it first and so has its turn:
sequences grow in the order of commits, and no two transactions wait for each other's rows."""

_ONLY_ROW = 1


class WakeUps(Database):
    """Wake-ups of all tables."""

    def store_wake_ups(self, wake_ups: Sequence[WakeUp]) -> None:
        """All of them or, with a `LedgerError`, none; durable when this returns.

        Without any, it proves that they could be stored.
        """
        collapsed = _collapse(wake_ups)
        with self.transaction() as connection:
            last = _take_turn(connection, count=len(collapsed))
            first = last - len(collapsed) + 1
            values = [_values(one, sequence) for sequence, one in enumerate(collapsed, first)]
            if values:
                connection.execute(_upsert(connection), values)

    def wake_ups(self, limit: int, *, tables: Collection[str] | None = None) -> list[WakeUp]:
        """What waits, of all tables or of these, the oldest first, at most so many."""
        query = (
            sa.select(_wake_ups).order_by(_wake_ups.c.received, _wake_ups.c.sequence).limit(limit)
        )
        if tables is not None:
            query = query.where(_wake_ups.c.table_name.in_(list(tables)))
        with self.reading() as connection:
            return [_wake_up(row) for row in connection.execute(query).mappings()]

    def settle_wake_ups(self, wake_ups: Iterable[WakeUp]) -> None:
        """These are done with; a row that was woken again since they were read goes on waiting."""
        sequences = [wake_up.sequence for wake_up in wake_ups]
        if not sequences:
            return
        with self.transaction() as connection:
            _take_turn(connection, count=0)
            for step in in_steps(sequences):
                connection.execute(_wake_ups.delete().where(_wake_ups.c.sequence.in_(step)))

    def waiting_wake_ups(self) -> WaitingWakeUps:
        """How many wait, and since when the oldest does."""
        query = sa.select(sa.func.count(), sa.func.min(_wake_ups.c.received))
        with self.reading() as connection:
            count, oldest = connection.execute(query).one()
        return WaitingWakeUps(count, datetime.fromisoformat(oldest) if oldest else None)


def _collapse(wake_ups: Sequence[WakeUp]) -> list[WakeUp]:
    """One for each row, as if they had come one after the other."""
    rows: dict[tuple[str, str], WakeUp] = {}
    for wake_up in wake_ups:
        row = wake_up.table, wake_up.row_id
        rows[row] = _joined(rows[row], wake_up) if row in rows else wake_up
    return list(rows.values())


def _joined(earlier: WakeUp, later: WakeUp) -> WakeUp:
    """The later kind counts; but that pairs changed must not be forgotten."""
    kind = WakeUpKind.PAIRS if earlier.kind is WakeUpKind.PAIRS else later.kind
    return replace(later, kind=kind, received=min(earlier.received, later.received))


def _take_turn(connection: sa.Connection, *, count: int) -> int:
    """Wait for our turn, which lasts until the commit, and return the last of `count` sequences."""
    given = _turns.c.last_sequence + count
    turn = _turns.update().values(last_sequence=given).returning(_turns.c.last_sequence)
    last = connection.scalar(turn)
    if last is None:
        # Another process may be creating the row too; whoever comes second waits and finds it.
        first = _insert(connection, _turns).values(only_row=_ONLY_ROW, last_sequence=0)
        connection.execute(first.on_conflict_do_nothing())
        last = connection.scalar(turn)
    return int(last)


def _upsert(connection: sa.Connection) -> Any:
    """`_joined`, said in SQL."""
    insert = _insert(connection, _wake_ups)
    known, new = _wake_ups.c, insert.excluded
    pairs_changed = known.kind == WakeUpKind.PAIRS.value
    return insert.on_conflict_do_update(
        index_elements=[known.table_name, known.primary_id],
        set_={
            "kind": sa.case((pairs_changed, known.kind), else_=new.kind),
            "received": sa.case(
                (known.received < new.received, known.received), else_=new.received
            ),
            "sequence": new.sequence,
        },
    )


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An insert that can be told what to do about a row that is there."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def _values(wake_up: WakeUp, sequence: int) -> dict[str, object]:
    return {
        "table_name": wake_up.table,
        "primary_id": wake_up.row_id,
        "kind": wake_up.kind.value,
        "received": moment_text(wake_up.received),
        "sequence": sequence,
    }


def _wake_up(row: sa.RowMapping) -> WakeUp:
    return WakeUp(
        table=row["table_name"],
        row_id=row["primary_id"],
        kind=WakeUpKind(row["kind"]),
        received=datetime.fromisoformat(row["received"]),
        sequence=row["sequence"],
    )
