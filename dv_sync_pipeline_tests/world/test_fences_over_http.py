"""Foreign rows and unmapped columns, hashed around every kind of run (RELIABILITY 3, O4).

One story over the real protocol, from the first `doctor` to approved removals. The secondary is
read by hand, over HTTP, and never through the engine. The same in memory, with crashes and lost
answers, stands in `unit/sync/test_fences.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import pytest

from dv_sync_pipeline import config
from dv_sync_pipeline.cli import run
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.sync.engine import open_engine
from dv_sync_pipeline.sync.live import LiveLoop
from dv_sync_pipeline.sync.proposal import propose
from dv_sync_pipeline.sync.survey import TablesWanted, survey
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind
from dv_sync_pipeline_tests.worlds import fences
from dv_sync_pipeline_tests.worlds.emulated_pair import VARIABLES, EmulatedPair
from dv_sync_pipeline_tests.worlds.hand_made import hand_made_pair

MAPPED = {
    "contoso_hotel": {"contoso_name", "contoso_code", "contoso_stars", "statecode", "statuscode"},
    "contoso_room": {
        "contoso_number",
        "contoso_floor",
        "_contoso_hotelid_value",
        "statecode",
        "statuscode",
    },
}
ENTITY_SETS = {"contoso_hotel": "contoso_hotels", "contoso_room": "contoso_rooms"}
LIVE_ROUNDS = 6


def hotel_id(number: int) -> str:
    """Of both environments."""
    return f"00000000-0000-4000-8000-{number:012}"


def room_id(number: int) -> str:
    """Likewise."""
    return f"00000000-0000-4000-9000-{number:012}"


OWN = {"contoso_hotel": hotel_id(900), "contoso_room": room_id(900)}
"""The department's own rows."""


@dataclass(frozen=True)
class Look:
    """The secondary at one moment.

    Attributes:
        rows: table → id → every column that is not empty.

    """

    rows: dict[str, dict[str, dict[str, object]]]

    def fences(self) -> dict[tuple[str, str], str]:
        """Table and id → hash of what nobody may touch in this row."""
        return {
            (name, id_): digest
            for name, rows in self.rows.items()
            for id_, digest in _hashes(name, rows).items()
        }


def _hashes(name: str, rows: dict[str, dict[str, object]]) -> dict[str, str]:
    arguments = {"id_column": f"{name}id", "linked": rows.keys() - {OWN[name]}}
    return {
        **fences.foreign_rows(rows.values(), **arguments),
        **fences.unmapped_columns(rows.values(), **arguments, mapped=MAPPED[name]),
    }


@dataclass(frozen=True)
class Scene:
    """The world: hand-made tables, in which the department has columns and rows of its own."""

    pair: EmulatedPair

    @property
    def configuration(self):
        """What sync.yaml says."""
        return config.load(self.pair.folder / "sync.yaml", VARIABLES)

    @asynccontextmanager
    async def engine(self):
        """Connected to both environments as the pipeline's user."""
        async with open_engine(
            self.configuration, clock=lambda: datetime.now(UTC), connect=self.pair.connect
        ) as engine:
            yield engine

    async def look(self) -> Look:
        """Read by hand; a column that is empty counts as one that is not there yet."""
        found = {}
        for name, entity_set in ENTITY_SETS.items():
            rows = await self.pair.secondary.rows(entity_set)
            found[name] = {
                str(row[f"{name}id"]): {key: row[key] for key in row if row[key] is not None}
                for row in rows
            }
        return Look(found)

    async def hotel(self, number: int, /, **values: object) -> None:
        """People create or change a hotel of the primary."""
        changed = {f"contoso_{name}": value for name, value in values.items()}
        await self.pair.primary.put("contoso_hotels", hotel_id(number), changed)

    async def room(self, number: int, hotel: int, /, **values: object) -> None:
        """Likewise a room."""
        bind = {"contoso_HotelId@odata.bind": f"/contoso_hotels({hotel_id(hotel)})"}
        changed = {f"contoso_{name}": value for name, value in values.items()}
        await self.pair.primary.put("contoso_rooms", room_id(number), {**bind, **changed})

    async def enrich(self) -> None:
        """The department fills its column in every row that is ours."""
        for number, row_id in enumerate((await self.look()).rows["contoso_hotel"]):
            if row_id != OWN["contoso_hotel"]:
                values = {"contoso_costcentre": f"CC-{number}"}
                await self.pair.secondary.put("contoso_hotels", row_id, values)

    def dv_sync(self, *command: str) -> int:
        """Type a command; its exit code."""
        variables = {"DV_SYNC_CONFIG": str(self.pair.folder / "sync.yaml"), **VARIABLES}
        return run(command, Surroundings(variables, connect=self.pair.connect))


