"""Code server, daemon and webserver with Dagster's runs and our ledger in PostgreSQL."""

import os
from unittest import mock

import dagster as dg
import psycopg
import pytest

from dv_sync_pipeline.defs.names import POOL
from dv_sync_pipeline_tests.worlds.dagster_services import DEPLOYMENT, running_estate

QUICKER = {
    "default_limit: 2": "default_limit: 1",
    "poll_interval_seconds: 15": "poll_interval_seconds: 1",
    "free_slots_after_run_end_seconds: 30": "free_slots_after_run_end_seconds: 1",
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def estate(tmp_path_factory, postgres, free_port):
    """The services, with the settings that we publish; one writer at a time, less patience."""
    settings = (DEPLOYMENT / "dagster.postgres.yaml").read_text()
    for text, other in QUICKER.items():
        assert text in settings
        settings = settings.replace(text, other)
    folder = tmp_path_factory.mktemp("estate")
    with running_estate(folder, postgres, port=free_port(), settings=settings) as estate:
        yield estate


def rows(judge, environment) -> dict:
    """What an environment shows of the brands, by code."""
    brands = judge.readable(judge.snapshot(environment))["contoso_brand"]
    return sorted(map(str, brands))


def links_in(ledger: str) -> int:
    """How many rows the ledger knows, asked of PostgreSQL itself."""
    with psycopg.connect(ledger.replace("postgresql+psycopg:", "postgresql:")) as connection:
        return connection.execute("SELECT count(*) FROM links").fetchone()[0]


def test_a_run_of_all_tables_succeeds(estate):
    """Launched over the UI's own API; the rows are there, the links stand in PostgreSQL."""
    ended = estate.ui.wait_for(estate.ui.launch())

    judge = estate.judge
    assert "SUCCESS" == ended
    assert rows(judge, judge.primary) == rows(judge, judge.secondary)
    assert links_in(estate.variables["DV_SYNC_LEDGER"]) > 60


def test_the_schedule_and_the_sensors_are_on(estate):
    """Without anybody switching them on."""
    running = estate.ui.running_instigators()

    assert {"nightly_reconciliation"} < running


def test_a_killed_run_gives_its_slot_back(estate):
    """The only slot is held by a run that ended without a word; the next run gets it soon."""
    # Once a run has made the pool, the test and the daemon do not make it at the same moment.
    estate.ui.wait_for(estate.ui.launch("reconcile_all", "secondary/contoso_brand"))
    with (
        mock.patch.dict(os.environ, estate.variables),
        dg.DagsterInstance.from_config(str(estate.home)) as instance,
    ):
        killed = instance.create_run_for_job(
            dg.job(name="killed")(lambda: None), status=dg.DagsterRunStatus.STARTED
        )
        slots = instance.event_log_storage
        slots.claim_concurrency_slot(POOL, killed.run_id, "step")
        held = slots.get_concurrency_info(POOL).active_run_ids
        instance.report_run_failed(killed)
    ended = estate.ui.wait_for(estate.ui.launch("reconcile_all", "secondary/contoso_brand"))

    assert {killed.run_id} == held
    assert "SUCCESS" == ended
