"""A request that arrives after its pass has lost the turn: what it overwrites is repaired.

Each test forces one line of the table in `sync/turns.py`. No reconcile comes to the rescue: the
passes that follow a feed or re-read rows must do it. Judged by the secondary alone.
"""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.doubts import LOOKS_AFTER
from dv_sync_pipeline.webapi.transport import DEFAULT_PATIENCE
from dv_sync_pipeline_tests.worlds.memory import ROWS_PER_PAGE, Boundary, Killed, row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels

AFTER_THE_LEASE = timedelta(seconds=11)
AFTER_ALL_LOOKS = LOOKS_AFTER[-1] + timedelta(seconds=1)
HOTEL, OTHER = row_id(201), row_id(202)


@pytest.fixture
def hotels(tmp_path):
    """Two hotels, synchronized; the first one was changed since."""
    hotels = two_hotels(tmp_path)
    hotels.hotel(1, name="Older")
    return hotels


def two_hotels(folder):
    """Both sides are equal."""
    hotels = Hotels(folder)
    hotels.clock.step = timedelta(milliseconds=1)
    hotels.hotel(1)
    hotels.hotel(2)
    asyncio.run(hotels.sync())
    return hotels


def titles(hotels):
    """What the secondary shows."""
    return {id_: title for id_, (title,) in hotels.shown("property", "title").items()}


async def reconcile(hotels, boundary=None):
    """The hotels completely."""
    async with hotels.open(boundary) as engine:
        await engine.reconcile("hotel")


async def follow(hotels, boundary=None):
    """The changes of the hotels, and removals."""
    async with hotels.open(boundary) as engine:
        await engine.apply_changes(["hotel"])


async def look_for_news(hotels, boundary=None):
    """As a sensor does; what it finds is for others."""
    async with hotels.open(boundary) as engine:
        await engine.news("hotel")


async def reread(hotels, boundary=None):
    """As a wake-up does."""
    async with hotels.open(boundary) as engine:
        await engine.rows("hotel", [HOTEL, row_id(203)])


async def reread_other(hotels, boundary=None):
    """A wake-up of another hotel."""
    async with hotels.open(boundary) as engine:
        await engine.rows("hotel", [OTHER])


def arrives_late(hotels, message, meanwhile, *, killed=None):
    """The next request of this kind is on its way until something else has happened.

    Where a boundary is given, its process does not live to see the answer.
    """
    send = getattr(hotels.secondary, message)

    async def send_late(*arguments):
        setattr(hotels.secondary, message, send)
        hotels.clock.now += AFTER_THE_LEASE
        await meanwhile()
        outcomes = await send(*arguments)
        if killed is not None:
            killed.dies_at = 1
            raise Killed
        return outcomes

    setattr(hotels.secondary, message, send_late)


PASSES = {"reconcile": reconcile, "changes": follow, "rows": reread}


@pytest.mark.parametrize("first", PASSES)
@pytest.mark.parametrize("second", PASSES)
def test_a_pass_that_has_lost_its_turn_repairs_what_it_has_overwritten(hotels, first, second):
    """It stood still while its request was on its way."""

    async def meanwhile():
        hotels.hotel(1, name="Newer")
        await PASSES[second](hotels)

    arrives_late(hotels, "update_rows", meanwhile)
    asyncio.run(PASSES[first](hotels))

    assert {HOTEL: "Newer", OTHER: "Inn"} == titles(hotels)


@pytest.mark.parametrize("first", PASSES)
@pytest.mark.parametrize("second", PASSES)
def test_what_a_killed_pass_has_overwritten_late_is_repaired(hotels, first, second):
    """The feed tells nothing of it any more: whoever took the turn over has remembered the row."""
    boundary = Boundary()

    async def meanwhile():
        hotels.hotel(1, name="Newer")
        await PASSES[second](hotels)

    arrives_late(hotels, "update_rows", meanwhile, killed=boundary)
    with pytest.raises(Killed):
        asyncio.run(PASSES[first](hotels, boundary))
    overwritten = titles(hotels)[HOTEL]
    hotels.clock.now += AFTER_ALL_LOOKS
    asyncio.run(follow(hotels))

    assert "Older" == overwritten
    assert {HOTEL: "Newer", OTHER: "Inn"} == titles(hotels)


