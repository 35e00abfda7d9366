"""How `dv-sync` behaves whatever the command."""

import subprocess
import sys
from pathlib import Path

import pytest

from dv_sync_pipeline.cli import dv_sync as group
from dv_sync_pipeline.cli import run
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline_tests.worlds.scripted_engine import ScriptedEngine

COMMANDS = sorted(group.commands)


def test_a_missing_variable_is_named_with_its_line(dv_sync):
    """The first mistake that everybody makes."""
    ended = dv_sync("plan", SECRET="")

    assert ended.code == 2
    assert "the variable SECRET is not set" in ended.err
    assert "sync.yaml, line 5" in ended.err


def test_a_missing_configuration_says_how_to_give_one(dv_sync):
    """One block, no traceback."""
    ended = dv_sync("verify", DV_SYNC_CONFIG="/nowhere/sync.yaml")

    assert ended.code == 2
    assert ended.err.splitlines() == [
        "error: the configuration file /nowhere/sync.yaml cannot be read",
        "  why:   No such file or directory",
        "  mend:  Set DV_SYNC_CONFIG to the path of a configuration",
    ]


def test_with_json_an_error_is_an_object(dv_sync):
    """On standard output, where programs look."""
    ended = dv_sync("verify --json", DV_SYNC_CONFIG="/nowhere/sync.yaml")

    assert (ended.code, ended.err) == (2, "")
    assert ended.json["error"]["kind"] == "ConfigurationError"


@pytest.mark.parametrize("arguments", ["", "sink", "sync --mood good"])
def test_wrong_usage_ends_with_2(dv_sync, arguments):
    """Or, without any command, with the help page."""
    assert dv_sync(arguments).code == 2


def test_ctrl_c_ends_with_130_and_without_a_traceback(dv_sync):
    """As shells expect of an interrupted command."""
    ended = dv_sync("verify", ScriptedEngine(refusal=KeyboardInterrupt()))

    assert ended.code == 130
    assert "Traceback" not in ended.err


def test_a_mistake_of_ours_shows_where_it_happened(dv_sync):
    """With an exit code of its own, and secrets hidden even there."""
    bug = RuntimeError("client_secret=abcdefgh")
    ended = dv_sync("verify", ScriptedEngine(refusal=bug))

    assert ended.code == 70
    assert "Traceback" in ended.err
    assert "abcdefgh" not in ended.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_page_that_teaches(capsys, command):
    """More than its usage line."""
    code = run([command, "--help"], Surroundings({}))
    page = capsys.readouterr().out

    assert code == 0
    assert len(page.splitlines()) > 10


def test_help_answers_without_loading_what_it_does_not_need():
    """Nobody waits for Dagster to read a help page."""
    script = (
        "import sys; from dv_sync_pipeline.cli import run, Surroundings\n"
        "run(['--help'], Surroundings({}))\n"
        "heavy = {'dagster', 'polars', 'msal', 'pydantic', 'sqlalchemy'} & sys.modules.keys()\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_is_that_of_the_package(capsys):
    """As pip knows it."""
    code = run(["--version"], Surroundings({}))

    assert (code, capsys.readouterr().out.split()[0]) == (0, "dv-sync")


def test_dagsters_settings_are_those_of_the_repository():
    """`dagster dev` in a clone and `dv-sync` elsewhere start from the same text."""
    repository = Path(__file__).parents[3]
    shipped = repository / "dv_sync_pipeline" / "cli" / "dagster.yaml"

    assert shipped.read_text() == (repository / "dagster.yaml").read_text()
