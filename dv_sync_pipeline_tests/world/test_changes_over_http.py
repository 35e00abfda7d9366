"""Following changes of two emulated environments over the real protocol."""

import asyncio
from contextlib import ExitStack
from datetime import timedelta

import pytest

from dv_sync_pipeline.emulator.tables import columns, define
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair

TABLES = """\
tables:
  - {table: contoso_hotel, key: contoso_code, columns: [contoso_code, contoso_stars]}
  - table: contoso_room
    key: [contoso_hotelid, contoso_number]
    columns: [contoso_number, contoso_floor]
    lookups: {contoso_hotelid: contoso_hotel}
  - {table: contoso_brand, key: contoso_code, columns: [contoso_code], filter: contoso_stars eq 5}
"""
ADLON, BRISTOL, CECIL, THEIRS = (
    f"00000000-0000-4000-8000-00000000000{number}" for number in range(1, 5)
)
ROOM, NEW_ROOM = (f"00000000-0000-4000-9000-00000000000{number}" for number in range(1, 3))
BRAND, OTHER_BRAND = (f"00000000-0000-4000-a000-00000000000{number}" for number in range(1, 3))


def define_tables(store, _name):
    """Hotels, rooms and brands, the same on both sides."""
    code, stars = columns.string("contoso_Code"), columns.integer("contoso_Stars")
    for name in ("Hotel", "Brand"):
        store.create_table(
            define.table(
                f"contoso_{name}",
                entity_set=f"contoso_{name.lower()}s",
                columns=(code, stars),
                keys=(columns.key("contoso_code_key", "contoso_code"),),
                change_tracking_enabled=True,
            )
        )
    store.create_table(
        define.table(
            "contoso_Room",
            entity_set="contoso_rooms",
            columns=(
                columns.string("contoso_Number"),
                columns.integer("contoso_Floor"),
                columns.lookup("contoso_HotelId", to="contoso_hotel"),
            ),
            keys=(columns.key("contoso_number_key", "contoso_hotelid", "contoso_number"),),
        )
    )


def room(hotel, number, **values):
    """A room of a hotel, as it is sent."""
    bind = {"contoso_HotelId@odata.bind": f"/contoso_hotels({hotel})"}
    return {"contoso_number": number, **bind, **values}


async def fill(pair):
    """Two hotels, a room, two brands of which one meets the filter; all synchronized."""
    await pair.primary.put("contoso_hotels", ADLON, {"contoso_code": "A", "contoso_stars": 5})
    await pair.primary.put("contoso_hotels", BRISTOL, {"contoso_code": "B", "contoso_stars": 3})
    await pair.primary.put("contoso_rooms", ROOM, room(ADLON, "101"))
    for brand, stars in ((BRAND, 5), (OTHER_BRAND, 4)):
        values = {"contoso_code": f"B{stars}", "contoso_stars": stars}
        await pair.primary.put("contoso_brands", brand, values)
    await pair.sync()


@pytest.fixture
def pair(tmp_path):
    """Two environments, filled and synchronized."""
    with ExitStack() as stack:
        pair = EmulatedPair.open(tmp_path, stack, tables_yaml=TABLES, define=define_tables)
        asyncio.run(fill(pair))
        for side in (pair.primary, pair.secondary):
            side.asked.clear()
        yield pair


async def follow(pair):
    """One round over all tables; reports by title."""
    async with pair.engine() as engine:
        reports = await engine.apply_changes(engine.tables_in_order)
        return {report.title: report for report in reports}


async def shown(pair, entity_set, *names):
    """What the secondary shows: id → values."""
    rows = await pair.secondary.rows(entity_set)
    id_name = f"{entity_set.removesuffix('s')}id"
    return {row[id_name]: tuple(row[name] for name in names) for row in rows}


def test_every_kind_of_change_arrives(pair):
    """An update, a new hotel with a room, a moved room, a delete, and rows adopted by key."""

    async def story():
        await pair.secondary.put("contoso_hotels", THEIRS, {"contoso_code": "c"})
        await pair.primary.put("contoso_hotels", CECIL, {"contoso_code": "C", "contoso_stars": 2})
        await pair.primary.put("contoso_rooms", NEW_ROOM, room(CECIL, "1", contoso_floor=7))
        await pair.primary.put("contoso_rooms", ROOM, room(CECIL, "101"))
        await pair.primary.put("contoso_hotels", ADLON, {"contoso_stars": 4})
        await pair.primary.send("DELETE", f"/contoso_hotels({BRISTOL})")
        await follow(pair)
        hotels = await shown(pair, "contoso_hotels", "contoso_code", "contoso_stars")
        return hotels, await shown(pair, "contoso_rooms", "_contoso_hotelid_value", "contoso_floor")

    hotels, rooms = asyncio.run(story())

    assert {ADLON: ("A", 4), THEIRS: ("C", 2)} == hotels
    assert {ROOM: (THEIRS, None), NEW_ROOM: (THEIRS, 7)} == rooms


def test_a_row_enters_and_leaves_the_filter(pair):
    """A feed has no filter, so the primary is asked which rows meet it (DATAVERSE 7.1)."""

    async def story():
        await pair.primary.put("contoso_brands", OTHER_BRAND, {"contoso_stars": 5})
        await follow(pair)
        both = await shown(pair, "contoso_brands", "contoso_code")
        await pair.primary.put("contoso_brands", BRAND, {"contoso_stars": 1})
        await follow(pair)
        return both, await shown(pair, "contoso_brands", "contoso_code")

    both, one = asyncio.run(story())

    assert {BRAND: ("B5",), OTHER_BRAND: ("B4",)} == both
    assert {OTHER_BRAND: ("B4",)} == one


def test_an_expired_token_owes_a_reconcile(pair):
    """Eight days later Dataverse has forgotten it (DATAVERSE 7.3)."""
    now = pair.primary.store.clock
    pair.primary.store.clock = lambda: now() + timedelta(days=8)

    reports = asyncio.run(follow(pair))

    owed = reports["contoso_hotel, changes"].reconcile_owed
    assert "0x80044352" in owed
    assert "not accepted any more" in owed


def test_one_change_takes_few_requests(pair):
    """The feed, the row in the secondary, the write; all else is remembered."""

    async def story():
        async with pair.engine() as engine:
            await engine.changes("contoso_hotel")
            await pair.primary.put("contoso_hotels", ADLON, {"contoso_stars": 1})
            for side in (pair.primary, pair.secondary):
                side.asked.clear()
            return await engine.changes("contoso_hotel")

    report = asyncio.run(story())

    assert 1 == report.updated
    assert 3 == report.requests
    assert 0 <= report.lag_seconds < 30
