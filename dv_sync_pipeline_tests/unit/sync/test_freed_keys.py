"""A row that waits for a key gets it as soon as the key is free, whichever pass has freed it."""

import asyncio

import pytest

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline_tests.worlds.memory import row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import TABLES_YAML, Hotels

ONE, TWO = row_id(201), row_id(202)


@pytest.fixture
def hotels(tmp_path) -> Hotels:
    """Hotels H-1 and H-2, synchronized."""
    return synchronized(tmp_path)


def synchronized(state, setting: str = "") -> Hotels:
    """The same, with a further setting for the table."""
    text = TABLES_YAML.replace("    key: code\n", f"    key: code\n    {setting}\n", 1)
    hotels = Hotels(state, tables_yaml=text)
    hotels.hotel(1)
    hotels.hotel(2)
    asyncio.run(hotels.sync())
    return hotels


def sync(hotels):
    """Reconcile and remove; the report of the hotels."""
    return asyncio.run(hotels.sync())["hotel"]


def follow(hotels):
    """Follow the changes; reports by title."""
    return asyncio.run(hotels.follow())


def codes(hotels) -> dict[str, str]:
    """What the secondary shows."""
    return {id_: code for id_, (code,) in hotels.shown("property", "code").items()}


def parked(hotels):
    """The hotels that wait, as the ledger knows them."""
    with Ledger.open(hotels.configuration.ledger_url) as ledger:
        return ledger.parked("hotel")


def parked_for_a_key_that_is_linked(hotels):
    """Hotel 2 wants the key of hotel 1, which is still there."""
    hotels.hotel(2, code="H-1")
    follow(hotels)
    assert [ParkedReason.DUPLICATE_KEY] == [row.reason for row in parked(hotels)]


def test_the_key_of_a_row_that_is_removed_is_given_on_in_the_same_run(hotels):
    """By the reconcile the heir is parked, by the removals it is written: one run, one report."""
    hotels.primary.delete("hotel", ONE)
    hotels.hotel(2, code="H-1")

    report = sync(hotels)

    assert {TWO: "H-1"} == codes(hotels)
    assert (1, 1, 0, ()) == (report.removed, report.updated, report.parked, report.parked_rows)
    assert [] == parked(hotels)


def test_the_key_of_a_row_that_is_removed_is_given_on_by_changes(hotels):
    """No reconcile is needed."""
    hotels.primary.delete("hotel", ONE)
    hotels.hotel(2, code="H-1")

    follow(hotels)

    assert ({TWO: "H-1"}, []) == (codes(hotels), parked(hotels))


def test_as_long_as_the_removal_is_held_the_heir_waits(tmp_path):
    """No guard is weakened for it; it says for what it waits."""
    hotels = synchronized(tmp_path, "max_removals: 0")
    hotels.primary.delete("hotel", ONE)
    hotels.hotel(2, code="H-1")

    report = sync(hotels)

    assert {ONE: "H-1", TWO: "H-2"} == codes(hotels)
    (waiting,) = report.parked_rows
    assert (ParkedReason.DUPLICATE_KEY, TWO, 1) == (
        waiting.reason,
        waiting.primary_id,
        waiting.attempts,
    )
    assert "as soon as that one is removed" in waiting.message


def test_a_row_that_is_only_deactivated_keeps_its_key(tmp_path):
    """Inactive rows count for the key as well, so the heir is not tried in vain."""
    hotels = synchronized(tmp_path, "deletes: deactivate")
    hotels.primary.delete("hotel", ONE)
    hotels.hotel(2, code="H-1")

    sync(hotels)

    assert {ONE: "H-1", TWO: "H-2"} == codes(hotels)
    assert [1] == [row.attempts for row in parked(hotels)]


def test_a_key_that_its_holder_gives_up_is_taken(hotels):
    """The feed speaks of the holder alone."""
    parked_for_a_key_that_is_linked(hotels)
    hotels.hotel(1, code="H-3")

    follow(hotels)

    assert ({ONE: "H-3", TWO: "H-1"}, []) == (codes(hotels), parked(hotels))


def test_a_claim_that_is_withdrawn_lets_the_other_row_go(hotels):
    """Two hotels under one key are both parked; one gets another key, both are written."""
    hotels.hotel(3, code="h-1")
    hotels.hotel(1, name="Renamed")
    follow(hotels)
    assert 2 == len(parked(hotels))
    hotels.hotel(3, code="H-3")

    follow(hotels)

    assert ({ONE: "H-1", TWO: "H-2", row_id(203): "H-3"}, []) == (codes(hotels), parked(hotels))
    assert ("Renamed",) == hotels.shown("property", "title")[ONE]


def test_a_key_is_free_only_when_its_holder_was_written(hotels):
    """A holder whose own change is refused still shows it, and gives it up once it is mended."""
    parked_for_a_key_that_is_linked(hotels)
    hotels.hotel(1, code="H-3", name="x" * 21)
    follow(hotels)
    attempts = [row.attempts for row in parked(hotels) if row.primary_id == TWO]
    shown = codes(hotels)
    hotels.hotel(1, name="Fine")

    follow(hotels)

    assert ([1], {ONE: "H-1", TWO: "H-2"}) == (attempts, shown)
    assert ({ONE: "H-3", TWO: "H-1"}, []) == (codes(hotels), parked(hotels))


def test_other_parked_rows_are_left_alone(hotels):
    """A key that comes free is none of their business."""
    hotels.hotel(4, name="x" * 21)
    parked_for_a_key = [row for row in parked(hotels) if row.primary_id != row_id(204)]
    assert [] == parked_for_a_key
    follow(hotels)
    hotels.hotel(1, code="H-3")

    follow(hotels)

    assert [(row_id(204), 1)] == [(row.primary_id, row.attempts) for row in parked(hotels)]


def test_a_room_arrives_with_the_heir_of_a_key(hotels):
    """A new hotel that had to wait for a key brings along the room that waited for it."""
    hotels.hotel(3, code="H-1")
    hotels.room(3, 1)
    follow(hotels)
    assert {} == hotels.secondary.rows["room"]
    hotels.hotel(1, code="H-9")

    follow(hotels)

    assert {row_id(203)} == {hotel for (hotel,) in hotels.shown("room", "hotelid").values()}
