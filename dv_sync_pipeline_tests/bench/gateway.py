"""How quickly the gateway answers under load, as an open-loop client sees it.

Open loop: deliveries start at their moments whether or not earlier ones are answered, and their
times count from those moments, so that a gateway that falls behind cannot hide it. The client is a
process of its own that writes requests by hand, so that little of its own cost is measured.
"""

import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from rich.table import Table

from dv_sync_pipeline_tests.bench.arrivals import percentile
from dv_sync_pipeline_tests.worlds.gateway import (
    KEY,
    RunningGateway,
    context,
    reference,
    running_gateway,
)
from dv_sync_pipeline_tests.worlds.supervised import processor_seconds

DELIVERIES_PER_SECOND = 500
SECONDS = 30
ROWS = 5_000
MILLISECONDS_MAX = 100


def measure() -> Table:
    """A table of figures and of what is required of them."""
    table = Table("measured", "figure", "required", title="Gateway")
    with tempfile.TemporaryDirectory() as folder, running_gateway(Path(folder)) as gateway:
        before = processor_seconds(gateway.process.pid)
        load = asyncio.run(_load(gateway))
        processor = (processor_seconds(gateway.process.pid) - before) / load.lasted_seconds
        waiting = len(gateway.waiting())
    count = len(load.seconds)
    required = f"{DELIVERIES_PER_SECOND * SECONDS:,} x 202"
    statuses = ", ".join(f"{number:,} x {status}" for status, number in load.statuses.items())
    table.add_row("answers", statuses, required)
    table.add_row("deliveries", f"{count / load.lasted_seconds:,.0f} /s", "500 /s")
    for percent in (50, 95, 99, 100):
        limit = f"<= {MILLISECONDS_MAX} ms" if percent == 99 else "-"
        table.add_row(f"p{percent}", f"{percentile(load.seconds, percent) * 1000:.1f} ms", limit)
    table.add_row("processor", f"{processor * 100:.0f} % of a core", "-")
    table.add_row("rows waiting", f"{waiting:,}", f"{ROWS:,}")
    return table


@dataclass
class Load:
    """What became of it.

    Attributes:
        seconds: from the moment of each delivery to its answer.
        statuses: status → how often it was answered.
        lasted_seconds: from the first delivery to the last answer.

    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lasted_seconds: float = 0.0


async def _load(gateway: RunningGateway) -> Load:
    load, client = Load(), _Client(gateway.url)
    requests = [_request(number) for number in range(ROWS)]
    began = time.perf_counter() + 0.5
    async with asyncio.TaskGroup() as group:
        for number in range(DELIVERIES_PER_SECOND * SECONDS):
            moment = began + number / DELIVERIES_PER_SECOND
            await asyncio.sleep(moment - time.perf_counter())
            request = requests[number % ROWS]
            group.create_task(_deliver(client, request, moment=moment, load=load))
    load.lasted_seconds = time.perf_counter() - began
    client.close()
    return load


async def _deliver(client: "_Client", request: bytes, *, moment: float, load: Load) -> None:
    status = await client.send(request)
    load.seconds.append(time.perf_counter() - moment)
    load.statuses[status] += 1


class _Client:
    """Takes a connection that is free, or opens one."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, request: bytes) -> int:
        """The status of the answer."""
        if self._free:
            connection = self._free.pop()
        else:
            connection = await asyncio.open_connection(self._host, self._port)
        reader, writer = connection
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        if b"connection: close" in head.lower():
            writer.close()
        else:
            self._free.append(connection)
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Let go of all connections."""
        for _, writer in self._free:
            writer.close()


def _request(number: int) -> bytes:
    """A delivery of about 4 KB, as Dataverse writes it for an update of a dozen columns."""
    row_id = f"7eb682f1-ca75-4511-80d4-{number:012}"
    columns = [{"key": f"contoso_column{index}", "value": "x" * 200} for index in range(15)]
    target = {**reference(row_id, table="contoso_hotel"), "Attributes": columns}
    parameters = [{"key": "Target", "value": target}]
    delivery = context("Update", PrimaryEntityId=row_id, InputParameters=parameters)
    body = msgspec.json.encode(delivery).replace(b"/", rb"\/")
    head = (
        "POST /wake-ups HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
        f"x-dv-sync-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
