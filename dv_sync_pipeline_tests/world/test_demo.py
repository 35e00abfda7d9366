"""The first command of the README."""

import json
import signal
import subprocess
import time

import httpx

from dv_sync_pipeline_tests.world.conftest import DV_SYNC
from dv_sync_pipeline_tests.worlds.judge import Environment

QUERY = """
{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  ... on RepositoryLocation { repositories {
    assetNodes { assetKey { path } }
    schedules { name scheduleState { status } }
    sensors { name sensorState { status } }
} } } } } } }
"""


def test_the_demo_proves_itself_and_ends():
    """Both sides equal, exit code 0, with nothing set up before."""
    done = subprocess.run(
        [*DV_SYNC, "demo", "--once", "--rows", "600", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    document = json.loads(done.stdout)

    assert done.returncode == 0
    assert {table["agrees"] for table in document["verified"]["tables"]} == {True}


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


def test_without_once_everything_is_served_until_ctrl_c(free_port, another_free_port, tmp_path):
    """Lineage, schedule, sensors and webhooks are on; Ctrl-C leaves no process behind."""
    ports = ["--port", str(free_port), "--gateway-port", str(another_free_port)]
    with subprocess.Popen(
        [*DV_SYNC, "demo", "--rows", "50", *ports, "--state", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            printed = read_until(process.stdout, "Ctrl-C ends it all.")
            answer = httpx.post(
                f"http://127.0.0.1:{free_port}/graphql", json={"query": QUERY}, timeout=30
            )
            change_a_brand(tmp_path / "sync.yaml")
            has_woken = is_woken(f"http://127.0.0.1:{another_free_port}", "contoso_brand")
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
    assert f"http://127.0.0.1:{another_free_port}/wake-ups" in printed
    assert has_woken
    assert process.returncode == 0
    assert processes_that_mention(str(tmp_path)) == []


def change_a_brand(sync_yaml):
    """In the primary, as a person would."""
    primary = Environment(sync_yaml, "primary", is_administrator=True)
    brand = primary.rows("contoso_brand")[0]["contoso_brandid"]
    primary.update("contoso_brand", brand, {"contoso_name": "Another name"})
    primary.close()


def is_woken(gateway, table):
    """Whether a wake-up of the table is stored within ten seconds."""
    deadline = time.monotonic() + 10
    figure = f'dv_sync_gateway_wake_ups_stored_total{{table="{table}"}} 1.0'
    while time.monotonic() < deadline:
        if figure in httpx.get(f"{gateway}/metrics", timeout=30).text:
            return True
    return False


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
