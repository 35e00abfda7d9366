"""A dry run through Dagster, as a person says it in the launchpad: nothing is written anywhere."""

import asyncio
import sqlite3
from contextlib import ExitStack

import dagster as dg
import pytest

from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.emulator.definitions.metadata_writes import create_many_to_many
from dv_sync_pipeline.emulator.tables import columns, define
from dv_sync_pipeline.emulator.tables.schema import ManyToManyDefinition
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair

TABLES = """\
tables:
  - table: contoso_hotel
    key: contoso_code
    columns: [contoso_code, contoso_name]
    lookups: {contoso_flagshipid: contoso_room}
    associations: [{relationship: contoso_hotel_amenity, table: contoso_amenity}]
  - table: contoso_room
    key: [contoso_hotelid, contoso_number]
    columns: [contoso_number]
    lookups: {contoso_hotelid: contoso_hotel}
    deletes: deactivate
  - {table: contoso_amenity, key: contoso_code, columns: [contoso_code]}
"""
INN, SPA, LODGE, ROOM, SUITE, POOL, SAUNA = (
    f"00000000-0000-4000-8000-00000000000{number}" for number in range(1, 8)
)
DRY, NOT_DRY = ({"config": {"dry_run": dry_run}} for dry_run in (True, False))
OPS = (
    "secondary__contoso_amenity",
    "secondary__contoso_hotel",
    "secondary__contoso_room",
    "deferred_lookups__contoso_hotel",
    "removals__contoso_amenity",
    "removals__contoso_hotel",
    "removals__contoso_room",
)


def define_tables(store, _name):
    """Hotels that name their best room, rooms that name their hotel, and amenities of hotels."""
    code_key = columns.key("contoso_code_key", "contoso_code")
    for table, entity_set in (("Hotel", "contoso_hotels"), ("Amenity", "contoso_amenities")):
        store.create_table(
            define.table(
                f"contoso_{table}",
                entity_set=entity_set,
                columns=(columns.string("contoso_Code"),),
                keys=(code_key,),
            )
        )
    store.create_table(
        define.table(
            "contoso_Room",
            entity_set="contoso_rooms",
            columns=(
                columns.string("contoso_Number"),
                columns.lookup("contoso_HotelId", to="contoso_hotel"),
            ),
            keys=(columns.key("contoso_number_key", "contoso_hotelid", "contoso_number"),),
        )
    )
    store.add_column("contoso_hotel", columns.lookup("contoso_FlagshipId", to="contoso_room"))
    create_many_to_many(
        store,
        ManyToManyDefinition(
            schema_name="contoso_hotel_amenity",
            intersect="contoso_hotel_amenitys",
            first="contoso_hotel",
            second="contoso_amenity",
            first_property="contoso_hotel_amenity_first",
            second_property="contoso_hotel_amenity_second",
            first_column="contoso_hotelid",
            second_column="contoso_amenityid",
        ),
    )


async def equip(side, hotel, amenity):
    """A person gives a hotel an amenity."""
    target = f"https://{side.name}.example/api/data/v9.2/contoso_amenities({amenity})"
    path = f"/contoso_hotels({hotel})/contoso_hotel_amenity_first/$ref"
    await side.send("POST", path, json={"@odata.id": target})


async def fill(side):
    """Two hotels with a room each, and two amenities."""
    for row_id, code in ((INN, "INN"), (SPA, "SPA")):
        await side.put("contoso_hotels", row_id, {"contoso_code": code})
    for row_id, hotel in ((ROOM, INN), (SUITE, SPA)):
        bind = {"contoso_HotelId@odata.bind": f"/contoso_hotels({hotel})"}
        await side.put("contoso_rooms", row_id, {"contoso_number": "1", **bind})
    for row_id, code in ((POOL, "POOL"), (SAUNA, "SAUNA")):
        await side.put("contoso_amenities", row_id, {"contoso_code": code})
    await equip(side, INN, POOL)


async def remove_some(side):
    """A room, a hotel and an amenity go."""
    await side.send("DELETE", f"/contoso_rooms({SUITE})")
    await side.send("DELETE", f"/contoso_hotels({SPA})")
    await side.send("DELETE", f"/contoso_amenities({SAUNA})")


