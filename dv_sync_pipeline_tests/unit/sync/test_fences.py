"""Foreign rows and unmapped columns, hashed before and after every kind of run (RELIABILITY, O4).

A new kind of run is one more function in `KINDS`.
"""

import asyncio
from collections.abc import Mapping

import pytest

from dv_sync_pipeline.errors import RequestFailedError
from dv_sync_pipeline_tests.worlds import fences
from dv_sync_pipeline_tests.worlds.memory import INACTIVE, Boundary, Killed, row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import TABLES_YAML, Hotels

AFTER_THE_LEASE_SECONDS = 60
STEPS_MAX = 200
STEPS_APART = 7
"""Kills at every boundary are tested elsewhere; here each seventh is looked at."""

MAPPED = {
    "property": {"title", "code", "stars", "rate", "brandid", "statecode", "statuscode"},
    "brand": {"name", "code", "statecode", "statuscode"},
    "room": {"number", "floor", "hotelid", "statecode", "statuscode"},
}
FOREIGN = {"property": row_id(900), "brand": row_id(901), "room": row_id(902)}


def a_busy_department(state) -> Hotels:
    """Every table has linked rows that the department enriched, and a row of its own.

    Something of everything is left to do: to create, change, park, exchange and remove.
    """
    yaml = TABLES_YAML.replace("brandid: brand", "brandid: {table: brand, deferred: true}")
    hotels = Hotels(state, tables_yaml=yaml)
    for number in range(1, 7):
        hotels.brand(number)
        hotels.hotel(number, brandid=row_id(100 + number))
        hotels.room(number, 1)
    asyncio.run(hotels.sync())
    for number in range(1, 7):
        hotels.secondary.put("property", row_id(200 + number), costcentre=f"CC-{number}")
    hotels.secondary.put("property", FOREIGN["property"], code="OWN", costcentre="CC-9")
    hotels.secondary.put("brand", FOREIGN["brand"], code="OWN")
    hotels.secondary.put("room", FOREIGN["room"], number="1", hotelid=FOREIGN["property"])
    hotels.hotel(1, code="H-2")
    hotels.hotel(2, code="H-1", statecode=INACTIVE, statuscode=2)
    hotels.hotel(3, name="x" * 21)
    hotels.hotel(7)
    hotels.hotel(8)
    hotels.room(8, 1)
    hotels.primary.delete("room", row_id(1601))
    hotels.primary.delete("hotel", row_id(206))
    return hotels


def fenced(hotels: Hotels) -> dict[str, Mapping[str, str]]:
    """Hash of everything that may not change, by table and kind of fence."""
    found: dict[str, Mapping[str, str]] = {}
    for name, foreign in FOREIGN.items():
        rows = [{"id": id_, **row} for id_, row in hotels.secondary.rows[name].items()]
        linked = {row["id"] for row in rows} - {foreign}
        found[f"foreign rows of {name}"] = fences.foreign_rows(rows, id_column="id", linked=linked)
        found[f"unmapped columns of {name}"] = fences.unmapped_columns(
            rows, id_column="id", linked=linked, mapped=MAPPED[name]
        )
    return found


def nothing_else_changed(before, after) -> bool:
    """Rows may have come or gone that are ours; every hash of before that is left is the same."""
    gone = {row_id(206), row_id(1601)}
    return all(
        after[name].get(id_) == digest
        for name, digests in before.items()
        for id_, digest in digests.items()
        if not (id_ in gone and id_ not in after[name])
    )


async def plan(hotels: Hotels) -> None:
    """A dry run of every table."""
    async with hotels.open() as engine:
        for name in engine.tables_in_order:
            await engine.reconcile(name, dry_run=True)


async def verify(hotels: Hotels) -> None:
    """Compare, and write nothing."""
    await hotels.verify()


async def reconcile(hotels: Hotels) -> None:
    """Create, change, park, exchange keys; remove nothing."""
    async with hotels.open() as engine:
        for name in engine.tables_in_order:
            await engine.reconcile(name)


