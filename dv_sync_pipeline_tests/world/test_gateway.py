"""`dv-sync gateway` as a process: webhooks of an environment reach the ledger, whatever happens."""

import signal
import threading

import httpx
import pytest

from dv_sync_pipeline.emulator.trouble.behaviour import Behaviour
from dv_sync_pipeline_tests.worlds.gateway import (
    ADLON,
    KEY,
    SAVOY,
    plain,
    run_gateway,
    running_gateway,
)
from dv_sync_pipeline_tests.worlds.served import API, register_webhook, served_environment


@pytest.fixture
def gateway(tmp_path):
    """A gateway of its own."""
    with running_gateway(tmp_path) as running:
        yield running


@pytest.fixture
def environment(tmp_path):
    """The primary, with a table of hotels."""
    folder = tmp_path / "primary"
    folder.mkdir()
    with served_environment(folder, Behaviour(is_controlled=True)) as served:
        yield served


def waiting(gateway) -> list[tuple[str, str, str]]:
    """Table, row and kind of what waits."""
    return [(one.table, one.row_id, one.kind.value) for one in gateway.waiting()]


def hotel(row_id, **values):
    """A row."""
    return {"contoso_hotelid": row_id, "contoso_name": "A hotel", **values}


@pytest.mark.parametrize("authentication", ["header", "query"])
def test_webhooks_of_dataverse_wake_their_rows(gateway, environment, authentication):
    """Created and changed rows once each, deleted rows too; the key in either place."""
    address = f"{gateway.url}/wake-ups"
    with environment.client() as client:
        for message in ("Create", "Update", "Delete"):
            register_webhook(client, message, address, key=KEY, authentication=authentication)
        client.post("/contoso_hotels", json=hotel(ADLON)).raise_for_status()
        client.post("/contoso_hotels", json=hotel(SAVOY)).raise_for_status()
        environment.settle()
        client.patch(f"/contoso_hotels({ADLON})", json={"contoso_stars": 5}).raise_for_status()
        client.delete(f"/contoso_hotels({SAVOY})").raise_for_status()
        environment.settle()

    assert {("contoso_hotel", ADLON, "update"), ("contoso_hotel", SAVOY, "delete")} == set(
        waiting(gateway)
    )


def test_pairs_wake_the_rows_at_their_ends(gateway, environment):
    """Of tables that are synchronized: a role is not, the user who gets it is."""
    with environment.client() as client:
        address = f"{gateway.url}/wake-ups"
        register_webhook(client, "Associate", address, key=KEY, table=None)
        role = client.get("/roles?$filter=name eq 'Reader'").json()["value"][0]["roleid"]
        client.post(
            f"/systemusers({environment.boris})/systemuserroles_association/$ref",
            json={"@odata.id": f"{environment.url}{API}/roles({role})"},
        ).raise_for_status()
        environment.settle()

    assert [("systemuser", environment.boris, "pairs")] == waiting(gateway)


def test_webhooks_over_256_kb_wake_their_rows(gateway, environment):
    """Dataverse strips them of what they hold."""
    with environment.client() as client:
        register_webhook(client, "Create", f"{gateway.url}/wake-ups", key=KEY)
        client.post("/contoso_hotels", json=hotel(ADLON, contoso_story="x" * 300_000))
        environment.settle()

    assert [("contoso_hotel", ADLON, "create")] == waiting(gateway)


def test_a_kill_after_the_answer_loses_nothing(gateway):
    """Every wake-up that was answered with 202 is in the ledger afterwards."""
    answered = []
    has_begun = threading.Event()

    def send():
        for number in range(100_000):
            row_id = f"7eb682f1-ca75-4511-80d4-{number:012}"
            try:
                answer = client.post(f"{gateway.url}/wake-ups", json=plain(row_id))
            except httpx.HTTPError:
                return
            assert 202 == answer.status_code
            answered.append(row_id)
            if len(answered) == 50:
                has_begun.set()

    with httpx.Client(headers={"x-dv-sync-key": KEY}, timeout=30) as client:
        thread = threading.Thread(target=send)
        thread.start()
        assert has_begun.wait(60)
        gateway.end(signal.SIGKILL)
        thread.join()

    assert set(answered) <= {one.row_id for one in gateway.waiting()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_when_told_to(gateway, number):
    """With exit code 0."""
    gateway.post(plain())

    assert 0 == gateway.end(number)
    assert [("contoso_hotel", ADLON, "update")] == waiting(gateway)


def test_no_key_is_in_its_log(gateway):
    """Whatever is asked, and whatever fails."""
    address = f"{gateway.url}/wake-ups"
    httpx.post(address, params={"code": KEY}, json=plain())
    httpx.post(address, params={"code": KEY}, content=b"{", headers={"x-dv-sync-key": KEY})
    httpx.get(f"{gateway.url}/metrics", params={"code": KEY})
    with httpx.Client() as client, pytest.raises(httpx.HTTPError):
        client.send(httpx.Request("GE T", f"{address}?code={KEY}")).raise_for_status()
    gateway.end()

    said = gateway.log.read_text() + gateway.process.stdout.read().decode()
    assert KEY not in said


def test_a_taken_port_is_told(occupied_port, tmp_path):
    """With a remedy, and exit code 2."""
    ended = run_gateway(tmp_path, "--port", str(occupied_port))

    assert 2 == ended.returncode
    assert "--port" in ended.stderr