def test_a_row_that_a_late_removal_has_taken_away_comes_back(hotels):
    """It was there again when its removal was still on its way."""
    hotels.primary.delete("hotel", HOTEL)

    async def meanwhile():
        hotels.hotel(1, name="Back again")
        await reread(hotels)

    arrives_late(hotels, "delete_rows", meanwhile)
    asyncio.run(follow(hotels))
    asyncio.run(reread_other(hotels))

    assert {HOTEL: "Back again", OTHER: "Inn"} == titles(hotels)


@pytest.mark.parametrize("first", PASSES)
@pytest.mark.parametrize("second", [*PASSES.values(), look_for_news])
def test_a_row_that_is_created_late_and_gone_by_then_is_removed(tmp_path, first, second):
    """Its link leads nowhere when the tombstone is read, and is kept as long as it may arrive."""
    hotels = two_hotels(tmp_path)
    hotels.hotel(3)
    boundary = Boundary()

    async def meanwhile():
        hotels.primary.delete("hotel", row_id(203))
        await second(hotels)

    arrives_late(hotels, "create_rows", meanwhile, killed=boundary)
    with pytest.raises(Killed):
        asyncio.run(PASSES[first](hotels, boundary))
    created = set(titles(hotels))
    hotels.clock.now += AFTER_ALL_LOOKS
    asyncio.run(follow(hotels))

    assert {HOTEL, OTHER, row_id(203)} == created
    assert {HOTEL: "Inn", OTHER: "Inn"} == titles(hotels)


STEPS_MAX = 60


@pytest.mark.parametrize(("second", "new_rows"), [(reconcile, ROWS_PER_PAGE), (look_for_news, 1)])
def test_a_stale_create_of_a_killed_pass_does_not_stay(tmp_path, second, new_rows):
    """Who read the tombstone did not know the row; the token of the killed pass is not saved.

    A reconcile can come to its end only beside a pass over more rows than are written in one turn,
    a look for news only when there are none.
    """
    original = two_hotels(tmp_path / "original")
    for number in range(3, 3 + new_rows):
        original.hotel(number)
    for step in range(1, STEPS_MAX):
        hotels = original.copy(tmp_path / str(step))
        was_killed = kill_beside_a_delete(hotels, step, second)
        hotels.clock.now += AFTER_ALL_LOOKS
        asyncio.run(follow(hotels))

        assert (step, hotels.primary.rows["hotel"].keys()) == (step, titles(hotels).keys())
        if not was_killed:
            break
    else:
        pytest.fail("no pass was long enough")


def kill_beside_a_delete(hotels, step, second):
    """Follow changes; one of the rows is deleted when it has been read, and somebody finds out."""
    boundary = Boundary(dies_at=step)
    read = hotels.secondary.read_rows_by_key

    async def read_late(*arguments):
        hotels.secondary.read_rows_by_key = read
        hotels.primary.delete("hotel", row_id(203))
        await second(hotels)
        hotels.secondary.boundary = boundary
        return await read(*arguments)

    hotels.secondary.read_rows_by_key = read_late
    try:
        asyncio.run(follow(hotels, boundary))
    except Killed:
        return True
    finally:
        hotels.secondary.read_rows_by_key = read
    return False


def test_nobody_sees_a_claim_without_the_link_that_it_intends(tmp_path):
    """Another process that reads the tombstone in between would take the row for unknown."""
    hotels = two_hotels(tmp_path)
    hotels.hotel(3)
    seen = []

    async def run():
        async with hotels.open() as engine:
            began = engine.ledger.latest_sequence()
            database = engine.ledger._engine  # noqa: SLF001 - what others see between two commits
            sa.event.listen(database, "commit", lambda _: seen.append(seen_by(other)))
            await engine.rows("hotel", [row_id(203)])
            return began

    with Ledger.open(hotels.configuration.ledger_url) as other:
        began = asyncio.run(run())
    claimed = [is_linked for sequence, is_linked in seen if sequence > began]

    assert claimed
    assert all(claimed)


def seen_by(ledger):
    """The number of the last write, and whether the new hotel has a link."""
    return ledger.latest_sequence(), not ledger.links_of("hotel", [row_id(203)]).is_empty()


def test_nothing_is_on_its_way_any_more_at_the_last_look():
    """A request and its answer may take as long."""
    assert DEFAULT_PATIENCE.total_seconds <= LOOKS_AFTER[-1].total_seconds()