async def second_pass(hotels: Hotels) -> None:
    """The lookups that close a circle, after a reconcile."""
    await reconcile(hotels)
    async with hotels.open() as engine:
        for name in engine.tables_with_deferred_lookups:
            await engine.set_deferred_lookups(name)


async def removal(hotels: Hotels) -> None:
    """Everything, twice: what was parked is tried again."""
    await hotels.sync()
    await hotels.sync()


async def held_removals(hotels: Hotels) -> None:
    """The primary reads empty."""
    for rows in hotels.primary.rows.values():
        rows.clear()
    await hotels.sync()


async def refused_rows(hotels: Hotels) -> None:
    """The secondary refuses everything."""
    hotels.secondary.refuse = lambda _table, _write: ("0x80040265", "Not today.")
    await hotels.sync()


async def lost_answers(hotels: Hotels) -> None:
    """Each first answer to a row is lost, as in a storm of throttling and broken connections."""
    seen: set[tuple[str, str]] = set()

    def lose(message, write) -> bool:
        is_first = (message, write.id) not in seen
        seen.add((message, write.id))
        return is_first

    hotels.secondary.lose = lose
    await hotels.sync()


async def broken_connection(hotels: Hotels) -> None:
    """No write arrives, so the pass fails."""
    hotels.secondary.drop = lambda _message, _write: True
    with pytest.raises(RequestFailedError):
        await hotels.sync()


async def interruption(hotels: Hotels) -> None:
    """A person presses Ctrl-C while rows are written."""
    hotels.secondary.refuse = lambda _table, write: interrupt() if write.id == row_id(208) else None
    with pytest.raises(asyncio.CancelledError):
        await hotels.sync()


def interrupt() -> None:
    """What a task sees of Ctrl-C."""
    raise asyncio.CancelledError


async def crashes(hotels: Hotels) -> None:
    """Killed again and again, a little later each time."""
    for step in range(1, STEPS_MAX, STEPS_APART):
        before = fenced(hotels)
        try:
            await hotels.sync(Boundary(dies_at=step))
        except Killed:
            assert nothing_else_changed(before, fenced(hotels))
        for _ in range(AFTER_THE_LEASE_SECONDS):
            hotels.clock()


async def changes(hotels: Hotels) -> None:
    """The feed alone, with its removals and what was parked before."""
    await hotels.follow()
    await hotels.follow()


async def changes_killed(hotels: Hotels) -> None:
    """The feed, killed again and again."""
    for step in range(1, STEPS_MAX, STEPS_APART):
        before = fenced(hotels)
        try:
            await hotels.follow(Boundary(dies_at=step))
        except Killed:
            assert nothing_else_changed(before, fenced(hotels))
        for _ in range(AFTER_THE_LEASE_SECONDS):
            hotels.clock()


async def named_rows(hotels: Hotels) -> None:
    """Rows that a webhook names: ours, the department's own, one that is gone and one of nobody."""
    ids = [row_id(number) for number in (201, 202, 206, 208, 900, 999)]
    async with hotels.open() as engine:
        await engine.apply_changes((), row_ids={"hotel": ids, "room": [FOREIGN["room"]]})


KINDS = {
    kind.__name__: kind
    for kind in (
        plan,
        verify,
        reconcile,
        second_pass,
        removal,
        held_removals,
        refused_rows,
        lost_answers,
        broken_connection,
        interruption,
        crashes,
        changes,
        changes_killed,
        named_rows,
    )
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_fences_stand(tmp_path, kind):
    """Not even the version of a foreign row moves; unmapped columns of our rows stay."""
    hotels = a_busy_department(tmp_path)
    before = fenced(hotels)

    asyncio.run(KINDS[kind](hotels))

    assert nothing_else_changed(before, fenced(hotels))


def test_the_fences_would_fall(tmp_path):
    """There is something behind each of them, and a touch is seen."""
    hotels = a_busy_department(tmp_path)
    before = fenced(hotels)
    hotels.secondary.put("brand", FOREIGN["brand"])
    touched = fenced(hotels)
    hotels.secondary.put("property", row_id(201), costcentre="other")

    assert all(before.values())
    assert not nothing_else_changed(before, touched)
    assert not nothing_else_changed(touched, fenced(hotels))
