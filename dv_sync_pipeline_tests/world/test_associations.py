"""Amenities of hotels: pairs of a many-to-many relationship, over the real protocol."""

import asyncio
from contextlib import ExitStack

import pytest

from dv_sync_pipeline.emulator.definitions.metadata_writes import create_many_to_many
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables import columns, define
from dv_sync_pipeline.emulator.tables.schema import ManyToManyDefinition
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.report import DifferenceKind
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair

TABLES = """\
tables:
  - {table: contoso_hotel, key: contoso_code, columns: [contoso_code],
     associations: [{relationship: contoso_hotel_amenity, table: contoso_amenity},
                    {relationship: contoso_partners, table: contoso_hotel}]}
  - {table: contoso_amenity, key: contoso_code, columns: [contoso_code]}
"""
INN, SPA, POOL, SAUNA, THEIRS = (
    f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3, 4, 9)
)


def define_tables(store: Store, _name: str) -> None:
    """Hotels and amenities, hotels that have amenities, and hotels that are partners."""
    for name, entity_set in (("Hotel", "hotels"), ("Amenity", "amenities")):
        store.create_table(
            define.table(
                f"contoso_{name}",
                entity_set=f"contoso_{entity_set}",
                columns=(columns.string("contoso_Code", max_length=20),),
                keys=(columns.key("contoso_code_key", "contoso_code"),),
            )
        )
    for name, second, ends in (
        ("contoso_hotel_amenity", "contoso_amenity", ("contoso_hotelid", "contoso_amenityid")),
        ("contoso_partners", "contoso_hotel", ("contoso_hotelidone", "contoso_hotelidtwo")),
    ):
        create_many_to_many(
            store,
            ManyToManyDefinition(
                schema_name=name,
                intersect=f"{name}s",
                first="contoso_hotel",
                second=second,
                first_property=f"{name}_first",
                second_property=f"{name}_second",
                first_column=ends[0],
                second_column=ends[1],
            ),
        )


@pytest.fixture
def pair(tmp_path):
    """Two hotels and two amenities in the primary; the secondary has the pool under its own id."""
    with ExitStack() as stack:
        pair = EmulatedPair.open(tmp_path, stack, tables_yaml=TABLES, define=define_tables)
        asyncio.run(fill(pair))
        yield pair


async def fill(pair):
    """What people entered."""
    for row_id, code in ((INN, "INN"), (SPA, "SPA")):
        await pair.primary.put("contoso_hotels", row_id, {"contoso_code": code})
    for row_id, code in ((POOL, "POOL"), (SAUNA, "SAUNA")):
        await pair.primary.put("contoso_amenities", row_id, {"contoso_code": code})
    await pair.secondary.put("contoso_amenities", THEIRS, {"contoso_code": "pool"})


async def equip(side, hotel, amenity):
    """A person gives a hotel an amenity."""
    target = f"https://{side.name}.example/api/data/v9.2/contoso_amenities({amenity})"
    path = f"/contoso_hotels({hotel})/contoso_hotel_amenity_first/$ref"
    await side.send("POST", path, json={"@odata.id": target})


async def strip(side, hotel, amenity):
    """A person takes it away."""
    path = f"/contoso_hotels({hotel})/contoso_hotel_amenity_first({amenity})/$ref"
    await side.send("DELETE", path)


async def amenities(pair):
    """Hotel and amenity of every pair in the secondary."""
    rows = await pair.secondary.rows("contoso_hotel_amenitysset")
    return {(row["contoso_hotelid"], row["contoso_amenityid"]) for row in rows}


def test_pairs_follow_the_primary(pair):
    """Made, then undone and moved; to the secondary's own ids of the rows."""

    async def story():
        await equip(pair.primary, INN, POOL)
        await equip(pair.primary, SPA, SAUNA)
        first = await pair.sync()
        shown = await amenities(pair)
        await strip(pair.primary, INN, POOL)
        await equip(pair.primary, INN, SAUNA)
        second = await pair.sync()
        return first["contoso_hotel"], shown, second["contoso_hotel"], await amenities(pair)

    first, shown, second, after = asyncio.run(story())

    assert {(INN, THEIRS), (SPA, SAUNA)} == shown
    assert {(INN, SAUNA), (SPA, SAUNA)} == after
    assert (2, 2) == (first.pairs, second.pairs)


