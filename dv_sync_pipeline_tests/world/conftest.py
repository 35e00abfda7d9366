"""Two emulated environments as processes of their own, the real command, and a judge.

And a pair in this process on which `dv-sync doctor` finds nothing wrong.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline_tests.worlds.hand_made import copied_pair, provisioned_pair
from dv_sync_pipeline_tests.worlds.judge import Judge
from dv_sync_pipeline_tests.worlds.patient import Patient
from dv_sync_pipeline_tests.worlds.supervised import find_free_port

ROOMS = 4000
DV_SYNC = [sys.executable, "-c", "from dv_sync_pipeline.cli import main; main()"]


@dataclass(frozen=True)
class World:
    """Environments, `dv-sync`, and somebody who looks at the result.

    Attributes:
        sync_yaml: the configuration that the emulator wrote.
        judge: reads both environments over HTTP of its own.

    """

    sync_yaml: Path
    judge: Judge

    @property
    def variables(self):
        """The process environment of commands."""
        kept = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        return {**kept, "DV_SYNC_CONFIG": str(self.sync_yaml)}

    def dv_sync(self, *arguments, **variables):
        """Run a command in a process of its own, to its end."""
        return subprocess.run(
            [*DV_SYNC, *arguments],
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    def dv_sync_json(self, *arguments):
        """Run a command and return its exit code and what it printed."""
        done = self.dv_sync(*arguments, "--json")
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    @contextmanager
    def running_dv_sync(self, *arguments):
        """A command that the test may end as it likes; it does not outlive the test."""
        with subprocess.Popen(
            [*DV_SYNC, *arguments],
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@contextmanager
def a_world(state: Path, *, rooms: int) -> Iterator[World]:
    """Freshly filled environments with that many rooms."""
    arguments = ["primary=0", "secondary=0", "--sample", "hotels", "--rows", str(rooms)]
    with running_emulator(arguments, state=state) as emulator:
        judge = Judge(emulator.sync_yaml)
        try:
            yield World(emulator.sync_yaml, judge)
        finally:
            judge.close()


@pytest.fixture(scope="session")
def small_world(tmp_path_factory):
    """Environments with 600 rooms, nothing synchronized yet."""
    with a_world(tmp_path_factory.mktemp("small-world"), rooms=600) as world:
        yield world


@pytest.fixture
def large_world(tmp_path):
    """Environments with rooms enough to be interrupted half way."""
    with a_world(tmp_path, rooms=ROOMS) as world:
        yield world


@pytest.fixture
def occupied_port():
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_port():
    """A port on which nobody listened a moment ago."""
    return find_free_port()


@pytest.fixture
def another_free_port():
    """Another one."""
    return find_free_port()


@pytest.fixture(scope="session")
def healthy_folder(tmp_path_factory):
    """A folder with two environments that have everything."""
    folder = tmp_path_factory.mktemp("well")
    with ExitStack() as stack:
        asyncio.run(provisioned_pair(folder, stack))
    return folder


@pytest.fixture
def patient(healthy_folder, tmp_path):
    """All is well with it."""
    with ExitStack() as stack:
        pair = copied_pair(healthy_folder, tmp_path, stack)
        yield Patient(pair, (tmp_path / "sync.yaml").read_text())
