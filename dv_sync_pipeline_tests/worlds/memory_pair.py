"""Two environments in memory with whatever tables a test needs, and the engine between them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dv_sync_pipeline.config import Configuration, parse
from dv_sync_pipeline.sync.engine import Engine, open_engine
from dv_sync_pipeline.sync.report import TableReport, TableVerdict
from dv_sync_pipeline.webapi.metadata import TableSchema
from dv_sync_pipeline_tests.worlds.memory import (
    Boundary,
    MemoryDataverse,
    TickingClock,
    connect_to,
    step_at_each_commit,
)
from dv_sync_pipeline_tests.worlds.memory_hotels import ENVIRONMENTS_YAML


@dataclass
class Pair:
    """The world: the same tables on both sides, unless the secondary is given its own.

    Attributes:
        state: folder of the ledger.
        tables_yaml: the `tables` part of sync.yaml.
        schemas: the tables of the primary.
        schemas_there: the tables of the secondary; the same by default.

    """

    state: Path
    tables_yaml: str
    schemas: Sequence[TableSchema]
    schemas_there: Sequence[TableSchema] = ()
    primary: MemoryDataverse = field(
        default_factory=lambda: MemoryDataverse("primary", "11111111-1111-1111-1111-111111111111")
    )
    secondary: MemoryDataverse = field(
        default_factory=lambda: MemoryDataverse("secondary", "22222222-2222-2222-2222-222222222222")
    )
    clock: TickingClock = field(default_factory=TickingClock)

    def __post_init__(self) -> None:
        for schema in self.schemas:
            self.primary.add(schema)
        for schema in self.schemas_there or self.schemas:
            self.secondary.add(schema)

    @property
    def configuration(self) -> Configuration:
        """As sync.yaml says now."""
        text = ENVIRONMENTS_YAML + self.tables_yaml
        return parse(text, {"SECRET": "not-in-the-file"}, file=self.state / "sync.yaml")

    @asynccontextmanager
    async def open(self, boundary: Boundary | None = None) -> AsyncIterator[Engine]:
        """An engine on this world; with a boundary, one that may be killed."""
        self.secondary.boundary = boundary or Boundary()
        connect = connect_to(self.primary, self.secondary)
        async with open_engine(self.configuration, clock=self.clock, connect=connect) as engine:
            if boundary:
                step_at_each_commit(engine, boundary)
            yield engine

    async def sync(self, boundary: Boundary | None = None) -> dict[str, TableReport]:
        """Reconcile every table in order, then set deferred lookups; reports by title."""
        async with self.open(boundary) as engine:
            reports = [await engine.reconcile(name) for name in engine.tables_in_order]
            for name in engine.tables_with_deferred_lookups:
                reports.append(await engine.set_deferred_lookups(name))  # noqa: PERF401 - in turn
            return {report.title: report for report in reports}

    async def plan(self) -> dict[str, TableReport]:
        """Plan every table in order."""
        async with self.open() as engine:
            return {
                name: await engine.reconcile(name, dry_run=True) for name in engine.tables_in_order
            }

    async def verify(self) -> dict[str, TableVerdict]:
        """Verify every table in order."""
        async with self.open() as engine:
            return {name: await engine.verify(name) for name in engine.tables_in_order}

    async def remove(self, boundary: Boundary | None = None) -> dict[str, TableReport]:
        """Remove what the last `sync` found to be gone, children before parents."""
        async with self.open(boundary) as engine:
            return {name: await engine.remove(name) for name in reversed(engine.tables_in_order)}

    def shown(self, name: str, column: str) -> dict[str, object]:
        """What a table of the secondary shows: id → value of the column."""
        return {id_: row[column] for id_, row in self.secondary.rows[name].items()}
