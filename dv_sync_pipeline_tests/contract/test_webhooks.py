"""Webhooks, registered through the Web API and received over a real socket (DATAVERSE 10)."""

import json

import pytest

from dv_sync_pipeline.emulator.trouble.behaviour import Behaviour
from dv_sync_pipeline_tests.worlds.served import (
    API,
    created_id,
    only_id,
    register_webhook,
    served_environment,
    webhook_receiver,
)

pytestmark = pytest.mark.usefixtures("emulator_only")

ADLON = "7eb682f1-ca75-4511-80d4-00155d2a68d1"


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    """An environment with levers."""
    folder = tmp_path_factory.mktemp("hooked")
    with served_environment(folder, Behaviour(is_controlled=True)) as served:
        yield served


@pytest.fixture
def environment(controlled):
    """Without registrations and rows."""
    assert 204 == controlled.control("POST", "/reset").status_code
    return controlled


@pytest.fixture
def client(environment):
    """Anna."""
    with environment.client() as one:
        yield one


@pytest.fixture
def receiver():
    """Takes everything with 202."""
    with webhook_receiver() as one:
        yield one


def register(client, receiver, message, *, table="contoso_hotel", **step):
    """A step that posts to the receiver; returns its id."""
    return register_webhook(client, message, receiver.url, key="s3cret", table=table, **step)


def create_adlon(client, **values):
    """One hotel under a known id."""
    hotel = {"contoso_hotelid": ADLON, "contoso_name": "Adlon", **values}
    return client.post("/contoso_hotels", json=hotel)


def messages(environment, receiver):
    """What was received once everything is delivered."""
    environment.settle()
    return [json.loads(body)["MessageName"] for _, _, body in receiver.received]


def test_create(environment, client, receiver):
    """Key, headers and the row's id reach the receiver."""
    register(client, receiver, "Create")

    create_adlon(client)

    assert ["Create"] == messages(environment, receiver)
    path, headers, body = receiver.received[0]
    assert path.endswith("?code=s3cret")
    assert "contoso_hotel" == headers["x-ms-dynamics-entity-name"]
    assert environment.url.endswith(headers["x-ms-dynamics-organization"])
    payload = json.loads(body)
    assert ADLON == payload["PrimaryEntityId"]
    assert environment.anna == payload["InitiatingUserId"]


def test_update_and_delete(environment, client, receiver):
    """Each has a step of its own."""
    register(client, receiver, "Update")
    register(client, receiver, "Delete")
    create_adlon(client)

    client.patch(f"/contoso_hotels({ADLON})", json={"contoso_stars": 5})
    client.delete(f"/contoso_hotels({ADLON})")

    assert ["Delete", "Update"] == sorted(messages(environment, receiver))


def test_bulk_messages_fire_per_row(environment, client, receiver):
    """CreateMultiple of three rows sets off three deliveries (DATAVERSE 8.2)."""
    register(client, receiver, "Create")
    target = {"@odata.type": "Microsoft.Dynamics.CRM.contoso_hotel", "contoso_name": "Adlon"}

    client.post(
        "/contoso_hotels/Microsoft.Dynamics.CRM.CreateMultiple", json={"Targets": [target] * 3}
    )

    assert ["Create"] * 3 == messages(environment, receiver)


def test_a_refused_bulk_message_fires_nothing(environment, client, receiver):
    """All rows or none, and so the deliveries."""
    register(client, receiver, "Create")
    kind = "Microsoft.Dynamics.CRM.contoso_hotel"
    targets = [{"@odata.type": kind, "contoso_code": "same"} for _ in range(2)]

    answer = client.post(
        "/contoso_hotels/Microsoft.Dynamics.CRM.CreateMultiple", json={"Targets": targets}
    )

    assert 412 == answer.status_code
    assert [] == messages(environment, receiver)


