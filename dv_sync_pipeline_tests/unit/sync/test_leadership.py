"""One run leads, gives signs of life, and hands over without a gap."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from dv_sync_pipeline.sync.leadership import (
    GRACE,
    WAIT,
    Lead,
    leadership,
    wait_for_lead,
)
from dv_sync_pipeline.sync.ledger import Ledger

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LASTS = timedelta(minutes=30)


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        """The time."""
        return self.now

    def forward(self, **by):
        """Let time pass."""
        self.now += timedelta(**by)

    async def sleep(self, seconds):
        """Let time pass and others work."""
        self.forward(seconds=seconds)
        await asyncio.sleep(0)


@pytest.fixture
def clock():
    """It is noon."""
    return Clock()


@pytest.fixture
def ledger(tmp_path):
    """A new ledger."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield ledger
    ledger.close()


@pytest.fixture
def a_lead(ledger, clock):
    """Makes the view of one run."""

    def make(run_id):
        return Lead(ledger, run_id=run_id, lasts=LASTS, clock=clock)

    return make


def test_the_deadline_counts_from_the_beginning_of_the_lead(a_lead, ledger, clock):
    """Not from the beginning of the wait."""
    lead = a_lead("anna")
    clock.forward(minutes=1)
    lead.try_to_take()

    assert NOON + timedelta(minutes=31) == ledger.leader().deadline


def test_a_leader_goes_on_until_its_deadline(a_lead, clock):
    """As long as it gives signs of life."""
    lead = a_lead("anna")
    lead.try_to_take()
    clock.now = NOON + LASTS - timedelta(seconds=1)
    lead.beat()

    assert lead.goes_on()


def test_a_leader_without_a_sign_of_life_stops(a_lead, clock):
    """Another may lead already; so a standstill of the ledger ends in order."""
    lead = a_lead("anna")
    lead.try_to_take()
    clock.forward(seconds=8)

    assert not lead.goes_on()


def test_a_leader_that_was_replaced_stops(a_lead, clock):
    """It learns it by its next heartbeat."""
    anna, boris = a_lead("anna"), a_lead("boris")
    anna.try_to_take()
    clock.forward(seconds=9)
    boris.try_to_take()
    anna.beat()

    assert (False, True) == (anna.goes_on(), boris.goes_on())


def test_after_its_deadline_a_leader_goes_on_until_somebody_waits(a_lead, clock):
    """There is no moment in which nobody leads."""
    anna, boris = a_lead("anna"), a_lead("boris")
    anna.try_to_take()
    clock.now = NOON + LASTS
    anna.beat()
    before = anna.goes_on()
    boris.beat()

    assert (True, False) == (before, anna.goes_on())


def test_a_leader_that_nobody_follows_ends_all_the_same(a_lead, clock):
    """Somebody has switched the sensor off."""
    lead = a_lead("anna")
    lead.try_to_take()
    clock.now = NOON + LASTS + GRACE
    lead.beat()

    assert not lead.goes_on()


def test_who_died_while_waiting_is_not_waited_for(a_lead, clock):
    """The leader hands over to the living only."""
    anna, boris = a_lead("anna"), a_lead("boris")
    boris.beat()
    anna.try_to_take()
    clock.now = NOON + LASTS
    anna.beat()

    assert anna.goes_on()


def test_no_heartbeat_follows_the_release(a_lead, ledger):
    """A late beat of the thread does not take the lead back."""
    lead = a_lead("anna")
    lead.try_to_take()
    lead.release()
    lead.beat()

    assert (None, None) == (ledger.leader(), ledger.next_leader())


def test_the_lead_is_taken_a_moment_after_its_release(a_lead, clock):
    """The one who waits looks every twentieth of a second."""
    anna, boris = a_lead("anna"), a_lead("boris")
    anna.try_to_take()

    async def hand_over():
        waiting = asyncio.create_task(wait_for_lead(boris, clock=clock, sleep=clock.sleep))
        await asyncio.sleep(0)
        anna.release()
        return await waiting

    assert asyncio.run(hand_over())
    assert timedelta(seconds=0.05) == clock.now - NOON


def test_who_waits_too_long_is_not_needed(a_lead, clock):
    """Two were asked for, one is enough."""
    anna, boris = a_lead("anna"), a_lead("boris")
    anna.try_to_take()

    async def sleep_while_anna_lives(seconds):
        clock.forward(seconds=seconds)
        anna.beat()

    assert not asyncio.run(wait_for_lead(boris, clock=clock, sleep=sleep_while_anna_lives))
    assert timedelta(0) <= clock.now - NOON - WAIT < timedelta(seconds=1)


@pytest.fixture
def fast_heart(monkeypatch):
    """Beats a hundred times a second."""
    monkeypatch.setattr("dv_sync_pipeline.sync.leadership.HEARTBEAT_SECONDS", 0.01)


def beats_during(ledger, block):
    """How many signs of life were given while the block ran."""
    moments = (NOON + timedelta(seconds=second) for second in range(10**6))

    async def lead_and_block():
        async with leadership(
            ledger, run_id="anna", lasts=LASTS, clock=lambda: next(moments)
        ) as lead:
            lead.try_to_take()
            before = ledger.leader().heartbeat
            await block()
            return (ledger.leader().heartbeat - before).total_seconds()

    return asyncio.run(lead_and_block())


@pytest.mark.usefixtures("fast_heart")
def test_a_long_computation_does_not_look_dead(ledger):
    """The heart beats in a thread of its own."""

    async def compute():
        time.sleep(0.2)  # noqa: ASYNC251 - this is what must not look dead

    assert beats_during(ledger, compute) > 0


@pytest.mark.usefixtures("fast_heart")
def test_a_loop_that_hangs_gives_no_sign_of_life(ledger, monkeypatch):
    """Or nobody would ever replace it."""
    monkeypatch.setattr("dv_sync_pipeline.sync.leadership.STANDSTILL_SECONDS_MAX", 0.0)

    async def hang():
        time.sleep(0.1)  # noqa: ASYNC251 - likewise

    assert 0 == beats_during(ledger, hang)


def test_the_lead_is_free_when_the_block_ends(ledger, clock):
    """Even by an error."""

    async def lead_and_fail():
        async with leadership(ledger, run_id="anna", lasts=LASTS, clock=clock) as lead:
            lead.try_to_take()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(lead_and_fail())

    assert ledger.leader() is None
