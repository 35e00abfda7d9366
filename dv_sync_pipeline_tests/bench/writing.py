"""A process of its own that changes the primary, as people and other systems would.

Open loop: changes are sent at their moments whether or not earlier ones are answered, so that an
environment that falls behind cannot hide it. Belongs here: what is changed, and when. Does not
belong here: what becomes of it (`arrivals.py`).

    python -m dv_sync_pipeline_tests.bench.writing SYNC_YAML RATE SECONDS SEED
"""

import asyncio
import json
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx
import msgspec

from dv_sync_pipeline.emulator.process.users import STRANGER
from dv_sync_pipeline_tests.bench.arrivals import mark
from dv_sync_pipeline_tests.worlds.judge import Environment

MARKED = {
    "contoso_brand": "contoso_history",
    "contoso_hotel": "contoso_description",
    "contoso_room": "contoso_remarks",
    "contoso_rateplan": "contoso_terms",
}
"""Table → the column that bears marks."""

ROOM_FOLLOWS_SECONDS = 3.0
DELETED_AFTER_SECONDS = 20.0
_DONE, _REFUSED = {200, 201, 204}, {404, 429}
_SETS = {table: f"{table}s" for table in MARKED}


@dataclass(frozen=True, slots=True)
class Write:
    """One request.

    Attributes:
        method: in capitals.
        path: below the root of the Web API.
        values: the row, or what changes of it.

    """

    method: str
    path: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Hand:
    """Decides what is written next.

    Args:
        rows: table → ids of the rows that may be changed.
        random: chooses.
        first: the number of the first change.

    """

    def __init__(
        self, rows: Mapping[str, Sequence[str]], *, random: Random, first: int = 1
    ) -> None:
        self._rows = {table: list(ids) for table, ids in rows.items()}
        self._random = random
        self._number = first
        self._own_rooms: list[tuple[float, str]] = []
        self._due_rooms: list[tuple[float, str]] = []
        self._kinds: Mapping[Callable[[float], Write], int] = {
            lambda _now: self._update("contoso_room"): 10,
            lambda _now: self._update("contoso_hotel"): 4,
            lambda _now: self._update("contoso_rateplan"): 2,
            lambda _now: self._update("contoso_brand"): 1,
            self._create_room: 2,
            self._delete_room: 1,
            self._create_hotel: 1,
        }

    def next(self, now: float) -> Write:
        """One more change, at that moment in seconds."""
        if self._due_rooms and self._due_rooms[0][0] <= now:
            return self._create_room(now, hotel=self._due_rooms.pop(0)[1])
        (kind,) = self._random.choices(list(self._kinds), list(self._kinds.values()))
        return kind(now)

    def _update(self, table: str) -> Write:
        row_id = self._random.choice(self._rows[table])
        return Write("PATCH", f"/{_SETS[table]}({row_id})", self._marked(table, row_id))

    def _create_room(self, now: float, *, hotel: str = "") -> Write:
        row_id = self._new_id()
        hotel = hotel or self._random.choice(self._rows["contoso_hotel"])
        self._own_rooms.append((now + DELETED_AFTER_SECONDS, row_id))
        values = {
            "contoso_roomid": row_id,
            "contoso_name": f"Room {self._number}",
            "contoso_number": f"B{self._number}",
            "contoso_HotelId@odata.bind": f"/contoso_hotels({hotel})",
        }
        return Write("POST", "/contoso_rooms", values | self._marked("contoso_room", row_id))

    def _create_hotel(self, now: float) -> Write:
        """Its room follows seconds later."""
        row_id = self._new_id()
        self._due_rooms.append((now + ROOM_FOLLOWS_SECONDS, row_id))
        values = {
            "contoso_hotelid": row_id,
            "contoso_name": f"Hotel {self._number}",
            "contoso_code": f"B-{self._number}",
        }
        return Write("POST", "/contoso_hotels", values | self._marked("contoso_hotel", row_id))

    def _delete_room(self, now: float) -> Write:
        """The oldest of our own, once it is old enough to have arrived."""
        if not self._own_rooms or self._own_rooms[0][0] > now:
            return self._create_room(now)
        return Write("DELETE", f"/contoso_rooms({self._own_rooms.pop(0)[1]})")

    def _marked(self, table: str, row_id: str) -> dict[str, str]:
        self._number += 1
        return {MARKED[table]: mark(row_id, self._number)}

    def _new_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))


