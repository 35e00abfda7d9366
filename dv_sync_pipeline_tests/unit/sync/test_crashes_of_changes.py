"""Killed anywhere, a pass that follows changes loses none: the feed alone leads to the end.

No reconcile comes to the rescue here (RELIABILITY 0, 1): it would hide a token saved too early.
"""

import asyncio
from datetime import timedelta

import pytest

from dv_sync_pipeline_tests.worlds.memory import INACTIVE, Boundary, Killed, row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels

STEPS_MAX = 400
PARTS = 8
"""Each test takes every so-manieth step, so that none of them takes long."""

AFTER_THE_LEASE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """A world to make copies of: synchronized, then one change of every kind in the primary."""
    hotels = Hotels(tmp_path_factory.mktemp("crashes") / "original")
    brand = hotels.brand(1)
    for number in range(1, 4):
        hotels.hotel(number)
        hotels.room(number, 1)
    hotels.hotel(6, name="x" * 21)
    hotels.room(6, 1)
    asyncio.run(hotels.sync())
    hotels.hotel(1, name="Changed", brandid=brand)
    hotels.hotel(2, statecode=INACTIVE, statuscode=2)
    hotels.primary.delete("room", row_id(1301))
    hotels.primary.delete("hotel", row_id(203))
    hotels.hotel(6, name="Mended")
    hotels.hotel(7)
    hotels.room(7, 1)
    hotels.secondary.put("property", row_id(900), code="h-8", costcentre="4711")
    hotels.hotel(8, name="Adopted")
    hotels.hotel(9, name="y" * 21)
    return hotels


def kill_at(hotels, step):
    """Follow once and die at this step; False if the pass came to its end."""
    try:
        asyncio.run(hotels.follow(Boundary(dies_at=step)))
    except Killed:
        hotels.clock.now += AFTER_THE_LEASE
        return True
    return False


@pytest.mark.parametrize("first", range(1, PARTS + 1))
def test_a_pass_killed_at_any_step_is_completed_by_the_next(changed, tmp_path, first):
    """Whichever write or commit is the last one, following again ends in the same state."""
    undisturbed = changed.copy(tmp_path / "undisturbed")
    asyncio.run(undisturbed.follow())
    for step in range(first, STEPS_MAX, PARTS):
        hotels = changed.copy(tmp_path / str(step))
        was_killed = kill_at(hotels, step)

        asyncio.run(hotels.follow())

        assert (step, undisturbed.everything()) == (step, hotels.everything())
        if not was_killed:
            break
    else:
        pytest.fail("no pass was long enough")


def test_the_undisturbed_pass_shows_every_change(changed, tmp_path):
    """So that the comparison above means something."""
    hotels = changed.copy(tmp_path / "copy")
    asyncio.run(hotels.follow())

    titles = {id_: title for id_, (title,) in hotels.shown("property", "title").items()}
    assert {
        row_id(201): "Changed",
        row_id(202): "Inn",
        row_id(206): "Mended",
        row_id(207): "Inn",
        row_id(900): "Adopted",
    } == titles
    assert {row_id(number) for number in (1101, 1201, 1601, 1701)} == set(
        hotels.secondary.rows["room"]
    )
