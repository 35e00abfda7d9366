"""Planning, verifying, the right environments, and turns."""

import asyncio
from datetime import timedelta

import pytest

from dv_sync_pipeline.errors import (
    ConfigurationError,
    RequestFailedError,
    TableError,
    WrongEnvironmentError,
)
from dv_sync_pipeline.sync import turns
from dv_sync_pipeline.sync.report import DifferenceKind, ParkedReason, RowDifference
from dv_sync_pipeline_tests.worlds.memory import INACTIVE, row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels

NEXT, DEAD, OTHER = 1, 2, 3


@pytest.fixture
def hotels(tmp_path) -> Hotels:
    """Empty tables on both sides."""
    return Hotels(tmp_path)


def plan(hotels, *tables):
    """The planned reports by table; all tables unless some are named."""

    async def run():
        async with hotels.open() as engine:
            names = tables or engine.tables_in_order
            return {name: await engine.reconcile(name, dry_run=True) for name in names}

    return asyncio.run(run())


def test_a_plan_before_the_first_run_assumes_that_parents_go_first(hotels):
    """Rooms are planned as creates, though no hotel has a link yet."""
    hotels.hotel(1)
    room = hotels.room(1, 7)

    report = plan(hotels, "room")["room"]

    assert (RowDifference(DifferenceKind.CREATE, "H-1, 7", room, ""),) == report.differences
    assert (1, 0) == (report.created, report.parked)


def test_a_plan_writes_nothing_anywhere(hotels):
    """Neither rows nor links, nor which environments these are."""
    hotels.hotel(1)
    hotels.secondary.put("property", row_id(900), code="H-1")

    reports = plan(hotels)

    assert [] == hotels.secondary.writes
    assert [True] * 3 == [report.dry_run for report in reports.values()]
    assert [None] * 3 == [report.verified_through for report in reports.values()]

    async def ledger_is_empty():
        async with hotels.open() as engine:
            assert engine.ledger.links("hotel").is_empty()
            engine.ledger.check_environments({"primary": "x", "secondary": "y"})

    asyncio.run(ledger_is_empty())


def test_a_plan_shows_each_value_now_and_then(hotels):
    """Under the secondary's column names, status included."""
    hotel = hotels.hotel(1)
    asyncio.run(hotels.sync())
    hotels.hotel(1, name="Grand", statecode=INACTIVE, statuscode=2)

    report = plan(hotels, "hotel")["hotel"]

    changes = {"title": ("Inn", "Grand"), "statecode": (0, 1), "statuscode": (1, 2)}
    assert (
        RowDifference(DifferenceKind.UPDATE, "H-1", hotel, hotel, changes),
    ) == report.differences


def test_verify_agrees_after_a_run(hotels):
    """Every row is equal on both sides."""
    hotels.hotel(1)
    hotels.room(1, 1)
    asyncio.run(hotels.sync())

    verdicts = asyncio.run(hotels.verify())

    assert [True] * 3 == [verdict.agrees for verdict in verdicts.values()]
    assert (1, 1) == (verdicts["room"].compared, verdicts["room"].equal)


def test_verify_finds_each_kind_of_difference(hotels):
    """Missing, changed, of another status, and gone; foreign rows are counted."""
    for number in range(1, 5):
        hotels.hotel(number)
    asyncio.run(hotels.sync())
    hotels.secondary.delete("property", row_id(201))
    hotels.secondary.put("property", row_id(202), title="Edited")
    hotels.secondary.put("property", row_id(203), statuscode=100)
    hotels.primary.delete("hotel", row_id(204))
    hotels.secondary.put("property", row_id(900), code="FOREIGN")
    hotels.secondary.writes.clear()

    verdict = asyncio.run(hotels.verify())["hotel"]

    assert [
        (DifferenceKind.CREATE, "H-1", {}),
        (DifferenceKind.UPDATE, "H-2", {"title": ("Edited", "Inn")}),
        (DifferenceKind.STATUS, "H-3", {"statuscode": (100, 1)}),
        (DifferenceKind.REMOVE, "H-4", {}),
    ] == [(row.kind, row.key, dict(row.changes)) for row in verdict.differences]
    assert (3, 0, 1, 0) == (verdict.compared, verdict.equal, verdict.foreign, verdict.parked)
    assert [] == hotels.secondary.writes


def test_verify_explains_differences_by_parked_rows(hotels):
    """Rows that were refused, and rows that could not even be compared."""
    hotels.hotel(1, name="x" * 21)
    hotels.hotel(2, code=None)
    asyncio.run(hotels.sync())
    hotels.hotel(3)

    verdict = asyncio.run(hotels.verify())["hotel"]

    assert (3, 2) == (len(verdict.differences), verdict.parked)


def test_verify_knows_before_any_run_which_rows_would_be_parked(hotels):
    """A row without key cannot be compared, and that explains it."""
    hotels.hotel(1, code=None)

    verdict = asyncio.run(hotels.verify())["hotel"]

    assert (1, 1) == (len(verdict.differences), verdict.parked)


