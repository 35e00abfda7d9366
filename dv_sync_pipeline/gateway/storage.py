"""Stores wake-ups durably: requests that come together share one transaction of the ledger.

Belongs here: gathering, the bounds of waiting, what happens when the ledger fails. While one
transaction is written in a thread, the next one gathers; a request waits for two transactions at
most.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from dv_sync_pipeline.gateway.refusals import Refusal
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.wakeups import WakeUp

__all__ = ["Storage"]

GATHER_SECONDS = 0.005
"""Costs a delivery 5 ms, and saves the ledger most of its transactions under load."""

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch:
    """What goes into one transaction.

    Attributes:
        wake_ups: of all its requests.
        requests: how many there are; some, such as checks of health, bring no wake-up.
        stored: whether the transaction was committed, once it is over.

    """

    stored: "asyncio.Future[bool]"
    wake_ups: list[WakeUp] = field(default_factory=list)
    requests: int = 0


class Storage:
    """Wake-ups on their way into the ledger.

    Args:
        store: writes them in one transaction or raises `LedgerError`; called in a thread.
        waiting_max: so many wake-ups and requests may wait; more are refused at once.
        seconds_max: no request waits longer than this.
        gather_seconds: how long a transaction waits for others to join it.

    """

    def __init__(
        self,
        store: Callable[[Sequence[WakeUp]], None],
        *,
        waiting_max: int,
        seconds_max: float,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._store = store
        self._waiting_max = waiting_max
        self._seconds_max = seconds_max
        self._gather_seconds = gather_seconds
        self._gathering: _Batch | None = None
        self._writing: asyncio.Task[None] | None = None
        self._has_failed = False
        # One thread: the ledger takes one writer at a time.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="wake-ups")

    def close(self) -> None:
        """Let go of the thread, once what it is writing is written."""
        self._executor.shutdown()

    async def store(self, wake_ups: Sequence[WakeUp]) -> Refusal | None:
        """None once they are durable; without any, it proves that they could be stored."""
        refusal = self._refuses(len(wake_ups))
        if refusal is not None:
            return refusal
        batch = self._join(wake_ups)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(self._seconds_max):
                is_stored = await asyncio.shield(batch.stored)
        except TimeoutError:
            self._fail("the ledger does not answer")
            is_stored = False
        return None if is_stored else Refusal.NOT_STORED

    def _refuses(self, count: int) -> Refusal | None:
        waiting = self._gathering
        if waiting and len(waiting.wake_ups) + waiting.requests + count > self._waiting_max:
            return Refusal.BUSY
        # After a failure one transaction tries; others need not wait to learn what comes of it.
        if self._has_failed and self._writing is not None:
            return Refusal.NOT_STORED
        return None

    def _join(self, wake_ups: Sequence[WakeUp]) -> _Batch:
        if self._gathering is None:
            self._gathering = _Batch(asyncio.get_running_loop().create_future())
        self._gathering.wake_ups.extend(wake_ups)
        self._gathering.requests += 1
        return self._gathering

    async def _write(self) -> None:
        """One transaction after the other until nothing has gathered meanwhile."""
        try:
            while self._gathering:
                await asyncio.sleep(self._gather_seconds)
                batch, self._gathering = self._gathering, None
                batch.stored.set_result(await self._write_one(batch))
        finally:
            self._writing = None

    async def _write_one(self, batch: _Batch) -> bool:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._executor, self._store, batch.wake_ups)
        except Exception as error:  # noqa: BLE001 - whatever it is, the senders must hear of it
            self._fail(str(error))
            return False
        self._recover()
        return True

    def _fail(self, why: str) -> None:
        if not self._has_failed:
            _logger.error("Wake-ups cannot be stored, senders get 503: %s", redact(why))
        self._has_failed = True

    def _recover(self) -> None:
        if self._has_failed:
            _logger.warning("Wake-ups are stored again")
        self._has_failed = False
