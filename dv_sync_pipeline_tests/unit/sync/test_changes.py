"""The changes pass: what the feed tells is in the secondary, and nothing else is read or written.

Whether both sides agree is judged by looking at the two environments, never by the engine.
"""

import asyncio
from datetime import timedelta

import pytest

from dv_sync_pipeline.config import parse
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory import INACTIVE, row_id, table
from dv_sync_pipeline_tests.worlds.memory_amenities import OFFERS, Amenities
from dv_sync_pipeline_tests.worlds.memory_hotels import ENVIRONMENTS_YAML, TABLES_YAML, Hotels
from dv_sync_pipeline_tests.worlds.memory_pair import Pair


@pytest.fixture
def hotels(tmp_path):
    """Two hotels, a brand and a room, synchronized: changes are followed from now on."""
    world = Hotels(tmp_path)
    brand = world.brand(1)
    world.hotel(1, brandid=brand)
    world.hotel(2)
    world.room(1, 101)
    asyncio.run(world.sync())
    world.secondary.writes.clear()
    return world


def follow(hotels):
    """One round over all tables; reports by title."""
    return asyncio.run(hotels.follow())


def titles(hotels):
    """What the secondary shows: number of the hotel → its title."""
    return {
        int(id_[-3:], 16) - 200: title
        for id_, (title,) in hotels.shown("property", "title").items()
    }


def test_an_update_is_written_to_its_row_alone(hotels):
    """One row and one column; nothing else is even read."""
    hotels.hotel(1, name="Adlon")

    report = follow(hotels)["hotel, changes"]

    assert [("update", "property", row_id(201), {"title": "Adlon"})] == hotels.secondary.writes
    assert (1, 1, 0) == (report.read, report.updated, report.created)


def test_a_new_row_and_its_child_arrive_together(hotels):
    """The room's lookup is set at once: hotels go before rooms."""
    hotel = hotels.hotel(3)
    room = hotels.room(3, 301)

    follow(hotels)

    assert (hotel, "301") == hotels.shown("room", "hotelid", "number")[room]


def test_nothing_changed(hotels):
    """Not a single write, and one request for each feed."""
    before = hotels.primary.requests

    follow(hotels)

    assert [] == hotels.secondary.writes
    assert 3 == hotels.primary.requests - before


def test_a_change_of_another_column_writes_nothing(hotels):
    """The feed tells of every column, mapped or not (DATAVERSE 7.1)."""
    hotels.primary.put("hotel", row_id(201))

    report = follow(hotels)["hotel, changes"]

    assert [] == hotels.secondary.writes
    assert 1 == report.equal


def test_a_status_follows(hotels):
    """Deactivated there, inactive here."""
    hotels.hotel(1, statecode=INACTIVE, statuscode=2)

    follow(hotels)

    assert (INACTIVE, 2) == hotels.shown("property", "statecode", "statuscode")[row_id(201)]


def another_room(hotels):
    """The last row of a table would not go without a person's consent."""
    hotels.room(2, 201)
    follow(hotels)


def test_a_deleted_row_is_removed(hotels):
    """Its tombstone shows an id and nothing else; the link tells which row it was."""
    another_room(hotels)
    hotels.primary.delete("room", row_id(1201))

    follow(hotels)

    assert {row_id(1401)} == hotels.secondary.rows["room"].keys()


def test_a_deleted_parent_goes_after_its_children(hotels):
    """Rooms first, then the hotel, although the hotel's feed is read first."""
    another_room(hotels)
    hotels.primary.delete("room", row_id(1201))
    hotels.primary.delete("hotel", row_id(201))

    follow(hotels)

    assert [("room", row_id(1201)), ("property", row_id(201))] == [
        (table, id_) for message, table, id_, _ in hotels.secondary.writes if message == "delete"
    ]


def test_a_row_deleted_and_created_again_stays(hotels):
    """Both stand in the feed; its present state wins (RELIABILITY 4, 14)."""
    hotels.primary.delete("hotel", row_id(202))
    hotels.hotel(2, name="Again")

    follow(hotels)

    assert "Again" == titles(hotels)[2]


def test_a_stranger_that_was_deleted_is_ignored(hotels):
    """A row that came and went between two passes, or was never ours (RELIABILITY 4, 15)."""
    hotels.hotel(7)
    hotels.primary.delete("hotel", row_id(207))

    follow(hotels)

    assert [] == hotels.secondary.writes


def test_a_row_that_exists_by_key_is_adopted(hotels):
    """Without reading the table: the secondary is asked for the key."""
    hotels.secondary.put("property", row_id(900), code="h-3", costcentre="4711")
    hotels.hotel(3, name="Third")

    report = follow(hotels)["hotel, changes"]

    assert ("Third", "4711") == hotels.shown("property", "title", "costcentre")[row_id(900)]
    assert 1 == report.adopted


