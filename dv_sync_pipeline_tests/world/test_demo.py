"""The first command of the README."""

import json
import subprocess
import time

from dv_sync_pipeline_tests.world.conftest import DV_SYNC


def test_the_demo_proves_itself_and_ends():
    """Both sides equal, exit code 0, in well under a minute, with nothing set up before."""
    begun = time.monotonic()
    done = subprocess.run(
        [*DV_SYNC, "demo", "--once", "--rows", "600", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    seconds = time.monotonic() - begun
    document = json.loads(done.stdout)

    assert done.returncode == 0
    assert {table["agrees"] for table in document["verified"]["tables"]} == {True}
    assert seconds < 60


def test_a_taken_port_is_told_before_the_long_work(tmp_path, occupied_port):
    """Nothing is started, nothing is left behind."""
    done = subprocess.run(
        [*DV_SYNC, "demo", "--port", str(occupied_port), "--state", str(tmp_path / "state")],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert done.returncode == 2
    assert f"port {occupied_port} cannot be opened for Dagster's UI" in done.stderr
    assert not (tmp_path / "state").exists()