def test_pairs_that_all_seem_to_be_gone_wait_for_a_person(pair):
    """The intersect table of the primary reads empty: nothing is undone."""

    async def story():
        await equip(pair.primary, INN, POOL)
        await pair.sync()
        await strip(pair.primary, INN, POOL)
        return (await pair.sync())["contoso_hotel"], await amenities(pair)

    held, shown = asyncio.run(story())

    assert ({(INN, THEIRS)}, 1) == (shown, held.held)


def test_pairs_within_one_table_keep_their_direction(pair):
    """The first is a partner of the second, and not the other way round."""

    async def story():
        target = f"https://primary.example/api/data/v9.2/contoso_hotels({SPA})"
        path = f"/contoso_hotels({INN})/contoso_partners_first/$ref"
        await pair.primary.send("POST", path, json={"@odata.id": target})
        await pair.sync()
        again = await pair.sync()
        return again["contoso_hotel"], await pair.secondary.rows("contoso_partnerssset")

    again, (row,) = asyncio.run(story())

    assert (INN, SPA) == (row["contoso_hotelidone"], row["contoso_hotelidtwo"])
    assert 0 == again.pairs


def test_pairs_of_foreign_rows_are_left_alone(pair):
    """A hotel or an amenity of the department's own keeps what it has."""
    foreign_hotel, foreign_amenity = INN.replace("1", "7"), INN.replace("1", "8")

    async def story():
        await pair.secondary.put("contoso_hotels", foreign_hotel, {"contoso_code": "OWN"})
        await pair.secondary.put("contoso_amenities", foreign_amenity, {"contoso_code": "OWN"})
        await pair.sync()
        await equip(pair.secondary, foreign_hotel, THEIRS)
        await equip(pair.secondary, INN, foreign_amenity)
        await pair.sync()
        return await amenities(pair)

    assert {(foreign_hotel, THEIRS), (INN, foreign_amenity)} == asyncio.run(story())


def test_verify_and_plan_show_pairs_that_differ(pair):
    """As a change of the row: what is to go, and what is to come."""

    async def story():
        await equip(pair.primary, INN, SAUNA)
        await pair.sync()
        await strip(pair.secondary, INN, SAUNA)
        await equip(pair.secondary, INN, THEIRS)
        verdicts = await pair.verify()
        async with pair.engine() as engine:
            planned = await engine.reconcile("contoso_hotel", dry_run=True)
        repaired = await pair.sync()
        return verdicts["contoso_hotel"], planned, repaired, await pair.verify()

    verdict, planned, repaired, after = asyncio.run(story())

    (difference,) = verdict.differences
    assert (DifferenceKind.UPDATE, "INN") == (difference.kind, difference.key)
    assert {"contoso_hotel_amenity": ("POOL", "SAUNA")} == difference.changes
    assert ((difference,), 2) == (planned.differences, planned.pairs)
    assert 2 == repaired["contoso_hotel"].pairs
    assert {True} == {verdict.agrees for verdict in after.values()}


def test_pairs_of_a_row_that_waits_come_later(pair):
    """An amenity without a code is parked; once it has one, its hotels get it."""

    async def story():
        await pair.primary.put("contoso_amenities", POOL, {"contoso_code": None})
        await equip(pair.primary, INN, POOL)
        first = await pair.sync()
        await pair.primary.put("contoso_amenities", POOL, {"contoso_code": "POOL"})
        await pair.sync()
        return first, await amenities(pair)

    first, after = asyncio.run(story())

    assert (1, 0) == (first["contoso_amenity"].parked, first["contoso_hotel"].pairs)
    assert {(INN, THEIRS)} == after


def test_a_relationship_must_exist(pair):
    """The message lists those that do."""
    pair.tables_yaml = TABLES.replace("contoso_hotel_amenity", "contoso_hotel_amenities")

    with pytest.raises(SchemaMismatchError, match="it has contoso_hotel_amenity to contoso_am"):
        asyncio.run(pair.sync())
