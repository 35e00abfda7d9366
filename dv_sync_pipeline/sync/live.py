"""The live path: follows changes continuously and applies them in micro-batches.

Start reading at `LiveLoop.follow`. Each table that is woken is applied as soon as its last
micro-batch is done, whatever others do meanwhile, because a pass mostly waits for answers; only
where one of its rows looks up a row that is not there, it waits for the table that may bring it.
Beside them the change feed of one table after the other is polled, so that what no webhook told
arrives within the polling interval, and removals follow when what was in work before them is done.
Passes that meet on one table take turns (`turns.py`). Belongs here: what is done next, and patience
with what fails. Does not belong here: any step of a pass (the engine), who leads (`leadership.py`),
how it looks in Dagster (`defs/live.py`).

A reconcile that is owed is not run here: it may take longer than a leader leads, and deserves a run
of its own with its own log. A sensor starts it, and the two take turns on a table by leases.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, TypeAlias

from dv_sync_pipeline.errors import AccessError, SafetyError, UnreachableError
from dv_sync_pipeline.sync.comparison import ParentsCome
from dv_sync_pipeline.sync.micro_batch import MicroBatch, micro_batches
from dv_sync_pipeline.sync.patience import Patience
from dv_sync_pipeline.sync.report import TableReport
from dv_sync_pipeline.sync.wakeups import WakeUp

__all__ = ["Inbox", "LiveEngine", "LiveListener", "LiveLoop"]

Work: TypeAlias = "asyncio.Task[None]"

NOTICE_SECONDS = 0.05
WAKE_UPS_AT_ONCE_MAX = 2_000
_JITTER = 0.1
_LISTING = frozenset({"changes", "rows"})
"""Passes that put what is gone on the list of removals."""

_REST = "removals and rows whose parents arrived"
_POLL = "poll of a feed"
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

    def associated_with(self, table: str) -> Collection[str]:
        """Those of them that it is associated with."""

    async def rows(
        self, table: str, row_ids: Sequence[str], *, parents_come: ParentsCome
    ) -> TableReport:
        """Make exactly these rows equal; list what is gone.

        Where a row looks up one that is not there, it waits until `parents_come` returns.
        """

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
    _has_worked: bool = field(default=True, init=False)
    """Whether anything was done since it was last asked what else there is to do."""
    _works: dict[str, Work] = field(default_factory=dict, init=False)
    """Name → what is being done; one micro-batch of each table, one poll, and the rest."""
    _batches: dict[str, MicroBatch] = field(default_factory=dict, init=False)
    """Table → the micro-batch that is in work."""

    def __post_init__(self) -> None:
        self._patience = Patience(self.random)

    async def follow(self, goes_on: Callable[[], bool]) -> None:
        """Until `goes_on` says no, which is asked between micro-batches.

        Outlives whatever fails for one table or for a while. Raises `SafetyError`: going on could
        do harm.
        """
        self._forget_strangers()
        try:
            while goes_on():
                self._begin_wake_ups(goes_on)
                self._begin_poll()
                self._begin_rest()
                self.listener.breathed()
                await self._until_news()
            await self._end()
        finally:
            await self._give_up()

    def _forget_strangers(self) -> None:
        """Wake-ups of tables that were taken out of sync.yaml would wait for ever."""
        known = self.engine.tables_in_order
        waiting = self.inbox.wake_ups(WAKE_UPS_AT_ONCE_MAX)
        self.inbox.settle_wake_ups([wake_up for wake_up in waiting if wake_up.table not in known])

    def _begin_wake_ups(self, goes_on: Callable[[], bool]) -> None:
        """One micro-batch for each table that is woken and has none in work."""
        tables = self.engine.tables_in_order
        ready = [t for t in tables if t not in self._batches and not self._is_waiting(_rows_of(t))]
        wake_ups = self.inbox.wake_ups(WAKE_UPS_AT_ONCE_MAX, tables=ready) if ready else ()
        for batch in micro_batches(wake_ups, order=ready):
            before = self._bringing_rows(self.engine.associated_with(batch.table))
            parents = self._bringing_rows(self.engine.parents_of(batch.table))
            self._batches[batch.table] = batch
            work = self._apply_after(before, batch, parents=parents, goes_on=goes_on)
            self._begin(_rows_of(batch.table), work)

    def _bringing_rows(self, tables: Collection[str]) -> list[Work]:
        """What is in work on those of these tables that may bring rows.

        A row that is there already can be pointed to, whatever else happens to it. None of these
        works waits for one that begins later, so no two wait for each other.
        """
        return [
            self._works[_rows_of(table)]
            for table in tables
            if table in self._batches and self._batches[table].may_bring_rows
        ]

    async def _apply_after(
        self,
        before: Collection[Work],
        batch: MicroBatch,
        *,
        parents: Collection[Work],
        goes_on: Callable[[], bool],
    ) -> None:
        try:
            await _done(before)
            # An environment may have stopped to answer since, or the lead may be over.
            if goes_on() and not self._is_waiting(_rows_of(batch.table)):
                await self._apply(batch, parents_come=lambda: _done(parents))
        finally:
            del self._batches[batch.table]

    async def _apply(self, batch: MicroBatch, *, parents_come: ParentsCome) -> None:
        """Wake-ups of a batch that failed stay, and their table is left alone for a while."""
        work = self.engine.rows(batch.table, batch.row_ids, parents_come=parents_come)
        if await self._succeeds(work, table=batch.table, name=_rows_of(batch.table)):
            self.inbox.settle_wake_ups(batch.wake_ups)

    def _begin_poll(self) -> None:
        """Poll the feed of one table that is due, one at a time."""
        table = self._next_to_poll()
        if table is not None and _POLL not in self._works:
            self._begin(_POLL, self._poll(table))

    async def _poll(self, table: str) -> None:
        began = self.monotonic()
        work = self.engine.changes(table)
        if await self._succeeds(work, table=table, name=_feed_of(table)):
            spread = self.random.uniform(1 - _JITTER, 1 + _JITTER)
            self._polls[table] = began + self.poll_seconds * spread

    def _next_to_poll(self) -> str | None:
        """The first in order: parents before the tables that look them up."""
        now = self.monotonic()
        for table in self.engine.tables_in_order:
            if self._polls.get(table, now) <= now and not self._is_waiting(_feed_of(table)):
                return table
        return None

    def _begin_rest(self) -> None:
        """When what is in work now is done: a child moves before its old parent is removed."""
        if _REST in self._works or self._is_waiting(_REST) or not self._has_worked:
            return
        self._has_worked = False
        if self._has_removals or self.inbox.tables_with_arrivals():
            self._has_removals = False
            self._begin(_REST, self._finish_after(tuple(self._works.values())))

    async def _finish_after(self, before: Collection[Work]) -> None:
        """Rows whose parents have arrived, and removals once there are new ones.

        Others that are listed are held, or have been refused: they are tried again with the next,
        and by the next reconcile.
        """
        await _done(before)
        if not await self._succeeds(self.engine.apply_changes(()), table=_REST, name=_REST):
            self._has_removals = True

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._works[name] = asyncio.create_task(work)

    async def _until_news(self) -> None:
        """Until something is done, or it is time to look for wake-ups again."""
        pause = asyncio.ensure_future(self.sleep(NOTICE_SECONDS))
        try:
            await asyncio.wait({pause, *self._works.values()}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
        for name, work in list(self._works.items()):
            if work.done():
                del self._works[name]
                self._has_worked = True
                work.result()

    async def _end(self) -> None:
        """What was begun is brought to its end, removals included."""
        self._begin_rest()
        while self._works:
            await self._until_news()
            self._begin_rest()

    async def _give_up(self) -> None:
        """Whatever is still in work after an error."""
        for work in self._works.values():
            work.cancel()
        await asyncio.gather(*self._works.values(), return_exceptions=True)
        self._works.clear()

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
            if not self._is_waiting(_EVERYTHING):  # else this had begun before the failure
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


async def _done(works: Collection[Work]) -> None:
    """When all of these are done, whether they succeeded or not."""
    if works:
        await asyncio.wait(works)