def batch(client, *operations, is_change_set):
    """Creates of hotels by name, each alone or all in one change set."""
    parts = [
        "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: {number}\r\n\r\nPOST {API}/contoso_hotels HTTP/1.1\r\n"
        f"Content-Type: application/json\r\n\r\n{json.dumps(hotel)}\r\n"
        for number, hotel in enumerate(operations, start=1)
    ]
    if is_change_set:
        inner = "".join(f"--c\r\n{part}" for part in parts) + "--c--\r\n"
        parts = [f"Content-Type: multipart/mixed; boundary=c\r\n\r\n{inner}"]
    body = "".join(f"--b\r\n{part}" for part in parts) + "--b--\r\n"
    headers = {
        "Content-Type": "multipart/mixed; boundary=b",
        "Prefer": "odata.continue-on-error",
    }
    return client.post("/$batch", content=body, headers=headers)


@pytest.mark.parametrize(("is_change_set", "deliveries"), [(False, 1), (True, 0)])
def test_batch(environment, client, receiver, is_change_set, deliveries):
    """A change set with one bad operation sets off nothing; single operations stand alone."""
    register(client, receiver, "Create")

    good, bad = {"contoso_name": "Adlon"}, {"contoso_stars": "many"}
    batch(client, good, bad, is_change_set=is_change_set)

    assert deliveries == len(messages(environment, receiver))


def test_associate_and_disassociate(environment, client, receiver):
    """Steps without a table; the payload names the relationship and the other row."""
    register(client, receiver, "Associate", table=None)
    register(client, receiver, "Disassociate", table=None)
    role_id = client.get("/roles?$filter=name eq 'Reader'").json()["value"][0]["roleid"]
    path = f"/systemusers({environment.boris})/systemuserroles_association"

    link = {"@odata.id": f"{environment.url}{API}/roles({role_id})"}
    assert 204 == client.post(f"{path}/$ref", json=link).status_code
    assert 204 == client.delete(f"{path}({role_id})/$ref").status_code

    assert ["Associate", "Disassociate"] == sorted(messages(environment, receiver))
    parameters = {
        pair["key"]: pair["value"]
        for pair in json.loads(receiver.received[0][2])["InputParameters"]
    }
    assert environment.boris == parameters["Target"]["Id"]
    assert "systemuserroles_association" == parameters["Relationship"]["SchemaName"]
    assert [role_id] == [row["Id"] for row in parameters["RelatedEntities"]]


@pytest.mark.parametrize(("column", "deliveries"), [("contoso_name", 1), ("contoso_stars", 0)])
def test_filtering_attributes(environment, client, receiver, column, deliveries):
    """The listed column must be in the request, even with the same value."""
    register(client, receiver, "Update", filteringattributes="contoso_name,contoso_code")
    create_adlon(client, contoso_stars=5)

    same = {"contoso_name": "Adlon", "contoso_stars": 5}[column]
    client.patch(f"/contoso_hotels({ADLON})", json={column: same})

    assert deliveries == len(messages(environment, receiver))


def test_status_mixed_with_data_fires_twice(environment, client, receiver):
    """As two updates (DATAVERSE 10.5)."""
    register(client, receiver, "Update")
    create_adlon(client)

    client.patch(
        f"/contoso_hotels({ADLON})", json={"contoso_stars": 4, "statecode": 1, "statuscode": 2}
    )

    assert ["Update", "Update"] == messages(environment, receiver)


def test_disabled_step(environment, client, receiver):
    """PATCH of the state; no delivery afterwards."""
    step_id = register(client, receiver, "Create")
    client.patch(f"/sdkmessageprocessingsteps({step_id})", json={"statecode": 1, "statuscode": 2})

    create_adlon(client)

    assert [] == messages(environment, receiver)


def test_removed_step(environment, client, receiver):
    """DELETE of the step; no delivery afterwards."""
    step_id = register(client, receiver, "Create")
    assert 204 == client.delete(f"/sdkmessageprocessingsteps({step_id})").status_code

    create_adlon(client)

    assert [] == messages(environment, receiver)


