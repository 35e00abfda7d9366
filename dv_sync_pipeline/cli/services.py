"""Dagster's webserver, daemon and code server, and the gateway, as processes ended when we end.

Belongs here: starting, waiting, ending. Each has its own process session: Ctrl-C reaches us alone,
and we end them in order. The database is prepared before any of them starts, because several
that create it at once break it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import httpx

from dv_sync_pipeline.errors import UnreachableError, UsageError
from dv_sync_pipeline.redact import redact

__all__ = [
    "HOST",
    "Service",
    "arguments_of_code_server",
    "interruptible",
    "refuse_taken_port",
    "running_dagster",
    "running_gateway",
    "wait_for_any",
]

HOST = "127.0.0.1"
START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 10.0
_POLL_SECONDS = 0.2
_PRIVATE = 0o077
"""Databases and logs hold keys of rows: they are for their owner alone (RELIABILITY 5)."""
_LOG_LINES_SHOWN = 15

_WORKSPACE = """\
load_from:
  - grpc_server:
      host: {host}
      port: {port}
      location_name: dv_sync_pipeline
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A process that runs until we end it.

    Attributes:
        name: for people.
        process: leads a process session of its own.
        log: file with everything that it says.

    """

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def ensure_running(self) -> None:
        """Raise `UnreachableError` with its last words if it has ended by itself."""
        if self.process.poll() is not None:
            raise UnreachableError(
                f"the {self.name} has ended",
                where=str(self.log),
                why=redact("\n".join(_last_lines(self.log))),
            )


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt inside, even if they were ignored when we started.

    Shells start `command &` with SIGINT ignored; Dagster's processes would inherit that and then
    ignore SIGTERM as well (DAGSTER C4).
    """

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def refuse_taken_port(port: int, *, purpose: str, option: str) -> None:
    """Raise `UsageError` when something else answers on that port of this machine.

    `option` is how a person chooses another.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} cannot be opened for {purpose}",
                why=error.strerror or str(error),
                mend=f"Choose another with {option}",
            ) from None


@contextlib.contextmanager
def running_dagster(
    home: Path, *, port: int, variables: Mapping[str, str]
) -> Iterator[Sequence[Service]]:
    """UI on `port`, schedules and sensors, all with `home` as DAGSTER_HOME; ready when entered.

    `variables` is the process environment for the code location, `DV_SYNC_CONFIG` included.
    Raises `UnreachableError` when one of them does not come up.
    """
    environment = {**variables, "DAGSTER_HOME": str(home)}
    code_port = _free_port()
    workspace = home / "workspace.yaml"
    with _open_private(workspace) as file:
        file.write(_WORKSPACE.format(host=HOST, port=code_port).encode())
    _prepare_database(environment)
    services: list[Service] = []
    try:
        # In this order: a UI that is there before its code location shows an error instead of it.
        for name, arguments, answers in (
            ("code server", arguments_of_code_server(code_port), lambda: _accepts(code_port)),
            ("daemon", ["dagster._daemon", "run", "-w", str(workspace)], lambda: True),
            ("webserver", _webserver(port, workspace), lambda: _answers(port, "/server_info")),
        ):
            services.append(_start(name, arguments, home=home, environment=environment))
            _wait_until(answers, services)
        yield services
    finally:
        _stop(services)


@contextlib.contextmanager
def running_gateway(folder: Path, *, port: int, variables: Mapping[str, str]) -> Iterator[Service]:
    """The gateway on `port`, with its log in the folder; it answers when entered.

    Raises `UnreachableError` when it does not come up.
    """
    arguments = ["dv_sync_pipeline.cli", "gateway", "--host", HOST, "--port", str(port)]
    services = [_start("gateway", arguments, home=folder, environment=variables)]
    try:
        _wait_until(lambda: _answers(port, "/healthz"), services)
        yield services[0]
    finally:
        _stop(services)


def wait_for_any(services: Sequence[Service]) -> None:
    """Until one of them ends by itself, which raises `UnreachableError`, or a signal interrupts."""
    while True:
        for service in services:
            service.ensure_running()
        time.sleep(_POLL_SECONDS)


def arguments_of_code_server(port: int) -> list[str]:
    """What Python runs after its `-m`, for a code server that listens to this machine alone."""
    module = ("-m", "dv_sync_pipeline.definitions", "--location-name", "dv_sync_pipeline")
    # `code-server start` would outlive the death of the server that it keeps as a child.
    return ["dagster", "api", "grpc", *module, "-h", HOST, "-p", str(port)]


def _webserver(port: int, workspace: Path) -> list[str]:
    return ["dagster_webserver", "-h", HOST, "-p", str(port), "-w", str(workspace)]


def _prepare_database(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "dagster", "instance", "migrate"]
    done = subprocess.run(  # noqa: S603 - our own command
        command, env=environment, capture_output=True, text=True, check=False, umask=_PRIVATE
    )
    if done.returncode != 0:
        raise UnreachableError("Dagster's database cannot be prepared", why=redact(done.stderr))


def _start(
    name: str, arguments: Sequence[str], *, home: Path, environment: Mapping[str, str]
) -> Service:
    log = home / f"{name.replace(' ', '-')}.log"
    with _open_private(log) as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=_PRIVATE,
        )
    return Service(name, process, log)


def _open_private(file: Path) -> IO[bytes]:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "wb")


def _stop(services: Sequence[Service]) -> None:
    """Ask all, wait, then make sure of their whole sessions: run workers are children of theirs."""
    for service in services:
        service.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS_MAX
    for service in services:
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.process.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait()


def _wait_until(answers: Callable[[], bool], services: Sequence[Service]) -> None:
    """Until the youngest of the services answers; `UnreachableError` when any of them ends."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while not answers():
        for service in services:
            service.ensure_running()
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"the {services[-1].name} does not answer", where=str(services[-1].log)
            )
        time.sleep(_POLL_SECONDS)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _answers(port: int, path: str) -> bool:
    try:
        url = f"http://{HOST}:{port}{path}"
        return httpx.get(url, timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _last_lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
