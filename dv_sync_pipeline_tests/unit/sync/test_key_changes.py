"""What becomes of key values that changed hands between rows."""

import asyncio

import pytest

from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory import Boundary, Killed, table
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels
from dv_sync_pipeline_tests.worlds.memory_pair import Pair

AFTER_THE_LEASE_SECONDS = 60
STEPS_MAX = 100
TABLES_YAML = """\
tables:
  - {table: hotel, target: property, key: code, columns: {code: code, name: title, stars: stars}}
"""


def synchronized(state, count: int) -> tuple[Hotels, list[str]]:
    """So many hotels on both sides, with codes H-1, H-2 and so on; the world and their ids."""
    hotels = Hotels(state, tables_yaml=TABLES_YAML)
    ids = [hotels.hotel(number) for number in range(1, count + 1)]
    asyncio.run(hotels.sync())
    hotels.secondary.writes.clear()
    return hotels, ids


def recode(hotels, **codes: str) -> None:
    """People give hotels other codes: `_1="H-2"` for the first one."""
    for name, code in codes.items():
        hotels.hotel(int(name.strip("_")), code=code)


def codes(hotels) -> list[str]:
    """What the secondary shows, hotel by hotel."""
    return [code for (code,) in hotels.shown("property", "code").values()]


def test_two_rows_exchange_their_keys(tmp_path):
    """In one run, without a row more or less, and both stay who they were."""
    hotels, ids = synchronized(tmp_path, 3)
    recode(hotels, _1="H-2", _2="H-1")

    report = asyncio.run(hotels.sync())["hotel"]

    assert dict(zip(ids, [("H-2",), ("H-1",), ("H-3",)], strict=True)) == hotels.shown(
        "property", "code"
    )
    assert (2, 0) == (report.updated, report.parked)


def test_only_one_row_of_a_circle_shows_a_temporary_key(tmp_path):
    """It is marked, and short enough for the column."""
    hotels, _ = synchronized(tmp_path, 3)
    recode(hotels, _1="H-2", _2="H-3", _3="H-1")
    asyncio.run(hotels.sync())

    written = [values["code"] for *_, values in hotels.secondary.writes]
    temporary = [code for code in written if code.startswith("~dv-sync-")]

    assert (1, 4) == (len(temporary), len(written))
    assert len(temporary[0]) < 40


def test_a_chain_moves_from_its_end(tmp_path):
    """Each takes the key of the next, and the last one a new key: no temporary value is needed."""
    hotels, _ = synchronized(tmp_path, 4)
    recode(hotels, _1="H-2", _2="H-3", _3="H-4", _4="H-5")

    report = asyncio.run(hotels.sync())["hotel"]

    assert ["H-2", "H-3", "H-4", "H-5"] == codes(hotels)
    assert ["H-5", "H-4", "H-3", "H-2"] == [
        values["code"] for *_, values in hotels.secondary.writes
    ]
    assert (4, 0) == (report.updated, report.parked)


def test_other_values_of_an_exchange_are_written_too(tmp_path):
    """Keys first, the rest last; a second run finds nothing to do."""
    hotels, _ = synchronized(tmp_path, 2)
    hotels.hotel(1, code="H-2", name="Spa", stars=5)
    hotels.hotel(2, code="H-1", name="Pool")
    asyncio.run(hotels.sync())

    assert [("H-2", "Spa", 5), ("H-1", "Pool", 3)] == list(
        hotels.shown("property", "code", "title", "stars").values()
    )
    assert 0 == asyncio.run(hotels.sync())["hotel"].updated


def test_a_refused_value_does_not_keep_two_rows_from_exchanging_keys(tmp_path):
    """The key is written before the name that is too long; only that row is parked."""
    hotels, ids = synchronized(tmp_path, 2)
    hotels.hotel(1, code="H-2", name="x" * 21)
    recode(hotels, _2="H-1")

    report = asyncio.run(hotels.sync())["hotel"]

    assert ["H-2", "H-1"] == codes(hotels)
    assert [ids[0]] == [row.primary_id for row in report.parked_rows]


