"""Brands, hotels and rooms in two environments in memory, and the engine between them."""

import asyncio
import copy
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from dv_sync_pipeline.config import Configuration, parse
from dv_sync_pipeline.sync.engine import Engine, open_engine
from dv_sync_pipeline.sync.ledger.database import METADATA
from dv_sync_pipeline.sync.report import TableReport, TableVerdict
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory import (
    Boundary,
    MemoryDataverse,
    TickingClock,
    connect_to,
    row_id,
    step_at_each_commit,
    table,
)

ENVIRONMENTS_YAML = """\
environments:
  primary:
    url: https://primary.example
    credentials:
      - {kind: client_secret, tenant_id: t, client_id: c, client_secret: "${SECRET}"}
  secondary:
    url: https://secondary.example
    credentials:
      - {kind: client_secret, tenant_id: t, client_id: c, client_secret: "${SECRET}"}
    rows_per_call: 3
    requests_in_flight: 1
"""

TABLES_YAML = """\
tables:
  - {table: room, key: [hotelid, number], columns: [number, floor], lookups: {hotelid: hotel}}
  - {table: brand, key: code, columns: [code, name]}
  - table: hotel
    target: property
    key: code
    columns: {code: code, name: title, stars: stars, rate: rate}
    lookups: {brandid: brand}
"""

BRAND = table(
    "brand", [Column("name", ColumnKind.STRING), Column("code", ColumnKind.STRING)], key=["code"]
)
HOTEL = table(
    "hotel",
    [
        Column("name", ColumnKind.STRING),
        Column("code", ColumnKind.STRING),
        Column("stars", ColumnKind.INTEGER),
        Column("rate", ColumnKind.MONEY),
        Column("brandid", ColumnKind.LOOKUP, targets=("brand",)),
    ],
    key=["code"],
)
PROPERTY = table(
    "property",
    [
        Column("title", ColumnKind.STRING, max_length=20),
        Column("code", ColumnKind.STRING),
        Column("stars", ColumnKind.INTEGER),
        Column("rate", ColumnKind.MONEY),
        Column("brandid", ColumnKind.LOOKUP, targets=("brand",)),
        Column("costcentre", ColumnKind.STRING),
    ],
    key=["code"],
)
ROOM_COLUMNS = [Column("number", ColumnKind.STRING), Column("floor", ColumnKind.INTEGER)]


@dataclass
class Hotels:
    """The world: `primary` and `secondary`, `state` for the ledger, and a clock.

    It is empty but for its tables; `open` gives an engine that dies with `boundary`.
    """

    state: Path
    primary: MemoryDataverse = field(
        default_factory=lambda: MemoryDataverse("primary", "11111111-1111-1111-1111-111111111111")
    )
    secondary: MemoryDataverse = field(
        default_factory=lambda: MemoryDataverse("secondary", "22222222-2222-2222-2222-222222222222")
    )
    clock: TickingClock = field(default_factory=TickingClock)
    tables_yaml: str = TABLES_YAML
    configuration: Configuration = field(init=False)

    def __post_init__(self) -> None:
        text = ENVIRONMENTS_YAML + self.tables_yaml
        self.configuration = parse(
            text, {"SECRET": "not-in-the-file"}, file=self.state / "sync.yaml"
        )
        for environment, hotel in ((self.primary, HOTEL), (self.secondary, PROPERTY)):
            parent = Column("hotelid", ColumnKind.LOOKUP, targets=(hotel.name,))
            environment.add(BRAND)
            environment.add(hotel)
            environment.add(table("room", [*ROOM_COLUMNS, parent], key=["hotelid", "number"]))

    def copy(self, state: Path) -> "Hotels":
        """The same world, ledger included, in another folder."""
        copied = copy.deepcopy(self)
        shutil.copytree(self.state, state)
        copied.state = state
        text = ENVIRONMENTS_YAML + self.tables_yaml
        copied.configuration = parse(text, {"SECRET": "not-in-the-file"}, file=state / "sync.yaml")
        return copied

    def brand(self, number: int, **values: object) -> str:
        """A brand of the primary, created or changed; returns its id."""
        return self._put("brand", 100 + number, {"code": f"B{number}", "name": "Inn"}, values)

    def hotel(self, number: int, **values: object) -> str:
        """A hotel of the primary, created or changed; returns its id."""
        defaults = {"code": f"H-{number}", "name": "Inn", "stars": 3, "rate": Decimal("80.50")}
        return self._put("hotel", 200 + number, defaults, values)

    def room(self, hotel: int, number: int, **values: object) -> str:
        """A room of the primary, created or changed; returns its id."""
        defaults = {"hotelid": row_id(200 + hotel), "number": str(number), "floor": 1}
        return self._put("room", 1000 + 100 * hotel + number, defaults, values)

    def _put(
        self, name: str, number: int, defaults: dict[str, object], values: dict[str, object]
    ) -> str:
        id_ = row_id(number)
        known = {} if id_ in self.primary.rows[name] else defaults
        self.primary.put(name, id_, **known | values)
        return id_

    @asynccontextmanager
    async def open(
        self,
        boundary: Boundary | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> AsyncIterator[Engine]:
        """An engine on this world; with a boundary, one that may be killed."""
        self.secondary.boundary = boundary or Boundary()
        connect = connect_to(self.primary, self.secondary)
        async with open_engine(
            self.configuration, clock=self.clock, connect=connect, sleep=sleep
        ) as engine:
            if boundary:
                step_at_each_commit(engine, boundary)
            yield engine

    async def sync(self, boundary: Boundary | None = None) -> dict[str, TableReport]:
        """Reconcile every table in order, then remove what is gone in the opposite order."""
        async with self.open(boundary) as engine:
            reports = {name: await engine.reconcile(name) for name in engine.tables_in_order}
            for name in reversed(engine.tables_in_order):
                if not self.configuration.table(name).has_removals:
                    continue
                reports[name] = reports[name].followed_by(await engine.remove(name))
            return reports

    async def follow(self, boundary: Boundary | None = None) -> dict[str, TableReport]:
        """Follow the changes of every table and remove what is gone; reports by title."""
        async with self.open(boundary) as engine:
            reports = await engine.apply_changes(engine.tables_in_order)
            return {report.title: report for report in reports}

    async def verify(self) -> dict[str, TableVerdict]:
        """Verify every table in order."""
        async with self.open() as engine:
            return {name: await engine.verify(name) for name in engine.tables_in_order}

    def lose_ledger(self) -> None:
        """Everything that the ledger knows is gone, whichever kind of database it is in."""
        database = sa.create_engine(self.configuration.ledger_url)
        METADATA.drop_all(database)
        database.dispose()

    def shown(self, name: str, *columns: str) -> dict[str, tuple[object, ...]]:
        """What a table of the secondary shows: id → the values of these columns."""
        rows = self.secondary.rows[name].items()
        return {id_: tuple(row[column] for column in columns) for id_, row in rows}

    def everything(self) -> dict[str, dict[str, dict[str, object]]]:
        """A copy of all rows of the secondary, without the versions that every write moves."""
        return {
            name: {id_: row | {"versionnumber": 0} for id_, row in rows.items()}
            for name, rows in self.secondary.rows.items()
        }
