"""A terminal on which `dv-sync` is typed, with a scripted engine behind it."""

import json
from dataclasses import dataclass

import pytest

from dv_sync_pipeline.cli import run
from dv_sync_pipeline.cli.dagster_home import make_dagster_home
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline_tests.worlds.scripted_engine import SECRET, SYNC_YAML, ScriptedEngine


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """What it printed, read as JSON."""
        return json.loads(self.out)


@pytest.fixture
def folder(tmp_path):
    """A folder with a valid sync.yaml."""
    (tmp_path / "sync.yaml").write_text(SYNC_YAML)
    return tmp_path


@pytest.fixture(scope="session")
def dagster_home(tmp_path_factory):
    """One for all: to make Dagster's databases takes longer than to run on them."""
    return make_dagster_home(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def dv_sync(folder, dagster_home, capsys):
    """Runs `dv-sync ARGUMENTS` on a scripted engine."""

    def type_command(arguments, engine=None, **variables):
        given = {
            "DV_SYNC_CONFIG": str(folder / "sync.yaml"),
            "DAGSTER_HOME": str(dagster_home),
            "SECRET": SECRET,
            **variables,
        }
        surroundings = Surroundings(given, (engine or ScriptedEngine()).open)
        code = run(arguments.split(), surroundings)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return type_command
