"""Lookups that point to rows which are not there yet: chains in one table, circles of tables."""

import asyncio

import polars as pl
import pytest

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.errors import ConfigurationError, SchemaMismatchError
from dv_sync_pipeline.sync.deferral import deferred_lookups
from dv_sync_pipeline.sync.report import DifferenceKind, ParkedReason
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory import INACTIVE, row_id, table
from dv_sync_pipeline_tests.worlds.memory_pair import Pair

TABLES = """\
tables:
  - table: hotel
    key: code
    columns: [code]
    lookups: {chainid: hotel, flagshipid: room}
  - {table: room, key: [hotelid, number], columns: [number], lookups: {hotelid: hotel}}
"""
CHAIN, HOTEL, BRANCH, ROOM = (row_id(number) for number in (3, 2, 1, 9))


def lookup(name, target, **traits) -> Column:
    """A lookup column."""
    return Column(name, ColumnKind.LOOKUP, targets=(target,), **traits)


def schemas(**traits_of_flagship):
    """Hotels that form chains and have a flagship room, and rooms that belong to a hotel."""
    return [
        table(
            "hotel",
            [
                Column("code", ColumnKind.STRING, max_length=20),
                lookup("chainid", "hotel"),
                lookup("flagshipid", "room", **traits_of_flagship),
            ],
            key=["code"],
        ),
        table(
            "room",
            [Column("number", ColumnKind.STRING), lookup("hotelid", "hotel")],
            key=["hotelid", "number"],
        ),
    ]


@pytest.fixture
def pair(tmp_path) -> Pair:
    """A chain, a hotel of it and a branch of the hotel, read in the wrong order; one room."""
    pair = Pair(tmp_path, TABLES, schemas())
    pair.primary.put("hotel", CHAIN, code="CHAIN")
    pair.primary.put("hotel", HOTEL, code="HOTEL", chainid=CHAIN)
    pair.primary.put("hotel", BRANCH, code="BRANCH", chainid=HOTEL, flagshipid=ROOM)
    pair.primary.put("room", ROOM, number="101", hotelid=BRANCH)
    return pair


def sync(pair):
    """Everything in order; reports by title."""
    return asyncio.run(pair.sync())


def a_table(name, *, key=("code",), **lookups) -> TableConfiguration:
    """A table with these lookups."""
    return TableConfiguration(table=name, key=key, columns={"code": "code"}, lookups=lookups)


def test_a_chain_of_three_levels_arrives_in_one_sync(pair):
    """Whatever the order in which its rows are read and created."""
    sync(pair)

    assert {CHAIN: None, HOTEL: CHAIN, BRANCH: HOTEL} == pair.shown("hotel", "chainid")


def test_a_circle_of_two_tables_arrives_in_one_sync(pair):
    """The room needs the hotel, the hotel names the room."""
    reports = sync(pair)

    assert ROOM == pair.shown("hotel", "flagshipid")[BRANCH]
    assert 1 == reports["hotel, deferred lookups"].updated


def test_inactive_rows_that_refuse_changes_get_their_lookups_all_the_same(pair):
    """Made active for it, and inactive again: chains and circles alike."""

    def refuse(name, write):
        row = pair.secondary.rows[name].get(write.id, {})
        is_data = "statecode" not in write.values
        if row.get("statecode") == INACTIVE and is_data:
            return "0x80040230", "The row is inactive."
        return None

    sync(pair)
    pair.secondary.refuse = refuse
    for hotel in (HOTEL, BRANCH):
        pair.primary.put("hotel", hotel, statecode=INACTIVE, statuscode=2)
    sync(pair)
    pair.primary.put("hotel", BRANCH, flagshipid=None, chainid=CHAIN)
    reports = sync(pair)

    assert 0 == sum(report.parked for report in reports.values())
    assert (None, CHAIN, INACTIVE) == tuple(
        pair.shown("hotel", column)[BRANCH] for column in ("flagshipid", "chainid", "statecode")
    )


def test_rows_are_created_without_the_lookups_that_come_later(pair):
    """A row of the same call cannot be pointed to (DATAVERSE 5)."""
    sync(pair)

    created = [values for message, name, _, values in pair.secondary.writes if message == "create"]
    assert [{"code"}] * 3 + [{"number", "hotelid"}] == [set(values) for values in created]


