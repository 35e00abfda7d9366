"""Requests share transactions, none waits for long, and none is told that it is stored when not."""

import asyncio
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.errors import LedgerError
from dv_sync_pipeline.gateway.refusals import Refusal
from dv_sync_pipeline.gateway.storage import Storage
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind

MOMENT = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)


def woken(*row_ids) -> list[WakeUp]:
    """What one request brings."""
    return [WakeUp("hotel", row_id, WakeUpKind.UPDATE, MOMENT) for row_id in row_ids]


class HeldLedger:
    """Takes wake-ups when it is told to."""

    def __init__(self):
        """Held."""
        self.transactions = []
        self.error = None
        self.is_open = threading.Event()

    def store(self, wake_ups):
        """One transaction."""
        self.is_open.wait(30)
        if self.error:
            raise self.error
        self.transactions.append([one.row_id for one in wake_ups])


@asynccontextmanager
async def storage_of(ledger, *, waiting_max=100, seconds_max=30.0):
    """Storage in front of it, closed in the end."""
    storage = Storage(
        ledger.store, waiting_max=waiting_max, seconds_max=seconds_max, gather_seconds=0
    )
    try:
        yield storage
    finally:
        ledger.is_open.set()
        storage.close()


async def started(*requests) -> list[asyncio.Task]:
    """Requests that have gone as far as they can on their own."""
    tasks = [asyncio.ensure_future(request) for request in requests]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


def test_requests_that_come_together_share_a_transaction():
    """Those that come while one is written go into the next."""

    async def scene():
        ledger = HeldLedger()
        async with storage_of(ledger) as storage:
            first = await started(storage.store(woken("a")))
            others = await started(*(storage.store(woken(row)) for row in "bcd"))
            ledger.is_open.set()
            return await asyncio.gather(*first, *others), ledger.transactions

    refusals, transactions = asyncio.run(scene())

    assert [None] * 4 == refusals
    assert [["a"], ["b", "c", "d"]] == transactions


def test_nobody_is_answered_before_the_commit():
    """Neither the request in the transaction nor those behind it."""

    async def scene():
        ledger = HeldLedger()
        async with storage_of(ledger) as storage:
            tasks = await started(storage.store(woken("a")), storage.store(woken("b")))
            return [task.done() for task in tasks]

    assert [False, False] == asyncio.run(scene())


def test_a_request_waits_no_longer_than_it_may():
    """The ledger does not answer; what it does later is not told to anybody."""

    async def scene():
        async with storage_of(HeldLedger(), seconds_max=0.01) as storage:
            return await storage.store(woken("a"))

    assert Refusal.NOT_STORED is asyncio.run(scene())


def test_while_the_ledger_fails_others_are_refused_at_once():
    """One transaction tries; the others do not even wait."""

    async def scene():
        async with storage_of(HeldLedger(), seconds_max=0.2) as storage:
            await storage.store(woken("a"))
            (second,) = await started(storage.store(woken("b")))
            return second.done() and second.result()

    assert Refusal.NOT_STORED is asyncio.run(scene())


@pytest.mark.parametrize("error", [LedgerError("disk full"), RuntimeError("a mistake of ours")])
def test_a_failed_transaction_is_told_to_all_its_requests(error, caplog):
    """Whatever failed; the next transaction is tried, and may succeed."""

    async def scene():
        ledger = HeldLedger()
        ledger.error = error
        ledger.is_open.set()
        async with storage_of(ledger) as storage:
            refused = await asyncio.gather(*(storage.store(woken(row)) for row in "ab"))
            ledger.error = None
            return refused, await storage.store(woken("c"))

    assert ([Refusal.NOT_STORED] * 2, None) == asyncio.run(scene())
    assert ["ERROR", "WARNING"] == [record.levelname for record in caplog.records]


def test_no_more_gather_than_there_is_room_for():
    """The one that is too many is refused at once; one that is large alone is not."""

    async def scene():
        ledger = HeldLedger()
        async with storage_of(ledger, waiting_max=4) as storage:
            first = await started(storage.store(woken(*"abcdefgh")))
            waiting = await started(storage.store(woken("i", "j")))
            too_many = await storage.store(woken("k", "l"))
            ledger.is_open.set()
            return await asyncio.gather(*first, *waiting), too_many

    assert ([None, None], Refusal.BUSY) == asyncio.run(scene())
