"""Rows that are to go and hold each other by their lookups."""

import asyncio

import pytest

from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline.webapi.dependents import DeleteRule
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory import Boundary, Killed, row_id, table
from dv_sync_pipeline_tests.worlds.memory_pair import Pair

AFTER_THE_LEASE_SECONDS = 60
STEPS_MAX = 100

CODE = Column("code", ColumnKind.STRING)
CHAIN = table(
    "chain",
    [CODE, Column("parentid", ColumnKind.LOOKUP, targets=("chain",))],
    key=["code"],
)
CHAINS_YAML = """\
tables:
  - {table: chain, key: code, columns: [code], lookups: {parentid: chain}}
"""
HOTEL = table(
    "hotel", [CODE, Column("flagshipid", ColumnKind.LOOKUP, targets=("room",))], key=["code"]
)
ROOM = table("room", [CODE, Column("hotelid", ColumnKind.LOOKUP, targets=("hotel",))], key=["code"])
HOTELS_YAML = """\
tables:
  - {table: hotel, key: code, columns: [code],
     lookups: {flagshipid: {table: room, deferred: true}}}
  - {table: room, key: code, columns: [code], lookups: {hotelid: hotel}}
"""


def chains(state, parents: dict[int, int]) -> Pair:
    """Number → number of its parent: chains of both sides that are gone in the primary now.

    The ninth one stays.
    """
    world = Pair(state, CHAINS_YAML, [CHAIN])
    for number in (*parents, 9):
        world.primary.put("chain", row_id(number), code=f"C-{number}")
    for number, parent in parents.items():
        world.primary.put("chain", row_id(number), parentid=row_id(parent))
    asyncio.run(world.sync())
    for number in parents:
        world.primary.delete("chain", row_id(number))
    return world


def sync(world: Pair, boundary: Boundary | None = None):
    """Reconcile and remove; the reports of the removals."""

    async def both():
        await world.sync(boundary)
        return await world.remove(boundary)

    return asyncio.run(both())


@pytest.mark.parametrize("rule", [DeleteRule.RESTRICT, DeleteRule.REMOVE_LINK, DeleteRule.CASCADE])
@pytest.mark.parametrize(
    "parents", [{1: 1}, {1: 2, 2: 1}, {1: 2, 2: 3, 3: 1, 4: 1}], ids=["itself", "two", "three"]
)
def test_rows_that_hold_each_other_let_go_and_are_removed(tmp_path, parents, rule):
    """In one run, whatever the relationship would do."""
    world = chains(tmp_path, parents)
    world.secondary.rules["chain", "parentid"] = rule

    report = sync(world)["chain"]

    assert [row_id(9)] == list(world.secondary.rows["chain"])
    assert (len(parents), 0) == (report.removed, report.parked)


def test_a_row_that_is_held_from_outside_stays(tmp_path):
    """A chain of the department's own points to it, and keeps its parent."""
    world = chains(tmp_path, {1: 1})
    world.secondary.put("chain", row_id(77), code="OWN", parentid=row_id(1))

    (parked,) = sync(world)["chain"].parked_rows

    assert (ParkedReason.HAS_CHILDREN, row_id(1)) == (parked.reason, parked.primary_id)
    assert row_id(1) == world.shown("chain", "parentid")[row_id(77)]


def test_a_lookup_to_a_row_that_stays_is_not_cleared(tmp_path):
    """Two rows are gone; the one that is blocked from outside keeps what it shows besides."""
    world = chains(tmp_path, {1: 9})
    world.secondary.put("chain", row_id(77), code="OWN", parentid=row_id(1))

    sync(world)

    assert row_id(9) == world.shown("chain", "parentid")[row_id(1)]


def test_circles_killed_at_any_step_are_removed_by_the_next_run(tmp_path):
    """Whichever clearing, delete or commit is the last one."""
    for step in range(1, STEPS_MAX):
        world = chains(tmp_path / str(step), {1: 2, 2: 1, 3: 3})
        asyncio.run(world.sync())
        was_killed = False
        try:
            asyncio.run(world.remove(Boundary(dies_at=step)))
        except Killed:
            was_killed = True
        for _ in range(AFTER_THE_LEASE_SECONDS):
            world.clock()

        sync(world)

        assert [row_id(9)] == list(world.secondary.rows["chain"])
        if not was_killed:
            break
    else:
        pytest.fail("no run was long enough")


def test_a_circle_across_tables_is_removed_by_the_next_run(tmp_path):
    """The hotel lets go of its flagship room; then the room can go, and after it the hotel."""
    world = Pair(tmp_path, HOTELS_YAML, [HOTEL, ROOM])
    world.primary.put("hotel", row_id(1), code="H-1", flagshipid=row_id(2))
    world.primary.put("room", row_id(2), code="R-2", hotelid=row_id(1))
    for name, number in (("hotel", 8), ("room", 9)):
        world.primary.put(name, row_id(number), code=f"stays-{number}")
    asyncio.run(world.sync())
    world.primary.delete("hotel", row_id(1))
    world.primary.delete("room", row_id(2))

    first, second = sync(world), sync(world)

    assert {"hotel": 1, "room": 1} == {name: report.parked for name, report in first.items()}
    assert {"hotel": 0, "room": 0} == {name: report.parked for name, report in second.items()}
    assert ([row_id(8)], [row_id(9)]) == tuple(
        list(world.secondary.rows[name]) for name in ("hotel", "room")
    )
