"""The clock of an environment."""

from datetime import UTC, datetime, timedelta

import pytest

from dv_sync_pipeline.emulator.trouble.clock import AdjustableClock

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class RealTime:
    """What the wall clock shows."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        """The present."""
        return self.now


@pytest.fixture
def real():
    """It is noon."""
    return RealTime()


@pytest.fixture
def clock(real):
    """A clock that nobody has touched."""
    return AdjustableClock(real)


def test_runs_like_the_real_one(clock, real):
    """Until told otherwise."""
    real.now += HOUR

    assert NOON + HOUR == clock()


def test_set(clock, real):
    """It is what it was set to, and runs on."""
    clock.set(NEW_YEAR)
    real.now += HOUR

    assert NEW_YEAR + HOUR == clock()


def test_advance(clock):
    """Time passes at once."""
    clock.advance(7 * 86_400)

    assert NOON + timedelta(days=7) == clock()


def test_stop_and_run(clock, real):
    """No time passes in between, and none is caught up."""
    clock.stop()
    real.now += HOUR
    assert NOON == clock()

    clock.run()
    real.now += HOUR
    assert NOON + HOUR == clock()


def test_a_stopped_clock_can_be_advanced(clock, real):
    """It stands still at the later time."""
    clock.stop()
    clock.advance(60)
    real.now += HOUR

    assert NOON + timedelta(seconds=60) == clock()


def test_reset(clock):
    """The real time again, running."""
    clock.stop()
    clock.set(NEW_YEAR)
    clock.reset()

    assert NOON == clock()
    assert not clock.is_stopped
