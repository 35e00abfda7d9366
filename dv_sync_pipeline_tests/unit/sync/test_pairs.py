"""When pairs of many-to-many relationships are made and undone, and when a person is asked."""

import asyncio

import pytest

from dv_sync_pipeline.errors import RequestFailedError
from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline_tests.worlds.memory import Boundary, Killed, row_id
from dv_sync_pipeline_tests.worlds.memory_amenities import OFFERS, Amenities

AFTER_THE_LEASE_SECONDS = 60
STEPS_MAX = 100


def a_hotel_with_amenities(state, count: int, *, settings: str = "") -> tuple[Amenities, str, list]:
    """One hotel with that many amenities, on both sides; the world, the hotel, the amenities."""
    world = Amenities(state, settings=settings)
    hotel = world.hotel(1)
    amenities = [world.amenity(number) for number in range(1, count + 1)]
    for amenity in amenities:
        world.primary.relate(OFFERS, hotel, amenity)
    asyncio.run(world.sync())
    return world, hotel, amenities


def approve(world) -> None:
    """A person approves every list of hotels."""

    async def approve_lists():
        async with world.open() as engine:
            for found in engine.ledger.removal_lists("hotel"):
                engine.ledger.approve_removals(found)

    asyncio.run(approve_lists())


def test_a_pair_that_the_primary_undid_is_undone(tmp_path):
    """The others stay."""
    world, hotel, (first, second) = a_hotel_with_amenities(tmp_path, 2)
    world.primary.separate(OFFERS, hotel, first)

    report = asyncio.run(world.sync())["hotel"]

    assert {(hotel, second)} == world.offered()
    assert (1, 0) == (report.pairs, report.held)


def test_an_empty_read_of_pairs_undoes_nothing(tmp_path):
    """Every pair seems to be gone: a person is asked first, and sees which."""
    world, hotel, (first, second) = a_hotel_with_amenities(tmp_path, 2)
    world.primary.rows["offer"].clear()

    report = asyncio.run(world.sync())["hotel"]

    assert {(hotel, first), (hotel, second)} == world.offered()
    assert (0, 2, 2, 0) == (report.pairs, report.held, report.held_pairs, report.gone)
    assert "the primary shows no pair at all" == report.held_because


def test_more_pairs_than_allowed_are_held_and_missing_ones_are_made(tmp_path):
    """`max_removals` bounds the pairs of each relationship as it bounds rows."""
    world, hotel, amenities = a_hotel_with_amenities(tmp_path, 3, settings="max_removals: 1,")
    for amenity in amenities[:2]:
        world.primary.separate(OFFERS, hotel, amenity)
    new = world.amenity(9)
    world.primary.relate(OFFERS, hotel, new)

    report = asyncio.run(world.sync())["hotel"]

    assert {(hotel, amenity) for amenity in (*amenities, new)} == world.offered()
    assert (1, 2, "2 of 3 pairs would go, 1 are allowed") == (
        report.pairs,
        report.held,
        report.held_because,
    )


def test_a_plan_tells_what_would_be_held(tmp_path):
    """And undoes nothing."""
    world, _hotel, _amenities = a_hotel_with_amenities(tmp_path, 2)
    world.primary.rows["offer"].clear()

    report = asyncio.run(world.plan())["hotel"]

    assert (2, "the primary shows no pair at all") == (report.held, report.held_because)


def test_approved_pairs_are_undone(tmp_path):
    """Exactly those of the list; then nothing is held any more."""
    world, _hotel, _amenities = a_hotel_with_amenities(tmp_path, 2)
    world.primary.rows["offer"].clear()
    asyncio.run(world.sync())
    approve(world)

    report = asyncio.run(world.sync())["hotel"]

    assert set() == world.offered()
    assert (2, 0) == (report.pairs, report.held)


def test_other_pairs_than_the_approved_ones_are_held(tmp_path):
    """The approval was for another list."""
    world, hotel, amenities = a_hotel_with_amenities(tmp_path, 3, settings="max_removals: 1,")
    world.primary.separate(OFFERS, hotel, amenities[0])
    world.primary.separate(OFFERS, hotel, amenities[1])
    asyncio.run(world.sync())
    approve(world)
    world.primary.separate(OFFERS, hotel, amenities[2])

    report = asyncio.run(world.sync())["hotel"]

    assert (0, 3) == (report.pairs, report.held)