def test_image(environment, client, receiver):
    """A delete with a picture of the row before."""
    step_id = register(client, receiver, "Delete")
    image = {
        "name": "pre",
        "entityalias": "pre",
        "imagetype": 0,
        "messagepropertyname": "Target",
        "attributes": "contoso_code",
        "sdkmessageprocessingstepid@odata.bind": f"/sdkmessageprocessingsteps({step_id})",
    }
    created_id(client.post("/sdkmessageprocessingstepimages", json=image))
    create_adlon(client, contoso_code="B-1")

    client.delete(f"/contoso_hotels({ADLON})")

    messages(environment, receiver)
    picture = json.loads(receiver.received[0][2])["PreEntityImages"][0]
    assert "pre" == picture["key"]
    assert {"key": "contoso_code", "value": "B-1"} in picture["value"]["Attributes"]


def test_tag(environment, client, receiver):
    """A marker against loops travels along (DATAVERSE 11)."""
    register(client, receiver, "Create")

    client.post("/contoso_hotels?tag=sync-run-42", json={"contoso_name": "Adlon"})

    messages(environment, receiver)
    shared = json.loads(receiver.received[0][2])["SharedVariables"]
    assert {"key": "tag", "value": "sync-run-42"} in shared


def test_the_key_cannot_be_read_back(client, receiver):
    """`authvalue` is write-only."""
    register(client, receiver, "Create")

    endpoint = client.get("/serviceendpoints").json()["value"][0]

    assert endpoint.get("authvalue") is None


def test_large_row(environment, client, receiver):
    """Over 256 KB only the frame arrives, and a header says so."""
    register(client, receiver, "Create")

    create_adlon(client, contoso_story="x" * 300_000)

    messages(environment, receiver)
    _, headers, body = receiver.received[0]
    assert "x-ms-dynamics-msg-size-exceeded" in headers
    assert "InputParameters" not in json.loads(body)


def test_one_more_attempt(environment, client, receiver):
    """After 503; then it is delivered."""
    register(client, receiver, "Create")
    receiver.answers = [503]

    create_adlon(client)

    assert ["Create", "Create"] == messages(environment, receiver)
    assert [] == client.get("/asyncoperations").json()["value"]


def test_a_lost_delivery_leaves_a_job(environment, client, receiver):
    """The only trace: a failed system job that names its step."""
    step_id = register(client, receiver, "Create")
    receiver.answers = [500]

    create_adlon(client)

    assert ["Create"] == messages(environment, receiver)
    job = client.get("/asyncoperations").json()["value"][0]
    assert (3, 31, step_id) == (
        job["statecode"],
        job["statuscode"],
        job["_owningextensionid_value"],
    )


def test_synchronous_step(client, receiver):
    """Has been delivered when the client gets its answer."""
    register(client, receiver, "Create", mode=0)

    assert 204 == create_adlon(client).status_code

    assert 1 == len(receiver.received)


def test_failing_synchronous_step(client, receiver):
    """Makes the request fail, and nothing is written (DATAVERSE 10.4)."""
    register(client, receiver, "Create", mode=0)
    receiver.answers = [500]

    answer = create_adlon(client)

    assert (400, "0x80050201") == (answer.status_code, answer.json()["error"]["code"])
    assert 404 == client.get(f"/contoso_hotels({ADLON})").status_code


@pytest.mark.parametrize(
    ("effect", "deliveries"),
    [
        ({"kind": "webhook_dropped"}, 0),
        ({"kind": "webhook_duplicated"}, 2),
        ({"kind": "webhook_delayed", "seconds": 0.01}, 1),
        ({"kind": "webhook_reordered"}, 1),
    ],
)
def test_faulty_delivery(environment, client, receiver, effect, deliveries):
    """Dropped, doubled, late, overtaken."""
    register(client, receiver, "Create")
    environment.arm({"match": {"path": "contoso_hotel"}, "effect": effect})

    create_adlon(client)

    assert deliveries == len(messages(environment, receiver))
    assert [1] == environment.fired()


def test_every_table_has_filters(client):
    """Custom tables know the bulk messages (DATAVERSE 8.1)."""
    path = (
        "/sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name eq "
        "'CreateMultiple' and primaryobjecttypecode eq 'contoso_hotel'"
    )

    assert only_id(client, path)