@dataclass
class Written:
    """What became of it.

    Attributes:
        statuses: status → how often it was answered.
        late_seconds: how much later than its moment the latest was sent.

    """

    statuses: Counter[int] = field(default_factory=Counter)
    late_seconds: float = 0.0

    @property
    def refused(self) -> int:
        """Requests that changed nothing: too many for the environment, and what built upon them."""
        return sum(self.statuses[status] for status in _REFUSED)


async def write(
    client: httpx.AsyncClient,
    hand: Hand,
    *,
    authorizations: Sequence[str],
    per_second: float,
    seconds: float,
) -> Written:
    """All of them; each is sent at its moment, by one user after the other."""
    written, users = Written(), cycle(authorizations)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(round(per_second * seconds)):
            moment = number / per_second
            await asyncio.sleep(began + moment - time.perf_counter())
            late = time.perf_counter() - began - moment
            written.late_seconds = max(written.late_seconds, late)
            request = _request(client, hand.next(moment), authorization=next(users))
            group.create_task(_send(client, request, written))
    return written


def _request(client: httpx.AsyncClient, write: Write, *, authorization: str) -> httpx.Request:
    content = msgspec.json.encode(write.values) if write.values else None
    headers = {"authorization": authorization}
    path = write.path.removeprefix("/")
    return client.build_request(write.method, path, content=content, headers=headers)


async def _send(client: httpx.AsyncClient, request: httpx.Request, written: Written) -> None:
    answer = await client.send(request)
    written.statuses[answer.status_code] += 1


async def _write_all(sync_yaml: Path, per_second: float, seconds: float, seed: int) -> Written:
    primary = Environment(sync_yaml, "primary", is_administrator=True)
    rows = {
        table: [row[f"{table}id"] for row in primary.rows(table)]  # all columns: it is done once
        for table in MARKED
    }
    first = time.time_ns() // 1_000_000
    # Its own ids and numbers, though others have written with the same seed before.
    hand = Hand(rows, random=Random(f"{seed} {first}"), first=first)
    folder = sync_yaml.parent
    async with httpx.AsyncClient(
        base_url=f"{primary.settings['url']}/api/data/v9.2/",
        headers={"content-type": "application/json"},
        verify=ssl.create_default_context(cafile=folder / primary.settings["ca_file"]),
        trust_env=False,
        timeout=60,
    ) as client:
        authorizations = [primary.authorization, _authorization_of_another(primary)]
        primary.close()
        return await write(
            client, hand, authorizations=authorizations, per_second=per_second, seconds=seconds
        )


def _authorization_of_another(primary: Environment) -> str:
    """A second administrator: one user may send 6,000 requests in five minutes (DATAVERSE 9.1)."""
    (user,) = primary.rows("systemuser", f"applicationid eq {STRANGER.client_id}")
    (role,) = primary.rows("role", "name eq 'System Administrator'")
    path = f"/systemusers({user['systemuserid']})/systemuserroles_association"
    if not primary.send("GET", path).json()["value"]:
        target = f"{primary.settings['url']}/api/data/v9.2/roles({role['roleid']})"
        primary.send("POST", f"{path}/$ref", json={"@odata.id": target})
    return primary.authorization_of(STRANGER.client_id, STRANGER.client_secret)


@contextmanager
def writing(
    sync_yaml: Path, *, per_second: float, seconds: float, seed: int
) -> Iterator["subprocess.Popen[str]"]:
    """The process that writes; `result_of` waits for its end."""
    arguments = (str(sync_yaml), str(per_second), str(seconds), str(seed))
    with subprocess.Popen(
        [sys.executable, "-m", __name__, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def result_of(process: "subprocess.Popen[str]") -> Written:
    """What it has written, once it has ended; nothing else may have gone wrong."""
    output, _ = process.communicate()
    assert process.returncode == 0, "the process that writes has failed"
    document = json.loads(output)
    statuses = Counter({int(status): count for status, count in document["statuses"].items()})
    assert set(statuses) <= _DONE | _REFUSED, statuses
    return Written(statuses, document["late_seconds"])


def main(arguments: Sequence[str]) -> None:
    """Write, and print what became of it."""
    sync_yaml, per_second, seconds, seed = arguments
    work = _write_all(Path(sync_yaml), float(per_second), float(seconds), int(seed))
    written = asyncio.run(work)
    document = {"statuses": written.statuses, "late_seconds": written.late_seconds}
    sys.stdout.write(json.dumps(document))


if __name__ == "__main__":
    main(sys.argv[1:])