async def prepare(scene: Scene) -> None:
    """Two hotels with rooms in the primary; a column and rows of its own in the secondary."""
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata",
        "SchemaName": "contoso_CostCentre",
        "MaxLength": 20,
    }
    path = "/EntityDefinitions(LogicalName='contoso_hotel')/Attributes"
    secondary = scene.pair.secondary
    await secondary.send("POST", path, json=column)
    values = {"contoso_code": "OWN", "contoso_name": "Ours", "contoso_costcentre": "CC-OWN"}
    await secondary.put("contoso_hotels", OWN["contoso_hotel"], values)
    bind = {"contoso_HotelId@odata.bind": f"/contoso_hotels({OWN['contoso_hotel']})"}
    await secondary.put("contoso_rooms", OWN["contoso_room"], {**bind, "contoso_number": "1"})
    adopted = {"contoso_code": "h-2", "contoso_name": "theirs", "contoso_costcentre": "CC-2"}
    await secondary.put("contoso_hotels", hotel_id(802), adopted)
    for number in (1, 2, 3):
        await scene.hotel(number, code=f"H-{number}", name="Inn", stars=3)
        await scene.room(number, number, number=str(number), floor=1)


async def doctor(scene: Scene) -> None:
    """Asks everything of both environments."""
    await asyncio.to_thread(scene.dv_sync, "doctor")


async def init(scene: Scene) -> None:
    """Looks at every table and column, and proposes a sync.yaml."""
    settings = scene.configuration.environments
    async with (
        scene.pair.connect("primary", settings.primary) as primary,
        scene.pair.connect("secondary", settings.secondary) as secondary,
    ):
        found = await survey(
            primary, secondary, wanted=TablesWanted(), looking_at=lambda _tables: None
        )
    assert MAPPED.keys() <= {each.summary.name for each in found.tables}
    propose(found)


async def provision(scene: Scene) -> None:
    """Adds keys to tables that have rows already, and a column."""
    assert 1 == await asyncio.to_thread(scene.dv_sync, "provision")
    assert 0 == await asyncio.to_thread(scene.dv_sync, "provision", "--apply")


async def plan(scene: Scene) -> None:
    """Shows what would be done."""
    async with scene.engine() as engine:
        for table in engine.tables_in_order:
            await engine.reconcile(table, dry_run=True)


async def reconcile(scene: Scene) -> None:
    """Creates, adopts, changes and parks, and lists or removes what is gone."""
    async with scene.engine() as engine:
        for table in engine.tables_in_order:
            await engine.reconcile(table)
        for table in reversed(engine.tables_in_order):
            await engine.remove(table)


async def verify(scene: Scene) -> None:
    """Compares."""
    async with scene.engine() as engine:
        for table in engine.tables_in_order:
            await engine.verify(table)


async def reconcile_with_a_bad_row(scene: Scene) -> None:
    """Parks a row that wants the key of their own row, and changes its neighbours."""
    await scene.hotel(1, name="Grand")
    await scene.hotel(2, stars=5)
    await scene.hotel(3, code="own")
    await reconcile(scene)


async def parked_retry(scene: Scene) -> None:
    """What was parked is tried again, beside a row that has changed."""
    await scene.hotel(1, name="Grander")
    await reconcile(scene)


async def changes(scene: Scene) -> None:
    """Follows the feed: a change, a new row with a child, a row that is gone."""
    await scene.hotel(3, code="H-33")
    await scene.hotel(4, code="H-4")
    await scene.room(4, 4, number="4")
    await scene.pair.primary.send("DELETE", f"/contoso_rooms({room_id(3)})")
    async with scene.engine() as engine:
        await engine.apply_changes(engine.tables_in_order)


async def rows(scene: Scene) -> None:
    """Looks at rows that somebody names: ours, theirs, and one of nobody."""
    await scene.hotel(4, stars=1)
    ids = [hotel_id(number) for number in (1, 4, 802, 900, 999)]
    async with scene.engine() as engine:
        await engine.apply_changes((), row_ids={"contoso_hotel": ids, "contoso_room": [OWN_ROOM]})


