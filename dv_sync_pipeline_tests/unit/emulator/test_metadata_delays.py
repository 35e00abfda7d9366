"""Keys and metadata that take their time (DATAVERSE 3.1, 3.5), on a clock that tests turn."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from dv_sync_pipeline.emulator.process.identity import AnyToken
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.replies import encode_json
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.rows.switches import Switches
from dv_sync_pipeline.emulator.service.requests import Request
from dv_sync_pipeline.emulator.service.routes import answer
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.system import create_application_user, found_environment

KEYS = "EntityDefinitions(LogicalName='new_hotel')/Keys"
HOTEL = define.table("new_Hotel", entity_set="new_hotels", columns=(define.string("new_Code"),))


class World:
    """An environment with hotels, its time, and somebody who asks."""

    def __init__(self, **switches):
        self.now = datetime(2026, 1, 31, tzinfo=UTC)
        store = Store(clock=lambda: self.now)
        self.close = store.close
        found_environment(store, organization_name="contoso")
        store.create_table(HOTEL)
        self._user_id = create_application_user(
            store, application_id="00000000-0000-0000-0000-000000000001", full_name="Somebody"
        )
        self._environment = EmulatedEnvironment(
            "contoso",
            "https://localhost",
            store,
            AnyToken(self._user_id),
            switches=Switches(**switches),
        )

    def wait(self, seconds):
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def ask(self, method, url, body=None):
        """Status and text of an answer."""
        path, _, query = url.partition("?")
        content = b"" if body is None else encode_json(body)
        request = Request(method, path, query, {}, content, self._user_id)
        reply = answer(self._environment, request)
        return reply.status, reply.body.decode()

    def create_key(self):
        """Ask for a key over the code."""
        return self.ask("POST", KEYS, {"SchemaName": "new_k", "KeyAttributes": ["new_code"]})


@pytest.fixture
def new_world():
    """Make a world with these switches; its store is closed at the end."""
    with ExitStack() as stack:

        def make(**switches):
            world = World(**switches)
            stack.callback(world.close)
            return world

        yield make


@pytest.mark.parametrize(
    ("waited_seconds", "status"), [(0, "Pending"), (59, "Pending"), (60, "Active")]
)
def test_index_of_a_key_takes_its_time(new_world, waited_seconds, status):
    """A new key is Pending until its index is built."""
    world = new_world(key_index_delay_seconds=60)
    world.create_key()

    world.wait(waited_seconds)

    assert f'"EntityKeyIndexStatus":"{status}"' in world.ask("GET", KEYS)[1]


def test_pending_key_cannot_be_used(new_world):
    """Neither does it address rows, nor does it refuse duplicates."""
    world = new_world(key_index_delay_seconds=60)
    world.create_key()

    assert 400 == world.ask("GET", "new_hotels(new_code='a')")[0]
    assert [204, 204] == [world.ask("POST", "new_hotels", {"new_code": "a"})[0] for _ in range(2)]


def test_key_over_duplicates_fails_when_its_time_comes(new_world):
    """What was written while the key was Pending counts."""
    world = new_world(key_index_delay_seconds=60)
    world.create_key()
    for _ in range(2):
        world.ask("POST", "new_hotels", {"new_code": "a"})

    world.wait(60)

    assert '"EntityKeyIndexStatus":"Failed"' in world.ask("GET", KEYS)[1]


def test_deleted_key_is_not_built_any_more(new_world):
    """A key that goes while it is Pending does not come back."""
    world = new_world(key_index_delay_seconds=60)
    world.create_key()
    world.ask("DELETE", f"{KEYS}(LogicalName='new_k')")

    world.wait(60)

    assert '"value":[]' in world.ask("GET", KEYS)[1]


COLUMN = {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Late"}
ATTRIBUTES = "EntityDefinitions(LogicalName='new_hotel')/Attributes"


@pytest.mark.parametrize(
    ("method", "url", "body", "complaint"),
    [
        ("GET", "new_hotels?$select=new_late", None, "Could not find a property named 'new_late'"),
        ("GET", "new_hotels?$filter=new_late%20eq%20'x'", None, "Could not find a property"),
        ("POST", "new_hotels", {"new_late": "x"}, "Invalid property 'new_late'"),
    ],
    ids=["select", "filter", "body"],
)
def test_fresh_column_is_not_known_to_rows(new_world, method, url, body, complaint):
    """Requests that use it are refused, until the delay is over."""
    world = new_world(metadata_delay_seconds=30)
    world.ask("POST", ATTRIBUTES, COLUMN)
    status, text = world.ask(method, url, body)

    world.wait(30)

    assert (400, True) == (status, complaint in text)
    assert 300 > world.ask(method, url, body)[0]


def test_fresh_column_is_known_to_metadata_and_hurts_nobody_else(new_world):
    """It is described at once, and requests that do not use it work."""
    world = new_world(metadata_delay_seconds=30)
    world.ask("POST", ATTRIBUTES, COLUMN)

    assert "new_late" in world.ask("GET", ATTRIBUTES)[1]
    assert 204 == world.ask("POST", "new_hotels", {"new_code": "not new_later"})[0]


def test_fresh_table_is_not_known_to_rows(new_world):
    """Its entity set is not found, until the delay is over."""
    world = new_world(metadata_delay_seconds=30)
    name = {**COLUMN, "SchemaName": "new_Name", "IsPrimaryName": True}
    world.ask("POST", "EntityDefinitions", {"SchemaName": "new_Villa", "Attributes": [name]})

    assert 404 == world.ask("GET", "new_villas")[0]
    world.wait(30)
    assert 200 == world.ask("GET", "new_villas")[0]


def test_without_delays_everything_is_known_at_once(new_world):
    """Both switches are off by default."""
    world = new_world()
    world.create_key()
    world.ask("POST", ATTRIBUTES, COLUMN)

    assert '"EntityKeyIndexStatus":"Active"' in world.ask("GET", KEYS)[1]
    assert 200 == world.ask("GET", "new_hotels?$select=new_late")[0]
