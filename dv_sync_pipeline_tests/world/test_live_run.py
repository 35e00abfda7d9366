"""The live path as a whole: webhooks, gateway, Dagster's daemon, and a run that may be killed.

Belongs here: what a person would see. The demo is the world, because everything runs in it; both
environments are read over HTTP of our own.
"""

import os
import signal
import subprocess
import time

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from dv_sync_pipeline.cli.dagster_home import open_instance
from dv_sync_pipeline_tests.world.conftest import DV_SYNC
from dv_sync_pipeline_tests.worlds.judge import Environment

ARRIVES_SECONDS = 60
"""Within two seconds on a machine of its own; here many tests share it."""


class Demo:
    """A demo that runs.

    Attributes:
        primary, secondary: the environments, through the eyes of an administrator.
        instance: Dagster's database.

    """

    def __init__(self, folder, instance):
        self.primary, self.secondary = (
            Environment(folder / "sync.yaml", name, is_administrator=True)
            for name in ("primary", "secondary")
        )
        self.instance = instance

    def rename_a_brand(self, name):
        """In the primary, as a person would."""
        brand = self.primary.rows("contoso_brand", "contoso_code eq 'B-01'")[0]
        self.primary.update("contoso_brand", brand["contoso_brandid"], {"contoso_name": name})

    def name_of_the_brand(self):
        """In the secondary."""
        return self.secondary.rows("contoso_brand", "contoso_code eq 'B-01'")[0]["contoso_name"]

    def live_runs(self, status):
        """Ids of live runs with that status in Dagster."""
        found = self.instance.get_runs(dg.RunsFilter(job_name="live", statuses=[status]))
        return [run.run_id for run in found]

    def kill(self, run_id):
        """End the process of a run as the system would that has no memory left."""
        events = (entry.dagster_event for entry in self.instance.all_logs(run_id))
        process_ids = {
            event.engine_event_data.metadata["pid"].value
            for event in events
            if event and event.is_engine_event and "pid" in event.engine_event_data.metadata
        }
        for process_id in process_ids:
            os.kill(int(process_id), signal.SIGKILL)


def becomes(expected, look, *, seconds=ARRIVES_SECONDS):
    """Whether it does, within these seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look() == expected:
            return True
    return False


@pytest.fixture
def demo(tmp_path, free_port, another_free_port):
    """Synchronized, webhooks registered, a live run applies changes."""
    ports = ["--port", str(free_port), "--gateway-port", str(another_free_port)]
    with subprocess.Popen(
        [*DV_SYNC, "demo", "--rows", "20", *ports, "--state", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert any("Ctrl-C ends it all" in line for line in process.stdout)
            with open_instance(tmp_path / ".dv-sync" / "dagster") as instance:
                demo = Demo(tmp_path, instance)
                yield demo
                demo.primary.close()
                demo.secondary.close()
        finally:
            process.send_signal(signal.SIGINT)


@pytest.mark.timeout(300)
def test_changes_arrive_through_a_live_run_also_after_it_was_killed(demo):
    """Dagster calls the killed run started; its silence tells, and another takes over."""
    assert becomes(1, lambda: len(demo.live_runs(Status.STARTED)))
    demo.rename_a_brand("While the first leads")
    assert becomes("While the first leads", demo.name_of_the_brand)
    (first,) = demo.live_runs(Status.STARTED)

    demo.kill(first)
    demo.rename_a_brand("While nobody leads")

    assert becomes([first], lambda: demo.live_runs(Status.FAILURE))
    assert becomes("While nobody leads", demo.name_of_the_brand)
    assert [first] != demo.live_runs(Status.STARTED)
