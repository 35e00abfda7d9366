"""The world of the contract tests: one environment, spoken to by plain httpx.

By default it is the emulator, in this process, over real HTTP on 127.0.0.1. `DV_LIVE_URL` and
`DV_LIVE_TOKEN` point the same tests at a live environment, in which the tables below must exist
(prefix `dvc_`); what only an emulator can show is skipped there and says so.

Tests share the tables and never count on being alone: each marks its rows with a `mark` of its own.
"""

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from socket import socket
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from dv_sync_pipeline.emulator.process.server import open_port
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.service.application import create_application
from dv_sync_pipeline.emulator.tables import define, system
from dv_sync_pipeline.emulator.tables.schema import (
    DeleteRule,
    ManyToManyDefinition,
    OptionDefinition,
    TableDefinition,
)

BRAND = define.table(
    "dvc_Brand",
    entity_set="dvc_brands",
    columns=(
        define.string("dvc_Code", max_length=20),
        define.string("dvc_Mark"),
    ),
    keys=(define.key("dvc_brandcode", "dvc_code"),),
)

HOTEL = define.table(
    "dvc_Hotel",
    entity_set="dvc_hotels",
    primary_name=define.string("dvc_Name", max_length=200),
    columns=(
        define.string("dvc_Mark"),
        define.string("dvc_Code", max_length=20),
        define.integer("dvc_Stars", minimum=1, maximum=5),
        define.decimal("dvc_Rate", precision=2),
        define.money("dvc_Price"),
        define.double("dvc_Score", precision=3),
        define.boolean("dvc_IsOpen", labels=("Closed", "Open")),
        define.date_only("dvc_Opened"),
        define.date_time("dvc_CheckedOn"),
        define.choice("dvc_Kind", {1: "City", 2: "Beach", 3: "Airport"}),
        define.multi_choice("dvc_Tags", {1: "Pool", 2: "Spa", 9: "Bar"}),
        define.memo("dvc_Note", max_length=2000),
        define.string("dvc_Secret", is_secured=True),
        define.file("dvc_Plan"),
        define.image("dvc_Photo", is_primary_image=True),
        define.image("dvc_Logo"),
        define.lookup("dvc_BrandId", to="dvc_brand"),
        define.lookup("dvc_ParentId", to="dvc_hotel"),
        define.lookup("dvc_PartnerId", to=("dvc_brand", "dvc_hotel")),
    ),
    keys=(define.key("dvc_hotelcode", "dvc_code"),),
    statuses=(
        OptionDefinition(1, "Active", state=0),
        OptionDefinition(3, "Renovating", state=0),
        OptionDefinition(2, "Inactive", state=1),
        OptionDefinition(4, "Sold", state=1),
    ),
)

ROOM = define.table(
    "dvc_Room",
    entity_set="dvc_rooms",
    columns=(
        define.string("dvc_Number", max_length=10),
        define.integer("dvc_Floor"),
        define.lookup("dvc_HotelId", to="dvc_hotel", on_delete=DeleteRule.CASCADE),
        define.lookup("dvc_StyleId", to="dvc_brand", on_delete=DeleteRule.RESTRICT),
    ),
    keys=(define.key("dvc_roomkey", "dvc_hotelid", "dvc_number"),),
)

OFFERS = ManyToManyDefinition(
    schema_name="dvc_hotel_brand_offers",
    intersect="dvc_offer",
    first="dvc_hotel",
    second="dvc_brand",
    first_property="dvc_hotel_offers",
    second_property="dvc_brand_offered_by",
    first_column="dvc_hotelid",
    second_column="dvc_brandid",
)

TABLES: tuple[TableDefinition, ...] = (
    BRAND,
    HOTEL,
    ROOM,
    replace(system.intersect_table(OFFERS), entity_set="dvc_offers"),
)
USERS = {"administrator": (system.ADMINISTRATOR,), "reader": (system.READER,), "nobody": ()}


@dataclass(frozen=True, slots=True)
class NameIsToken:
    """Identifies users by their name as the token; no token is the administrator's."""

    ids: dict[str, str]

    def identify(self, authorization: str) -> str:
        """The id of the user; there are no strangers here."""
        return self.ids[authorization.removeprefix("Bearer ") or "administrator"]


