"""Waits over HTTP, and what they count as (DATAVERSE 9.1)."""

import time

import pytest

from dv_sync_pipeline.emulator.trouble.behaviour import Behaviour
from dv_sync_pipeline_tests.worlds.served import served_environment

pytestmark = pytest.mark.usefixtures("emulator_only")

KIND = "Microsoft.Dynamics.CRM.contoso_hotel"


def create_many(client, rows):
    """One bulk call."""
    targets = [{"@odata.type": KIND, "contoso_name": "Adlon"}] * rows
    path = "/contoso_hotels/Microsoft.Dynamics.CRM.CreateMultiple"
    return client.post(path, json={"Targets": targets})


def test_a_bulk_call_takes_its_time(tmp_path):
    """20 rows at 40 rows/s take half a second on the average, and at least half of that."""
    with (
        served_environment(tmp_path, Behaviour(latency="developer")) as served,
        served.client() as client,
    ):
        started = time.perf_counter()
        answer = create_many(client, 20)
        seconds = time.perf_counter() - started

    assert 200 == answer.status_code
    assert seconds > 0.25


def test_waiting_for_work_is_execution_time(tmp_path):
    """The budget of execution time shrinks by it; travelling costs nothing."""
    behaviour = Behaviour(latency="developer", limits="dataverse-fast")
    with served_environment(tmp_path, behaviour) as served, served.client() as client:
        answer = create_many(client, 20)

    left = float(answer.headers["x-ms-ratelimit-time-remaining-xrm-requests"])
    assert 38 < left < 39.75
