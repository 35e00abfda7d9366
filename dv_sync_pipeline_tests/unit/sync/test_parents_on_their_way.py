"""Rows that are looked up may be on their way, by a pass over another table: others wait."""

import asyncio

import pytest

from dv_sync_pipeline_tests.worlds.memory import row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels

GRAND, OLD = row_id(201), row_id(202)


@pytest.fixture
def hotels(tmp_path):
    """Hotel 2 with a room, synchronized; then hotel 1 is opened, of which nobody has told yet."""
    world = Hotels(tmp_path)
    world.hotel(2)
    world.room(2, 1)
    asyncio.run(world.sync())
    world.hotel(1)
    return world


def rooms_come(hotels, *rooms):
    """These rooms are looked at while a pass over hotels is under way; whether it is awaited."""
    awaited = []

    async def work():
        async with hotels.open() as engine:

            async def hotel_comes():
                awaited.append("hotel")
                await engine.rows("hotel", [GRAND])

            await engine.rows("room", rooms, parents_come=hotel_comes)

    asyncio.run(work())
    return awaited


def hotels_of_rooms(hotels):
    """What the secondary shows."""
    return [hotel for (hotel,) in hotels.shown("room", "hotelid").values()]


def test_a_row_waits_for_its_parent(hotels):
    """It arrives with its lookup set, though nobody had its hotel when it was read."""
    room = hotels.room(1, 1)

    awaited = rooms_come(hotels, room)

    assert ["hotel"] == awaited
    assert sorted([GRAND, OLD]) == sorted(hotels_of_rooms(hotels))


def test_a_row_whose_parent_is_there_waits_for_nobody(hotels):
    """A second room of the old hotel."""
    room = hotels.room(2, 2)

    awaited = rooms_come(hotels, room)

    assert [] == awaited
    assert [OLD, OLD] == hotels_of_rooms(hotels)
