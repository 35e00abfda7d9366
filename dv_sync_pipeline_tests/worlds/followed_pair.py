"""Two emulated environments and a whole pipeline that follows changes, each part a process.

Belongs here: putting them together as a deployment does: first sync, webhooks, gateway, code server
and daemon. What happens to them, and what is measured, stands with those who ask for it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import httpx

from dv_sync_pipeline import config
from dv_sync_pipeline.cli.dagster_home import open_instance
from dv_sync_pipeline.cli.services import arguments_of_code_server
from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.emulator.process.launch import RunningEmulator, running_emulator
from dv_sync_pipeline.sync.leadership import SILENCE
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.worlds.judge import Environment
from dv_sync_pipeline_tests.worlds.supervised import HOST, Supervised, accepts, find_free_port

GATEWAY, CODE_SERVER, DAEMON = "gateway", "code server", "daemon"
LOCATION = "dv_sync_pipeline"
LED_SECONDS_MAX = 180.0
POLL_SECONDS = 0.1
_DV_SYNC = [sys.executable, "-m", "dv_sync_pipeline.cli"]
_WORKSPACE = """\
load_from:
  - grpc_server: {{host: {host}, port: {port}, location_name: {location}}}
"""


@dataclass(frozen=True)
class Circumstances:
    """What the environments are like, and which path is taken.

    Attributes:
        is_live: whether a live run applies changes; otherwise sensors start runs.
        rooms: how many the primary has.
        latency, limits: profiles of the emulator.

    """

    is_live: bool = True
    rooms: int = 400
    latency: str = "dataverse"
    limits: str = "dataverse"


@dataclass(frozen=True)
class FollowedPair:
    """Synchronized once; from now on changes are followed.

    Attributes:
        emulator: serves both environments.
        configuration: of the pipeline.
        primary, secondary: the environments, through the eyes of an administrator.
        instance: Dagster's database.
        services: name → gateway, code server, daemon.
        gateway_url: without a path.

    """

    emulator: RunningEmulator
    configuration: Configuration
    primary: Environment
    secondary: Environment
    instance: dg.DagsterInstance
    services: Mapping[str, Supervised]
    gateway_url: str

    def commits(self, environment: Environment) -> list[dict[str, Any]]:
        """What was written in it since its log was emptied, in order."""
        commits: list[dict[str, Any]] = environment.control("GET", "/commits").json()["commits"]
        return commits

    def requests(self, environment: Environment) -> list[dict[str, Any]]:
        """What it was asked since its log was emptied, in order."""
        requests: list[dict[str, Any]] = environment.control("GET", "/requests").json()["requests"]
        return requests

    def forget(self) -> None:
        """Empty all logs of the emulator."""
        for environment in (self.primary, self.secondary):
            for log in ("commits", "requests"):
                environment.control("DELETE", f"/{log}")

    def arm(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Make these things go wrong in the primary."""
        self.primary.control("POST", "/faults", json={"seed": 1, "faults": list(faults)})

    def wake_ups_stored(self) -> int:
        """How many the gateway has stored since it was started."""
        answer = httpx.get(f"{self.gateway_url}/metrics", timeout=10, trust_env=False)
        name = "dv_sync_gateway_wake_ups_stored_total"
        lines = (line for line in answer.text.splitlines() if line.startswith(name))
        return sum(int(float(line.rpartition(" ")[2])) for line in lines)

    def leading_run(self) -> str:
        """The id of the live run that leads and gives signs of life, or ""."""
        ledger = Ledger.open(self.configuration.ledger_url)
        try:
            leader = ledger.leader()
        finally:
            ledger.close()
        now = datetime.now(tz=UTC)
        return leader.run_id if leader and leader.is_alive(now, silence=SILENCE) else ""

    def wait_until_led(self) -> None:
        """Until a live run applies changes."""
        wait_until(lambda: bool(self.leading_run()), seconds=LED_SECONDS_MAX)

    def worker_ids(self, run_id: str) -> set[int]:
        """The process of a Dagster run, as its events tell."""
        events = (entry.dagster_event for entry in self.instance.all_logs(run_id))
        return {
            int(str(event.engine_event_data.metadata["pid"].value))
            for event in events
            if event and event.is_engine_event and "pid" in event.engine_event_data.metadata
        }

    def kill_live_run(self) -> bool:
        """As the system does that has no memory left; whether there was one."""
        run_id = self.leading_run()
        for process_id in self.worker_ids(run_id) if run_id else ():
            os.kill(process_id, signal.SIGKILL)
        return bool(run_id)

    def runs(self) -> list[dg.DagsterRun]:
        """All that Dagster knows of, the youngest first."""
        return list(self.instance.get_runs())


