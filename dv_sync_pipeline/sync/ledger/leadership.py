"""Which run follows changes live, which one waits to take over, and which one is about to end.

Belongs here: three chairs and who sits on them. How long a silence means death, and what follows
from it, is for `sync/leadership.py` and the sensor that keeps the live run alive.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, moment_text

__all__ = ["Leader", "Leadership"]

_LEADING = "leading"
_NEXT = "next"
_ENDING = "ending"

_chairs = sa.Table(
    "live_runs",
    METADATA,
    sa.Column("chair", sa.String(16), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("heartbeat", sa.String(32), nullable=False),
    sa.Column("deadline", sa.String(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Leader:
    """A run that follows changes live, or waits for its turn to.

    Attributes:
        holder: unique among all that ever led.
        run_id: of the Dagster run in which it works.
        heartbeat: its last sign of life (UTC).
        deadline: when it would like to hand over (UTC).

    """

    holder: str
    run_id: str
    heartbeat: datetime
    deadline: datetime

    def is_alive(self, now: datetime, *, silence: timedelta) -> bool:
        """Whether its last sign of life is younger than that."""
        return now - self.heartbeat < silence

    def heard_at(self, now: datetime) -> "Leader":
        """The same with a younger sign of life."""
        return replace(self, heartbeat=now)


class Leadership(Database):
    """One leader at most, one that waits, one that has handed over and is about to end."""

    def leader(self) -> Leader | None:
        """Who leads, dead or alive."""
        return self._on(_LEADING)

    def next_leader(self) -> Leader | None:
        """Who waits to take over, dead or alive."""
        return self._on(_NEXT)

    def live_runs(self) -> list[Leader]:
        """Everybody who was heard of lately: who leads, who waits, who is about to end."""
        with self.reading() as connection:
            return [_leader_of(row) for row in connection.execute(sa.select(_chairs))]

    def take_leadership(self, leader: Leader, *, silence: timedelta) -> bool:
        """Take or keep the lead; False while another leads who gave a sign of life since."""
        is_free = sa.or_(
            _chairs.c.holder == leader.holder,
            _chairs.c.heartbeat <= moment_text(leader.heartbeat - silence),
        )
        try:
            with self.transaction() as connection:
                taken = connection.execute(
                    _chairs.update()
                    .where(_chairs.c.chair == _LEADING, is_free)
                    .values(_row(leader))
                )
                if not taken.rowcount:
                    connection.execute(_chairs.insert().values(chair=_LEADING, **_row(leader)))
                _leave(connection, _NEXT, leader.holder)
        except sa.exc.IntegrityError:
            return False
        return True

    def wait_for_leadership(self, leader: Leader) -> None:
        """Say that this one is ready to take over; of several, the last one to speak counts."""
        # Two that come first at the same moment: the other one has said it already.
        with suppress(sa.exc.IntegrityError), self.transaction() as connection:
            _sit_down(connection, _NEXT, leader)

    def release_leadership(self, leader: Leader) -> None:
        """Let the next one lead; its heartbeat then tells when this one began to end."""
        with self.transaction() as connection:
            _leave(connection, _NEXT, leader.holder)
            if _leave(connection, _LEADING, leader.holder):
                _sit_down(connection, _ENDING, leader)

    def _on(self, chair: str) -> Leader | None:
        with self.reading() as connection:
            row = connection.execute(sa.select(_chairs).where(_chairs.c.chair == chair)).first()
        return None if row is None else _leader_of(row)


def _sit_down(
    connection: sa.Connection,
    chair: str,
    leader: Leader,
    *,
    where: sa.ColumnElement[bool] = sa.true(),  # noqa: B008 - an expression that never changes
) -> None:
    """Take the chair from whoever `where` allows; `IntegrityError` when it does not."""
    is_theirs = sa.and_(_chairs.c.chair == chair, where)
    taken = connection.execute(_chairs.update().where(is_theirs).values(_row(leader)))
    if not taken.rowcount:
        connection.execute(_chairs.insert().values(chair=chair, **_row(leader)))


def _leave(connection: sa.Connection, chair: str, holder: str) -> bool:
    """Whether the holder sat on that chair."""
    is_theirs = sa.and_(_chairs.c.chair == chair, _chairs.c.holder == holder)
    return connection.execute(_chairs.delete().where(is_theirs)).rowcount > 0


def _row(leader: Leader) -> dict[str, Any]:
    moments = {
        "heartbeat": moment_text(leader.heartbeat),
        "deadline": moment_text(leader.deadline),
    }
    return {**asdict(leader), **moments}


def _leader_of(row: sa.Row[Any]) -> Leader:
    return Leader(
        holder=row.holder,
        run_id=row.run_id,
        heartbeat=datetime.fromisoformat(row.heartbeat),
        deadline=datetime.fromisoformat(row.deadline),
    )
