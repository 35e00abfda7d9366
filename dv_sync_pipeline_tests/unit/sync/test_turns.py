"""Turns on one table: what a lost one leaves behind."""

import asyncio
from datetime import timedelta

import pytest

from dv_sync_pipeline.sync import turns
from dv_sync_pipeline.sync.turns import Turns
from dv_sync_pipeline_tests.worlds.memory import TickingClock

AFTER_THE_LEASE = timedelta(seconds=turns.LEASE_SECONDS)


@pytest.fixture
def clock():
    """It stands still unless it is moved."""
    return TickingClock(step=timedelta())


@pytest.fixture
def turns_of(ledger, clock):
    """A pass over the hotels."""
    return lambda: Turns(ledger, "hotel", clock=clock)


async def lose(turns_of, clock):
    """The pass stands still, and another one takes its turn."""
    clock.now += AFTER_THE_LEASE
    async with turns_of().hold():
        pass


def test_rows_of_a_lost_turn_are_in_doubt_and_no_others(turns_of, clock, ledger):
    """Not those of the turn before, nor those that were left to another pass."""
    mine = turns_of()
    ledger.stamp_rows("hotel", ["of another"], writer=1)

    async def run():
        async with mine.chunk(["before"]):
            pass
        async with mine.chunk(["lost", "of another"]):
            await lose(turns_of, clock)

    asyncio.run(run())

    assert {"lost"} == ledger.rows_in_doubt("hotel")


def test_what_is_claimed_after_the_turn_was_lost_is_in_doubt_too(turns_of, clock, ledger):
    """The pass does not know that it has none."""
    mine = turns_of()

    async def run():
        async with mine.hold():
            await lose(turns_of, clock)
            async with mine.chunk(["late"]):
                pass

    asyncio.run(run())

    assert {"late"} == ledger.rows_in_doubt("hotel")


def test_a_lost_turn_is_not_taken_again_by_renewing_it(turns_of, clock, ledger, monkeypatch):
    """Although it is free: what was written without it must come to light."""
    monkeypatch.setattr(turns, "RENEWAL_SECONDS", 0)
    mine = turns_of()

    async def run():
        async with mine.chunk(["lost"]):
            await lose(turns_of, clock)
            for _ in range(3):
                await asyncio.sleep(0)

    asyncio.run(run())

    assert {"lost"} == ledger.rows_in_doubt("hotel")


def test_a_turn_that_is_renewed_is_not_lost(turns_of, clock, ledger, monkeypatch):
    """A request may take longer than a lease lasts."""
    monkeypatch.setattr(turns, "RENEWAL_SECONDS", 0)
    mine, other = turns_of(), turns_of()

    async def run():
        async with mine.chunk(["slow"]):
            clock.now += AFTER_THE_LEASE
            for _ in range(3):
                await asyncio.sleep(0)
            return ledger.take_lease("hotel", other.writer, now=clock(), lasts=AFTER_THE_LEASE)

    assert not asyncio.run(run())
    assert set() == ledger.rows_in_doubt("hotel")