async def change_the_rest(side):
    """Something of every kind is left to be done: create, update, lookup, pair, removal."""
    await side.put("contoso_hotels", LODGE, {"contoso_code": "LODGE"})
    bind = {"contoso_FlagshipId@odata.bind": f"/contoso_rooms({ROOM})"}
    await side.put("contoso_hotels", INN, {"contoso_name": "The Inn", **bind})
    await equip(side, LODGE, POOL)


class World:
    """The pair, and Dagster before it."""

    def __init__(self, pair, instance):
        self.pair = pair
        self._instance = instance
        self._definitions = build_definitions(
            configuration=pair.configuration, open_engine=lambda _configuration: pair.engine()
        )

    def materialize_all(self, ops):
        """What the button does, with the text of the launchpad."""
        job = self._definitions.resolve_implicit_global_asset_job_def()
        return self._run(job, run_config={"ops": ops})

    def run_job(self, name, **arguments):
        """As it stands, or with what was typed."""
        return self._run(self._definitions.resolve_job_def(name), **arguments)

    def _run(self, job, **arguments):
        return job.execute_in_process(instance=self._instance, raise_on_error=False, **arguments)

    def log_of(self, result):
        """Our lines of the run's log."""
        entries = self._instance.all_logs(result.run_id)
        return [entry.user_message for entry in entries if not entry.is_dagster_event]

    def secondary(self):
        """Every byte of its database, and every request but those that read."""
        with sqlite3.connect(self.pair.folder / "secondary.db") as database:
            dump = list(database.iterdump())
        return dump, [each for each in self.pair.secondary.asked if not each.startswith("GET ")]


@pytest.fixture
def world(tmp_path):
    """Synchronized once; then rows have gone, of which the ledger knows, and more has changed."""
    with ExitStack() as stack:
        instance = stack.enter_context(dg.DagsterInstance.ephemeral())
        pair = EmulatedPair.open(tmp_path, stack, tables_yaml=TABLES, define=define_tables)
        asyncio.run(fill(pair.primary))
        asyncio.run(pair.sync())
        asyncio.run(remove_some(pair.primary))
        asyncio.run(pair.sync())
        asyncio.run(change_the_rest(pair.primary))
        yield World(pair, instance)


@pytest.mark.parametrize(
    "ops",
    [
        pytest.param(dict.fromkeys(OPS, DRY), id="every step says so"),
        pytest.param({"removals__contoso_hotel": DRY}, id="one removal says so"),
        pytest.param(
            {
                "secondary__contoso_hotel": {"config": {"mode": "reconcile", "dry_run": True}},
                "secondary__contoso_room": {"config": {"mode": "changes", "dry_run": False}},
            },
            id="the steps contradict each other",
        ),
    ],
)
def test_a_dry_run_leaves_the_secondary_as_it_is(world, ops):
    """Removals, deferred lookups and pairs included, however it is said; a real run changes it."""
    before = world.secondary()
    result = world.materialize_all(ops)
    after = world.secondary()
    world.materialize_all({})

    assert result.success
    assert before == after
    assert after != world.secondary()


def test_the_job_of_plans_writes_nothing_whatever_is_typed(world):
    """It is dry as a whole, not step by step."""
    before = world.secondary()
    result = world.run_job("plan_all", run_config={"ops": dict.fromkeys(OPS, NOT_DRY)})

    assert result.success
    assert before == world.secondary()


def test_the_log_of_a_dry_run_tells_what_would_be_done(world):
    """Of each table and each removal; and whoever reads it knows that nothing was done."""
    lines = world.log_of(world.run_job("plan_all"))
    beginnings, ends = lines[::2], " ".join(lines[1::2])

    assert len(OPS) == len(beginnings)
    assert all("writes nothing, because this run is a dry run" in line for line in beginnings)
    assert "1 would be created, 1 would be updated" in ends
    assert "Associations would be made or undone: 1." in ends
    assert "contoso_room: 1 of 1 row would be removed" in ends
    assert "the same without dry_run" in ends
