"""What an environment says of us and of itself: privileges, headers; and who answers at all."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from dv_sync_pipeline.errors import UnreachableError
from dv_sync_pipeline.webapi.probe import probe
from dv_sync_pipeline.webapi.rights import Depth, Right
from dv_sync_pipeline.webapi.signals import Signals, read_signals
from dv_sync_pipeline_tests.worlds.served import webhook_receiver

USER = "00000000-0000-0000-0000-000000000001"


def test_the_deepest_role_counts(talk):
    """A privilege that two roles have is listed twice."""
    privileges = [
        {"PrivilegeId": "read", "Depth": "Local"},
        {"PrivilegeId": "read", "Depth": "Global"},
        {"PrivilegeId": "write", "Depth": "Basic"},
        {"PrivilegeId": "odd", "Depth": "RecordFilter"},
    ]

    found = talk(
        lambda _request: httpx.Response(200, json={"RolePrivileges": privileges}),
        lambda client: client.administration.privileges_of(USER),
    )

    assert {"read": Depth.GLOBAL, "write": Depth.BASIC, "odd": Depth.NONE} == found


def test_rights_on_a_table(talk):
    """What no role has is none; what the table does not know is left out."""
    known = [
        {"PrivilegeId": f"p{right}", "PrivilegeType": right} for right in ("Read", "Write", "Share")
    ]

    found = talk(
        lambda _request: httpx.Response(200, json={"Privileges": known}),
        lambda client: client.administration.rights_on("account", {"pRead": Depth.DEEP}),
    )

    assert {Right.READ: Depth.DEEP, Right.WRITE: Depth.NONE} == found


@pytest.mark.parametrize(
    ("headers", "signals"),
    [
        (
            {"date": "Tue, 01 Sep 2026 12:00:00 GMT", "x-ms-dop-hint": "8"},
            Signals(datetime(2026, 9, 1, 12, tzinfo=UTC), 8),
        ),
        ({"date": "yesterday", "x-ms-dop-hint": "many"}, Signals()),
        ({}, Signals()),
    ],
)
def test_signs_in_headers(headers, signals):
    """Where they are missing or odd, nothing is concluded."""
    assert signals == read_signals(httpx.Headers(headers))


def test_somebody_answers():
    """Whatever: the status tells."""
    with webhook_receiver() as receiver:
        assert 501 == asyncio.run(probe(receiver.url))  # it does not know GET


def test_nobody_answers(unused_port):
    """Is an error with the address in it."""
    with pytest.raises(UnreachableError) as error:
        asyncio.run(probe(f"http://127.0.0.1:{unused_port}/healthz"))

    assert f"http://127.0.0.1:{unused_port}/healthz does not answer" == error.value.what


@pytest.fixture
def unused_port():
    """A port on which nobody listened a moment ago."""
    with webhook_receiver() as receiver:
        return httpx.URL(receiver.url).port
