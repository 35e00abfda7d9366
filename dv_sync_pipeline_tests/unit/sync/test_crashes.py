"""Killed anywhere, a run leaves nothing behind that the next run does not mend."""

import asyncio
import random
from pathlib import Path

import pytest

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.mapping import PRIMARY_ID, VERSION
from dv_sync_pipeline_tests.worlds.memory import INACTIVE, Boundary, Killed, row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels

pytestmark = pytest.mark.usefixtures("both_databases")

RUNS_MAX = 400
PARTS = 4
"""Each test takes every so-manieth step, so that none of them takes long."""

AFTER_THE_LEASE_SECONDS = 60


TWO_TABLES_YAML = """\
tables:
  - {table: room, key: [hotelid, number], columns: [number, floor], lookups: {hotelid: hotel}}
  - {table: hotel, target: property, key: code, columns: {code: code, name: title, stars: stars}}
"""


def busy_world(state: Path) -> Hotels:
    """One row of every fate: created, inactive, adopted and changed, refused, foreign."""
    hotels = Hotels(state, tables_yaml=TWO_TABLES_YAML)
    hotels.secondary.put("property", row_id(900), code="h-3", costcentre="4711")
    hotels.secondary.put("property", row_id(901), code="FOREIGN", costcentre="4712")
    hotels.hotel(1)
    hotels.hotel(2, statecode=INACTIVE, statuscode=2)
    hotels.hotel(3, stars=5)
    hotels.hotel(4, name="x" * 21)
    hotels.room(3, 1)
    return hotels


def wait_for_the_lease(hotels: Hotels) -> None:
    """A killed run leaves its lease behind; let it run out."""
    for _ in range(AFTER_THE_LEASE_SECONDS):
        hotels.clock()


def kill_at(hotels: Hotels, step: int) -> bool:
    """Run once and die at this step; False if the run came to its end."""
    try:
        asyncio.run(hotels.sync(Boundary(dies_at=step)))
    except Killed:
        wait_for_the_lease(hotels)
        return True
    return False


@pytest.mark.parametrize("first", range(1, PARTS + 1))
def test_a_run_killed_at_any_step_is_completed_by_the_next(tmp_path, first):
    """Whichever write or commit is the last one, the next run ends in the same state."""
    undisturbed = busy_world(tmp_path / "undisturbed")
    asyncio.run(undisturbed.sync())
    for step in range(first, RUNS_MAX, PARTS):
        hotels = busy_world(tmp_path / str(step))
        was_killed = kill_at(hotels, step)

        reports = asyncio.run(hotels.sync())

        assert undisturbed.everything() == hotels.everything()
        assert (4, 1) == (reports["hotel"].read, reports["hotel"].parked)
        assert links_of(undisturbed) == links_of(hotels)
        if not was_killed:
            break
    else:
        pytest.fail("no run was long enough")


def links_of(hotels: Hotels) -> list[tuple[object, ...]]:
    """The links of the hotels as the ledger knows them, versions aside."""
    ledger = Ledger.open(hotels.configuration.ledger_url)
    links = ledger.links("hotel").drop(VERSION).sort(PRIMARY_ID).rows()
    ledger.close()
    return links


@pytest.mark.parametrize("first", range(1, PARTS + 1))
def test_a_create_of_a_killed_run_is_ours_even_under_a_new_key(tmp_path, first):
    """The intent written down before the create proves it, though the key has changed since."""
    for step in range(first, RUNS_MAX, PARTS):
        hotels = Hotels(tmp_path / str(step), tables_yaml=TWO_TABLES_YAML)
        hotel = hotels.hotel(1)
        was_killed = kill_at(hotels, step)
        hotels.hotel(1, code="RENAMED")

        asyncio.run(hotels.sync())

        assert {hotel: ("RENAMED",)} == hotels.shown("property", "code")
        if not was_killed:
            break
    else:
        pytest.fail("no run was long enough")


def change_something(hotels: Hotels, chance: random.Random) -> None:
    """One edit by somebody, in either environment."""
    number = chance.randrange(1, 6)
    linked = sorted(hotels.secondary.rows["property"])
    edits = [
        lambda: hotels.hotel(number, stars=chance.randrange(6)),
        lambda: hotels.hotel(number, name=chance.choice(["Inn", "INN", "", "Ibis", None])),
        lambda: hotels.hotel(number, brandid=chance.choice([None, row_id(101), row_id(102)])),
        lambda: hotels.hotel(number, statecode=INACTIVE, statuscode=2),
        lambda: hotels.hotel(number, statecode=0, statuscode=chance.choice([1, 100])),
        lambda: hotels.brand(chance.randrange(1, 3), name=chance.choice("abc")),
        lambda: (hotels.hotel(number), hotels.room(number, chance.randrange(3))),
        lambda: linked and hotels.secondary.put("property", chance.choice(linked), stars=9),
        lambda: hotels.secondary.put("property", row_id(900 + number), code=f"F-{number}"),
    ]
    chance.choice(edits)()


@pytest.mark.parametrize("seed", range(12))
def test_random_worlds_converge(tmp_path, seed):
    """After edits, lost answers and kills, one quiet run leaves no difference."""
    chance = random.Random(seed)
    hotels = Hotels(tmp_path)
    for _ in range(3):
        for _ in range(chance.randrange(1, 8)):
            change_something(hotels, chance)
        hotels.secondary.lose = lambda _message, _write: chance.random() < 0.2
        kill_at(hotels, chance.randrange(1, 40))
    hotels.secondary.lose = lambda _message, _write: False

    asyncio.run(hotels.sync())

    verdicts = asyncio.run(hotels.verify())
    assert [] == [difference for verdict in verdicts.values() for difference in verdict.differences]
    assert expected_hotels(hotels) == {
        id_: values
        for id_, values in hotels.shown("property", "title", "stars", "brandid").items()
        if id_ in hotels.primary.rows["hotel"]
    }


def expected_hotels(hotels: Hotels) -> dict[str, tuple[object, ...]]:
    """What the secondary must show, said independently of the engine."""
    brands = hotels.primary.rows["brand"]
    return {
        id_: (
            row["name"] or None,
            row["stars"],
            row["brandid"] if row["brandid"] in brands else None,
        )
        for id_, row in hotels.primary.rows["hotel"].items()
    }
