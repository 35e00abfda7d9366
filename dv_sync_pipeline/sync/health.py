"""How the pipeline and each of its tables is: what status, its page and alerts go by.

Belongs here: reading the ledger into a few numbers for each table, and the one word that sums them
up. No environment is asked, so it is cheap and says what the last pass has proven, not more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dv_sync_pipeline.config import Configuration, TableConfiguration
from dv_sync_pipeline.sync.guards import HeldLists
from dv_sync_pipeline.sync.ledger import Leader, Ledger
from dv_sync_pipeline.sync.ledger.feeds import Lag
from dv_sync_pipeline.sync.ledger.passes import Pass
from dv_sync_pipeline.sync.ordering import in_dependency_order
from dv_sync_pipeline.sync.wakeups import WaitingWakeUps

__all__ = ["Health", "State", "TableHealth", "health", "health_of_tables"]


_MAKES_UP_FOR_ALL = "reconcile"


class State(StrEnum):
    """The one word for a table."""

    IN_SYNC = "in sync"
    BEHIND = "behind"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class TableHealth:
    """One table.

    Attributes:
        table: logical name in the primary.
        target: logical name in the secondary.
        links: rows that are linked.
        verified_through: when the last completed reconcile began; None if there never was one.
        reconcile_owed: why a reconcile is owed; "" if none is.
        parked: rows that wait for a person or a parent.
        held: rows and pairs whose removal waits for a person.
        held_because: why they do.
        passes: the last ones, oldest first.
        lag: how long changes took to arrive; None as long as none was followed.
        token_taken: when the feed was followed last; None without a delta token.

    """

    table: str
    target: str
    links: int
    verified_through: datetime | None
    reconcile_owed: str
    parked: int
    held: int
    held_because: str
    passes: Sequence[Pass]
    lag: Lag | None = None
    token_taken: datetime | None = None

    @property
    def failure(self) -> str:
        """Why the table is stopped; "" when the last pass of every kind was completed.

        A quiet look at the change feed does not make up for a reconcile that failed; a reconcile
        makes up for everything.
        """
        later: set[str] = set()
        for done in reversed(self.passes):
            if done.failure and later.isdisjoint({done.mode, _MAKES_UP_FOR_ALL}):
                return done.failure
            later.add(done.mode)
        return ""

    @property
    def state(self) -> State:
        """Stopped when its last pass failed, behind when a reconcile is owed."""
        if self.failure:
            return State.STOPPED
        return State.BEHIND if self.reconcile_owed else State.IN_SYNC


@dataclass(frozen=True, slots=True)
class Health:
    """The whole pipeline at one moment.

    Attributes:
        now: that moment (UTC).
        tables: parents first.
        waiting: changes that were announced and not looked at yet.
        leader: the live run that follows changes; None when none does.
        problems: titles of what people were told and is not over, oldest first.
        alerts_waiting: messages that have not reached their channel.

    """

    now: datetime
    tables: Sequence[TableHealth]
    waiting: WaitingWakeUps
    leader: Leader | None
    problems: Sequence[str]
    alerts_waiting: int

    @property
    def is_well(self) -> bool:
        """Every table is in sync, and nothing waits for a person."""
        in_sync = all(table.state is State.IN_SYNC for table in self.tables)
        waiting = sum(table.parked + table.held for table in self.tables)
        return in_sync and not waiting


def health(configuration: Configuration, ledger: Ledger, *, now: datetime) -> Health:
    """Everything at once; raises `LedgerError`."""
    return Health(
        now=now,
        tables=health_of_tables(configuration, ledger),
        waiting=ledger.waiting_wake_ups(),
        leader=ledger.leader(),
        problems=[title for title, _, _ in ledger.open_problems()],
        alerts_waiting=len(ledger.waiting_alerts()),
    )


def health_of_tables(configuration: Configuration, ledger: Ledger) -> list[TableHealth]:
    """Every synchronized table, parents first; raises `LedgerError`."""
    lags = ledger.lags()
    tables = in_dependency_order(configuration.tables)
    return [_health(table, ledger, lag=lags.get(table.table)) for table in tables]


def _health(table: TableConfiguration, ledger: Ledger, *, lag: Lag | None) -> TableHealth:
    held = HeldLists.of(ledger.removal_lists(table.table), max_removals=table.max_removals)
    token = ledger.delta_token(table.table)
    return TableHealth(
        table=table.table,
        target=table.target,
        links=ledger.count_links(table.table),
        verified_through=ledger.verified_through(table.table),
        reconcile_owed=ledger.reconcile_owed(table.table),
        parked=ledger.count_parked(table.table),
        held=held.count,
        held_because=held.because,
        passes=ledger.passes(table.table),
        lag=lag,
        token_taken=token.taken if token else None,
    )
