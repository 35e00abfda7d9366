"""The levers of an environment, pulled over HTTP without a socket."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import httpx
import pytest

from dv_sync_pipeline.emulator.rows.snapshots import Snapshots
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.rows.switches import Switches
from dv_sync_pipeline.emulator.rows.watching import Nobody
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.trouble.clock import AdjustableClock
from dv_sync_pipeline.emulator.trouble.commits import CommitLog
from dv_sync_pipeline.emulator.trouble.control import START, Levers, RequestLog, create_control
from dv_sync_pipeline.emulator.trouble.faults import FaultInjector
from dv_sync_pipeline.emulator.trouble.wire import Answer, ConnectionLost, WireRequest
from dv_sync_pipeline.emulator.trouble.world import StoredWorld
from dv_sync_pipeline.emulator.webhooks.origin import Origin, origin_of_request
from dv_sync_pipeline.emulator.webhooks.webhook_payload import RowChange

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
HOTEL = define.table(
    "contoso_Hotel", entity_set="contoso_hotels", primary_name=define.string("contoso_Name")
)
READ = WireRequest("GET", "/api/data/v9.2/contoso_hotels?$top=1", user_id="anna")


class World:
    """An environment with a table of hotels and all its levers."""

    def __init__(self, folder):
        self.store = Store()
        self.store.create_table(HOTEL)
        self.clock = AdjustableClock(lambda: NOON)
        self.log = RequestLog(clock=self.clock, stopwatch=lambda: 0.0)
        self.commits = CommitLog(self.store.database, Nobody(), clock=self.clock)
        self.faults = FaultInjector(sleep=asyncio.sleep, world=StoredWorld(self.store))
        self.switches = Switches()
        self.settled = 0
        self.snapshots = Snapshots(self.store, folder=folder)
        self.snapshots.save(START)
        self._control = create_control(
            Levers(
                name="primary",
                clock=self.clock,
                snapshots=self.snapshots,
                log=self.log,
                commits=self.commits,
                faults=self.faults,
                switches=self.switches,
                settle_webhooks=self._settle,
            )
        )

    def ask(self, method, path, *, client="127.0.0.1", host="localhost:8801", **body):
        """One request to the levers, from that machine, under that name."""

        async def send():
            transport = httpx.ASGITransport(self._control, client=(client, 50_000))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
                return await http.request(method, path, **body)

        return asyncio.run(send())

    def add_hotel(self):
        """One more row."""
        self.store.load_rows("contoso_hotel", [{"contoso_name": "Adlon"}])

    @property
    def hotels(self):
        """How many there are."""
        return self.store.database.value("SELECT count(*) FROM contoso_hotel")

    async def _settle(self):
        self.settled += 1


@pytest.fixture
def world(tmp_path):
    """Nothing has happened yet."""
    it = World(tmp_path)
    yield it
    it.store.close()


def logged(world, *answers):
    """The log after requests that were answered so; None breaks the connection."""

    async def behind(_request, answer):
        if answer is None:
            raise ConnectionLost(abruptly=True)
        return answer

    async def run():
        for answer in answers:
            with suppress(ConnectionLost):
                await world.log(READ, proceed=lambda request, one=answer: behind(request, one))

    asyncio.run(run())


# ---- who may --------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1"])
def test_this_machine_may(world, client):
    """Any loopback address."""
    assert 200 == world.ask("GET", "/", client=client).status_code


@pytest.mark.parametrize("client", ["192.168.1.4", "203.0.113.9", "2001:db8::1", "testclient"])
def test_other_machines_see_nothing(world, client):
    """Not even that there is something."""
    assert 404 == world.ask("GET", "/", client=client).status_code


@pytest.mark.parametrize("host", ["attacker.example", "localhost.attacker.example:8801"])
def test_other_names_see_nothing(world, host):
    """A page whose name resolves to 127.0.0.1 comes from this machine, but under its own name."""
    assert 404 == world.ask("POST", "/reset", host=host).status_code


@pytest.mark.parametrize("origin", ["https://attacker.example", "null"])
def test_pages_from_elsewhere_see_nothing(world, origin):
    """A page that sends a form to this machine cannot hide where it comes from."""
    assert 404 == world.ask("POST", "/reset", headers={"Origin": origin}).status_code


def test_a_page_of_this_machine_may(world):
    """A test that runs in a browser."""
    headers = {"Origin": "http://localhost:3000"}

    assert 200 == world.ask("GET", "/", headers=headers).status_code


# ---- state --------------------------------------------------------------------------------------


def test_snapshot_and_restore(world):
    """Rows come and go with it."""
    assert 201 == world.ask("POST", "/snapshots/empty").status_code
    world.add_hotel()

    answer = world.ask("POST", "/snapshots/empty/restore")

    assert (204, 0) == (answer.status_code, world.hotels)


def test_snapshots_are_listed(world):
    """The one of the start among them."""
    world.ask("POST", "/snapshots/mine")

    assert {"snapshots": ["mine", START]} == world.ask("GET", "/snapshots").json()


def test_unknown_snapshot(world):
    """Says which one."""
    answer = world.ask("POST", "/snapshots/nothing/restore")

    assert 404 == answer.status_code
    assert "nothing" in answer.json()["error"]["message"]


def test_snapshot_with_a_wrong_name(world):
    """Says what a name may be."""
    assert 400 == world.ask("POST", "/snapshots/a.b").status_code


def test_reset(world):
    """Everything is as it was at the start, when all deliveries are done."""
    world.switches.error_codes_empty = True
    world.add_hotel()
    world.clock.advance(60)
    logged(world, Answer(200))
    world.ask("POST", "/faults", json={"faults": [{"effect": {"kind": "delay"}}]})

    answer = world.ask("POST", "/reset")

    assert 204 == answer.status_code
    assert Switches() == world.switches
    assert (0, NOON, 0, [], 1) == (
        world.hotels,
        world.clock(),
        world.log.total,
        world.faults.counts(),
        world.settled,
    )


# ---- time ---------------------------------------------------------------------------------------


def test_clock(world):
    """What time it is there."""
    expected = {"now": "2027-01-01T12:00:00Z", "stopped": False}

    assert expected == world.ask("GET", "/clock").json()


@pytest.mark.parametrize(
    ("order", "now", "stopped"),
    [
        ({"set": "2030-01-01T00:00:00Z"}, "2030-01-01T00:00:00Z", False),
        ({"set": "2030-01-01T00:00:00+01:00"}, "2029-12-31T23:00:00Z", False),
        ({"advance": 604800}, "2027-01-08T12:00:00Z", False),
        ({"stopped": True, "advance": -60}, "2027-01-01T11:59:00Z", True),
    ],
)
def test_set_clock(world, order, now, stopped):
    """Set it, advance it, stop it."""
    assert {"now": now, "stopped": stopped} == world.ask("POST", "/clock", json=order).json()


@pytest.mark.parametrize("order", [{"set": "2030-01-01T00:00:00"}, {"sett": 1}, {"set": "soon"}])
def test_unclear_clock_order(world, order):
    """A time without a zone is no time."""
    assert 400 == world.ask("POST", "/clock", json=order).status_code


# ---- log ----------------------------------------------------------------------------------------


def test_requests_are_logged(world):
    """Method, path, user, status, seconds and rows of each."""
    logged(world, Answer(200, (), b'{"value":[{"@odata.etag":"1"}]}'))

    entry = {
        "number": 1,
        "at": "2027-01-01T12:00:00Z",
        "method": "GET",
        "path": "/api/data/v9.2/contoso_hotels?$top=1",
        "user": "anna",
        "status": 200,
        "seconds": 0.0,
        "rows": 1,
    }
    assert {"requests": [entry], "total": 1} == world.ask("GET", "/requests").json()


def test_a_broken_connection_has_status_0(world):
    """No answer was sent."""
    logged(world, None)

    assert [0] == [entry["status"] for entry in world.ask("GET", "/requests").json()["requests"]]


def test_only_what_is_new(world):
    """Whoever follows the log asks for what came after."""
    logged(world, Answer(200), Answer(404), Answer(429))

    page = world.ask("GET", "/requests?after=2").json()

    assert [(3, 429)] == [(entry["number"], entry["status"]) for entry in page["requests"]]


def test_an_empty_log(world):
    """Numbers start again."""
    logged(world, Answer(200))

    world.ask("DELETE", "/requests")

    assert {"requests": [], "total": 0} == world.ask("GET", "/requests").json()


@pytest.fixture
def request_of_anna():
    """What is written is written for her."""
    token = origin_of_request.set(Origin(user_id="anna"))
    yield
    origin_of_request.reset(token)


@pytest.mark.usefixtures("request_of_anna")
def test_commits_are_logged(world):
    """Rows of a transaction that is rolled back were never there."""
    with suppress(ZeroDivisionError), world.store.transaction():
        world.commits.written(RowChange("Create", "contoso_hotel", "bates"))
        raise ZeroDivisionError
    with world.store.transaction():
        change = RowChange("Create", "contoso_hotel", "adlon", submitted={"contoso_name": "Adlon"})
        world.commits.written(change)

    entry = {
        "number": 1,
        "at": "2027-01-01T12:00:00Z",
        "message": "Create",
        "table": "contoso_hotel",
        "row_id": "adlon",
        "user": "anna",
        "values": {"contoso_name": "Adlon"},
    }
    assert {"commits": [entry], "total": 1} == world.ask("GET", "/commits").json()


def test_an_empty_log_of_commits(world):
    """Numbers start again."""
    world.commits.written(RowChange("Delete", "contoso_hotel", "adlon"))

    world.ask("DELETE", "/commits")

    assert {"commits": [], "total": 0} == world.ask("GET", "/commits").json()


# ---- faults -------------------------------------------------------------------------------------


def test_plan_and_counts(world):
    """The answer shows that it is in force."""
    plan = {"seed": 7, "faults": [{"name": "slow", "effect": {"kind": "delay", "seconds": 0}}]}

    world.ask("POST", "/faults", json=plan)

    expected = [{"name": "slow", "kind": "delay", "matched": 0, "fired": 0}]
    assert {"faults": expected} == world.ask("GET", "/faults").json()


@pytest.mark.parametrize(
    ("plan", "hint"),
    [
        ({"faults": [{"effect": {"kind": "earthquake"}}]}, "earthquake"),
        ({"faults": [{"effect": {"kind": "delay", "second": 1}}]}, "second"),
        ({"faults": [{"match": {"path": "("}, "effect": {"kind": "delay"}}]}, "regular expression"),
        ({"faults": {}}, "$.faults"),
    ],
)
def test_a_wrong_plan_is_explained(world, plan, hint):
    """And the plan before it stays in force."""
    answer = world.ask("POST", "/faults", json=plan)

    assert 400 == answer.status_code
    assert hint in answer.json()["error"]["message"]


def test_disarm(world):
    """Nothing goes wrong any more."""
    world.ask("POST", "/faults", json={"faults": [{"effect": {"kind": "delay"}}]})

    world.ask("DELETE", "/faults")

    assert {"faults": []} == world.ask("GET", "/faults").json()


def test_settle_webhooks(world):
    """Answers once all deliveries are done."""
    assert 204 == world.ask("POST", "/webhooks/settle").status_code
    assert 1 == world.settled


# ---- switches -----------------------------------------------------------------------------------


def test_turn_a_switch(world):
    """The environment behaves otherwise from now on."""
    answer = world.ask("POST", "/switches", json={"missing_bind_target_status": 400})

    assert 400 == answer.json()["missing_bind_target_status"]
    assert 400 == world.switches.missing_bind_target_status


@pytest.mark.parametrize(
    ("order", "hint"),
    [({"no_such_switch": 1}, "no_such_switch"), ({"error_codes_empty": "maybe"}, "bool")],
)
def test_a_wrong_switch_is_explained(world, order, hint):
    """And nothing is turned, not even what was right."""
    answer = world.ask("POST", "/switches", json={"expired_token_status": 410, **order})

    assert 400 == answer.status_code
    assert hint in answer.json()["error"]["message"]
    assert Switches() == world.switches