def test_chains_follow_the_ids_of_the_secondary(pair):
    """A hotel that was adopted under another id is pointed to by that one."""
    there = row_id(77)
    pair.secondary.put("hotel", there, code="CHAIN")

    sync(pair)

    assert there == pair.shown("hotel", "chainid")[HOTEL]


def test_both_sides_agree_after_one_sync(pair):
    """Verify finds no difference, and a second sync writes nothing."""
    sync(pair)

    verdicts = asyncio.run(pair.verify())
    pair.secondary.writes.clear()
    sync(pair)

    assert [True, True] == [verdict.agrees for verdict in verdicts.values()]
    assert [] == pair.secondary.writes


def test_changed_and_cleared_lookups_follow(pair):
    """Within the table and across tables."""
    sync(pair)
    pair.primary.put("hotel", BRANCH, chainid=CHAIN, flagshipid=None)
    pair.primary.put("hotel", HOTEL, chainid=None)

    sync(pair)

    assert {CHAIN: None, HOTEL: None, BRANCH: CHAIN} == pair.shown("hotel", "chainid")
    assert None is pair.shown("hotel", "flagshipid")[BRANCH]


def test_verify_and_plan_see_lookups_that_somebody_cleared(pair):
    """Deferred or not, they are compared like every other column."""
    sync(pair)
    pair.secondary.put("hotel", BRANCH, chainid=None, flagshipid=None)

    (found,) = asyncio.run(pair.verify())["hotel"].differences
    (planned,) = asyncio.run(pair.plan())["hotel"].differences

    assert {"chainid": (None, HOTEL), "flagshipid": (None, ROOM)} == found.changes
    assert found == planned


def test_a_plan_of_a_first_sync_lists_creates_alone(pair):
    """The second pass belongs to the create of the row."""
    plans = asyncio.run(pair.plan())

    kinds = {name: {row.kind for row in plan.differences} for name, plan in plans.items()}
    assert {"hotel": {DifferenceKind.CREATE}, "room": {DifferenceKind.CREATE}} == kinds
    assert [] == pair.secondary.writes


def test_a_row_whose_parent_is_refused_waits_for_it(pair):
    """It goes without, is counted, and is completed once the parent is mended."""
    pair.primary.put("hotel", HOTEL, code="A code that is far too long")
    first = sync(pair)["hotel"]
    before = pair.shown("hotel", "chainid")
    pair.primary.put("hotel", HOTEL, code="HOTEL")

    second = sync(pair)["hotel"]

    assert (1, 1) == (first.waiting, first.parked)
    assert {CHAIN: None, BRANCH: None} == before
    assert (0, 0) == (second.waiting, second.parked)
    assert {CHAIN: None, HOTEL: CHAIN, BRANCH: HOTEL} == pair.shown("hotel", "chainid")


def test_a_deferred_lookup_to_a_missing_row_is_counted(pair):
    """The second pass tells that the hotel waits for its room."""
    pair.primary.put("room", ROOM, number=None)

    reports = sync(pair)

    assert 1 == reports["hotel, deferred lookups"].waiting
    assert None is pair.shown("hotel", "flagshipid")[BRANCH]


def test_a_deferred_lookup_that_is_refused_parks_its_row(pair):
    """With the secondary's own words."""
    no_rights = "0x80040220", "no AppendTo on room"
    pair.secondary.refuse = lambda _table, row: no_rights if "flagshipid" in row.values else None

    report = sync(pair)["hotel, deferred lookups"]

    assert ["no AppendTo on room"] == [row.message for row in report.parked_rows]


def test_a_row_that_both_passes_park_is_parked_once(pair):
    """The first reason stands."""
    sync(pair)
    pair.primary.put("hotel", BRANCH, code="A code that is far too long", flagshipid=None)
    no_rights = "0x80040220", "no AppendTo on room"
    pair.secondary.refuse = lambda _table, row: no_rights if "flagshipid" in row.values else None
    sync(pair)

    async def parked():
        async with pair.open() as engine:
            return engine.ledger.parked("hotel")

    (row,) = asyncio.run(parked())
    assert ParkedReason.VALUE_TOO_LONG is row.reason