@contextmanager
def followed_pair(folder: Path, circumstances: Circumstances) -> Iterator[FollowedPair]:
    """Started and synchronized; a live run leads, if there is to be one."""
    with ExitStack() as stack:
        emulator = stack.enter_context(_emulator(folder, circumstances))
        _choose_path(emulator.sync_yaml, is_live=circumstances.is_live)
        variables = _variables(emulator.sync_yaml)
        _run(variables, "sync")
        configuration = config.load(emulator.sync_yaml, variables)
        home = configuration.state / "dagster"
        services = _services(folder, home, variables)
        for service in services.values():
            stack.callback(service.stop)
            service.start()
            service.wait()
        gateway_url = f"http://{HOST}:{services[GATEWAY].arguments[-1]}"
        _run(variables, "provision", "--apply", "--gateway-url", f"{gateway_url}/wake-ups")
        primary, secondary = (
            Environment(emulator.sync_yaml, name, is_administrator=True)
            for name in ("primary", "secondary")
        )
        stack.callback(primary.close)
        stack.callback(secondary.close)
        instance = stack.enter_context(open_instance(home))
        pair = FollowedPair(
            emulator, configuration, primary, secondary, instance, services, gateway_url
        )
        if circumstances.is_live:
            pair.wait_until_led()
        yield pair


@contextmanager
def _emulator(folder: Path, circumstances: Circumstances) -> Iterator[RunningEmulator]:
    sample = ("--sample", "hotels", "--rows", str(circumstances.rooms), "--control")
    trouble = ("--latency", circumstances.latency, "--limits", circumstances.limits)
    arguments = ("primary=0", "secondary=0", *sample, *trouble)
    with running_emulator(arguments, state=folder) as emulator:
        yield emulator


def _choose_path(sync_yaml: Path, *, is_live: bool) -> None:
    text = sync_yaml.read_text()
    assert "live: true" in text
    if not is_live:
        sync_yaml.write_text(text.replace("live: true", "live: false"))


def _variables(sync_yaml: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return {**kept, "DV_SYNC_CONFIG": str(sync_yaml)}


def _run(variables: Mapping[str, str], *arguments: str) -> None:
    """One command, which must succeed; the first sync leaves a database for Dagster behind."""
    done = subprocess.run(
        [*_DV_SYNC, *arguments], env=dict(variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _services(folder: Path, home: Path, variables: Mapping[str, str]) -> dict[str, Supervised]:
    gateway_port, code_port = find_free_port(), find_free_port()
    workspace = folder / "workspace.yaml"
    workspace.write_text(_WORKSPACE.format(host=HOST, port=code_port, location=LOCATION))
    with_home = {**variables, "DAGSTER_HOME": str(home)}
    commands: dict[str, Sequence[str]] = {
        GATEWAY: ("dv_sync_pipeline.cli", "gateway", "--host", HOST, "--port", str(gateway_port)),
        CODE_SERVER: arguments_of_code_server(code_port),
        DAEMON: ("dagster._daemon", "run", "-w", str(workspace)),
    }
    answers: dict[str, Callable[[], bool]] = {
        GATEWAY: lambda: accepts(gateway_port),
        CODE_SERVER: lambda: accepts(code_port),
        DAEMON: lambda: True,
    }
    return {
        name: Supervised(name, arguments, with_home, folder / f"{name}.log", answers[name])
        for name, arguments in commands.items()
    }


def wait_until(is_so: Callable[[], bool], *, seconds: float) -> None:
    """Look again and again, for so long at most."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(POLL_SECONDS)