OWN_ROOM = OWN["contoso_room"]


class Quiet:
    """Hears what a live run tells, and fails the test for what fails."""

    def applied(self, _report) -> None:
        """As expected."""

    def failed(self, table, error, *, again_in_seconds) -> None:
        """Nothing may."""
        raise AssertionError(table, again_in_seconds) from error

    def breathed(self) -> None:
        """As expected."""


async def live(scene: Scene) -> None:
    """Wake-ups of our rows and theirs, and polls of every feed."""
    await scene.hotel(1, stars=2)
    await scene.hotel(5, code="H-5")
    rounds = iter(range(LIVE_ROUNDS))
    async with scene.engine() as engine:
        woken = [hotel_id(number) for number in (1, 900)]
        moment = datetime.now(UTC)
        engine.ledger.store_wake_ups(
            [WakeUp("contoso_hotel", row_id, WakeUpKind.UPDATE, moment) for row_id in woken]
        )
        loop = LiveLoop(
            engine,
            engine.ledger,
            Quiet(),
            poll_seconds=0,
            monotonic=lambda: 0.0,
            sleep=asyncio.sleep,
            random=Random(0),
        )
        await loop.follow(lambda: next(rounds, None) is not None)


async def held_removals(scene: Scene) -> None:
    """More rows are gone than may go without a person."""
    file = scene.pair.folder / "sync.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("key: contoso_code\n", "key: contoso_code\n    max_removals: 0\n"))
    await scene.pair.primary.send("DELETE", f"/contoso_rooms({room_id(2)})")
    await scene.pair.primary.send("DELETE", f"/contoso_hotels({hotel_id(2)})")
    await reconcile(scene)


async def approved_removals(scene: Scene) -> None:
    """A person agrees; the row that was adopted goes with what the department had in it."""
    assert 0 == await asyncio.to_thread(scene.dv_sync, "removals", "approve", "contoso_hotel")
    await reconcile(scene)


KINDS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    kind.__name__: kind
    for kind in (
        doctor,
        init,
        provision,
        plan,
        reconcile,
        verify,
        reconcile_with_a_bad_row,
        parked_retry,
        changes,
        rows,
        live,
        held_removals,
        approved_removals,
    )
}
GOES = {
    "changes": {("contoso_room", room_id(3))},
    "held_removals": {("contoso_room", room_id(2))},
    "approved_removals": {("contoso_hotel", hotel_id(802))},
}
"""Kind of run → rows of ours that are gone in the primary and go with it."""
WRITES_NOTHING = {"doctor", "init", "provision", "plan", "verify"}


async def tell(folder) -> dict[str, tuple[Look, Look]]:
    """Kind of run → the secondary before and after it."""
    looks = {}
    with ExitStack() as stack:
        scene = Scene(await hand_made_pair(folder, stack))
        await prepare(scene)
        for name, kind in KINDS.items():
            await scene.enrich()
            before = await scene.look()
            await kind(scene)
            looks[name] = (before, await scene.look())
    return looks


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Told once; every kind of run is judged on its own."""
    return asyncio.run(tell(tmp_path_factory.mktemp("fences")))


@pytest.mark.parametrize("kind", KINDS)
def test_the_fences_stand(story, kind):
    """Not even the version of a foreign row moves; what the department has in our rows stays."""
    before, after = (look.fences() for look in story[kind])

    assert GOES.get(kind, set()) == before.keys() - after.keys()
    assert {case: before[case] for case in before.keys() & after.keys()} == {
        case: after[case] for case in before.keys() & after.keys()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_run_of_that_kind(story, kind):
    """Those that write do write something; the others leave every version as it was."""
    before, after = story[kind]

    assert (kind in WRITES_NOTHING) == (before == after)


def test_the_fences_would_fall(story):
    """There is something behind each of them, and a touch is seen."""
    before, after = deepcopy(story["live"])
    row = after.rows["contoso_hotel"][hotel_id(1)]
    own = after.rows["contoso_hotel"][OWN["contoso_hotel"]]
    fence = after.fences()
    row["contoso_costcentre"] = "touched"
    own["versionnumber"] = 0

    touched = {case for case, digest in after.fences().items() if digest != fence[case]}

    assert {("contoso_hotel", hotel_id(1)), ("contoso_hotel", OWN["contoso_hotel"])} == touched
    assert before.rows["contoso_room"][OWN_ROOM] == after.rows["contoso_room"][OWN_ROOM]