def test_an_exchange_that_is_refused_leaves_no_temporary_key(tmp_path):
    """The second row may not have its new key, so the first one gets its old one back."""
    hotels, ids = synchronized(tmp_path, 2)
    recode(hotels, _1="H-2", _2="H-1")
    hotels.secondary.refuse = lambda _table, write: (
        ("0x80040265", "This code is not for you.") if write.id == ids[1] else None
    )

    report = asyncio.run(hotels.sync())["hotel"]

    assert ["H-1", "H-2"] == codes(hotels)
    assert {ids[0]: ParkedReason.DUPLICATE_KEY, ids[1]: ParkedReason.REFUSED_BY_LOGIC} == {
        row.primary_id: row.reason for row in report.parked_rows
    }


@pytest.mark.parametrize(
    "wanted",
    [
        {"_1": "H-2", "_2": "H-1"},
        {"_1": "H-2", "_2": "H-3", "_3": "H-1", "_4": "H-5"},
        {"_1": "H-2", "_2": "H-3", "_3": "H-4", "_4": "H-9"},
    ],
    ids=["exchange", "circle", "chain"],
)
def test_key_changes_killed_at_any_step_are_completed_by_the_next_run(tmp_path, wanted):
    """Whichever write or commit is the last one: never a row more, and no temporary key stays."""
    for step in range(1, STEPS_MAX):
        hotels, ids = synchronized(tmp_path / str(step), 4)
        recode(hotels, **wanted)
        was_killed = False
        try:
            asyncio.run(hotels.sync(Boundary(dies_at=step)))
        except Killed:
            was_killed = True
        assert set(ids) == hotels.secondary.rows["property"].keys()
        for _ in range(AFTER_THE_LEASE_SECONDS):
            hotels.clock()

        report = asyncio.run(hotels.sync())["hotel"]

        shown = hotels.shown("property", "code")
        assert {id_: (hotels.primary.rows["hotel"][id_]["code"],) for id_ in ids} == shown
        assert 0 == report.parked
        if not was_killed:
            break
    else:
        pytest.fail("no run was long enough")


def test_a_lost_answer_to_a_temporary_key_is_no_trouble(tmp_path):
    """It is read back, and the exchange goes on."""
    hotels, _ = synchronized(tmp_path, 2)
    recode(hotels, _1="H-2", _2="H-1")
    answers = iter([True])
    hotels.secondary.lose = lambda _message, _write: next(answers, False)

    report = asyncio.run(hotels.sync())["hotel"]

    assert (["H-2", "H-1"], 0) == (codes(hotels), report.parked)


@pytest.mark.parametrize(
    "number",
    [Column("number", ColumnKind.INTEGER), Column("number", ColumnKind.STRING, max_length=7)],
    ids=["no text", "too short"],
)
def test_a_key_that_takes_no_temporary_value_parks_the_circle(tmp_path, number):
    """With a reason of its own, as planned; once a person has opened the circle, all is well."""
    room = table("room", [number, Column("floor", ColumnKind.INTEGER)], key=["number"])
    yaml = "tables:\n  - {table: room, key: number, columns: [number, floor]}\n"
    world = Pair(tmp_path, yaml, [room])
    rooms = [f"00000000-0000-0000-0000-00000000000{digit}" for digit in "12"]
    numbers = (1, 2, 3) if number.kind is ColumnKind.INTEGER else ("1", "2", "3")
    for id_, value in zip(rooms, numbers, strict=False):
        world.primary.put("room", id_, number=value)
    asyncio.run(world.sync())
    world.primary.put("room", rooms[0], number=numbers[1])
    world.primary.put("room", rooms[1], number=numbers[0])

    planned = asyncio.run(world.plan())["room"]
    parked = asyncio.run(world.sync())["room"].parked_rows
    world.primary.put("room", rooms[1], number=numbers[2])
    asyncio.run(world.sync())

    assert [ParkedReason.KEYS_EXCHANGED] * 2 == [row.reason for row in parked]
    assert {row.primary_id for row in parked} == {row.primary_id for row in planned.parked_rows}
    assert (0, 2, ()) == (planned.updated, planned.parked, planned.differences)
    assert dict(zip(rooms, numbers[1:], strict=True)) == world.shown("room", "number")
