"""Removals from one emulated environment over the real protocol, and what they never touch."""

import asyncio
from contextlib import ExitStack

import pytest

from dv_sync_pipeline.emulator.tables import columns, define
from dv_sync_pipeline.emulator.tables.schema import DeleteRule
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair
from dv_sync_pipeline_tests.worlds.fences import foreign_rows, unmapped_columns

TABLES = """\
tables:
  - {table: contoso_hotel, key: contoso_code, columns: [contoso_code]}
  - table: contoso_room
    key: [contoso_hotelid, contoso_number]
    columns: [contoso_number]
    lookups: {contoso_hotelid: contoso_hotel}
"""
GONE, MOVED, STAYS, NEEDED, FOREIGN = (
    f"00000000-0000-4000-8000-00000000000{number}" for number in range(1, 6)
)
ROOM_GONE, ROOM_MOVED, BOOKING = (
    f"00000000-0000-4000-9000-00000000000{number}" for number in range(1, 4)
)
HOTEL_COLUMNS = {"contoso_code", "statecode", "statuscode"}


def define_tables(store, name):
    """Hotels and rooms; in the secondary, bookings of its own and a cost centre of each hotel."""
    own = (columns.string("contoso_CostCentre"),) if name == "secondary" else ()
    store.create_table(
        define.table(
            "contoso_Hotel",
            entity_set="contoso_hotels",
            columns=(columns.string("contoso_Code"), *own),
            keys=(columns.key("contoso_code_key", "contoso_code"),),
        )
    )
    hotel = columns.lookup("contoso_HotelId", to="contoso_hotel", on_delete=DeleteRule.CASCADE)
    store.create_table(
        define.table(
            "contoso_Room",
            entity_set="contoso_rooms",
            columns=(columns.string("contoso_Number"), hotel),
            keys=(columns.key("contoso_number_key", "contoso_hotelid", "contoso_number"),),
        )
    )
    if name == "secondary":
        store.create_table(
            define.table("contoso_Booking", entity_set="contoso_bookings", columns=(hotel,))
        )


async def fill(pair):
    """Hotels and rooms in the primary, synchronized; then what the department adds."""
    for number, hotel in enumerate((GONE, MOVED, STAYS, NEEDED)):
        await pair.primary.put("contoso_hotels", hotel, {"contoso_code": f"H-{number}"})
    for number, (room, hotel) in enumerate(((ROOM_GONE, GONE), (ROOM_MOVED, MOVED))):
        bind = {"contoso_HotelId@odata.bind": f"/contoso_hotels({hotel})"}
        await pair.primary.put("contoso_rooms", room, {"contoso_number": str(number), **bind})
    await pair.sync()
    await pair.secondary.put("contoso_hotels", FOREIGN, {"contoso_code": "DEP-1"})
    for hotel in (STAYS, NEEDED):
        await pair.secondary.put("contoso_hotels", hotel, {"contoso_costcentre": "4711"})
    bind = {"contoso_HotelId@odata.bind": f"/contoso_hotels({NEEDED})"}
    await pair.secondary.put("contoso_bookings", BOOKING, bind)


async def change(pair):
    """One hotel goes with its room, one whose room moves, and one that has a booking."""
    bind = {"contoso_HotelId@odata.bind": f"/contoso_hotels({STAYS})"}
    await pair.primary.put("contoso_rooms", ROOM_MOVED, bind)
    for hotel in (GONE, MOVED, NEEDED):
        await pair.primary.send("DELETE", f"/contoso_hotels({hotel})")


async def fences(pair):
    """Hashes of the department's rows and columns."""
    hotels = await pair.secondary.rows("contoso_hotels")
    bookings = await pair.secondary.rows("contoso_bookings")
    linked = {"id_column": "contoso_hotelid", "linked": {STAYS, NEEDED}}
    return (
        foreign_rows(
            [row for row in hotels if row["contoso_hotelid"] not in (GONE, MOVED)], **linked
        ),
        unmapped_columns(hotels, **linked, mapped=HOTEL_COLUMNS),
        foreign_rows(bookings, id_column="contoso_bookingid", linked=()),
    )


@pytest.fixture
def pair(tmp_path):
    """Two environments, filled, changed, and synchronized again but for the removals."""
    with ExitStack() as stack:
        pair = EmulatedPair.open(tmp_path, stack, tables_yaml=TABLES, define=define_tables)
        asyncio.run(fill(pair))
        asyncio.run(change(pair))
        yield pair


def test_rows_go_children_first_and_take_nothing_along(pair):
    """Although the relationships cascade, the moved room and the booking are where they were."""
    asyncio.run(pair.sync())
    reports = asyncio.run(pair.remove())

    hotels = asyncio.run(pair.secondary.rows("contoso_hotels"))
    rooms = asyncio.run(pair.secondary.rows("contoso_rooms"))
    bookings = asyncio.run(pair.secondary.rows("contoso_bookings"))
    assert {STAYS, NEEDED, FOREIGN} == {row["contoso_hotelid"] for row in hotels}
    assert {ROOM_MOVED: STAYS} == {
        row["contoso_roomid"]: row["_contoso_hotelid_value"] for row in rooms
    }
    assert [NEEDED] == [row["_contoso_hotelid_value"] for row in bookings]
    assert (1, 2, 1) == (
        reports["contoso_room"].removed,
        reports["contoso_hotel"].removed,
        reports["contoso_hotel"].parked,
    )
    (parked,) = reports["contoso_hotel"].parked_rows
    assert "contoso_booking point to it" in parked.message


def test_foreign_rows_and_unmapped_columns_are_never_touched(pair):
    """Every kind of run leaves their hashes as they were, versions included."""
    before = asyncio.run(fences(pair))

    for run in (pair.sync, pair.verify, pair.remove, pair.sync, pair.remove):
        asyncio.run(run())

        assert before == asyncio.run(fences(pair))


def test_a_second_run_deletes_nothing_more(pair):
    """What was removed is settled; only the parked row is looked at again."""
    for _ in range(2):
        asyncio.run(pair.sync())
        asyncio.run(pair.remove())
    pair.secondary.asked.clear()

    asyncio.run(pair.sync())
    asyncio.run(pair.remove())

    assert [] == [each for each in pair.secondary.asked if "$batch" in each]