def test_a_row_under_a_key_that_is_linked_is_not_taken(hotels):
    """Two rows of the primary with one key: both wait, as after a reconcile."""
    hotels.hotel(3, code="h-1")

    follow(hotels)

    with_key = [code for (code,) in hotels.shown("property", "code").values()]
    assert ["H-1", "H-2"] == sorted(with_key)
    assert {ParkedReason.DUPLICATE_KEY} == {row.reason for row in parked(hotels, "hotel")}
    assert {row_id(201), row_id(203)} == {row.primary_id for row in parked(hotels, "hotel")}


def parked(hotels, table):
    """What waits, as the ledger knows it."""
    ledger = Ledger.open(hotels.configuration.ledger_url)
    rows = ledger.parked(table)
    ledger.close()
    return rows


def owed(hotels, table):
    """Why a reconcile is owed, as the ledger knows it."""
    ledger = Ledger.open(hotels.configuration.ledger_url)
    reason = ledger.reconcile_owed(table)
    ledger.close()
    return reason


def test_a_key_that_a_removed_row_had_is_free(hotels):
    """The hotel is gone and another one has its key: that one takes over its row."""
    hotels.primary.delete("hotel", row_id(202))
    hotels.hotel(5, code="H-2", name="Heir")

    follow(hotels)

    assert {1: "Inn", 2: "Heir"} == titles(hotels)


def test_a_refused_row_is_parked_and_the_others_arrive(hotels):
    """It waits with its reason, and is written once it is mended."""
    hotels.hotel(1, name="x" * 21)
    hotels.hotel(2, name="Fine")

    report = follow(hotels)["hotel, changes"]

    assert {1: "Inn", 2: "Fine"} == titles(hotels)
    assert [ParkedReason.VALUE_TOO_LONG] == [row.reason for row in report.parked_rows]
    hotels.hotel(1, name="Short")
    follow(hotels)
    assert "Short" == titles(hotels)[1]
    assert [] == parked(hotels, "hotel")


def test_a_room_waits_for_its_hotel_and_arrives_with_it(hotels):
    """The hotel is refused at first; when it is mended, nobody needs to ask for the room."""
    hotels.hotel(3, name="x" * 21)
    room = hotels.room(3, 301)
    follow(hotels)
    assert [ParkedReason.MISSING_PARENT] == [row.reason for row in parked(hotels, "room")]

    hotels.hotel(3, name="Mended")
    follow(hotels)

    assert (row_id(203),) == hotels.shown("room", "hotelid")[room]
    assert [] == parked(hotels, "room")


def test_an_optional_lookup_is_set_when_its_parent_arrives(hotels):
    """The hotel went without its brand, which was refused; it gets it as soon as it is there."""
    refused = ("0x80040265", "not today")
    hotels.secondary.refuse = lambda table, _write: refused if table == "brand" else None
    brand = hotels.brand(2)
    hotels.hotel(2, brandid=brand)
    follow(hotels)
    assert (None,) == hotels.shown("property", "brandid")[row_id(202)]

    hotels.secondary.refuse = lambda _table, _write: None
    hotels.brand(2, name="Now")
    follow(hotels)

    assert (brand,) == hotels.shown("property", "brandid")[row_id(202)]


def test_a_parent_missed_by_a_reconcile_settles_its_children_too(tmp_path):
    """Rows that the first load had to park wait for the feed as well."""
    hotels = Hotels(tmp_path)
    hotels.hotel(1, name="x" * 21)
    room = hotels.room(1, 101)
    asyncio.run(hotels.sync())
    assert room not in hotels.secondary.rows["room"]

    hotels.hotel(1, name="Mended")
    follow(hotels)

    assert room in hotels.secondary.rows["room"]


def test_without_a_token_a_reconcile_is_owed(tmp_path):
    """Before the first load there is nothing to go on from; nothing is written."""
    hotels = Hotels(tmp_path)
    hotels.hotel(1)

    report = follow(hotels)["hotel, changes"]

    assert {} == hotels.secondary.rows["property"]
    assert "it was never reconciled" == report.reconcile_owed


def test_an_expired_token_owes_a_reconcile_that_finds_the_deletes(hotels):
    """The feed cannot tell any more what was deleted; comparing everything does."""
    hotels.primary.delete("hotel", row_id(202))
    hotels.primary.forgets_tokens_before = 1_000_000

    report = follow(hotels)["hotel, changes"]

    assert "expired" in report.reconcile_owed
    assert {1: "Inn", 2: "Inn"} == titles(hotels)
    hotels.primary.forgets_tokens_before = 0
    asyncio.run(hotels.sync())
    assert {1: "Inn"} == titles(hotels)
    assert "" == owed(hotels, "hotel")


