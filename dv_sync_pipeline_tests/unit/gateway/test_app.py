"""The gateway lets in who has a key, stores before it answers, and says no more than it must."""

import json
import re
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline.gateway import receiver
from dv_sync_pipeline.gateway.app import create_application
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.worlds.gateway import (
    ADLON,
    KEY,
    NEXT_KEY,
    gateway_configuration,
    plain,
    served,
)

MOMENT = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
JSON = {"content-type": "application/json"}
WITH_KEY = {"x-dv-sync-key": KEY}


class Clock:
    """Stands still."""

    now = MOMENT

    def __call__(self):
        """The moment."""
        return self.now


@pytest.fixture
def ledger(tmp_path):
    """A new ledger, impatient as the gateway's."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", busy_seconds_max=0.05)
    yield ledger
    ledger.close()


@pytest.fixture
def clock():
    """Stands still."""
    return Clock()


@pytest.fixture
def open_gateway(tmp_path, ledger, clock):
    """Opens a gateway with these settings."""

    def opened(**gateway_settings):
        configuration = gateway_configuration(tmp_path, **gateway_settings)
        return served(create_application(configuration, ledger, clock=clock))

    return opened


@pytest.fixture
def client(open_gateway):
    """Speaks to a gateway with the usual settings."""
    with open_gateway() as client:
        yield client


def post(client, delivery=None, **arguments):
    """A delivery of one wake-up, with the key, unless told otherwise."""
    arguments = {"headers": WITH_KEY, **arguments}
    if "content" not in arguments:
        arguments["json"] = plain() if delivery is None else delivery
    return client.post("/wake-ups", **arguments)


def figures(client, **labels) -> dict[str, float]:
    """Name → value, of those figures that have exactly these labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return {sample.name: sample.value for sample in samples if sample.labels == labels}


# ---- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (202, {"headers": {"x-dv-sync-key": KEY}}),
        (202, {"headers": {"X-DV-Sync-Key": KEY}}),
        (202, {"headers": {}, "params": {"code": KEY}}),
        (401, {"headers": {}}),
        (401, {"headers": {"x-dv-sync-key": ""}}),
        (401, {"headers": {"x-dv-sync-key": KEY[:-1]}}),
        (401, {"headers": {"x-dv-sync-key": KEY + "0"}}),
        (401, {"headers": {"x-dv-sync-key": b"\xff\xfe"}}),
        (401, {"headers": {}, "params": {"code": ""}}),
        (401, {"headers": {}, "params": {"code": "\N{SNOWMAN}\x00"}}),
        (401, {"headers": {"x-dv-sync-key": "wrong"}, "params": {"code": KEY}}),
        (401, {"headers": {"x-dv-sync-key": NEXT_KEY}}),
    ],
)
def test_who_has_no_key_stays_outside(client, ledger, status, arguments):
    """The key comes in a header or, as Dataverse's WebhookKey does it, in the query."""
    answer = post(client, **arguments)

    assert status == answer.status_code
    assert (status == 202) == bool(ledger.wake_ups(10))


def test_two_keys_are_accepted_while_one_replaces_the_other(open_gateway):
    """An empty one is none: the variable of the next key need not be set."""
    with open_gateway(keys=["${NEXT_KEY}", "${KEY}"]) as client:
        both = [post(client, headers={"x-dv-sync-key": key}).status_code for key in (KEY, NEXT_KEY)]
    with open_gateway(keys=["${NEXT_KEY}", "${UNSET:-}"]) as client:
        later = [post(client, headers={"x-dv-sync-key": key}).status_code for key in (KEY, "")]

    assert ([202, 202], [401, 401]) == (both, later)


def test_keys_may_come_from_files(open_gateway, tmp_path):
    """Beside sync.yaml unless absolute; a line's end does not count."""
    (tmp_path / "key").write_text(f"{NEXT_KEY}\n")
    with open_gateway(keys=[], key_files="key") as client:
        answer = post(client, headers={"x-dv-sync-key": NEXT_KEY})

    assert 202 == answer.status_code


@pytest.mark.parametrize(
    "no_good",
    [{"keys": []}, {"keys": ["${UNSET:-}"]}, {"keys": ["${KEY}"], "key_files": ["short"]}],
)
def test_a_gateway_without_a_good_key_does_not_start(open_gateway, tmp_path, no_good):
    """It says how to make one; a weak one beside a good one is no good either."""
    (tmp_path / "short").write_text("easily guessed")
    with pytest.raises(ConfigurationError, match="token_urlsafe"):
        open_gateway(**no_good)


