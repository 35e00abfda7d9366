"""The first command of the README."""

import json
import signal
import subprocess
import time

import httpx

from dv_sync_pipeline_tests.world.conftest import DV_SYNC

QUERY = """
{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  ... on RepositoryLocation { repositories {
    assetNodes { assetKey { path } }
    schedules { name scheduleState { status } }
    sensors { name sensorState { status } }
} } } } } } }
"""


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


def test_without_once_dagster_serves_everything_until_ctrl_c(free_port, tmp_path):
    """Lineage, the schedule and the sensor are loaded and on; Ctrl-C leaves no process behind."""
    with subprocess.Popen(
        [*DV_SYNC, "demo", "--rows", "50", "--port", str(free_port), "--state", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            printed = read_until(process.stdout, "Ctrl-C ends it all.")
            answer = httpx.post(
                f"http://127.0.0.1:{free_port}/graphql", json={"query": QUERY}, timeout=30
            )
        finally:
            process.send_signal(signal.SIGINT)
    (location,) = answer.json()["data"]["workspaceOrError"]["locationEntries"]
    (repository,) = location["locationOrLoadError"]["repositories"]

    assert f"http://127.0.0.1:{free_port}" in printed
    assert len(repository["assetNodes"]) == 15
    assert repository["schedules"] == [
        {"name": "nightly_reconciliation", "scheduleState": {"status": "RUNNING"}}
    ]
    assert {sensor["sensorState"]["status"] for sensor in repository["sensors"]} == {"RUNNING"}
    assert process.returncode == 0
    assert processes_that_mention(str(tmp_path)) == []


def read_until(lines, last_words):
    """What was printed up to these words."""
    printed = ""
    for line in lines:
        printed += line
        if last_words in line:
            break
    return printed


def processes_that_mention(text):
    """Command lines of all processes of this machine with that text in them."""
    done = subprocess.run(
        ["ps", "-eo", "args"],  # noqa: S607 - wherever ps is
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if text in line]