@dataclass(frozen=True, slots=True)
class Emulator:
    """The emulator of this process, for what no request could do or see."""

    url: str
    environment: EmulatedEnvironment

    @property
    def store(self) -> Store:
        """Its rows."""
        return self.environment.store


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[Emulator]:
    """The emulator with the tables above, on a free port."""
    store = Store()
    system.found_environment(store, organization_name="contract")
    users = {
        name: system.create_application_user(
            store, application_id=str(uuid.uuid4()), full_name=name, roles=roles
        )
        for name, roles in USERS.items()
    }
    for definition in TABLES:
        store.create_table(definition)
    store.create_many_to_many(OFFERS)
    with open_port(0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environment = EmulatedEnvironment("contract", url, store, NameIsToken(users))
        with _serving(create_application(environment), listener):
            yield Emulator(url, environment)
    store.close()


@contextmanager
def _serving(application: ASGIApp, listener: socket) -> Iterator[None]:
    """Serve an application in a thread of its own, from the moment when it answers."""
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(application, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    assert started.wait(timeout=10)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="session")
def live_url() -> str | None:
    """The live environment to test instead, or None."""
    return os.environ.get("DV_LIVE_URL")


@pytest.fixture
def emulator(live_url: str | None, request: pytest.FixtureRequest) -> Emulator:
    """The emulator itself; skips a test that a live environment cannot pass."""
    if live_url:
        pytest.skip("needs the emulator: a live environment cannot be brought into this state")
    found: Emulator = request.getfixturevalue("running_emulator")
    return found


@pytest.fixture(scope="session")
def emulator_only(live_url: str | None) -> None:
    """Skips tests that order what no live environment can be ordered to do."""
    if live_url:
        pytest.skip("needs the emulator: a live environment takes no orders")


@pytest.fixture(scope="session")
def api(live_url: str | None, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of the Web API, as the administrator."""
    headers = {"OData-MaxVersion": "4.0", "OData-Version": "4.0", "Accept": "application/json"}
    if live_url:
        url, headers["Authorization"] = live_url, f"Bearer {os.environ['DV_LIVE_TOKEN']}"
    else:
        url = request.getfixturevalue("running_emulator").url
    with httpx.Client(base_url=f"{url}/api/data/v9.2/", headers=headers) as client:
        yield client


@pytest.fixture
def mark() -> str:
    """A text by which a test recognizes its own rows."""
    return uuid.uuid4().hex[:12]


@pytest.fixture
def new_id() -> str:
    """A GUID that names nothing yet."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one entity set, for preparing the world and for looking at it."""

    api: httpx.Client
    entity_set: str
    mark: str

    def create(self, **columns: Any) -> str:
        """Create a row and return its id."""
        name = columns.pop("name", f"row of {self.mark}")
        values = {"dvc_name": name, **columns}
        if self.entity_set != "dvc_rooms":
            values["dvc_mark"] = self.mark
        answer = self.api.post(self.entity_set, json=values)
        assert answer.status_code == 204, answer.text
        return answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")

    def read(self, row_id: str, *, select: str = "") -> dict[str, Any]:
        """One row as it is now."""
        query = f"?$select={select}" if select else ""
        answer = self.api.get(f"{self.entity_set}({row_id}){query}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def names(self, query: str = "", **headers: str) -> list[str]:
        """The names of this test's rows that a query finds, in its order."""
        answer = self.api.get(f"{self.entity_set}?$select=dvc_name&{query}", headers=headers)
        assert answer.status_code == 200, answer.text
        return [row["dvc_name"] for row in answer.json()["value"]]

    def find(self, condition: str, *, order: str = "dvc_name") -> list[str]:
        """As `names`, for a filter among this test's rows."""
        return self.names(f"$filter=dvc_mark eq '{self.mark}' and ({condition})&$orderby={order}")


@pytest.fixture
def hotels(api: httpx.Client, mark: str) -> Rows:
    """The table with columns of every kind."""
    return Rows(api, "dvc_hotels", mark)


@pytest.fixture
def brands(api: httpx.Client, mark: str) -> Rows:
    """The table that hotels point to."""
    return Rows(api, "dvc_brands", mark)


@pytest.fixture
def rooms(api: httpx.Client, mark: str) -> Rows:
    """The table with a composite key, whose rows go with their hotel."""
    return Rows(api, "dvc_rooms", mark)


def code_of(answer: httpx.Response) -> str:
    """Dataverse's error code of an answer."""
    return str(answer.json()["error"]["code"])


@pytest.fixture
def refusal() -> Any:
    """What an answer refuses with: (HTTP status, Dataverse's code)."""
    return lambda answer: (answer.status_code, code_of(answer))
