"""The systemd units and the Compose file say what it takes: their commands are run as they stand.

As processes of this machine, with exactly the variables that a description gives them, against a
real PostgreSQL. No systemd boots and no container is built here.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline_tests.worlds.dagster_services import DEPLOYMENT, Ui
from dv_sync_pipeline_tests.worlds.described_services import (
    Described,
    read_compose,
    read_units,
    running,
    told_to_end,
)
from dv_sync_pipeline_tests.worlds.judge import Judge
from dv_sync_pipeline_tests.worlds.postgres import HOST, PASSWORD, USER

pytestmark = pytest.mark.timeout(400)

KEY = "a-key-of-the-gateway-that-is-long-enough"
ROWS = 30
ENDED_IN_ORDER = {0, -signal.SIGTERM}
"""What systemd calls clean; uvicorn ends by the signal itself once it has said good-bye."""


@dataclass(frozen=True)
class Place:
    """What a description finds on its machine.

    Attributes:
        folder: stands for the root of the machine, and for the folder of `compose.yaml`.
        ports: the usual port → the one of this test.
        database: PostgreSQL's port and the name of Dagster's database.

    """

    folder: Path
    ports: Mapping[str, str]
    database: tuple[str, str]

    @property
    def settings(self) -> Path:
        """Stands for /etc/dv-sync."""
        return self.folder / "etc" / "dv-sync"

    @property
    def texts(self) -> dict[str, str]:
        """What is replaced in a description."""
        folders = {
            f"{place}/dv-sync": f"{self.folder}{place}/dv-sync" for place in ("/etc", "/var/lib")
        }
        return {"/opt/dv-sync": sys.prefix, **folders, "0.0.0.0": HOST, **self.ports}  # noqa: S104 - replaced

    def write(self, name: str, text: str) -> None:
        """A file, with the ports of this test."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        for port, other in self.ports.items():
            text = text.replace(port, other)
        file.write_text(text)


@pytest.fixture
def place(tmp_path, postgres, free_port):
    """Two emulated environments, `sync.yaml` as the page says, two databases."""
    database = f"dagster_{uuid4().hex}"
    ledger = f"ledger_{uuid4().hex}"
    for name in (database, ledger):
        postgres.run(f"CREATE DATABASE {name}")
    ports = {port: str(free_port()) for port in ("4266", "3000", "8900")}
    place = Place(tmp_path, ports, (str(postgres.port), database))
    arguments = ["primary=0", "secondary=0", "--sample", "hotels", "--rows", str(ROWS)]
    with running_emulator(arguments, state=place.settings) as emulator:
        text = emulator.sync_yaml.read_text()
        key_files = "  key_files: [secrets/gateway]\n"
        assert key_files in text
        keys = f"  keys: ['${{DV_SYNC_GATEWAY_KEY}}']\n  port: {ports['8900']}\n"
        address = f"{USER}:${{DV_SYNC_LEDGER_PASSWORD}}@{HOST}:{postgres.port}/{ledger}"
        emulator.sync_yaml.write_text(
            f"{text.replace(key_files, keys)}\nledger: postgresql+psycopg://{address}\n"
        )
        yield place


def by_systemd(place: Place) -> list[Described]:
    """Installed as the page says."""
    port, database = place.database
    login = {"HOST": HOST, "PORT": port, "DB": database, "USER": USER, "PASSWORD": PASSWORD}
    lines = [f"DAGSTER_PG_{name}={value}\n" for name, value in login.items()]
    place.write("etc/dv-sync/dagster.env", "".join(lines))
    place.write("etc/dv-sync/dataverse.env", secrets(DV_SYNC_LEDGER_PASSWORD=PASSWORD))
    place.write("etc/dv-sync/workspace.yaml", (DEPLOYMENT / "workspace.yaml").read_text())
    for home in ("dv-sync", "dv-sync-web"):
        place.write(f"var/lib/{home}/dagster.yaml", settings_of_dagster())
    return read_units(place.texts)


def by_compose(place: Place) -> list[Described]:
    """With the files that its head asks for; the database of this test stands for its own."""
    port, database = place.database
    place.write(".env", f"DAGSTER_PG_PASSWORD={PASSWORD}\n")
    place.write("dataverse.env", secrets())
    workspace = (DEPLOYMENT / "compose" / "workspace.yaml").read_text()
    place.write("etc/dv-sync/workspace.yaml", workspace.replace("host: code", f"host: {HOST}"))
    place.write("var/lib/dv-sync/dagster.yaml", settings_of_dagster())
    values = {"postgres": HOST, "5432": port, "dagster": database}
    return read_compose(place.folder, place.texts, values)


def secrets(**others: str) -> str:
    """The variables of `sync.yaml`."""
    variables = {"DV_SYNC_GATEWAY_KEY": KEY, **others}
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def settings_of_dagster() -> str:
    """What both deployments use."""
    return (DEPLOYMENT / "dagster.postgres.yaml").read_text()


@pytest.mark.parametrize("describe", [by_systemd, by_compose])
def test_the_described_services_synchronize_and_end_in_order(place, describe):
    """Started in their order, asked for a run of everything, woken up, and told to end."""
    services = describe(place)
    with running(services, place.folder / "log") as processes:
        answers, ui = answers_of(place.ports), Ui(int(place.ports["3000"]))
        ended = ui.wait_for(ui.launch())
        codes = told_to_end(services, processes)

    assert {"webserver": 200, "gateway": 200, "wake-up": 202} == answers
    assert "SUCCESS" == ended
    assert brands_of_both(place)[0] == brands_of_both(place)[1]
    assert len(services) - 1 == len(codes)
    assert set(codes.values()) <= ENDED_IN_ORDER, codes


def answers_of(ports: Mapping[str, str]) -> dict[str, int]:
    """What the services that listen say, at the addresses where others look for them."""
    ui, gateway = (f"http://{HOST}:{ports[port]}" for port in ("3000", "8900"))
    wake_up = {"table": "contoso_brand", "id": str(uuid4())}
    return {
        "webserver": first_answer(f"{ui}/server_info"),
        "gateway": first_answer(f"{gateway}/healthz"),
        "wake-up": httpx.post(
            f"{gateway}/wake-ups", json=wake_up, headers={"x-dv-sync-key": KEY}, trust_env=False
        ).status_code,
    }


def first_answer(url: str) -> int:
    """The status of the first answer; they may need a while to listen."""
    deadline = time.monotonic() + 90
    while True:
        try:
            return httpx.get(url, timeout=5, trust_env=False).status_code
        except httpx.TransportError:
            assert time.monotonic() < deadline, url
            time.sleep(0.2)


def brands_of_both(place: Place) -> list[Sequence[str]]:
    """What both environments show."""
    judge = Judge(place.settings / "sync.yaml")
    try:
        return [
            sorted(row["contoso_code"] for row in side.rows("contoso_brand"))
            for side in (judge.primary, judge.secondary)
        ]
    finally:
        judge.close()


def test_compose_takes_the_file(tmp_path):
    """Every setting is known, every variable is set, every anchor and every dependency is there."""
    program = shutil.which("docker-compose")
    if program is None:
        reason = "docker-compose is not installed: apt-get install docker-compose"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    shutil.copytree(DEPLOYMENT / "compose", tmp_path, dirs_exist_ok=True)
    for name, text in {".env": "DAGSTER_PG_PASSWORD=x\n", "dataverse.env": ""}.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [program, "config", "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
