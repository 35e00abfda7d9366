"""How often a sensor is asked, by a daemon whose looks are not quite regular."""

import pytest

from dv_sync_pipeline.defs.looks import LOOK_SECONDS, minimum_interval

EARLY_SECONDS = 1.5


def asked_after(interval):
    """The look at which Dagster asks again, in whole looks, each of them early."""
    looks = range(1, 100)
    return next(look for look in looks if look * LOOK_SECONDS - EARLY_SECONDS >= interval)


@pytest.mark.parametrize("seconds", [LOOK_SECONDS, 10, 30])
def test_a_look_that_is_early_is_not_left_out(seconds):
    """A sensor that is wanted every five seconds would otherwise wait for ten, now and then."""
    assert seconds // LOOK_SECONDS == asked_after(minimum_interval(seconds))