def test_after_the_reconcile_changes_go_on(hotels):
    """A lost token is replaced by the reconcile's."""
    hotels.primary.forgets_tokens_before = 1_000_000
    follow(hotels)
    hotels.primary.forgets_tokens_before = 0
    asyncio.run(hotels.sync())

    hotels.hotel(1, name="Followed")
    follow(hotels)

    assert "Followed" == titles(hotels)[1]


def test_a_changed_mapping_owes_a_reconcile(hotels):
    """The token was begun for other columns."""
    hotels.hotel(1, name="Not yet")
    text = ENVIRONMENTS_YAML + TABLES_YAML.replace(", rate: rate", "")
    hotels.configuration = parse(text, {"SECRET": "s"}, file=hotels.state / "sync.yaml")

    report = follow(hotels)["hotel, changes"]

    assert "the mapping changed since its delta token was taken" == report.reconcile_owed
    assert "Inn" == titles(hotels)[1]


def test_what_changes_during_a_reconcile_is_followed_afterwards(hotels, monkeypatch):
    """The token is taken before the primary is read: nothing falls between."""
    read_pages = hotels.primary.read_pages

    async def changed_while_read(schema, columns, **options):
        async for page in read_pages(schema, columns, **options):
            yield page
            if schema.name == "hotel":
                hotels.hotel(1, name="Meanwhile")

    monkeypatch.setattr(hotels.primary, "read_pages", changed_while_read)
    asyncio.run(hotels.sync())
    monkeypatch.undo()
    assert "Inn" == titles(hotels)[1]

    follow(hotels)

    assert "Meanwhile" == titles(hotels)[1]


def test_named_rows_are_made_equal(hotels):
    """Whatever happened to them on either side; no other row is read."""
    hotels.secondary.put("property", row_id(201), title="Edited here")
    hotels.primary.delete("hotel", row_id(202))

    async def ask():
        async with hotels.open() as engine:
            return await engine.apply_changes(
                [], row_ids={"hotel": [row_id(201).upper(), row_id(202)]}
            )

    reports = asyncio.run(ask())

    assert {1: "Inn"} == titles(hotels)
    assert ["rows", "removals"] == [report.mode for report in reports]


def test_a_dry_run_shows_and_writes_nothing(hotels):
    """Neither to the secondary nor to the ledger: the next pass finds the same."""
    hotels.hotel(1, name="Shown")

    async def ask():
        async with hotels.open() as engine:
            return await engine.changes("hotel", dry_run=True)

    report = asyncio.run(ask())

    assert [{"title": ("Inn", "Shown")}] == [row.changes for row in report.differences]
    assert [] == hotels.secondary.writes
    assert 1 == follow(hotels)["hotel, changes"].updated


def test_auto_reconciles_what_is_owed_and_follows_the_rest(hotels):
    """The pass that is needed, chosen by the engine."""

    async def ask():
        async with hotels.open() as engine:
            first = await engine.auto("hotel")
            hotels.primary.forgets_tokens_before = 1_000_000
            return first.mode, (await engine.auto("hotel")).mode

    assert ("changes", "reconcile") == asyncio.run(ask())


def test_pairs_of_named_rows_are_made_and_undone(tmp_path):
    """A webhook tells of a pair; those of other rows are not looked at."""
    world = Amenities(tmp_path)
    hotels = [world.hotel(number) for number in (1, 2)]
    amenities = [world.amenity(number) for number in (1, 2)]
    for hotel in hotels:
        world.primary.relate(OFFERS, hotel, amenities[0])
    asyncio.run(world.sync())
    for hotel in hotels:
        world.primary.separate(OFFERS, hotel, amenities[0])
        world.primary.relate(OFFERS, hotel, amenities[1])

    async def ask():
        async with world.open() as engine:
            return await engine.rows("hotel", [hotels[0]])

    report = asyncio.run(ask())

    assert {(hotels[0], amenities[1]), (hotels[1], amenities[0])} == world.offered()
    assert 2 == report.pairs


def test_the_last_pair_of_a_row_is_undone(tmp_path):
    """That the primary shows no pair of this row says nothing of all the others."""
    world = Amenities(tmp_path)
    hotel, amenity = world.hotel(1), world.amenity(1)
    world.primary.relate(OFFERS, hotel, amenity)
    asyncio.run(world.sync())
    world.primary.separate(OFFERS, hotel, amenity)

    async def ask():
        async with world.open() as engine:
            await engine.rows("hotel", [hotel])

    asyncio.run(ask())

    assert set() == world.offered()


