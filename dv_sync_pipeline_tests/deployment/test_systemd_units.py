"""The units that we publish are ones that systemd takes, and that keep to themselves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dv_sync_pipeline_tests.worlds.dagster_services import DEPLOYMENT

NAMES = ["code", "daemon", "gateway", "migrate", "webserver"]
EXPOSURE_MAX = 40
"""Four of ten, which systemd calls OK."""


@pytest.fixture
def units(tmp_path) -> list[Path]:
    """The units, with the programs of this environment instead of those in /opt."""
    if shutil.which("systemd-analyze") is None:
        reason = "systemd-analyze is not installed: apt-get install systemd"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    for unit in (DEPLOYMENT / "systemd").iterdir():
        text = unit.read_text().replace("/opt/dv-sync", sys.prefix)
        (tmp_path / unit.name).write_text(text)
    return sorted(tmp_path.iterdir())


def test_systemd_finds_nothing_wrong_with_the_units(units):
    """Neither a misspelt setting nor a program or unit that is not there."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=False,
    )

    assert [f"dv-sync-{name}.service" for name in NAMES] == [unit.name for unit in units]
    assert (0, "") == (done.returncode, done.stderr)


def test_every_unit_is_fenced_in(units):
    """`systemd-analyze security` gives each a figure; none may be above the limit."""
    limit = ["--offline=true", f"--threshold={EXPOSURE_MAX}"]
    done = subprocess.run(
        ["systemd-analyze", "security", *limit, *units],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stdout