def test_a_key_in_the_file_is_refused(open_gateway):
    """And not repeated."""
    with pytest.raises(ConfigurationError, match="a secret stands in the file") as caught:
        open_gateway(keys=[KEY])

    assert KEY not in str(caught.value)


# ---- bodies -------------------------------------------------------------------------------------


def test_a_wake_up_is_in_the_ledger_when_it_is_answered(client, ledger):
    """With the moment in which it came."""
    answer = post(client)

    (stored,) = ledger.wake_ups(10)
    assert {"stored": 1, "ignored": []} == answer.json()
    assert ("contoso_hotel", ADLON, MOMENT) == (stored.table, stored.row_id, stored.received)


def test_the_answer_says_what_is_ignored(client):
    """To whoever looks at the history of a flow."""
    answer = post(client, [plain(), plain(table="account")])

    assert (202, {"stored": 1, "ignored": ["table"]}) == (answer.status_code, answer.json())


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (400, {"headers": WITH_KEY | JSON, "content": b"{"}),
        (413, {"headers": WITH_KEY | JSON, "content": b" " * 2000}),
        (413, {"headers": WITH_KEY | JSON, "content": iter([b" " * 600, b" " * 600])}),
        (415, {"headers": WITH_KEY, "content": b"{}"}),
        (415, {"headers": WITH_KEY | {"content-type": "text/plain"}, "content": b"{}"}),
        (400, {"headers": WITH_KEY | {"content-type": "Application/JSON; charset=utf-8"}}),
    ],
    ids=["malformed", "long", "long in pieces", "no type", "another type", "json"],
)
def test_bodies_that_cannot_be_taken_are_refused(open_gateway, ledger, status, arguments):
    """Before they are parsed, where they are too long."""
    with open_gateway(body_bytes_max=1024) as client:
        answer = post(client, **{"content": b"{", **arguments})

    assert status == answer.status_code
    assert [] == ledger.wake_ups(10)


def test_a_body_that_comes_too_slowly_is_refused(open_gateway):
    """Nobody can keep connections busy by saying nothing."""
    with open_gateway(body_seconds_max=0.05) as client, half_a_delivery(client) as connection:
        answer = connection.recv(1000)

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_head_without_end_is_refused(client, caplog):
    """It is not kept in memory until it ends; nor is anything logged."""
    with socket.create_connection((client.base_url.host, client.base_url.port), 10) as connection:
        connection.sendall(b"POST /wake-ups HTTP/1.1\r\nX-Long: " + b"x" * 100_000)
        answer = connection.recv(1000)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "" == caplog.text


def test_a_sender_that_goes_away_is_counted(client):
    """And breaks nothing."""
    half_a_delivery(client).close()

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        cut_off = figures(client, reason="cut_off")["dv_sync_gateway_requests_refused_total"]
        if cut_off:
            break
    assert 1 == cut_off


