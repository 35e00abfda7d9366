"""Starts the emulator as a process of its own and waits until it answers.

For the demo, the tests and the benchmarks. Belongs here: the life of that process. Does not belong
here: what it does (`server`, `sample`).
"""

import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dv_sync_pipeline.errors import UnreachableError

__all__ = ["RunningEmulator", "running_emulator"]

_START_SECONDS_MAX = 600.0
_STOP_SECONDS_MAX = 30.0
_COMMAND = "from dv_sync_pipeline.cli import main; main()"


@dataclass(frozen=True, slots=True)
class RunningEmulator:
    """An emulator that answers.

    Attributes:
        urls: environment name → address.
        state: its state folder.
        process_id: of the emulator.

    """

    urls: Mapping[str, str]
    state: Path
    process_id: int

    @property
    def ca_file(self) -> Path:
        """PEM certificate to trust; exists unless it serves plain HTTP."""
        return self.state / "ca.pem"

    @property
    def sync_yaml(self) -> Path:
        """The configuration it wrote; exists if its environments are primary and secondary."""
        return self.state / "sync.yaml"


@contextlib.contextmanager
def running_emulator(
    arguments: Sequence[str] = ("primary=0", "secondary=0"), *, state: Path | None = None
) -> Iterator[RunningEmulator]:
    """`dv-sync emulator ARGUMENTS`, from the moment when every environment answers.

    `arguments` are those of the command without `--state`; a `state` of None makes a temporary
    folder. Raises `UnreachableError` with the emulator's own words when it does not start.
    """
    with contextlib.ExitStack() as stack:
        folder = state or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        complaints = stack.enter_context(tempfile.TemporaryFile())
        process = stack.enter_context(_started(arguments, folder, complaints))
        environments = sum("=" in argument for argument in arguments)
        urls = _wait_until_ready(process, environments, complaints)
        yield RunningEmulator(urls, folder, process.pid)


@contextlib.contextmanager
def _started(
    arguments: Sequence[str], folder: Path, complaints: IO[bytes]
) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", _COMMAND, "emulator", *arguments, "--state", str(folder)]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=complaints, text=True, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            _stop(process)


def _wait_until_ready(
    process: "subprocess.Popen[str]", environments: int, complaints: IO[bytes]
) -> dict[str, str]:
    """Address by name, from lines such as `primary https://localhost:8801 ready`."""
    urls: dict[str, str] = {}
    watchdog = threading.Timer(_START_SECONDS_MAX, process.kill)
    watchdog.start()
    try:
        while len(urls) < environments:
            name, url = _read_ready_line(process, complaints)
            urls[name] = url
    finally:
        watchdog.cancel()
    return urls


def _read_ready_line(process: "subprocess.Popen[str]", complaints: IO[bytes]) -> tuple[str, str]:
    for line in process.stdout or ():
        name, url, *state = line.split(" ")
        if state == ["ready\n"]:
            return name, url
    complaints.seek(0)
    raise UnreachableError("the emulator did not start", why=complaints.read().decode().strip())


def _stop(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