def test_children_of_a_linked_parent_agree_although_it_is_parked(hotels):
    """Two hotels that collide since yesterday keep their links, and their rooms stay right."""
    hotels.hotel(1)
    hotels.hotel(2)
    hotels.room(1, 1)
    asyncio.run(hotels.sync())
    hotels.hotel(2, code="h-1")

    verdicts = asyncio.run(hotels.verify())

    assert (2, 2) == (len(verdicts["hotel"].differences), verdicts["hotel"].parked)
    assert verdicts["room"].agrees


def test_both_environments_must_not_be_the_same(hotels):
    """Nothing is written to an organisation that is its own primary."""
    hotels.secondary.organization_id = hotels.primary.organization_id.upper()

    with pytest.raises(WrongEnvironmentError, match="same organisation"):
        asyncio.run(hotels.sync())


def test_environments_cannot_be_swapped(hotels):
    """The ledger knows which one is the secondary."""
    hotels.hotel(1)
    asyncio.run(hotels.sync())
    one, other = hotels.primary, hotels.secondary
    one.organization_id, other.organization_id = other.organization_id, one.organization_id
    hotels.secondary.writes.clear()

    with pytest.raises(WrongEnvironmentError, match="swapped"):
        asyncio.run(hotels.sync())

    assert [] == hotels.secondary.writes


def test_a_circle_of_keys_is_refused_before_anything_is_opened(tmp_path):
    """Not even a ledger is left behind."""
    hotels = Hotels(
        tmp_path,
        tables_yaml="tables:\n"
        "  - {table: brand, key: roomid, columns: [code], lookups: {roomid: room}}\n"
        "  - {table: room, key: brandid, columns: [number], lookups: {brandid: brand}}\n",
    )

    with pytest.raises(ConfigurationError, match="no lookup can wait"):
        asyncio.run(hotels.sync())

    assert [] == list(tmp_path.iterdir())


def test_rows_can_be_matched_by_id(tmp_path):
    """`key: id` adopts the row with the same GUID and needs no key."""
    hotels = Hotels(
        tmp_path, tables_yaml="tables: [{table: brand, key: id, columns: [code, name]}]"
    )
    brand = hotels.brand(1)
    new = hotels.brand(2, code=None)
    hotels.secondary.put("brand", brand, code="OTHER", name="Old")

    report = asyncio.run(hotels.sync())["brand"]

    assert {brand: ("B1", "Inn"), new: (None, "Inn")} == hotels.shown("brand", "code", "name")
    assert (1, 1, 1) == (report.adopted, report.created, report.updated)


def test_a_run_forgets_what_a_plan_assumed(hotels):
    """What an earlier verify found out about parents is not used after a run."""
    hotels.hotel(1)

    async def run():
        async with hotels.open() as engine:
            await engine.verify("hotel")
            hotels.hotel(2)
            hotels.room(2, 1)
            for table in engine.tables_in_order:
                await engine.reconcile(table)
            return await engine.verify("room")

    assert asyncio.run(run()).agrees


def test_a_run_gives_its_turn_back(hotels):
    """Also when it fails: the next one need not wait."""
    hotels.hotel(1)
    hotels.secondary.drop = lambda _message, _write: True

    async def run():
        async with hotels.open() as engine:
            await engine.reconcile("brand")
            with pytest.raises(RequestFailedError):
                await engine.reconcile("hotel")
            now, lasts = hotels.clock(), timedelta(seconds=1)
            return engine.ledger.take_lease("hotel", NEXT, now=now, lasts=lasts)

    assert asyncio.run(run())


def test_a_waiting_run_goes_on_when_the_lease_of_a_dead_one_ends(hotels, monkeypatch):
    """Two runs on one table take turns; a killed one does not block the table for ever."""
    monkeypatch.setattr(turns, "POLL_SECONDS", 0)
    hotels.hotel(1)

    async def run():
        async with hotels.open() as engine:
            engine.ledger.take_lease("hotel", DEAD, now=hotels.clock(), lasts=timedelta(seconds=20))
            began = hotels.clock()
            await engine.reconcile("brand")
            await engine.reconcile("hotel")
            return (hotels.clock() - began).total_seconds()

    assert asyncio.run(run()) > 20
    assert {row_id(201)} == hotels.secondary.rows["property"].keys()


def test_a_run_that_waits_for_too_long_writes_nothing(hotels, monkeypatch):
    """Another run has the turn and does not give it back."""
    monkeypatch.setattr(turns, "POLL_SECONDS", 0)
    monkeypatch.setattr(turns, "WAIT_SECONDS_MAX", 20)
    hotels.hotel(1)

    async def run():
        async with hotels.open() as engine:
            await engine.reconcile("brand")
            engine.ledger.take_lease("hotel", OTHER, now=hotels.clock(), lasts=timedelta(hours=1))
            await engine.reconcile("hotel")

    with pytest.raises(TableError, match="other runs have been writing hotel for too long"):
        asyncio.run(run())

    assert [] == hotels.secondary.writes


def test_parked_reasons_are_shown_in_a_plan(hotels):
    """A plan lists the rows that cannot go, and does not store them."""
    hotels.hotel(1, code=None)

    report = plan(hotels, "hotel")["hotel"]

    assert [ParkedReason.MISSING_KEY] == [row.reason for row in report.parked_rows]
    assert (1, 0) == (report.parked, report.created)
