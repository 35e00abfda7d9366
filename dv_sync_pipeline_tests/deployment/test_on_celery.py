"""Runs executed by two Celery workers: Dagster's own way to more than one machine."""

import os
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.worlds.celery_workers import find_redis, running_redis, running_worker
from dv_sync_pipeline_tests.worlds.dagster_services import DEPLOYMENT, running_estate

pytestmark = pytest.mark.timeout(400)

SOMEBODY = 1


@pytest.fixture(scope="module")
def redis(tmp_path_factory, free_port):
    """The address of a Redis server; `.ci/run` installs it, so nothing is skipped there."""
    program = find_redis()
    if program is None:
        reason = "Redis is not installed: apt-get install redis-server"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with running_redis(program, tmp_path_factory.mktemp("redis"), port=free_port()) as address:
        yield address


@pytest.fixture(scope="module")
def estate(tmp_path_factory, postgres, redis, free_port):
    """The services, with the settings that we publish."""
    broker = {"DV_SYNC_CELERY_BROKER": f"{redis}/0", "DV_SYNC_CELERY_BACKEND": f"{redis}/1"}
    settings = (DEPLOYMENT / "dagster.celery.yaml").read_text()
    folder = tmp_path_factory.mktemp("estate")
    with running_estate(
        folder, postgres, port=free_port(), settings=settings, variables=broker
    ) as estate:
        yield estate


@pytest.fixture(scope="module")
def logs(estate, tmp_path_factory):
    """What the two workers say."""
    folder = tmp_path_factory.mktemp("workers")
    with ExitStack() as stack:
        yield [
            stack.enter_context(running_worker(name, folder, estate.variables))
            for name in ("first", "second")
        ]


def codes(side, table) -> list[str]:
    """What an environment shows."""
    return sorted(row["contoso_code"] for row in side.rows(table))


@contextmanager
def somebody_else_at_work_on(table, estate):
    """A lease of the table that runs must wait for."""
    ledger = Ledger.open(estate.variables["DV_SYNC_LEDGER"])
    assert ledger.take_lease(table, SOMEBODY, now=datetime.now(UTC), lasts=timedelta(minutes=5))
    try:
        yield
    finally:
        ledger.release_lease(table, SOMEBODY)
        ledger.close()


def test_two_workers_synchronize_two_tables(estate, logs):
    """While one run waits for its turn on a table, another worker does another table."""
    with somebody_else_at_work_on("contoso_brand", estate):
        brands = estate.ui.launch("reconcile_all", "secondary/contoso_brand")
        room_types = estate.ui.launch("reconcile_all", "secondary/contoso_roomtype")
        ended = [estate.ui.wait_for(room_types)]
    ended.append(estate.ui.wait_for(brands))
    tasks = [estate.ui.tags(run)["dagster-celery/task_id"] for run in (brands, room_types)]
    workers = [[task in log.read_text() for log in logs] for task in tasks]

    assert ["SUCCESS", "SUCCESS"] == ended
    assert [[False, True], [True, False]] == sorted(workers)
    for table in ("contoso_brand", "contoso_roomtype"):
        assert codes(estate.judge.primary, table) == codes(estate.judge.secondary, table)
