"""Faults as a client meets them: over a real socket (RELIABILITY 4)."""

import httpx
import pytest

from dv_sync_pipeline.emulator.trouble.behaviour import Behaviour
from dv_sync_pipeline_tests.worlds.served import served_environment

pytestmark = pytest.mark.usefixtures("emulator_only")


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    """An environment with levers."""
    folder = tmp_path_factory.mktemp("faulty")
    with served_environment(folder, Behaviour(is_controlled=True)) as served:
        yield served


@pytest.fixture
def environment(controlled):
    """As it was at the start."""
    assert 204 == controlled.control("POST", "/reset").status_code
    return controlled


@pytest.fixture
def client(environment):
    """Anna."""
    with environment.client() as one:
        yield one


def count_hotels(client):
    """How many there are."""
    return len(client.get("/contoso_hotels?$select=contoso_name").json()["value"])


@pytest.mark.parametrize(
    ("kind", "hotels"), [("reset_before_commit", 0), ("reset_after_commit", 1)]
)
def test_reset(environment, client, kind, hotels):
    """The client sees the same; only the table tells whether the work was done."""
    environment.arm({"match": {"method": "POST"}, "effect": {"kind": kind}})

    with pytest.raises(httpx.ReadError):
        client.post("/contoso_hotels", json={"contoso_name": "Adlon"})

    assert hotels == count_hotels(client)
    assert [1] == environment.fired()


def test_the_connection_after_a_reset(environment, client):
    """Works, as it is a new one."""
    environment.arm({"count": 1, "effect": {"kind": "reset_before_commit"}})
    with pytest.raises(httpx.ReadError):
        client.get("/WhoAmI")

    assert 200 == client.get("/WhoAmI").status_code


def test_wrong_content_length(environment, client):
    """Fewer bytes come than were announced."""
    environment.arm({"effect": {"kind": "wrong_content_length"}})

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        client.get("/WhoAmI")


def test_truncated_body(environment, client):
    """HTTP is content, JSON is not."""
    environment.arm({"effect": {"kind": "truncated_body"}})

    answer = client.get("/WhoAmI")

    assert 200 == answer.status_code
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()


def test_truncated_gzip(environment, client):
    """Cannot be unpacked, or not completely."""
    environment.arm({"effect": {"kind": "truncated_gzip"}})

    answer = client.get("/WhoAmI")

    assert "gzip" == answer.headers["content-encoding"]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()


def test_trickle(environment, client):
    """Comes in many pieces, and whole."""
    whole = client.get("/WhoAmI").content
    environment.arm({"effect": {"kind": "trickle", "chunk_bytes": 16, "seconds": 0.01}})

    with client.stream("GET", "/WhoAmI") as answer:
        pieces = list(answer.iter_raw(chunk_size=None))

    assert whole == b"".join(pieces)
    assert len(pieces) > 1


def test_expired_token(environment, client):
    """401 until another token comes; the body is no JSON (DATAVERSE 1.3)."""
    environment.arm({"count": 1, "effect": {"kind": "expired_token"}})

    answers = [client.get("/WhoAmI") for _ in range(2)]

    assert [401, 401] == [answer.status_code for answer in answers]
    assert 'error="invalid_token"' in answers[0].headers["WWW-Authenticate"]
    with environment.client(environment.boris) as boris:
        assert 200 == boris.get("/WhoAmI").status_code


def test_by_user(environment, client):
    """Only Boris is hit."""
    environment.arm({"match": {"user": environment.boris}, "effect": {"kind": "answer"}})

    with environment.client(environment.boris) as boris:
        assert (200, 503) == (
            client.get("/WhoAmI").status_code,
            boris.get("/WhoAmI").status_code,
        )


def test_poisoned_row(environment, client):
    """A bulk call with a certain row in it is refused, another one is not."""
    refusal = {"kind": "answer", "status": 400, "code": "0x80040265", "message": "A plug-in threw."}
    environment.arm({"match": {"contains": "Bates Motel"}, "effect": refusal})

    def create(*names):
        kind = "Microsoft.Dynamics.CRM.contoso_hotel"
        targets = [{"@odata.type": kind, "contoso_name": name} for name in names]
        path = "/contoso_hotels/Microsoft.Dynamics.CRM.CreateMultiple"
        return client.post(path, json={"Targets": targets}).status_code

    assert 400 == create("Adlon", "Bates Motel")
    assert 200 == create("Adlon", "Bristol")
    assert 2 == count_hotels(client)


def test_schema_drift(environment, client):
    """A column is gone from one request to the next."""
    effect = {"kind": "schema_drift", "table": "contoso_hotel", "column": "contoso_stars"}
    environment.arm({"skip": 1, "count": 1, "effect": effect})

    first, second = (client.get("/contoso_hotels?$select=contoso_stars") for _ in range(2))

    assert (200, 400) == (first.status_code, second.status_code)


def test_a_reset_mends_the_schema(environment, client):
    """Columns and their metadata are as they were."""
    effect = {"kind": "schema_drift", "table": "contoso_hotel", "column": "contoso_stars"}
    environment.arm({"count": 1, "effect": effect})
    client.get("/WhoAmI")

    environment.control("POST", "/reset")

    assert 200 == client.get("/contoso_hotels?$select=contoso_stars").status_code


def test_late_commit(environment, client):
    """A row appears whose version is lower than one that was given out before it."""
    client.post("/contoso_hotels", json={"contoso_name": "Adlon"})
    environment.arm({"match": {"method": "POST"}, "effect": {"kind": "late_commit"}})

    client.post("/contoso_hotels", json={"contoso_name": "Bristol"})

    rows = client.get("/contoso_hotels?$select=contoso_name,versionnumber").json()["value"]
    versions = {row["contoso_name"]: row["versionnumber"] for row in rows}
    assert versions["Bristol"] < versions["Adlon"]


def test_request_log(environment, client):
    """Rows and status of each request."""
    client.post("/contoso_hotels", json={"contoso_name": "Adlon"})
    client.get("/contoso_hotels?$select=contoso_name")

    entries = environment.control("GET", "/requests").json()["requests"]

    assert [
        ("POST", 204, 1, environment.anna),
        ("GET", 200, 1, environment.anna),
    ] == [(entry["method"], entry["status"], entry["rows"], entry["user"]) for entry in entries]


def test_levers_exist_only_when_asked_for(tmp_path):
    """A plain environment has none."""
    with served_environment(tmp_path, Behaviour()) as plain:
        assert 404 == plain.control("GET", "/requests").status_code
        assert 404 == plain.control("POST", "/reset").status_code


def test_state_survives_a_restart(tmp_path):
    """Rows and registrations are in the folder; clock and faults are not."""
    with (
        served_environment(tmp_path, Behaviour(is_controlled=True)) as first,
        first.client() as client,
    ):
        client.post("/contoso_hotels", json={"contoso_name": "Adlon"})
        first.arm({"effect": {"kind": "answer"}})

    with (
        served_environment(tmp_path, Behaviour(is_controlled=True)) as second,
        second.client() as client,
    ):
        assert 1 == count_hotels(client)
