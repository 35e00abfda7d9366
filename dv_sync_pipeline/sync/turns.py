"""Passes that overlap on one table: they take turns, chunk by chunk, and overtake safely.

Belongs here: waiting for the turn on a table, keeping it while a chunk is written, giving it back,
and telling a pass which rows another one has written since it began to read. A killed run leaves
its turn behind; it ends by itself after `LEASE_SECONDS`.

The rule is one: **a row that another pass has written since this one began is not written by it,
but looked at anew**, on both sides. To write means to create, change, remove, adopt, link or park.
Each write is stamped in the ledger before it is sent, while the turn is ours; so of two passes that
would write one row, the second sees the stamp of the first, whatever became of it.

A turn can be lost while a request is on its way: the pass stands still for too long, or is killed.
Then what it wrote in that turn is **in doubt** (`ledger/doubts.py`). Whoever takes the turn over
puts it there, and so does the loser when it gives back a turn that it has not; every pass looks at
rows in doubt at its end when a look is due: at once, once more after half a minute, and when no
request can be on its way any more. All that is kept in the ledger, so that it outlives everybody.

`A` and `B` are passes over one table, `R` a row:

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
A is killed after its stamp            its turn ends by itself; B takes it over, which stamps R
                                       anew, and reads R again even if it began after A's stamp
A stands still with a request on its   B has put R in doubt, and so does A when it finds the turn
way, loses the turn, and the request   lost: the newer value is written again by A at its end, or
arrives after B's                      else by any pass that comes by
A is killed with a request on its way  R is in doubt: any pass that comes by when the last look
that arrives after B's                 is due writes the newer value again
A's create of R is on its way while R  the stamp of A and its intent are one entry: B, reading the
is deleted; A is killed, before R is   tombstone, finds either no stamp, and A sees the tombstone's
there or after                         own, or the link by which R is removed. While R is in doubt
                                       the link stays, though it leads nowhere yet
=====================================  =========================================================

What is left: a pass that stands still between its claim and its request for longer than the last
look, sends it then, and is killed before its end; and pairs of many-to-many relationships, which
are not stamped. The next reconcile repairs both.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import uuid4

import polars as pl

from dv_sync_pipeline.errors import TableError
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.mapping import PRIMARY_ID

__all__ = ["Clock", "Turns"]

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time, in UTC."""

LEASE_SECONDS = 10
_LASTS = timedelta(seconds=LEASE_SECONDS)
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
        self._claimed: set[str] = set()
        # Unique among passes; its value decides nothing, so it needs no seed.
        self.writer = uuid4().int % 2**_WRITER_BITS
        self.overtaken: set[str] = set()

    async def begin(self) -> None:
        """To be called before anything is read: turns that are lost are lost by now.

        Taken over in the midst of the pass, they would have it leave alone what it came to repair.
        """
        async with self.hold():
            self.begin_anew()

    def begin_anew(self) -> None:
        """From now on only later writes count; to be called before rows are read again."""
        self._since = self._ledger.latest_sequence()

    def forget_overtaken(self) -> set[str]:
        """The rows that were overtaken so far; somebody looks at them anew."""
        overtaken, self.overtaken = self.overtaken, set()
        return overtaken

    @asynccontextmanager
    async def chunk(
        self, primary_ids: Collection[str], *, intended: pl.DataFrame | None = None
    ) -> AsyncIterator[frozenset[str]]:
        """Have the turn while these rows are written; yields those that must be left alone.

        `intended` are the links of rows that are new. They are one transaction with the stamps: in
        between, another pass could learn that such a row is gone, and not yet that it is ours.
        """
        async with self.hold():
            with self._ledger.transaction():
                overtaken = self._claim(primary_ids)
                if intended is not None:
                    ours = intended.filter(~pl.col(PRIMARY_ID).is_in(list(overtaken)))
                    self._ledger.save_links(self._table, ours, writer=self.writer)
            self._claimed |= set(primary_ids) - overtaken
            yield overtaken

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
        self._claimed.clear()
        renewal = asyncio.create_task(self._renew_until_cancelled())
        try:
            yield
        finally:
            self._is_held = False
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            self._give_back()

    def _give_back(self) -> None:
        """What was written although the turn was lost, which nobody knew, is looked at again."""
        if not self._ledger.release_lease(self._table, self.writer):
            _logger.warning("the turn on %s was lost while it was written", self._table)
            self._ledger.doubt_rows(self._table, self._claimed, now=self._clock())

    async def _wait(self) -> None:
        deadline = self._clock() + timedelta(seconds=WAIT_SECONDS_MAX)
        while not self._ledger.take_lease(
            self._table, self.writer, now=self._clock(), lasts=_LASTS
        ):
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
            is_held = self._ledger.renew_lease(
                self._table, self.writer, now=self._clock(), lasts=_LASTS
            )