def half_a_delivery(client):
    """A connection on which only the head of a delivery was sent."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port), 10)
    head = f"POST /wake-ups HTTP/1.1\r\nHost: x\r\nx-dv-sync-key: {KEY}\r\n"
    connection.sendall(
        f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n".encode()
    )
    return connection


def test_more_at_a_time_than_fits_is_503(client, monkeypatch):
    """At once, before their bodies are read; the next moment may have room."""
    monkeypatch.setattr(receiver, "_IN_PROGRESS_MAX", 0)
    full = post(client)
    monkeypatch.undo()

    assert (503, "1") == (full.status_code, full.headers["retry-after"])
    assert 202 == post(client).status_code


def test_only_post_wakes(client):
    """And nothing else is there."""
    statuses = [client.get("/wake-ups").status_code, client.post("/elsewhere").status_code]

    assert [405, 404] == statuses


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.binary(max_size=300),
    key=st.sampled_from([KEY, "", "CANARY"]) | st.text(max_size=40),
    content_type=st.sampled_from(["application/json", 'application/json;x="', "", "\xff"]),
)
def test_garbage_never_breaks_it(client, body, key, content_type):
    """It is refused with a 4xx, and learns nothing."""
    headers = {"content-type": content_type.encode("latin-1")}
    answer = client.post("/wake-ups", params={"code": key}, headers=headers, content=body)

    assert 400 <= answer.status_code < 500 or body.strip() == b"[]"
    assert ["refused"] == list(answer.json()) or body.strip() == b"[]"
    assert not re.search(r"CANARY|Traceback|contoso|ledger", answer.text)


# ---- a ledger that fails ------------------------------------------------------------------------


def test_a_locked_ledger_is_503(client, ledger, caplog):
    """Dataverse repeats such a delivery; afterwards all is well again."""
    with ledger.transaction() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        locked = [post(client), client.get("/healthz")]
    free = [post(client), client.get("/healthz")]

    assert [503, 503] == [answer.status_code for answer in locked]
    assert [202, 200] == [answer.status_code for answer in free]
    assert "cannot be stored" in caplog.text


def test_a_full_disk_is_503(client, ledger):
    """As SQLite tells it."""
    post(client)
    with ledger.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    many = [plain(f"7eb682f1-ca75-4511-80d4-{number:012}") for number in range(4000)]
    answer = post(client, many)

    assert 503 == answer.status_code
    assert 1 == ledger.waiting_wake_ups().count


# ---- health and metrics -------------------------------------------------------------------------


def test_figures_count_what_was_received(client):
    """Stored, ignored and refused, each with its reason."""
    post(client, [plain(), plain(table="account")])
    post(client, headers={})
    post(client, {})

    assert 3 == figures(client)["dv_sync_gateway_requests_received_total"]
    assert {"dv_sync_gateway_wake_ups_stored_total": 1} == {
        name: value
        for name, value in figures(client, table="contoso_hotel").items()
        if name.startswith("dv_sync_gateway") and name.endswith("total")
    }
    assert 1 == figures(client, reason="table")["dv_sync_gateway_wake_ups_ignored_total"]
    assert 1 == figures(client, reason="wrong_key")["dv_sync_gateway_requests_refused_total"]
    assert 1 == figures(client, reason="malformed")["dv_sync_gateway_requests_refused_total"]
    assert 0 == figures(client, reason="busy")["dv_sync_gateway_requests_refused_total"]
    assert 1 == figures(client)["dv_sync_gateway_store_seconds_count"]


def test_figures_tell_what_waits(client, clock):
    """With the age of the oldest."""
    post(client)
    clock.now = MOMENT + timedelta(seconds=7)

    found = figures(client)
    assert 1 == found["dv_sync_wake_ups_waiting"]
    assert 7 == found["dv_sync_wake_ups_oldest_age_seconds"]


def test_figures_tell_how_each_table_is(client, ledger):
    """As the ledger knows it; a table that was never reconciled owes it."""
    ledger.begin_reconcile("contoso_hotel", mapping="m")
    ledger.finish_reconcile("contoso_hotel", verified_through=MOMENT)
    ledger.note_lag("contoso_hotel", 1.5, now=MOMENT)

    assert {
        "dv_sync_held_removals": 0,
        "dv_sync_lag_seconds": 1.5,
        "dv_sync_lag_timestamp_seconds": MOMENT.timestamp(),
        "dv_sync_links": 0,
        "dv_sync_parked_rows": 0,
        "dv_sync_reconcile_owed": 0,
        "dv_sync_stopped": 0,
        "dv_sync_verified_through_timestamp_seconds": MOMENT.timestamp(),
    } == {
        name: value
        for name, value in figures(client, table="contoso_hotel").items()
        if not name.startswith("dv_sync_gateway")
    }
    assert 1 == figures(client, table="contoso_room")["dv_sync_reconcile_owed"]


def test_figures_and_health_name_nothing_but_tables(client):
    """Whatever labels there are."""
    post(client)
    labels = set(re.findall(r'(\w+)="', client.get("/metrics").text))

    assert {"table", "reason", "le"} == labels
    assert {"status": "ok"} == client.get("/healthz").json()


def test_figures_may_need_the_key(open_gateway):
    """Health never does: a load balancer has none."""
    with open_gateway(metrics_need_key=True) as client:
        statuses = [
            client.get("/metrics").status_code,
            client.get("/metrics", headers=WITH_KEY).status_code,
            client.get("/healthz").status_code,
        ]

    assert [401, 200, 200] == statuses


def test_what_is_told_elsewhere_is_not_told_here(client, caplog):
    """No key is in any answer or line of the log."""
    answers = [post(client), post(client, headers={}, params={"code": KEY}), post(client, {})]

    told = json.dumps([[answer.text, dict(answer.headers)] for answer in answers]) + caplog.text
    assert "CANARY" not in told
