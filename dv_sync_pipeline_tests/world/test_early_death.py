"""A live run is killed before its first sign of life: nobody ever heard of it.

Belongs here: real processes, killed at that moment. How it is noticed is shown piece by piece in
`dagster/test_live_watch.py` and `dagster/test_run_process.py`.
"""

import os
import signal

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.worlds.followed_pair import (
    CODE_SERVER,
    Circumstances,
    followed_pair,
    wait_until,
)

pytestmark = pytest.mark.timeout(600)

BEGINS_SECONDS_MAX = 60.0
NOTICED_SECONDS_MAX = 45.0
"""Within fifteen on a machine of its own; a minute where nothing told that the process is gone."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A live run leads."""
    folder = tmp_path_factory.mktemp("early_death")
    with followed_pair(folder, Circumstances(rooms=60, latency="none")) as pair:
        yield pair


def live_runs(pair):
    """Ids of all that there ever were."""
    return {run.run_id for run in pair.instance.get_runs(dg.RunsFilter(job_name="live"))}


def heard_of(pair):
    """Ids of those that gave a sign of life lately."""
    with Ledger.open(pair.configuration.ledger_url) as ledger:
        return {each.run_id for each in ledger.live_runs()}


def newborn_run(pair):
    """Follow the run that leads by another one, until that says the number of its process."""
    pair.wait_until_led()
    before = live_runs(pair)
    pair.instance.run_launcher.terminate(pair.leading_run())
    wait_until(lambda: live_runs(pair) - before, seconds=BEGINS_SECONDS_MAX)
    (newborn,) = live_runs(pair) - before
    wait_until(lambda: pair.worker_ids(newborn), seconds=BEGINS_SECONDS_MAX)
    return newborn


def wait_until_replaced(pair, run_id):
    """It has failed, and one that began later leads."""
    assert run_id not in heard_of(pair), "the test was too slow: it gave a sign of life"
    before = live_runs(pair)
    wait_until(lambda: has_failed(pair, run_id), seconds=NOTICED_SECONDS_MAX)
    wait_until(lambda: pair.leading_run() in live_runs(pair) - before, seconds=NOTICED_SECONDS_MAX)


def has_failed(pair, run_id):
    """Dagster says so, and alerts."""
    return pair.instance.get_run_by_id(run_id).status is Status.FAILURE


def test_a_worker_that_is_killed_before_its_first_sign_of_life_is_replaced(pair):
    """Its code server tells of it, and nobody waits for the minute of runs that come to nothing."""
    newborn = newborn_run(pair)
    (process_id,) = pair.worker_ids(newborn)
    os.kill(process_id, signal.SIGKILL)

    wait_until_replaced(pair, newborn)


def test_a_worker_that_is_killed_so_early_with_its_code_server_is_replaced(pair):
    """Dagster calls the run starting, and its new code server has never heard of it."""
    newborn = newborn_run(pair)
    pair.services[CODE_SERVER].kill()
    pair.services[CODE_SERVER].start()

    wait_until_replaced(pair, newborn)