def test_a_pair_that_the_long_read_missed_stays(tmp_path, monkeypatch):
    """The primary is asked once more, for exactly these two rows."""
    world, hotel, (first, second) = a_hotel_with_amenities(tmp_path, 2)
    whole = type(world.primary).read_pages

    async def short(self, schema, columns, **options):
        async for page in whole(self, schema, columns, **options):
            missed = self.name == "primary" and schema.name == "offer"
            yield [row for row in page if not (missed and row["amenityid"] == first)]

    monkeypatch.setattr(type(world.primary), "read_pages", short)

    report = asyncio.run(world.sync())["hotel"]

    assert {(hotel, first), (hotel, second)} == world.offered()
    assert (0, 0) == (report.pairs, report.held)


def test_a_pair_of_a_row_that_nobody_linked_is_never_undone(tmp_path):
    """It is the department's own, and counts for no list."""
    world, hotel, _ = a_hotel_with_amenities(tmp_path, 1)
    foreign = row_id(900)
    world.secondary.put("amenity", foreign, code="OWN")
    world.secondary.relate(OFFERS, hotel, foreign)

    report = asyncio.run(world.sync())["hotel"]

    assert (hotel, foreign) in world.offered()
    assert (0, 0) == (report.pairs, report.held)


def test_a_refused_pair_parks_its_row_with_the_reason_of_the_server(tmp_path):
    """The code decides, as for rows; the message says which pair."""
    world, hotel, _ = a_hotel_with_amenities(tmp_path, 1)
    world.primary.relate(OFFERS, hotel, world.amenity(2))
    world.secondary.refuse = lambda name, write: (
        ("0x80040265", "No second one.")
        if (name, "offers" in write.values) == ("hotel", True)
        else None
    )

    (parked,) = asyncio.run(world.sync())["hotel"].parked_rows

    assert (ParkedReason.REFUSED_BY_LOGIC, "its association with A-2: No second one.") == (
        parked.reason,
        parked.message,
    )


def test_a_lost_answer_ends_the_pass_and_the_next_one_finds_out(tmp_path):
    """Nothing is claimed that nobody knows."""
    world, hotel, (first, second) = a_hotel_with_amenities(tmp_path, 2)
    world.primary.separate(OFFERS, hotel, first)
    world.secondary.lose = lambda message, _write: message == "disassociate"

    with pytest.raises(RequestFailedError, match="whether 1 pairs of hotel were written"):
        asyncio.run(world.sync())

    report = asyncio.run(world.sync())["hotel"]
    assert ({(hotel, second)}, 0) == (world.offered(), report.pairs)


def test_pairs_killed_at_any_step_are_completed_by_the_next_run(tmp_path):
    """Whichever pair or commit is the last one."""
    for step in range(1, STEPS_MAX):
        world, hotel, amenities = a_hotel_with_amenities(tmp_path / str(step), 4)
        for amenity in amenities[:2]:
            world.primary.separate(OFFERS, hotel, amenity)
        new = world.amenity(9)
        world.primary.relate(OFFERS, hotel, new)
        was_killed = False
        try:
            asyncio.run(world.sync(Boundary(dies_at=step)))
        except Killed:
            was_killed = True
        for _ in range(AFTER_THE_LEASE_SECONDS):
            world.clock()

        report = asyncio.run(world.sync())["hotel"]

        assert {(hotel, amenity) for amenity in (*amenities[2:], new)} == world.offered()
        assert (0, 0) == (report.parked, report.held)
        if not was_killed:
            break
    else:
        pytest.fail("no run was long enough")


def test_a_pair_whose_other_row_is_parked_is_counted_as_waiting(tmp_path):
    """Not as a row without its parent; once the amenity has a code, the pair is made."""
    world, hotel, _ = a_hotel_with_amenities(tmp_path, 1)
    nameless = world.amenity(2, code=None)
    world.primary.relate(OFFERS, hotel, nameless)
    waiting = asyncio.run(world.sync())["hotel"]
    world.amenity(2, code="A-2")

    report = asyncio.run(world.sync())["hotel"]

    assert (1, 1, 0) == (waiting.waiting, waiting.waiting_pairs, waiting.pairs)
    assert (0, 1) == (report.waiting, report.pairs)


def test_a_pair_of_a_row_that_a_filter_leaves_out_waits_for_nobody(tmp_path):
    """It is not to be there at all."""
    world, _hotel, (left_out,) = a_hotel_with_amenities(tmp_path, 1)
    world.tables_yaml = world.tables_yaml.replace(
        "{table: amenity,", "{table: amenity, filter: statecode eq 0,"
    )
    world.primary.put("amenity", left_out, statecode=1, statuscode=2)

    report = asyncio.run(world.sync())["hotel"]

    assert 0 == report.waiting
