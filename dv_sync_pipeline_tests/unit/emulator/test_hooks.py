"""Webhooks between a store and a receiver that answers as told (DATAVERSE 10)."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import msgspec
import pytest

from dv_sync_pipeline.emulator.rows.new_rows import NewRows
from dv_sync_pipeline.emulator.rows.replies import DataverseError
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.rows.watching import watch_creates, watched_delete, watched_update
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.messages import filter_id, message_id, message_rows
from dv_sync_pipeline.emulator.tables.webhook_tables import WEBHOOK_TABLES
from dv_sync_pipeline.emulator.trouble.faults import FaultInjector, FaultPlan
from dv_sync_pipeline.emulator.trouble.world import StoredWorld
from dv_sync_pipeline.emulator.webhooks.hooks import Courier, Webhooks
from dv_sync_pipeline.emulator.webhooks.origin import describe_origin, origin_of_request

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
ENDPOINT = "https://hook.example/dv"
KEY, HEADER, QUERY = 4, 5, 6
SECRET = "s3cret"
SETTINGS = '<settings><setting name="x-key" value="s3cret"/></settings>'
HOTEL = define.table(
    "contoso_Hotel",
    entity_set="contoso_hotels",
    primary_name=define.string("contoso_Name", max_length=4000),
    columns=(
        define.money("contoso_Price"),
        define.choice("contoso_Kind", {1: "City", 2: "Beach"}),
        define.lookup("contoso_BrandId", to="contoso_brand"),
        define.date_time("contoso_OpenedOn"),
        define.boolean("contoso_Open"),
        define.memo("contoso_Story", max_length=1_000_000),
    ),
)
ORGANIZATION = define.table("Organization", entity_set="organizations")
USER = define.table(
    "SystemUser", entity_set="systemusers", columns=(define.string("BusinessUnitId"),)
)
ADLON = "7eb682f1-ca75-4511-80d4-00155d2a68d1"
BRAND = "b6a2a7b1-93a5-4711-8119-00155d102334"


class World:
    """A store with a table of hotels, one endpoint, and a receiver that remembers everything."""

    def __init__(self):
        self.store = Store(clock=lambda: NOON)
        for definition in (*WEBHOOK_TABLES, ORGANIZATION, USER, HOTEL):
            self.store.create_table(definition)
        self.store.load_rows("sdkmessage", message_rows())
        self.store.load_rows("organization", [{"organizationid": BRAND, "name": "org"}])
        self.store.set_setting("organization", BRAND)
        self.store.set_setting("system user", ADLON)
        self.received = []
        self.answers = []
        self.slept = []
        self.faults = FaultInjector(sleep=self._sleep, world=StoredWorld(self.store))
        self.courier = Courier(
            self.store,
            client=httpx.AsyncClient(transport=httpx.MockTransport(self._receive)),
            blocking_client=httpx.Client(transport=httpx.MockTransport(self._receive)),
            faults_on=self.faults.effects_on,
            sleep=self._sleep,
        )
        self.webhooks = Webhooks(self.store, host="org.example", courier=self.courier)
        self.store.watcher = self.webhooks
        self.hotel = self.store.catalog.table("contoso_hotel")

    def register(self, message, *, mode=1, authentication=KEY, secret=SECRET, **step):
        """A step for hotels with an endpoint of its own; returns its id."""
        endpoint, step_id = self.store.new_id(), self.store.new_id()
        self.store.load_rows(
            "serviceendpoint",
            [
                {
                    "serviceendpointid": endpoint,
                    "url": ENDPOINT,
                    "authtype": authentication,
                    "authvalue": secret,
                }
            ],
        )
        self.store.load_rows(
            "sdkmessageprocessingstep",
            [
                {
                    "sdkmessageprocessingstepid": step_id,
                    "name": f"sync: {message}",
                    "mode": mode,
                    "stage": 40,
                    "sdkmessageid": message_id(message),
                    "sdkmessagefilterid": filter_id(message, table="contoso_hotel"),
                    "eventhandler": endpoint,
                    **step,
                }
            ],
        )
        return step_id

    def add_image(self, step_id, **image):
        """Let a step have a picture of the row along."""
        self.store.load_rows(
            "sdkmessageprocessingstepimage",
            [{"sdkmessageprocessingstepid": step_id, "entityalias": "image", **image}],
        )

    def create(self, **values):
        """Create a hotel, as `writes.py` does."""
        row = {self.hotel.primary_id: ADLON, "contoso_name": "Adlon", **values}
        rows = NewRows.one(row)
        with self.store.transaction():
            self.store.insert(self.hotel, rows)
            watch_creates(self.store, self.hotel, rows)

    def update(self, **values):
        """Update it, as `writes.py` does."""
        with (
            self.store.transaction(),
            watched_update(self.store, self.hotel, ADLON, values),
        ):
            for name, value in values.items():
                self.store.database.execute(f"UPDATE contoso_hotel SET {name} = ?", (value,))  # noqa: S608 - ours

    def delete(self):
        """Delete it, as `writes.py` does."""
        with self.store.transaction(), watched_delete(self.store, self.hotel, ADLON):
            self.store.database.execute("DELETE FROM contoso_hotel")

    def play(self, *actions, headers=None, tag=""):
        """Do all of it as one request and wait until every delivery is done."""

        async def run():
            origin_of_request.set(
                describe_origin(headers or {}, user_id=ADLON, tag=tag, new_id=self.store.new_id)
            )
            for action in actions:
                action()
            await self.courier.settle()

        asyncio.run(run())

    @property
    def bodies(self):
        """Everything that was received, as JSON."""
        return [msgspec.json.decode(request.content) for request in self.received]

    def jobs(self):
        """(status, error code) of every system job."""
        sql = "SELECT statuscode, errorcode FROM asyncoperation"
        return self.store.database.execute(sql).fetchall()

    def arm(self, *faults):
        """Let deliveries go wrong."""
        self.faults.arm(msgspec.convert({"faults": faults}, FaultPlan))

    def _receive(self, request):
        self.received.append(request)
        answer = self.answers.pop(0) if self.answers else 202
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)

    async def _sleep(self, seconds):
        self.slept.append(seconds)


@pytest.fixture
def world():
    """No step is registered yet."""
    it = World()
    yield it
    it.store.close()


def attributes(body):
    """Name → value of what was submitted."""
    target = body["InputParameters"][0]["value"]
    return {pair["key"]: pair["value"] for pair in target["Attributes"]}


# ---- which writes set off which steps -----------------------------------------------------------


def test_without_steps_nothing_is_sent(world):
    """Most environments have none."""
    world.play(world.create)

    assert [] == world.received


def test_create_update_delete(world):
    """Each sets off the step for its own message."""
    for message in ("Create", "Update", "Delete"):
        world.register(message)

    world.play(world.create, lambda: world.update(contoso_name="Bristol"), world.delete)

    assert ["Create", "Update", "Delete"] == [body["MessageName"] for body in world.bodies]


def test_disabled_steps_are_quiet(world):
    """A step with state 1."""
    world.register("Create", statecode=1, statuscode=2)

    world.play(world.create)

    assert [] == world.received


def test_steps_registered_later_count(world):
    """Registrations are not remembered beyond their change."""
    world.play(world.create)
    world.register("Delete")
    world.webhooks.forget()

    world.play(world.delete)

    assert 1 == len(world.received)


def test_steps_that_were_never_committed(world):
    """A step whose disabling was rolled back is still set off."""
    step_id = world.register("Create")
    steps = world.store.catalog.table("sdkmessageprocessingstep")

    def fail_to_disable():
        with suppress(ZeroDivisionError), world.store.transaction():
            with watched_update(world.store, steps, step_id, {"statecode": 1}):
                world.store.database.execute("UPDATE sdkmessageprocessingstep SET statecode = 1")
            assert not world.webhooks.watches("Create", "contoso_hotel")
            _ = 1 / 0

    world.play(fail_to_disable, world.create)

    assert 1 == len(world.received)


@pytest.mark.parametrize(("changed", "deliveries"), [("contoso_name", 1), ("contoso_kind", 0)])
def test_filtering_columns(world, changed, deliveries):
    """A listed column must be present in the request, with whatever value."""
    world.register("Update", filteringattributes="contoso_price, contoso_name")
    world.create()

    world.play(lambda: world.update(**{changed: None}))

    assert deliveries == len(world.received)


def test_state_mixed_with_data_fires_twice(world):
    """Ordinary columns first, state and owner in an update of their own."""
    world.register("Update")
    world.create()

    world.play(lambda: world.update(contoso_name="Bristol", statecode=1, statuscode=2))

    assert [{"contoso_name"}, {"statecode", "statuscode"}] == [
        set(attributes(body)) - {"modifiedon", "modifiedby", "contoso_hotelid"}
        for body in world.bodies
    ]


def test_a_rolled_back_write_sends_nothing(world):
    """Deliveries follow the commit."""
    world.register("Create")

    def undo():
        with suppress(ZeroDivisionError), world.store.transaction():
            world.create()
            _ = 1 / 0

    world.play(undo)

    assert [] == world.received


@pytest.mark.parametrize(
    "header",
    [
        {"mscrm.bypassbusinesslogicexecution": "CustomSync,CustomAsync"},
        {"mscrm.bypassbusinesslogicexecutionstepids": "STEP"},
    ],
)
def test_bypass(world, header):
    """A request may ask not to set off custom logic, or certain steps."""
    step_id = world.register("Create")
    headers = {name: value.replace("STEP", step_id) for name, value in header.items()}

    world.play(world.create, headers=headers)

    assert [] == world.received


# ---- what is sent -------------------------------------------------------------------------------


def test_headers(world):
    """Organisation, table, message and correlation (DATAVERSE 10.2)."""
    world.register("Create")

    world.play(world.create, headers={"x-ms-correlation-request-id": BRAND}, tag="run-42")

    sent = world.received[0].headers
    assert {
        "content-type": "application/json",
        "x-ms-dynamics-organization": "org.example",
        "x-ms-dynamics-entity-name": "contoso_hotel",
        "x-ms-dynamics-request-name": "Create",
        "x-ms-correlation-request-id": BRAND,
    }.items() <= dict(sent).items()
    assert "x-ms-dynamics-msg-size-exceeded" not in sent
    assert {"key": "tag", "value": "run-42"} in world.bodies[0]["SharedVariables"]


def test_values_as_dotnet_writes_them(world):
    """Money, option, reference and time have types of their own."""
    world.register("Create")

    world.play(
        lambda: world.create(
            contoso_price="125.5000",
            contoso_kind=2,
            contoso_brandid=BRAND,
            contoso_openedon="2027-01-01T12:00:00Z",
            contoso_open=1,
        )
    )

    contract = "http://schemas.microsoft.com/xrm/2011/Contracts"
    values = attributes(world.bodies[0])
    assert {"__type": f"Money:{contract}", "Value": 125.5} == values["contoso_price"]
    assert {"__type": f"OptionSetValue:{contract}", "Value": 2} == values["contoso_kind"]
    assert "/Date(1798804800000)/" == values["contoso_openedon"]
    assert values["contoso_open"] is True
    assert {
        "__type": f"EntityReference:{contract}",
        "Id": BRAND,
        "KeyAttributes": [],
        "LogicalName": "contoso_brand",
        "Name": None,
        "RowVersion": None,
    } == values["contoso_brandid"]


def test_formatted_values(world):
    """The label of an option."""
    world.register("Create")

    world.play(lambda: world.create(contoso_kind=2))

    target = world.bodies[0]["InputParameters"][0]["value"]
    assert [{"key": "contoso_kind", "value": "Beach"}] == target["FormattedValues"]


def test_slashes_are_escaped(world):
    r"""As `\/`, and the type stands first."""
    world.register("Create")

    world.play(world.create)

    body = world.received[0].content
    assert rb'{"__type":"Entity:http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts"' in body
    assert b"://" not in body


def test_money_is_exact(world):
    """No floating point on the way."""
    world.register("Create")

    world.play(lambda: world.create(contoso_price="0.1000"))

    decode = msgspec.json.Decoder(float_hook=Decimal).decode
    values = attributes(decode(world.received[0].content))
    assert Decimal("0.1000") == values["contoso_price"]["Value"]


def test_create_returns_the_id(world):
    """As an output parameter."""
    world.register("Create")

    world.play(world.create)

    assert [{"key": "id", "value": ADLON}] == world.bodies[0]["OutputParameters"]


def test_update_holds_only_what_was_submitted(world):
    """And the id."""
    world.register("Update")
    world.create(contoso_kind=1)

    world.play(lambda: world.update(contoso_name="Bristol"))

    assert {"contoso_name", "contoso_hotelid", "modifiedon", "modifiedby"} >= set(
        attributes(world.bodies[0])
    )
    assert "Bristol" == attributes(world.bodies[0])["contoso_name"]


def test_delete_has_a_reference_as_target(world):
    """Only table and id are known."""
    world.register("Delete")
    world.create()

    world.play(world.delete)

    target = world.bodies[0]["InputParameters"][0]["value"]
    assert target["__type"].startswith("EntityReference:")
    assert ("contoso_hotel", ADLON) == (target["LogicalName"], target["Id"])


def test_asynchronous_steps_know_the_name(world):
    """By an image that nobody registered."""
    world.register("Create")

    world.play(world.create)

    image = world.bodies[0]["PostEntityImages"][0]
    assert "AsynchronousStepPrimaryName" == image["key"]
    assert {"key": "contoso_name", "value": "Adlon"} in image["value"]["Attributes"]


def test_images(world):
    """Before and after, with the columns that were asked for."""
    step_id = world.register("Update")
    world.add_image(step_id, imagetype=2, attributes="contoso_name")
    world.create(contoso_kind=1)

    world.play(lambda: world.update(contoso_name="Bristol"))

    def name_in(images):
        image = next(image for image in images if image["key"] == "image")
        pairs = {pair["key"]: pair["value"] for pair in image["value"]["Attributes"]}
        assert "contoso_kind" not in pairs
        return pairs["contoso_name"]

    body = world.bodies[0]
    assert ("Adlon", "Bristol") == (
        name_in(body["PreEntityImages"]),
        name_in(body["PostEntityImages"]),
    )


def test_large_payloads_are_stripped(world):
    """Over 256 KB only the frame is sent, and a header says so."""
    world.register("Create")

    world.play(lambda: world.create(contoso_story="x" * 300_000))

    body = world.bodies[0]
    assert "x-ms-dynamics-msg-size-exceeded" in world.received[0].headers
    assert not {
        "ParentContext",
        "InputParameters",
        "PreEntityImages",
        "PostEntityImages",
    } & set(body)
    assert ADLON == body["PrimaryEntityId"]


# ---- the receiver's key -------------------------------------------------------------------------


def test_webhook_key(world):
    """As the query option `code`."""
    world.register("Create", authentication=KEY, secret="a b&c")

    world.play(world.create)

    assert "a b&c" == world.received[0].url.params["code"]


def test_http_header(world):
    """As headers."""
    world.register("Create", authentication=HEADER, secret=SETTINGS)

    world.play(world.create)

    assert "s3cret" == world.received[0].headers["x-key"]


def test_http_query(world):
    """As query options."""
    world.register("Create", authentication=QUERY, secret=SETTINGS)

    world.play(world.create)

    assert "s3cret" == world.received[0].url.params["x-key"]


@pytest.mark.parametrize(("authentication", "code"), [(HEADER, 0x80050203), (QUERY, 0x80050204)])
def test_settings_that_are_none(world, authentication, code):
    """The system job says so."""
    world.register("Create", authentication=authentication, secret="no xml")

    world.play(world.create)

    assert [(31, code - 2**32)] == world.jobs()


# ---- delivery -----------------------------------------------------------------------------------


def test_success_leaves_a_job(world):
    """Status 30."""
    world.register("Create")

    world.play(world.create)

    assert [(30, None)] == world.jobs()


def test_success_leaves_no_job_if_so_registered(world):
    """`asyncautodelete`."""
    world.register("Create", asyncautodelete=True)

    world.play(world.create)

    assert [] == world.jobs()


@pytest.mark.parametrize("status", [502, 503, 504])
def test_one_more_attempt(world, status):
    """For three statuses only."""
    world.register("Create", asyncautodelete=True)
    world.answers = [status, 200]

    world.play(world.create)

    assert 2 == len(world.received)
    assert [] == world.jobs()


def test_exactly_one_more_attempt(world):
    """Then the event is lost."""
    world.register("Create", asyncautodelete=True)
    world.answers = [503, 503, 200]

    world.play(world.create)

    assert 2 == len(world.received)
    assert [(31, 0x80050201 - 2**32)] == world.jobs()


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500])
def test_no_second_attempt(world, status):
    """Everything else is final."""
    world.register("Create", asyncautodelete=True)
    world.answers = [status]

    world.play(world.create)

    assert 1 == len(world.received)
    assert [(31, 0x80050201 - 2**32)] == world.jobs()


@pytest.mark.parametrize(
    ("error", "code"),
    [(httpx.ReadTimeout("slow"), 0x80050202), (httpx.ConnectError("gone"), 0x80050205)],
)
def test_a_receiver_that_does_not_answer(world, error, code):
    """Time-out and refusal differ in the code."""
    world.register("Create")
    world.answers = [error]

    world.play(world.create)

    assert [(31, code - 2**32)] == world.jobs()


def test_timeout_is_a_minute(world):
    """As documented."""
    world.register("Create")

    world.play(world.create)

    assert 60.0 == world.received[0].extensions["timeout"]["read"]


def test_synchronous_step_is_part_of_the_transaction(world):
    """It is delivered before the commit."""
    world.register("Create", mode=0)

    world.create()

    assert [True] == [body["IsInTransaction"] for body in world.bodies]


def test_failing_synchronous_step_undoes_the_write(world):
    """And the caller gets the code."""
    world.register("Create", mode=0)
    world.answers = [500]

    with pytest.raises(DataverseError) as error:
        world.create()

    assert "0x80050201" == error.value.code
    assert 0 == world.store.database.value("SELECT count(*) FROM contoso_hotel")


# ---- faults -------------------------------------------------------------------------------------


def test_dropped(world):
    """Lost without a trace."""
    world.register("Create")
    world.arm({"effect": {"kind": "webhook_dropped"}})

    world.play(world.create)

    assert ([], []) == (world.received, world.jobs())


def test_duplicated(world):
    """The same body three times."""
    world.register("Create")
    world.arm({"effect": {"kind": "webhook_duplicated", "copies": 3}})

    world.play(world.create)

    assert 3 == len(world.received)
    assert 1 == len({request.content for request in world.received})


def test_delayed(world):
    """It waits first."""
    world.register("Create")
    world.arm({"effect": {"kind": "webhook_delayed", "seconds": 5}})

    world.play(world.create)

    assert [5] == world.slept
    assert 1 == len(world.received)


def test_corrupted(world):
    """The receiver gets something that is no JSON."""
    world.register("Create")
    world.arm({"effect": {"kind": "webhook_corrupted", "body": "{"}})

    world.play(world.create)

    assert [b"{"] == [request.content for request in world.received]


def test_two_faults_on_one_delivery(world):
    """Late and twice."""
    world.register("Create")
    world.arm(
        {"effect": {"kind": "webhook_duplicated"}},
        {"effect": {"kind": "webhook_delayed", "seconds": 3}},
    )

    world.play(world.create)

    assert ([3, 3], 2) == (world.slept, len(world.received))


def test_reordered(world):
    """The creation is overtaken by two updates."""
    for message in ("Create", "Update"):
        world.register(message)
    world.arm({"match": {"method": "Create"}, "effect": {"kind": "webhook_reordered", "places": 2}})

    world.play(
        world.create,
        *(lambda name=name: world.update(contoso_name=name) for name in ("B", "C", "D")),
    )

    assert ["Update", "Update", "Create", "Update"] == [
        body["MessageName"] for body in world.bodies
    ]


def test_held_back_for_good_is_sent_at_the_end(world):
    """When nothing comes that could overtake it."""
    world.register("Create")
    world.arm({"effect": {"kind": "webhook_reordered", "places": 9}})

    world.play(world.create)

    assert 1 == len(world.received)
