"""How long a changes pass takes, and how many requests, for few and for many changed rows.

Two emulated environments as a process of their own, with the latencies of a real Dataverse. The
primary is changed in bulk, then the feed of the rooms is followed once by an engine that has done
so before, as the live run does.
"""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from dv_sync_pipeline.config import load
from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline.sync.engine import open_engine
from dv_sync_pipeline.sync.report import TableReport
from dv_sync_pipeline.webapi.client import DataverseClient, connect
from dv_sync_pipeline.webapi.write import OutcomeKind, RowWrite

ROOMS = 15_000
_TABLE = "contoso_room"


def measure(counts: Sequence[int]) -> Table:
    """One line for each number of changed rows."""
    table = Table("changed rows", "seconds", "requests", "rows/s", "updated", title="changes pass")
    arguments = ["primary=0", "secondary=0", "--sample", "hotels", "--rows", str(ROOMS)]
    with (
        tempfile.TemporaryDirectory(prefix="dv-sync-bench-") as folder,
        running_emulator([*arguments, "--latency", "dataverse"], state=Path(folder)) as emulator,
    ):
        for count, report in zip(
            counts, asyncio.run(_run(emulator.sync_yaml, counts)), strict=True
        ):
            speed = f"{report.rows_per_second:,.0f}"
            figures = (f"{report.seconds:.2f}", f"{report.requests}", speed, f"{report.updated:,}")
            table.add_row(f"{count:,}", *figures)
    return table


async def _run(sync_yaml: Path, counts: Sequence[int]) -> list[TableReport]:
    configuration = load(sync_yaml, os.environ)
    steward = configuration.environments.primary.for_administrator
    async with (
        open_engine(configuration, clock=lambda: datetime.now(tz=UTC)) as engine,
        connect("primary", steward) as primary,
    ):
        for table in engine.tables_in_order:
            await engine.reconcile(table)
        await engine.changes(_TABLE)
        reports = []
        for number, count in enumerate(counts):
            await _change(primary, count, floor=50 + number)
            reports.append(await engine.changes(_TABLE))
        return reports


async def _change(primary: DataverseClient, count: int, *, floor: int) -> None:
    """So many rooms are moved to another floor in the primary."""
    schema = await primary.describe(_TABLE)
    ids = [row[schema.primary_id] async for page in primary.read_pages(schema, []) for row in page]
    writes = [RowWrite(row_id, {"contoso_floor": floor}) for row_id in ids[:count]]
    outcomes = await primary.update_rows(schema, writes)
    refused = [each for each in outcomes if each.kind is not OutcomeKind.DONE]
    if refused:
        raise RuntimeError(refused[0].message)
