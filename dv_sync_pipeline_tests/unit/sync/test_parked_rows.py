"""What people read of rows that wait."""

import asyncio

import pytest

from dv_sync_pipeline.sync.report import ParkedReason, ParkedWork
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory import row_id, table
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels
from dv_sync_pipeline_tests.worlds.memory_pair import Pair

CODE = Column("code", ColumnKind.STRING)
HOTEL = table(
    "hotel", [CODE, Column("flagshipid", ColumnKind.LOOKUP, targets=("room",))], key=["code"]
)
ROOM = table("room", [CODE, Column("hotelid", ColumnKind.LOOKUP, targets=("hotel",))], key=["code"])
CIRCLE_YAML = """\
tables:
  - {table: hotel, key: code, columns: [code],
     lookups: {flagshipid: {table: room, deferred: true}}}
  - {table: room, key: code, columns: [code], lookups: {hotelid: hotel}}
"""


@pytest.fixture
def hotels(tmp_path) -> Hotels:
    """Empty tables on both sides."""
    return Hotels(tmp_path)


@pytest.mark.parametrize(
    ("name", "shown"), [("Ibis", "Ibis"), (None, row_id(201))], ids=["its name", "its GUID"]
)
def test_a_row_without_a_key_is_called_by_something_else(hotels, name, shown):
    """Nobody finds a row that is called nothing."""
    hotels.hotel(1, code=None, name=name)

    (parked,) = asyncio.run(hotels.sync())["hotel"].parked_rows

    assert (ParkedReason.MISSING_KEY, shown) == (parked.reason, parked.key)


def test_a_child_that_waits_names_its_parent(hotels):
    """By its key, though that row was never in the secondary."""
    hotels.hotel(1, name="x" * 21)
    hotels.room(1, 7)

    (parked,) = asyncio.run(hotels.sync())["room"].parked_rows

    assert (ParkedReason.MISSING_PARENT, "H-1, 7") == (parked.reason, parked.key)
    assert parked.message.endswith("that is not in the secondary: H-1")


def test_rows_parked_by_the_second_pass_keep_their_count(tmp_path):
    """Since when, and how often: a reconcile in between does not begin anew."""
    world = Pair(tmp_path, CIRCLE_YAML, [HOTEL, ROOM])
    world.primary.put("hotel", row_id(1), code="H-1", flagshipid=row_id(2))
    world.primary.put("room", row_id(2), code="R-2", hotelid=row_id(1))
    world.secondary.refuse = lambda _table, write: (
        ("0x80040265", "Not this one.") if write.values.get("flagshipid") else None
    )
    title = "hotel, deferred lookups"

    (first,) = asyncio.run(world.sync())[title].parked_rows
    (second,) = asyncio.run(world.sync())[title].parked_rows
    world.secondary.refuse = lambda _table, _write: None
    healed = asyncio.run(world.sync())[title]

    assert (1, 2) == (first.attempts, second.attempts)
    assert (first.since, ParkedWork.LOOKUPS) == (second.since, second.work)
    assert 0 == healed.parked