def hotels_that_may_lose(tmp_path, max_removals):
    """Six hotels on both sides, of which so many may go within an hour."""
    setting = f"    key: code\n    max_removals: {max_removals}\n"
    world = Hotels(tmp_path, tables_yaml=TABLES_YAML.replace("    key: code\n", setting, 1))
    for number in range(1, 7):
        world.hotel(number)
    asyncio.run(world.sync())
    return world


def test_removals_in_small_portions_count_together(tmp_path):
    """A mass delete that comes one row at a time waits for a person as well."""
    hotels = hotels_that_may_lose(tmp_path, 2)
    for number in (1, 2, 3):
        hotels.primary.delete("hotel", row_id(200 + number))
        report = follow(hotels)["hotel, removals"]

    assert {3, 4, 5, 6} == titles(hotels).keys()
    assert 1 == report.held
    assert "1 of 4 rows would go after 2 within an hour, 2 are allowed" == report.held_because


def test_removals_of_another_hour_do_not_count(tmp_path):
    """The limit is one for each hour."""
    hotels = hotels_that_may_lose(tmp_path, 2)
    for number in (1, 2, 3):
        hotels.primary.delete("hotel", row_id(200 + number))
        follow(hotels)
        hotels.clock.now += timedelta(minutes=61)

    assert {4, 5, 6} == titles(hotels).keys()


CHAIN_YAML = """\
tables:
  - {table: place, key: code, columns: [code], lookups: {parentid: place}}
"""
CIRCLE_YAML = """\
tables:
  - {table: hotel, key: code, columns: [code], lookups: {bestid: {table: room, deferred: true}}}
  - {table: room, key: code, columns: [code], lookups: {hotelid: hotel}}
"""


def a_table(name, **lookups):
    """A table with a code and lookups: column → table."""
    pointing = [Column(column, ColumnKind.LOOKUP, targets=(to,)) for column, to in lookups.items()]
    return table(name, [Column("code", ColumnKind.STRING), *pointing], key=["code"])


def follow_pair(world):
    """One round over all tables of a pair."""

    async def ask():
        async with world.open() as engine:
            await engine.apply_changes(engine.tables_in_order)

    asyncio.run(ask())


def test_rows_of_one_table_that_look_each_other_up_arrive_at_once(tmp_path):
    """A child before its parent in the feed; and a row is moved below another."""
    world = Pair(tmp_path, CHAIN_YAML, [a_table("place", parentid="place")])
    world.primary.put("place", row_id(1), code="ROOT")
    asyncio.run(world.sync())
    world.primary.put("place", row_id(3), code="CHILD", parentid=row_id(2))
    world.primary.put("place", row_id(2), code="PARENT", parentid=row_id(1))

    follow_pair(world)

    shown = world.shown("place", "parentid")
    assert {row_id(1): None, row_id(2): row_id(1), row_id(3): row_id(2)} == shown


def test_a_lookup_that_closes_a_circle_is_set_in_the_same_round(tmp_path):
    """A new hotel and its best room point to each other."""
    tables = [a_table("hotel", bestid="room"), a_table("room", hotelid="hotel")]
    world = Pair(tmp_path, CIRCLE_YAML, tables)
    asyncio.run(world.sync())
    world.primary.put("hotel", row_id(1), code="H", bestid=row_id(2))
    world.primary.put("room", row_id(2), code="R", hotelid=row_id(1))

    follow_pair(world)

    assert {row_id(1): row_id(2)} == world.shown("hotel", "bestid")
    assert {row_id(2): row_id(1)} == world.shown("room", "hotelid")


def test_a_deferred_lookup_left_empty_is_set_when_its_parent_arrives(tmp_path):
    """The second pass of a first load had to leave it out."""
    tables = [a_table("hotel", bestid="room"), a_table("room", hotelid="hotel")]
    world = Pair(tmp_path, CIRCLE_YAML, tables)
    world.primary.put("hotel", row_id(1), code="H", bestid=row_id(2))
    world.primary.put("room", row_id(2), code="R", hotelid=row_id(1))
    refused = ("0x80040265", "not today")
    world.secondary.refuse = lambda name, _write: refused if name == "room" else None
    asyncio.run(world.sync())
    assert {row_id(1): None} == world.shown("hotel", "bestid")

    world.secondary.refuse = lambda _name, _write: None
    world.primary.put("room", row_id(2), code="R2")
    follow_pair(world)

    assert {row_id(1): row_id(2)} == world.shown("hotel", "bestid")
