"""How quick the emulator is, as a client process sees it over TLS.

The client is the standard library's, so that little of the client's own cost is measured. The
processor time that the emulator spent on one call stands beside each figure: it says whether a bad
figure is the emulator's fault or that of a busy machine.
"""

import http.client
import os
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from urllib.parse import urlencode, urlsplit

import msgspec
from rich.table import Table

from dv_sync_pipeline.emulator.process.launch import RunningEmulator, running_emulator
from dv_sync_pipeline.emulator.process.users import ADMINISTRATOR, TENANT_ID
from dv_sync_pipeline.emulator.samples import SAMPLES
from dv_sync_pipeline.emulator.samples.hotels_rows import Row

ROWS = 1_000_000
CALLS = 12
ROWS_PER_CALL = 1_000
ROWS_PER_PAGE = 5_000
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_LOOKUPS = {
    "contoso_hotelid": ("contoso_HotelId", "contoso_hotels"),
    "contoso_roomtypeid": ("contoso_RoomTypeId", "contoso_roomtypes"),
}
_COLUMNS = (
    "contoso_name,contoso_number,contoso_floor,contoso_areasqm,contoso_baserate,"
    "contoso_noiselevel,contoso_lockserial,contoso_accessible,contoso_view,contoso_equipment,"
    "contoso_renovatedon,contoso_cleanedat,contoso_remarks,"
    "_contoso_hotelid_value,_contoso_roomtypeid_value"
)


def measure() -> Table:
    """A table of figures and of what is required of them."""
    table = Table("measured", "figure", "its processor time", "required", title="Emulator, TLS")
    arguments = ("primary=0", "--sample", "hotels", "--rows", str(ROWS))
    started = time.perf_counter()
    with running_emulator(arguments) as running:
        seconds = time.perf_counter() - started
        processor = f"{_processor_seconds(running):.1f} s"
        table.add_row(f"start with {ROWS:,} rooms", f"{seconds:.1f} s", processor, "-")
        client = Client(running)
        for row in (*_pages(client), *_creates(client)):
            table.add_row(*row)
        memory = f"{_memory_gib(running):.2f} GiB"
        table.add_row("memory with all of them", memory, "-", "<= 3 GiB")
    return table


class Client:
    """A client that keeps one connection and the administrator's token."""

    def __init__(self, running: RunningEmulator) -> None:
        """Connect to the only environment."""
        (url,) = running.urls.values()
        self.running = running
        self._url = url
        self._connection = http.client.HTTPSConnection(
            urlsplit(url).netloc, context=ssl.create_default_context(cafile=running.ca_file)
        )
        self._headers = {"Authorization": f"Bearer {self._ask_token()}"}

    def get(self, path: str, **headers: str) -> bytes:
        """The body of an answer that is 200."""
        return self._send("GET", path, b"", self._headers | headers)

    def post(self, path: str, body: bytes) -> bytes:
        """The body of an answer that is 200."""
        return self._send("POST", path, body, self._headers | {"Content-Type": "application/json"})

    def _ask_token(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "scope": f"{self._url}/.default",
            "client_id": ADMINISTRATOR.client_id,
            "client_secret": ADMINISTRATOR.client_secret,
        }
        path = f"/{TENANT_ID}/oauth2/v2.0/token"
        answer = self._send("POST", path, urlencode(form).encode(), {})
        return str(msgspec.json.decode(answer)["access_token"])

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return content


def _pages(client: Client) -> Iterator[tuple[str, str, str, str]]:
    path = f"/api/data/v9.2/contoso_rooms?$select={_COLUMNS}"
    prefer = f"odata.maxpagesize={ROWS_PER_PAGE}"
    seconds = []
    before = _processor_seconds(client.running)
    for _ in range(CALLS):
        page, elapsed = _timed(partial(client.get, path, Prefer=prefer))
        seconds.append(elapsed)
        link = urlsplit(msgspec.json.decode(page)["@odata.nextLink"])
        path = f"{link.path}?{link.query}"
    name = f"page of {ROWS_PER_PAGE:,} rows x 15 columns"
    processor = _milliseconds_per_call(client, before)
    yield name, f"{median(seconds) * 1000:.0f} ms", processor, "<= 60 ms"


def _creates(client: Client) -> Iterator[tuple[str, str, str, str]]:
    path = "/api/data/v9.2/contoso_rooms/Microsoft.Dynamics.CRM.CreateMultiple"
    bodies = list(_bodies())
    before = _processor_seconds(client.running)
    seconds = [_timed(partial(client.post, path, body))[1] for body in bodies]
    rate = ROWS_PER_CALL / median(seconds)
    name = f"CreateMultiple of {ROWS_PER_CALL:,} rows x 15 columns"
    processor = _milliseconds_per_call(client, before)
    yield name, f"{rate:,.0f} rows/s", processor, ">= 20,000 rows/s"


def _bodies() -> Iterator[bytes]:
    """New rooms of the hotels that are there, in calls of a thousand."""
    rooms = dict(SAMPLES["hotels"].primary.rows(0, CALLS * ROWS_PER_CALL))["contoso_room"]
    for call in range(CALLS):
        targets = [
            _spell(room, number)
            for number, room in enumerate(islice(rooms, ROWS_PER_CALL), call * ROWS_PER_CALL)
        ]
        yield _ENCODE({"Targets": targets})


def _spell(room: Row, number: int) -> dict[str, object]:
    """The row as a client writes it, with a number that no room has yet."""
    skipped = {"contoso_roomid", "statecode", "statuscode", *_LOOKUPS}
    body: dict[str, object] = {name: room[name] for name in room.keys() - skipped}
    for column, (navigation_property, entity_set) in _LOOKUPS.items():
        body[f"{navigation_property}@odata.bind"] = f"/{entity_set}({room[column]})"
    return body | {
        "contoso_number": f"N{number}",
        "@odata.type": "Microsoft.Dynamics.CRM.contoso_room",
    }


def _timed(work: Callable[[], bytes]) -> tuple[bytes, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def _memory_gib(running: RunningEmulator) -> float:
    """Resident memory of the emulator; Linux tells it in pages."""
    pages = int(Path(f"/proc/{running.process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**30


def _processor_seconds(running: RunningEmulator) -> float:
    """What the emulator has used so far; Linux tells it in clock ticks."""
    fields = Path(f"/proc/{running.process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _milliseconds_per_call(client: Client, before: float) -> str:
    return f"{(_processor_seconds(client.running) - before) / CALLS * 1000:.0f} ms"
