"""The live path: follows changes continuously and applies them in micro-batches.

Start reading at `LiveLoop.follow`. Wake-ups come first, because somebody waits for them, and tables
that do not need each other are done side by side, because a pass mostly waits for answers. In
between the change feed of one table is polled, so that no stream of wake-ups starves it, and what
no webhook told arrives within the polling interval. Belongs here: what is done next, and patience
with what fails. Does not belong here: any step of a pass (the engine), who leads (`leadership.py`),
how it looks in Dagster (`defs/live.py`).

A reconcile that is owed is not run here: it may take longer than a leader leads, and deserves a run
of its own with its own log. A sensor starts it, and the two take turns on a table by leases.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from dv_sync_pipeline.errors import AccessError, SafetyError, UnreachableError
from dv_sync_pipeline.sync.micro_batch import MicroBatch, micro_batches, waves
from dv_sync_pipeline.sync.patience import Patience
from dv_sync_pipeline.sync.report import TableReport
from dv_sync_pipeline.sync.wakeups import WakeUp
from dv_sync_pipeline.webapi.together import together

__all__ = ["Inbox", "LiveEngine", "LiveListener", "LiveLoop"]

NOTICE_SECONDS = 0.05
WAKE_UPS_AT_ONCE_MAX = 2_000
_JITTER = 0.1
_LISTING = frozenset({"changes", "rows"})
"""Passes that put what is gone on the list of removals."""

_REST = "removals and rows whose parents arrived"
_EVERYTHING = ""
"""Stands for all tables in `Patience`: an environment does not answer."""


class Inbox(Protocol):
    """The part of the ledger that holds what waits."""

    def wake_ups(self, limit: int, *, tables: Collection[str] | None = None) -> Sequence[WakeUp]:
        """The oldest, of all tables or of these."""

    def settle_wake_ups(self, wake_ups: Sequence[WakeUp]) -> None:
        """Forget exactly these."""

    def tables_with_arrivals(self) -> Collection[str]:
        """Tables with rows whose parents have arrived."""


class LiveEngine(Protocol):
    """The part of the engine that follows changes."""

    @property
    def tables_in_order(self) -> Sequence[str]:
        """Every synchronized table, parents first."""

    def parents_of(self, table: str) -> Collection[str]:
        """Tables whose rows must be there before rows of this one can point to them."""

    async def changes(self, table: str) -> TableReport:
        """Follow the change feed of a table to its end; list what is gone."""

    async def rows(self, table: str, row_ids: Sequence[str]) -> TableReport:
        """Make exactly these rows equal; list what is gone."""

    async def apply_changes(self, tables: Collection[str]) -> Sequence[TableReport]:
        """With no tables: rows whose parents have arrived, then removals that are listed."""


class LiveListener(Protocol):
    """Is told what becomes of each table; must be quick and must not raise."""

    def applied(self, report: TableReport) -> None:
        """A micro-batch is done; maybe it found nothing to do."""

    def failed(self, table: str, error: Exception, *, again_in_seconds: float) -> None:
        """A table could not be done."""

    def breathed(self) -> None:
        """A moment between two pieces of work."""


@dataclass(slots=True)
class LiveLoop:
    """Follows changes for as long as it leads.

    Attributes:
        engine: open, and kept open.
        inbox: holds wake-ups.
        listener: is told what happened.
        poll_seconds: how often the change feed of each table is polled.
        monotonic: seconds on a clock that never goes back.
        sleep: waits so many seconds.
        random: spreads polls and waiting times.

    """

    engine: LiveEngine
    inbox: Inbox
    listener: LiveListener
    poll_seconds: float
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Random
    _polls: dict[str, float] = field(default_factory=dict, init=False)
    """Table → when its feed is polled next; those that are missing are due."""
    _patience: Patience = field(init=False)
    _has_removals: bool = field(default=True, init=False)
    """At first because whoever led before may have been killed before it came to them."""

    def __post_init__(self) -> None:
        self._patience = Patience(self.random)

    async def follow(self, goes_on: Callable[[], bool]) -> None:
        """Until `goes_on` says no, which is asked between micro-batches.

        Outlives whatever fails for one table or for a while. Raises `SafetyError`: going on could
        do harm.
        """
        self._forget_strangers()
        while goes_on():
            has_worked = await self._apply_wake_ups(goes_on)
            has_worked |= await self._poll_next()
            if has_worked:
                await self._finish()
            self.listener.breathed()
            if not has_worked:
                await self.sleep(NOTICE_SECONDS)

    def _forget_strangers(self) -> None:
        """Wake-ups of tables that were taken out of sync.yaml would wait for ever."""
        known = self.engine.tables_in_order
        waiting = self.inbox.wake_ups(WAKE_UPS_AT_ONCE_MAX)
        self.inbox.settle_wake_ups([wake_up for wake_up in waiting if wake_up.table not in known])

    async def _apply_wake_ups(self, goes_on: Callable[[], bool]) -> bool:
        """Whether there were any to apply."""
        ready = [t for t in self.engine.tables_in_order if not self._is_waiting(_rows_of(t))]
        wake_ups = self.inbox.wake_ups(WAKE_UPS_AT_ONCE_MAX, tables=ready)
        batches = micro_batches(wake_ups, order=ready)
        for wave in waves(batches, parents_of=self.engine.parents_of):
            # An environment may have stopped to answer since, or the lead may be over.
            able = [batch for batch in wave if not self._is_waiting(_rows_of(batch.table))]
            if goes_on():
                await together([self._apply(batch) for batch in able])
        return bool(batches)

    async def _apply(self, batch: MicroBatch) -> None:
        """Wake-ups of a batch that failed stay, and their table is left alone for a while."""
        work = self.engine.rows(batch.table, batch.row_ids)
        if await self._succeeds(work, table=batch.table, name=_rows_of(batch.table)):
            self.inbox.settle_wake_ups(batch.wake_ups)

    async def _poll_next(self) -> bool:
        """Poll the feed of one table that is due; whether there was one."""
        table = self._next_to_poll()
        if table is None:
            return False
        began = self.monotonic()
        work = self.engine.changes(table)
        if await self._succeeds(work, table=table, name=_feed_of(table)):
            spread = self.random.uniform(1 - _JITTER, 1 + _JITTER)
            self._polls[table] = began + self.poll_seconds * spread
        return True

    def _next_to_poll(self) -> str | None:
        """The first in order: parents before the tables that look them up."""
        now = self.monotonic()
        for table in self.engine.tables_in_order:
            if self._polls.get(table, now) <= now and not self._is_waiting(_feed_of(table)):
                return table
        return None

    async def _finish(self) -> None:
        """Rows whose parents have arrived, and removals once there are new ones.

        Others that are listed are held, or have been refused: they are tried again with the next,
        and by the next reconcile.
        """
        is_called_for = self._has_removals or self.inbox.tables_with_arrivals()
        if not is_called_for or self._is_waiting(_REST):
            return
        if await self._succeeds(self.engine.apply_changes(()), table=_REST, name=_REST):
            self._has_removals = False

    async def _succeeds(
        self, work: Awaitable[TableReport | Sequence[TableReport]], *, table: str, name: str
    ) -> bool:
        try:
            done = await work
        except SafetyError:
            raise
        except (AccessError, UnreachableError) as error:
            self._be_patient(_EVERYTHING, table, error)
        except Exception as error:  # noqa: BLE001 - told to the listener; other tables must go on
            self._be_patient(name, table, error)
        else:
            self._patience.succeeded(name)
            self._patience.succeeded(_EVERYTHING)
            self._tell([done] if isinstance(done, TableReport) else done)
            return True
        return False

    def _tell(self, reports: Sequence[TableReport]) -> None:
        for report in reports:
            self._has_removals |= report.gone > 0 and report.mode in _LISTING
            self.listener.applied(report)

    def _be_patient(self, name: str, table: str, error: Exception) -> None:
        seconds = self._patience.failed(name, now=self.monotonic())
        self.listener.failed(table, error, again_in_seconds=seconds)

    def _is_waiting(self, name: str) -> bool:
        now = self.monotonic()
        return any(self._patience.is_waiting(each, now=now) for each in (name, _EVERYTHING))


def _rows_of(table: str) -> str:
    return f"rows of {table}"


def _feed_of(table: str) -> str:
    return f"feed of {table}"
