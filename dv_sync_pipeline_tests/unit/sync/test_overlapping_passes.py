"""Passes that overlap on the same tables: every interleaving ends with both sides equal.

One pass is stopped at each of its requests in turn; there somebody changes the primary, and another
pass runs until it is done, or has to wait for the turn that the first one has. The cases are those
of `sync/turns.py`. Judged by the two environments alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from dv_sync_pipeline_tests.worlds.memory import nothing_happens, row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels

REQUESTS_MAX = 300
PARTS = 3
"""Each test takes every so-manieth request, so that none of them takes long."""


@dataclass
class Interlude:
    """Something that happens at one request of the first pass.

    Attributes:
        at: the number of the pause at which it happens.
        other: another pass; it may have to wait for a turn of the first.
        passed: pauses so far.

    """

    at: int
    other: Callable[[], Awaitable[object]]
    passed: int = 0
    _task: "asyncio.Task[object] | None" = None
    _is_waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self) -> None:
        """A request of either pass; the other one begins at the chosen one."""
        self.passed += 1
        if self.passed == self.at:
            self._task = asyncio.ensure_future(self.other())
            waiting = asyncio.ensure_future(self._is_waiting.wait())
            await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()

    async def wait_for_turn(self, _seconds: float) -> None:
        """The sleep of the other pass: the first one goes on."""
        self._is_waiting.set()
        await asyncio.sleep(0)

    async def finish(self) -> bool:
        """Let the other pass come to its end; False if it never began."""
        if self._task is not None:
            await self._task
        return self._task is not None


def changed_before(hotels: Hotels) -> None:
    """What the first pass finds to do: one row of every fate."""
    for number in range(1, 9):
        hotels.hotel(number)
        hotels.room(number, 1)
    asyncio.run(hotels.sync())
    hotels.hotel(1, name="Older")
    hotels.primary.delete("room", row_id(1201))
    hotels.hotel(9, name="Short-lived")
    hotels.primary.delete("room", row_id(1301))
    hotels.primary.delete("hotel", row_id(203))
    hotels.secondary.put("property", row_id(204), title="Edited here")
    hotels.hotel(10, name="x" * 21)
    hotels.room(10, 1)
    hotels.primary.put("room", row_id(1501), hotelid=row_id(206), number="2")
    hotels.hotel(11, name="New")
    hotels.secondary.writes.clear()


def changed_meanwhile(hotels: Hotels) -> None:
    """What the other pass finds besides: the same rows changed again, gone, or there again."""
    hotels.hotel(1, name="Newer")
    hotels.room(2, 1)
    hotels.primary.delete("hotel", row_id(209))
    hotels.hotel(3, name="Back again")
    hotels.room(3, 1)
    hotels.hotel(4, name="Newer")
    hotels.hotel(10, name="Mended")
    hotels.primary.put("room", row_id(1501), hotelid=row_id(205), number="1")
    hotels.hotel(11, name="Newer", code="OTHER")
    hotels.hotel(12, code="H-11", name="Heir")
    hotels.primary.delete("room", row_id(1801))


def shown(hotels: Hotels) -> dict[str, dict[str, tuple[object, ...]]]:
    """What the secondary shows of hotels and rooms."""
    return {
        "hotel": hotels.shown("property", "code", "title", "stars"),
        "room": hotels.shown("room", "hotelid", "number"),
    }


def expected(hotels: Hotels) -> dict[str, dict[str, tuple[object, ...]]]:
    """What the primary shows, said independently of the engine."""
    rows = hotels.primary.rows
    return {
        "hotel": {i: (r["code"], r["name"], r["stars"]) for i, r in rows["hotel"].items()},
        "room": {i: (r["hotelid"], r["number"]) for i, r in rows["room"].items()},
    }


def differences(hotels: Hotels) -> dict[str, tuple[object, object]]:
    """Rows that are not equal: what the secondary should show, and what it shows."""
    return {
        f"{table} {int(id_[-4:], 16)}": (wanted.get(id_), found.get(id_))
        for (table, wanted), found in zip(
            expected(hotels).items(), shown(hotels).values(), strict=True
        )
        for id_ in sorted(wanted.keys() | found.keys())
        if wanted.get(id_) != found.get(id_)
    }


async def reconcile_all(hotels: Hotels, **options: object) -> None:
    """Every table completely, and what is gone."""
    async with hotels.open(**options) as engine:
        for table in engine.tables_in_order:
            await engine.reconcile(table)
        for table in reversed(engine.tables_in_order):
            await engine.remove(table)


async def follow_all(hotels: Hotels, **options: object) -> None:
    """The changes of every table, and what is gone."""
    async with hotels.open(**options) as engine:
        await engine.apply_changes(engine.tables_in_order)


async def overlap(hotels: Hotels, first, second, *, at: int) -> bool:
    """Run both; False when the first came to its end before the second was to begin."""

    async def other() -> None:
        changed_meanwhile(hotels)
        await second(hotels, sleep=interlude.wait_for_turn)

    interlude = Interlude(at, other)
    for environment in (hotels.primary, hotels.secondary):
        environment.pause = interlude.pause
    await first(hotels)
    return await interlude.finish()


@pytest.fixture(scope="module")
def synchronized(tmp_path_factory):
    """A world to make copies of: synchronized, and then changed in the primary."""
    hotels = Hotels(tmp_path_factory.mktemp("overlapping") / "original")
    hotels.clock.step = timedelta(milliseconds=1)
    changed_before(hotels)
    return hotels


PASSES = {"reconcile": reconcile_all, "changes": follow_all}


@pytest.mark.parametrize("begin", range(1, PARTS + 1))
@pytest.mark.parametrize("first", PASSES)
@pytest.mark.parametrize("second", PASSES)
def test_every_interleaving_of_two_passes_ends_equal(synchronized, tmp_path, first, second, begin):
    """And a stale value is never written over a newer one."""
    for at in range(begin, REQUESTS_MAX, PARTS):
        hotels = synchronized.copy(tmp_path / str(at))
        has_overlapped = asyncio.run(overlap(hotels, PASSES[first], PASSES[second], at=at))
        titles = [
            values.get("title")
            for _, _, id_, values in hotels.secondary.writes
            if id_ == row_id(201)
        ]
        for environment in (hotels.primary, hotels.secondary):
            environment.pause = nothing_happens
        asyncio.run(hotels.follow())

        if not has_overlapped:
            break
        assert (at, {}) == (at, differences(hotels))
        assert (at, False) == (at, "Older" in titles[titles.index("Newer") :])
    else:
        pytest.fail("no pass was long enough")
