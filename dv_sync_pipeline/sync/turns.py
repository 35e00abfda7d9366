"""Passes that overlap on one table: they take turns, chunk by chunk, and overtake safely.

Belongs here: waiting for the turn on a table, keeping it while a chunk is written, giving it back,
and telling a pass which rows another one has written since it began to read. A killed run leaves
its turn behind; it ends by itself after `LEASE_SECONDS`.

The rule is one: **a row that another pass has written since this one began is not written by it,
but looked at anew**, on both sides. To write means to create, change, remove, adopt, link or park.
Each write is stamped in the ledger before it is sent, while the turn is ours; so of two passes that
would write one row, the second sees the stamp of the first, whatever became of it. `A` and `B` are
passes over one table, `R` a row:

=====================================  =========================================================
what happens                           what follows
=====================================  =========================================================
A reads R old; B writes R new;         A sees B's stamp, leaves R alone and reads it again: no
A comes to R                           stale value is written, and none is lost
A reads R old; A stamps R and writes;  B sees A's stamp and reads R again on both sides: it
B, which read the secondary before,    cannot take for equal what A has changed meanwhile
comes to R
A reads R; R is deleted, B removes it; the removal is stamped although no link is left: A does
A comes to R                           not create R again
A reads R; R is deleted before B knew   the tombstone is stamped, or the older token is kept and the
of it; A comes to R                    tombstone read again: A's R does not stay
A finds R gone; R comes back, B writes A sees B's stamp and strikes R off the list of removals
it; A comes to remove R
A finds R missing; B creates R         A sees B's stamp: no second row, and A's newer values, if
                                       they are, arrive when it reads R again
A parks R; B, which began before,      B leaves alone what is stamped: the parked row stays
replaces all parked rows               known, likewise what waits for a parent or a removal
A is killed after its stamp            its turn ends by itself; B sees the stamp and reads R
                                       again: whatever A's last request has done, it is seen
A stands still with a request on its   the only case left to time: a request that arrives more
way, loses the turn, and the request   than `LEASE_SECONDS` late. The next reconcile repairs it
arrives after B's
=====================================  =========================================================
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import uuid4

from dv_sync_pipeline.errors import TableError
from dv_sync_pipeline.sync.ledger import Ledger

__all__ = ["Clock", "Turns"]

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time, in UTC."""

LEASE_SECONDS = 10
RENEWAL_SECONDS = 3
POLL_SECONDS = 0.05
WAIT_SECONDS_MAX = 3600

_WRITER_BITS = 62

_logger = logging.getLogger(__name__)


class Turns:
    """The turns of one pass on its table.

    Attributes:
        writer: tells this pass from every other.
        overtaken: primary ids of rows that this pass left alone, because another has written them
            since it began to read.

    """

    def __init__(
        self,
        ledger: Ledger,
        table: str,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._table = table
        self._clock = clock
        self._sleep = sleep
        self._since = ledger.latest_sequence()
        self._is_held = False
        # Unique among passes; its value decides nothing, so it needs no seed.
        self.writer = uuid4().int % 2**_WRITER_BITS
        self.overtaken: set[str] = set()

    def begin_anew(self) -> None:
        """From now on only later writes count; to be called before rows are read again."""
        self._since = self._ledger.latest_sequence()

    def forget_overtaken(self) -> set[str]:
        """The rows that were overtaken so far; somebody looks at them anew."""
        overtaken, self.overtaken = self.overtaken, set()
        return overtaken

    @asynccontextmanager
    async def chunk(self, primary_ids: Collection[str]) -> AsyncIterator[frozenset[str]]:
        """Have the turn while these rows are written; yields those that must be left alone."""
        async with self.hold():
            yield self._claim(primary_ids)

    @asynccontextmanager
    async def entries(self, primary_ids: Collection[str]) -> AsyncIterator[frozenset[str]]:
        """As `chunk`, for entries in the ledger alone: they and the stamps are one transaction.

        So nothing may be awaited inside.
        """
        async with self.hold():
            with self._ledger.transaction():
                yield self._claim(primary_ids)

    def _claim(self, primary_ids: Collection[str]) -> frozenset[str]:
        overtaken = self._ledger.claim_rows(
            self._table, list(primary_ids), since=self._since, writer=self.writer
        )
        self.overtaken |= overtaken
        return frozenset(overtaken)

    def written_by_others(self) -> set[str]:
        """All rows of the table that other passes have written since this one began to read."""
        return self._ledger.rows_written_since(self._table, since=self._since, writer=self.writer)

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Have the turn for the duration of the block; within it, every chunk has it already.

        Raises `TableError` when other passes take longer than `WAIT_SECONDS_MAX`.
        """
        if self._is_held:
            yield
            return
        await self._wait()
        self._is_held = True
        renewal = asyncio.create_task(self._renew_until_cancelled())
        try:
            yield
        finally:
            self._is_held = False
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            self._ledger.release_lease(self._table, self._holder)

    @property
    def _holder(self) -> str:
        return f"{self.writer:016x}"

    def _take(self) -> bool:
        lasts = timedelta(seconds=LEASE_SECONDS)
        return self._ledger.take_lease(self._table, self._holder, now=self._clock(), lasts=lasts)

    async def _wait(self) -> None:
        deadline = self._clock() + timedelta(seconds=WAIT_SECONDS_MAX)
        while not self._take():
            if self._clock() > deadline:
                raise TableError(
                    f"other runs have been writing {self._table} for too long",
                    mend="Look at them in Dagster, then run this again",
                )
            await self._sleep(POLL_SECONDS)

    async def _renew_until_cancelled(self) -> None:
        """Until the chunk is written, or another pass has taken the turn."""
        is_held = True
        while is_held:
            await asyncio.sleep(RENEWAL_SECONDS)
            is_held = self._take()
