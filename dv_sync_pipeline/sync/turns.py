"""Two runs on one table take turns.

Belongs here: waiting for the lease of a table, keeping it while a pass works, giving it back.
A killed run leaves its lease behind; it ends by itself after `LEASE_SECONDS`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import uuid4

from dv_sync_pipeline.errors import TableError
from dv_sync_pipeline.sync.ledger import Ledger

__all__ = ["Clock", "turn"]

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time, in UTC."""

LEASE_SECONDS = 30
RENEWAL_SECONDS = 10
POLL_SECONDS = 0.5
WAIT_SECONDS_MAX = 3600

_logger = logging.getLogger(__name__)


@asynccontextmanager
async def turn(ledger: Ledger, table: str, *, clock: Clock) -> AsyncIterator[Callable[[], None]]:
    """Wait for the turn on this table and keep it for the duration of the block.

    Yields a function that raises `TableError` once the turn was lost, to be asked before each
    write. Raises `TableError` when the other run takes longer than `WAIT_SECONDS_MAX`.
    """
    lease = _Lease(ledger, table, clock)
    await lease.wait()
    renewal = asyncio.create_task(lease.renew_until_cancelled())
    try:
        yield lease.ensure_held
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        lease.release()


class _Lease:
    def __init__(self, ledger: Ledger, table: str, clock: Clock) -> None:
        self._ledger = ledger
        self._table = table
        self._clock = clock
        # Unique among runs; its value decides nothing, so it needs no seed.
        self._holder = uuid4().hex
        self._held_until = clock()

    def _take(self) -> bool:
        now, lasts = self._clock(), timedelta(seconds=LEASE_SECONDS)
        taken = self._ledger.take_lease(self._table, self._holder, now=now, lasts=lasts)
        if taken:
            self._held_until = now + lasts
        return taken

    async def wait(self) -> None:
        deadline = self._clock() + timedelta(seconds=WAIT_SECONDS_MAX)
        if self._take():
            return
        _logger.info("%s: waiting for another run on this table", self._table)
        while not self._take():
            if self._clock() > deadline:
                raise TableError(
                    f"another run has been working on {self._table} for too long",
                    mend="Look at it in Dagster, then run this again",
                )
            await asyncio.sleep(POLL_SECONDS)

    async def renew_until_cancelled(self) -> None:
        """Until the pass is over, or another run has taken the turn."""
        is_held = True
        while is_held:
            await asyncio.sleep(RENEWAL_SECONDS)
            is_held = self._take()

    def ensure_held(self) -> None:
        """A lease that ran out is renewed, unless somebody else has taken it."""
        if self._clock() >= self._held_until and not self._take():
            raise TableError(
                f"another run has taken over the table {self._table}",
                why=f"this one stood still for more than {LEASE_SECONDS} seconds",
                mend="Nothing to do: the other run goes on",
            )

    def release(self) -> None:
        self._ledger.release_lease(self._table, self._holder)
