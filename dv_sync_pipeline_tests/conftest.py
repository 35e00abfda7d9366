"""Servers that tests share, and the two kinds of database that a ledger can be kept in."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline_tests.worlds.postgres import find_programs, running_postgres


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; `.ci/run` installs it, so nothing is skipped there."""
    programs = find_programs()
    if programs is None:
        reason = "PostgreSQL is not installed: apt-get install postgresql"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with running_postgres(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_address(request) -> Callable[[Path], str]:
    """Where the ledger of a state folder is: a test that asks runs on both kinds of database."""
    if request.param == "sqlite":
        return lambda state: f"sqlite:///{state / 'ledger.db'}"
    return request.getfixturevalue("postgres").address


@pytest.fixture
def small_emulator():
    """Two emulated environments with sample hotels, nothing synchronized yet."""
    with running_emulator(
        ["primary=0", "secondary=0", "--sample", "hotels", "--rows", "30"]
    ) as emulator:
        yield emulator


@pytest.fixture
def second_emulator():
    """Another two, with other rows."""
    arguments = ["--sample", "hotels", "--rows", "30", "--seed", "7"]
    with running_emulator(["primary=0", "secondary=0", *arguments]) as emulator:
        yield emulator
