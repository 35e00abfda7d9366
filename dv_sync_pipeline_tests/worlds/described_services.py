"""Services as our systemd units and our Compose file describe them, as processes of this machine.

Belongs here: reading a description, and doing what systemd or Docker would do with it: variables,
order, waiting until it is ready, the signal that ends it. Not here: users, containers, what a
service may touch; that needs the real thing. Addresses and folders are those of the test.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from dv_sync_pipeline_tests.worlds.dagster_services import DEPLOYMENT

READY_SECONDS_MAX = 120.0
_STOP_SECONDS_DEFAULT = {"systemd": 90.0, "compose": 10.0}
_PROGRAMS = f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin"
_WITHOUT_INSTALLING = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
"""Where the package is not installed but lies in the working tree."""

_SECONDS = {"s": 1.0, "m": 60.0, "": 1.0}


@dataclass(frozen=True)
class Described:
    """One service.

    Attributes:
        name: its name in the description.
        command: program and arguments.
        variables: all of its process environment.
        ready: a command that exits with 0 once others may start; () for at once.
        after: names of those that come first.
        ends_by_itself: it does something once.
        all_are_told: its children are told to end when it is, and not it alone.
        stop_seconds: how long it may take to end.

    """

    name: str
    command: Sequence[str]
    variables: Mapping[str, str]
    ready: Sequence[str]
    after: Sequence[str]
    ends_by_itself: bool
    all_are_told: bool
    stop_seconds: float


def read_units(places: Mapping[str, str]) -> list[Described]:
    """The systemd units, with these texts replaced; environment files are read as they stand."""
    return [_read_unit(file, places) for file in (DEPLOYMENT / "systemd").iterdir()]


def _read_unit(file: Path, places: Mapping[str, str]) -> Described:
    settings = _settings(_replaced(file.read_text(), places))
    (command,) = settings["ExecStart"]
    assert "KillSignal" not in settings  # SIGTERM then
    files = [Path(each) for each in settings.get("EnvironmentFile", [])]
    return Described(
        name=file.stem,
        command=shlex.split(command),
        variables={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
            **dict(pair.split("=", 1) for pair in shlex.split(settings["Environment"][0])),
            **{name: value for each in files for name, value in read_variables(each).items()},
        },
        ready=shlex.split(settings.get("ExecStartPost", [""])[0]),
        after=[name.removesuffix(".service") for name in settings["After"][0].split()],
        ends_by_itself=settings["Type"] == ["oneshot"],
        all_are_told=settings.get("KillMode", ["control-group"]) == ["control-group"],
        stop_seconds=_seconds(settings.get("TimeoutStopSec", [""])[0], of="systemd"),
    )


def _settings(text: str) -> dict[str, list[str]]:
    settings = dict[str, list[str]]()
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        settings.setdefault(name, []).append(value)
    return settings


def read_variables(file: Path) -> dict[str, str]:
    """Lines of `NAME=value`."""
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if line)


def read_compose(
    folder: Path, places: Mapping[str, str], values: Mapping[str, str]
) -> list[Described]:
    """The services of our image, with these texts replaced in commands, and these variables.

    `folder` holds what shall stand beside `compose.yaml`; `values` are whole values of variables
    that are replaced, such as the name of a host.
    """
    text = _interpolated(
        (DEPLOYMENT / "compose" / "compose.yaml").read_text(), read_variables(folder / ".env")
    )
    services = yaml.safe_load(text)["services"]
    return [
        _read_service(name, service, folder, places, values)
        for name, service in services.items()
        if service["image"] == "dv-sync"
    ]


def _read_service(
    name: str,
    service: Mapping[str, Any],
    folder: Path,
    places: Mapping[str, str],
    values: Mapping[str, str],
) -> Described:
    of_image = {name: _replaced(value, places) for name, value in _variables_of_image().items()}
    own = {name: values.get(value, value) for name, value in service["environment"].items()}
    files = [read_variables(folder / file) for file in service.get("env_file", [])]
    check = service.get("healthcheck", {"test": ["CMD"]})["test"]
    assert check[0] == "CMD"
    return Described(
        name=name,
        command=[_replaced(word, places) for word in service["command"]],
        variables={
            "PATH": _PROGRAMS,
            **of_image,
            **{name: value for file in files for name, value in file.items()},
            **own,
        },
        ready=[_replaced(word, places) for word in check[1:]],
        after=list(service["depends_on"]),
        ends_by_itself=service["restart"] == "no",
        all_are_told="TINI_KILL_PROCESS_GROUP" in own,
        stop_seconds=_seconds(service.get("stop_grace_period", ""), of="compose"),
    )


def _variables_of_image() -> dict[str, str]:
    text = (DEPLOYMENT / "compose" / "Dockerfile").read_text()
    (line,) = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in line.split())


def _interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Compose's `${NAME:?message}`; an unknown one is an error."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda match: variables[match[1]], text)


def _replaced(text: str, places: Mapping[str, str]) -> str:
    for place, other in places.items():
        text = text.replace(place, other)
    return text


def _seconds(text: str, *, of: str) -> float:
    if not text:
        return _STOP_SECONDS_DEFAULT[of]
    number, unit = re.fullmatch(r"(\d+)([sm]?)", text).groups()
    return float(number) * _SECONDS[unit]


@contextmanager
def running(services: Sequence[Described], log: Path) -> Iterator[dict[str, subprocess.Popen]]:
    """All of them, started in their order and ready; whatever is left of them ends with the test.

    What they say goes into `log`. Raises `AssertionError` with it when one does not come up.
    """
    processes: dict[str, subprocess.Popen] = {}
    try:
        for service in _in_order(services):
            processes[service.name] = _start(service, log)
            _wait_until_ready(service, processes[service.name], log)
        yield processes
    finally:
        for process in processes.values():
            _end_session(process)


def _in_order(services: Sequence[Described]) -> list[Described]:
    known = {service.name: service for service in services}
    order = TopologicalSorter({service.name: service.after for service in services})
    return [known[name] for name in order.static_order() if name in known]


def _start(service: Described, log: Path) -> subprocess.Popen:
    with log.open("ab") as output:
        return subprocess.Popen(
            service.command,
            env={**_WITHOUT_INSTALLING, **service.variables},
            executable=_program(service),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            umask=0o077,
        )


def _program(service: Described) -> str:
    """Found with the service's own PATH, not with ours."""
    name = service.command[0]
    folders = [Path(folder) for folder in service.variables["PATH"].split(":")]
    return next(str(folder / name) for folder in folders if (folder / name).exists())


def _wait_until_ready(service: Described, process: subprocess.Popen, log: Path) -> None:
    if service.ends_by_itself:
        assert process.wait(READY_SECONDS_MAX) == 0, log.read_text()
        return
    deadline = time.monotonic() + READY_SECONDS_MAX
    while service.ready and not _is_ready(service):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def _is_ready(service: Described) -> bool:
    done = subprocess.run(
        service.ready,
        env={**_WITHOUT_INSTALLING, **service.variables},
        capture_output=True,
        check=False,
        timeout=READY_SECONDS_MAX,
    )
    return done.returncode == 0


def told_to_end(
    services: Sequence[Described], processes: Mapping[str, subprocess.Popen]
) -> dict[str, int]:
    """SIGTERM to each, the last one first; exit codes of those that ran until then.

    Raises `TimeoutExpired` when one takes longer than its description allows.
    """
    codes = {}
    for service in reversed(_in_order(services)):
        if not service.ends_by_itself:
            process = processes[service.name]
            tell = os.killpg if service.all_are_told else os.kill
            tell(process.pid, signal.SIGTERM)
            codes[service.name] = process.wait(service.stop_seconds)
    return codes


def _end_session(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()
