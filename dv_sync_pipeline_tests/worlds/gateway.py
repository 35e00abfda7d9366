"""A gateway: its configuration, its process, and what senders bring.

Belongs here: what the tests of the gateway share. What is expected stands in the tests.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from starlette.types import ASGIApp

from dv_sync_pipeline.config import Configuration, parse
from dv_sync_pipeline.gateway.serve import configure
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.wakeups import WakeUp
from dv_sync_pipeline_tests.worlds.memory_hotels import ENVIRONMENTS_YAML

KEY = "CANARY-key-of-the-gateway-0123456789"
NEXT_KEY = "CANARY-next-key-of-the-gateway-012345"
ADLON = "7eb682f1-ca75-4511-80d4-00155d2a68d1"
SAVOY = "0b1c39aa-4f0c-4b0f-9a53-1a2b3c4d5e6f"
VARIABLES = {"SECRET": "no-secret", "KEY": KEY}
NO_ID = "00000000-0000-0000-0000-000000000000"

TABLES_YAML = """\
tables:
  - {table: contoso_room, key: contoso_number, columns: [contoso_number]}
  - {table: contoso_hotel, key: contoso_code, columns: [contoso_code]}
  - {table: systemuser, key: domainname, columns: [domainname]}
"""


def write_sync_yaml(folder: Path, **settings: Any) -> Path:
    """A sync.yaml with these settings of the gateway; its key comes from a variable."""
    gateway = {"keys": ["${KEY}"], **settings}
    section = f"gateway: {msgspec.json.encode(gateway).decode()}\n"
    file = folder / "sync.yaml"
    file.write_text(ENVIRONMENTS_YAML + section + TABLES_YAML)
    return file


def gateway_configuration(folder: Path, **settings: Any) -> Configuration:
    """The same, read."""
    file = write_sync_yaml(folder, **settings)
    return parse(file.read_text(), VARIABLES | {"NEXT_KEY": NEXT_KEY}, file=file)


def plain(row_id: str = ADLON, *, table: str = "contoso_hotel", **members: Any) -> dict[str, Any]:
    """What a flow posts."""
    return {"table": table, "id": row_id, **members}


def context(message: str, **members: Any) -> dict[str, Any]:
    """What Dataverse posts, as far as it concerns us (DATAVERSE 10.3)."""
    return {
        "Depth": 1,
        "InputParameters": [],
        "MessageName": message,
        "PrimaryEntityId": ADLON,
        "PrimaryEntityName": "contoso_hotel",
        "Stage": 40,
        **members,
    }


def reference(row_id: str, *, table: str) -> dict[str, Any]:
    """An EntityReference."""
    return {
        "__type": "EntityReference:http://schemas.microsoft.com/xrm/2011/Contracts",
        "Id": row_id,
        "KeyAttributes": [],
        "LogicalName": table,
        "Name": None,
        "RowVersion": None,
    }


@dataclass(frozen=True)
class RunningGateway:
    """`dv-sync gateway` as a process of its own.

    Attributes:
        process: the process.
        url: without a slash at the end.
        ledger_url: where it stores.
        log: file with everything that it says.

    """

    process: "subprocess.Popen[bytes]"
    url: str
    ledger_url: str
    log: Path

    def post(self, content: Any) -> httpx.Response:
        """One delivery with the right key."""
        headers = {"x-dv-sync-key": KEY}
        return httpx.post(f"{self.url}/wake-ups", json=content, headers=headers, timeout=30)

    def waiting(self) -> list[WakeUp]:
        """What waits in the ledger, read beside the gateway."""
        ledger = Ledger.open(self.ledger_url)
        try:
            return ledger.wake_ups(1_000_000)
        finally:
            ledger.close()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


def run_gateway(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A gateway that is expected to end by itself."""
    write_sync_yaml(folder)
    return subprocess.run(
        [*_DV_SYNC, "gateway", *arguments],
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def running_gateway(folder: Path, **settings: Any) -> Iterator[RunningGateway]:
    """Started, answering, and killed at the end."""
    configuration = gateway_configuration(folder, **settings)
    log = folder / "gateway.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_DV_SYNC, "gateway", "--port", "0"],
            env=_environment(folder),
            stdout=subprocess.PIPE,
            stderr=output,
        )
    with process:
        try:
            line = process.stdout.readline().decode()
            url = line.rpartition(" ")[2].strip().removesuffix("/wake-ups")
            assert url.startswith("http://"), log.read_text()
            yield RunningGateway(process, url, configuration.ledger_url, log)
        finally:
            process.kill()


@contextmanager
def served(application: ASGIApp) -> Iterator[httpx.Client]:
    """A client of the application, which is served from a thread over a real socket."""
    server = uvicorn.Server(configure(application, host="127.0.0.1", port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.001)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


_DV_SYNC = [sys.executable, "-c", "from dv_sync_pipeline.cli import main; main()"]


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, **VARIABLES, "DV_SYNC_CONFIG": str(folder / "sync.yaml")}