def second_pass_alone(pair):
    """The report of the second pass over hotels, the first left out, and their links after it."""

    async def run():
        async with pair.open() as engine:
            report = await engine.set_deferred_lookups("hotel")
            return report, engine.ledger.links("hotel")

    return asyncio.run(run())


def test_the_second_pass_creates_nothing(pair):
    """A row that appeared in between is for the next reconcile."""
    sync(pair)
    pair.primary.put("hotel", row_id(4), code="NEW")
    pair.secondary.writes.clear()

    report, _ = second_pass_alone(pair)

    assert (0, 0) == (report.created, report.updated)
    assert [] == pair.secondary.writes


def test_the_second_pass_touches_no_row_that_is_not_linked(pair):
    """Even if its key would match: to adopt a row is for the reconcile."""
    sync(pair)
    pair.primary.put("hotel", row_id(4), code="NEW", flagshipid=ROOM)
    pair.secondary.put("hotel", row_id(5), code="NEW")
    pair.secondary.writes.clear()

    second_pass_alone(pair)

    assert [] == pair.secondary.writes


def test_the_second_pass_does_not_vouch_for_the_rest_of_the_row(pair):
    """Its link keeps the version of which every column was written."""
    sync(pair)
    version = pair.primary.rows["hotel"][CHAIN]["versionnumber"]
    pair.primary.put("hotel", CHAIN, flagshipid=ROOM)

    report, links = second_pass_alone(pair)

    assert 1 == report.updated
    assert [version] == links.filter(pl.col("@primary_id") == CHAIN)["@version"].to_list()


def test_a_dry_second_pass_lists_what_it_would_set(pair):
    """And writes nothing."""
    sync(pair)
    pair.primary.put("hotel", CHAIN, flagshipid=ROOM)
    pair.secondary.writes.clear()

    async def dry_run():
        async with pair.open() as engine:
            return await engine.set_deferred_lookups("hotel", dry_run=True)

    report = asyncio.run(dry_run())

    assert [{"flagshipid": (None, ROOM)}] == [row.changes for row in report.differences]
    assert [] == pair.secondary.writes


def test_a_required_lookup_cannot_wait(tmp_path):
    """Nothing is written, and the message says what can be done."""
    pair = Pair(tmp_path, TABLES, schemas(required=True))

    with pytest.raises(SchemaMismatchError, match=r"hotel.flagshipid is required.*deferred: true"):
        sync(pair)


def test_a_lookup_that_is_no_key_is_deferred():
    """The choice does not depend on the order in sync.yaml."""
    tables = [
        a_table("hotel", flagshipid="room"),
        a_table("room", key=("code", "hotelid"), hotelid="hotel"),
    ]

    assert {"hotel": {"flagshipid"}} == deferred_lookups(tables)
    assert {"hotel": {"flagshipid"}} == deferred_lookups(tables[::-1])


def test_every_lookup_of_the_chosen_step_is_deferred():
    """One of two would not break the circle."""
    tables = [a_table("hotel", bestid="room", worstid="room"), a_table("room", hotelid="hotel")]

    assert {"hotel": {"bestid", "worstid"}} == deferred_lookups(tables)


def test_a_person_can_choose_the_lookup():
    """`deferred: true` at one of them."""
    tables = [
        a_table("hotel", flagshipid="room"),
        a_table("room", hotelid={"table": "hotel", "deferred": True}),
    ]

    assert {"room": {"hotelid"}} == deferred_lookups(tables)


def test_a_circle_of_three_tables_is_found():
    """Brand, hotel and room look each other up all the way round."""
    tables = [
        a_table("brand", roomid="room"),
        a_table("hotel", key=("code", "brandid"), brandid="brand"),
        a_table("room", key=("code", "hotelid"), hotelid="hotel"),
    ]

    assert {"brand": {"roomid"}} == deferred_lookups(tables)


def test_a_circle_of_keys_is_refused_by_name():
    """There is no row to begin with."""
    tables = [
        a_table("hotel", key=("code", "roomid"), roomid="room"),
        a_table("room", key=("code", "hotelid"), hotelid="hotel"),
    ]

    with pytest.raises(ConfigurationError, match=r"(hotel → room → hotel|room → hotel → room)"):
        deferred_lookups(tables)
