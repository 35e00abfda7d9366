"""`dv-sync emulator --control --limits`, as a process of its own, over TLS."""

import ssl

import httpx
import pytest

from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline.emulator.process.users import ADMINISTRATOR, TENANT_ID

ENDPOINT = {
    "name": "gateway",
    "contract": 8,
    "authtype": 4,
    "url": "https://gateway.example/wake-ups",
    "authvalue": "secret",
}
ARGUMENTS = ("primary=0", "--control", "--limits", "dataverse-fast")


class Client:
    """Speaks to the primary environment with tokens of the administrator."""

    def __init__(self, emulator):
        self.url = emulator.urls["primary"]
        self.http = httpx.Client(verify=ssl.create_default_context(cafile=emulator.ca_file))

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.http.close()

    def ask_token(self):
        """The answer of the token endpoint."""
        return self.http.post(
            f"{self.url}/{TENANT_ID}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": ADMINISTRATOR.client_id,
                "client_secret": ADMINISTRATOR.client_secret,
                "scope": f"{self.url}/.default",
            },
        )

    def ask(self, method, path, *, token=None, **body):
        """One request to the Web API."""
        bearer = token or self.ask_token().json()["access_token"]
        headers = {"Authorization": f"Bearer {bearer}"}
        return self.http.request(method, f"{self.url}/api/data/v9.2{path}", headers=headers, **body)

    def control(self, method, path, **body):
        """Pull a lever."""
        return self.http.request(method, f"{self.url}/control{path}", **body)


@pytest.fixture(scope="module")
def started():
    """One process for all tests."""
    with running_emulator(ARGUMENTS) as emulator, Client(emulator) as client:
        yield client


@pytest.fixture
def client(started):
    """As it was at the start."""
    assert 204 == started.control("POST", "/reset").status_code
    return started


def test_limits_are_in_force(client):
    """Their headers say so."""
    answer = client.ask("GET", "/WhoAmI")

    assert 199 == int(answer.headers["x-ms-ratelimit-burst-remaining-xrm-requests"])


def test_a_reset_within_tls(client):
    """The socket beneath is reset, which Python's TLS takes for an end."""
    plan = {"faults": [{"match": {"path": "WhoAmI"}, "effect": {"kind": "reset_before_commit"}}]}
    client.control("POST", "/faults", json=plan)

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.ask("GET", "/WhoAmI")


@pytest.mark.parametrize(
    "effect",
    [
        {"kind": "answer", "status": 503, "headers": {"Retry-After": "5"}},
        {"kind": "not_json"},
        {"kind": "truncated_body"},
    ],
    ids=["throttled", "garbage", "cut"],
)
def test_the_token_endpoint_can_fail_too(client, effect):
    """Down, throttled, garbage (RELIABILITY 4, row 11)."""
    plan = {"faults": [{"match": {"path": "/oauth2/"}, "effect": effect}]}
    client.control("POST", "/faults", json=plan)

    answer = client.ask_token()

    assert 503 == answer.status_code or b'"access_token":"' not in answer.content[-60:]
    fired = [fault["fired"] for fault in client.control("GET", "/faults").json()["faults"]]
    assert [1] == fired


def test_tokens_expire_by_the_clock_of_the_environment(client):
    """An hour later, and 401."""
    token = client.ask_token().json()["access_token"]
    assert 200 == client.ask("GET", "/WhoAmI", token=token).status_code

    client.control("POST", "/clock", json={"advance": 3600})

    assert 401 == client.ask("GET", "/WhoAmI", token=token).status_code
    assert 200 == client.ask("GET", "/WhoAmI").status_code


def test_a_renewed_token_is_another_one(client):
    """The token of a request expires; the next one, a moment later, is accepted."""
    token = client.ask_token().json()["access_token"]
    plan = {"faults": [{"count": 1, "effect": {"kind": "expired_token"}}]}
    client.control("POST", "/faults", json=plan)

    statuses = [client.ask("GET", "/WhoAmI", token=token).status_code for _ in range(2)]

    assert [401, 401] == statuses
    assert 200 == client.ask("GET", "/WhoAmI").status_code


def test_the_log_names_the_user(client):
    """Not the token."""
    user_id = client.ask("GET", "/WhoAmI").json()["UserId"]

    entries = client.control("GET", "/requests").json()["requests"]

    assert [("POST", ""), ("GET", user_id)] == [
        (entry["method"], entry["user"]) for entry in entries
    ]


def test_the_log_of_commits_tells_who_wrote_what(client):
    """A row that a client created, and the user whose request it was."""
    user_id = client.ask("GET", "/WhoAmI").json()["UserId"]
    assert 204 == client.ask("POST", "/serviceendpoints", json=ENDPOINT).status_code

    (commit,) = client.control("GET", "/commits").json()["commits"]

    assert ("Create", "serviceendpoint", user_id) == (
        commit["message"],
        commit["table"],
        commit["user"],
    )
    assert ENDPOINT["name"] == commit["values"]["name"]


def test_state_survives_a_restart(tmp_path):
    """Rows are there again under the same address of the environment's data."""
    currency = {"currencyname": "Euro", "isocurrencycode": "EUR", "exchangerate": 0.9}
    with running_emulator(ARGUMENTS, state=tmp_path) as emulator, Client(emulator) as client:
        created = client.ask("POST", "/transactioncurrencies", json=currency)
        assert 204 == created.status_code

    with running_emulator(ARGUMENTS, state=tmp_path) as emulator, Client(emulator) as client:
        found = client.ask("GET", "/transactioncurrencies(isocurrencycode='EUR')")

    assert "Euro" == found.json()["currencyname"]
