"""One emulated environment behind a real socket, and a receiver of its webhooks, in this process.

Belongs here: serving them. What they are asked, and what is expected, stands in the tests.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import uvicorn

from dv_sync_pipeline.emulator.process.server import open_port
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.service.application import create_application
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.system import create_application_user, found_environment
from dv_sync_pipeline.emulator.trouble.behaviour import Behaviour, surround
from dv_sync_pipeline.emulator.trouble.clock import AdjustableClock

API = "/api/data/v9.2"
HOTEL = define.table(
    "contoso_Hotel",
    entity_set="contoso_hotels",
    primary_name=define.string("contoso_Name", max_length=400),
    columns=(
        define.string("contoso_Code", max_length=20),
        define.integer("contoso_Stars"),
        define.memo("contoso_Story", max_length=1_000_000),
    ),
    keys=(define.key("contoso_code_key", "contoso_code"),),
)


class TokenIsUser:
    """Whoever bears a user id as token is that user."""

    def identify(self, authorization):
        """The user."""
        return authorization.removeprefix("Bearer ")


@dataclass(frozen=True)
class Served:
    """An environment that answers.

    Attributes:
        url: without a slash at the end.
        anna, boris: ids of two administrators.

    """

    url: str
    anna: str
    boris: str

    def client(self, user=None):
        """A client of that user, of Anna by default, that speaks to the Web API."""
        headers = {"Authorization": f"Bearer {user or self.anna}"}
        return httpx.Client(base_url=f"{self.url}{API}", headers=headers, timeout=30)

    def control(self, method, path, **body):
        """Pull a lever and return its answer."""
        return httpx.request(method, f"{self.url}/control{path}", timeout=30, **body)

    def arm(self, *faults, seed=0):
        """Put a fault plan in force."""
        plan = {"seed": seed, "faults": faults}
        assert 200 == self.control("POST", "/faults", json=plan).status_code

    def fired(self):
        """How often each fault took hold."""
        return [fault["fired"] for fault in self.control("GET", "/faults").json()["faults"]]

    def settle(self):
        """Wait until every webhook is delivered."""
        assert 204 == self.control("POST", "/webhooks/settle").status_code


@contextmanager
def served_environment(folder: Path, behaviour: Behaviour) -> Iterator[Served]:
    """An environment with a table of hotels and two administrators; it lives in the folder."""
    clock = AdjustableClock(lambda: datetime.now(UTC))
    with ExitStack() as stack:
        listener = stack.enter_context(open_port(0))
        url = f"http://localhost:{listener.getsockname()[1]}"
        store = Store(folder / "primary.db", clock=clock)
        stack.callback(store.close)
        if store.is_new:
            _fill(store)
        environment = EmulatedEnvironment("primary", url, store, TokenIsUser(), clock=clock)
        application = surround(
            create_application(environment),
            behaviour,
            environment=environment,
            clock=clock,
            snapshots=folder / "snapshots",
        )
        stack.enter_context(_serving(application, listener))
        yield Served(url, store.setting("anna"), store.setting("boris"))


def _fill(store):
    found_environment(store, organization_name="primary")
    store.create_table(HOTEL)
    for name, application_id in (("anna", "a" * 8), ("boris", "b" * 8)):
        full_id = f"{application_id}-0000-4000-8000-000000000000"
        user_id = create_application_user(store, application_id=full_id, full_name=name)
        store.set_setting(name, user_id)


@contextmanager
def _serving(application, listener):
    config = uvicorn.Config(application, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.001)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


_AUTHENTICATIONS = {
    "query": lambda key: {"authtype": 4, "authvalue": key},
    "header": lambda key: {
        "authtype": 5,
        "authvalue": f'<settings><setting name="x-dv-sync-key" value="{key}" /></settings>',
    },
}


def register_webhook(
    client, message, url, *, key, table="contoso_hotel", authentication="query", **step
):
    """A step, as a client of the Web API registers it; returns its id."""
    endpoint = {
        "name": "sync hook",
        "url": url,
        "contract": 8,
        "messageformat": 2,
        **_AUTHENTICATIONS[authentication](key),
    }
    endpoint_id = created_id(client.post("/serviceendpoints", json=endpoint))
    message_id = only_id(client, f"/sdkmessages?$select=sdkmessageid&$filter=name eq '{message}'")
    step = {
        "name": f"sync: {message} of {table}",
        "stage": 40,
        "mode": 1,
        "rank": 1,
        "supporteddeployment": 0,
        "asyncautodelete": True,
        "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({endpoint_id})",
        "sdkmessageid@odata.bind": f"/sdkmessages({message_id})",
        **step,
    }
    if table:
        filter_id = only_id(
            client,
            "/sdkmessagefilters?$select=sdkmessagefilterid&$filter=primaryobjecttypecode eq "
            f"'{table}' and sdkmessageid/name eq '{message}'",
        )
        step["sdkmessagefilterid@odata.bind"] = f"/sdkmessagefilters({filter_id})"
    return created_id(client.post("/sdkmessageprocessingsteps", json=step))


def only_id(client, path):
    """The id of the only row that a query finds."""
    rows = client.get(path).json()["value"]
    assert 1 == len(rows), rows
    return next(value for name, value in rows[0].items() if name.endswith("id"))


def created_id(answer):
    """The id in the answer to a create."""
    assert 204 == answer.status_code, answer.text
    return answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")


@dataclass
class Receiver:
    """Takes webhooks.

    Attributes:
        url: where.
        received: (path, headers, body) of each.
        answers: statuses of the next answers; 202 when there are none left.

    """

    url: str
    received: list = field(default_factory=list)
    answers: list = field(default_factory=list)
    _arrived: threading.Event = field(default_factory=threading.Event)

    def take(self, path, headers, body):
        """Keep one."""
        self.received.append((path, headers, body))
        self._arrived.set()

    def wait_for_one(self):
        """The first that comes."""
        assert self._arrived.wait(timeout=30)
        return self.received[0]


class _Server(ThreadingHTTPServer):
    """Lets many deliveries come at once."""

    request_queue_size = 128


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """A receiver on this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take(self.path, dict(self.headers), body)
            self.send_response(receiver.answers.pop(0) if receiver.answers else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments):
            """Say nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
