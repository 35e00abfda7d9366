"""From tables that somebody made by hand to two equal environments: each command tells the next.

Two emulators as a process of their own, and a judge who reads both over HTTP of his own.
"""

import asyncio
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from dv_sync_pipeline import config
from dv_sync_pipeline.cli import run
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline.emulator.process.sync_file import Connection, write_sync_file
from dv_sync_pipeline.emulator.process.users import ADMINISTRATOR, PIPELINE, TENANT_ID
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.world.conftest import DV_SYNC, World
from dv_sync_pipeline_tests.worlds.hand_made import (
    ADLON,
    ROOM,
    TABLES_YAML,
    make_rows,
    make_tables,
)
from dv_sync_pipeline_tests.worlds.judge import Environment, Judge


class Maker:
    """Somebody who makes tables and rows in an environment, with an administrator's rights."""

    def __init__(self, sync_yaml, name):
        self._environment = Environment(sync_yaml, name, is_administrator=True)

    async def send(self, method, path, **arguments):
        """One request that must succeed."""
        return self._environment.send(method, path, **arguments)

    async def put(self, entity_set, row_id, values):
        """Create a row, or change it."""
        self._environment.send("PATCH", f"/{entity_set}({row_id})", json=values)

    def close(self):
        """Let go of the connections."""
        self._environment.close()


@contextmanager
def emulated_files(folder):
    """Two environments without any table, and a sync.yaml that names two."""
    arguments = ["primary=0", "secondary=0", "--control"]
    with running_emulator(arguments, state=folder) as emulator:
        connections = [
            Connection(
                name,
                url,
                TENANT_ID,
                PIPELINE.client_id,
                PIPELINE.client_secret,
                administrator_id=ADMINISTRATOR.client_id,
                administrator_secret=ADMINISTRATOR.client_secret,
            )
            for name, url in emulator.urls.items()
        ]
        file = write_sync_file(folder, connections, tables=TABLES_YAML)
        gateway = "gateway:\n"
        file.write_text(file.read_text().replace(gateway, f"{gateway}  url: ${{GATEWAY_URL:-}}\n"))
        yield file


async def make_everything(sync_yaml):
    """Tables on both sides, rows in the primary."""
    for name in ("primary", "secondary"):
        maker = Maker(sync_yaml, name)
        await make_tables(maker)
        if name == "primary":
            await make_rows(maker)
        maker.close()


@pytest.fixture
def world(tmp_path):
    """Tables made by hand, rows in the primary alone."""
    with emulated_files(tmp_path) as sync_yaml:
        asyncio.run(make_everything(sync_yaml))
        judge = Judge(sync_yaml)
        try:
            yield World(sync_yaml, judge)
        finally:
            judge.close()


@dataclass
class Terminal:
    """Where `dv-sync` is typed, in this process: starting six others would take a minute.

    Attributes:
        world: the environments.
        capsys: what is shown.

    """

    world: World
    capsys: pytest.CaptureFixture

    def type(self, command, **variables):
        """Run a command; its exit code and what it printed."""
        code = run(command.split(), Surroundings({**self.world.variables, **variables}))
        return code, self.capsys.readouterr().out


@pytest.fixture
def terminal(world, capsys):
    """The terminal of this test."""
    return Terminal(world, capsys)


def test_from_hand_made_tables_to_equal_ones(terminal):
    """Problems, what is missing, provided, well, synchronized, proven."""
    ill = terminal.type("doctor")
    missing = terminal.type("provision")
    provided = terminal.type("provision --apply")
    well = terminal.type("doctor")
    synchronized = terminal.type("sync")
    verified = terminal.type("verify")

    ended = (ill, missing, provided, well, synchronized, verified)
    assert [2, 1, 0, 0, 0, 0] == [code for code, _ in ended], ended
    assert "Let dv-sync provision --apply create it" in ill[1]
    assert "dv-sync provision --apply provides what is missing." in missing[1]
    assert "Next: dv-sync doctor" in provided[1]
    assert "Next: dv-sync plan" in well[1]
    judge = terminal.world.judge
    shown = judge.readable(judge.snapshot(judge.secondary))
    assert judge.readable(judge.snapshot(judge.primary)) == shown
    assert 2 == sum(len(rows) for rows in shown.values())


@contextmanager
def running_gateway(world):
    """`dv-sync gateway` beside it; yields where it takes wake-ups."""
    with subprocess.Popen(
        [*DV_SYNC, "gateway", "--port", "0"],
        env=world.variables,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process.stdout.readline().rpartition(" ")[2].strip()
        finally:
            process.kill()


def wake_ups(world):
    """What waits in the ledger once every webhook is delivered: table, row and kind."""
    primary = world.judge.primary
    primary.control("POST", "/webhooks/settle")
    ledger = Ledger.open(config.load(world.sync_yaml, {}).ledger_url)
    try:
        return [(each.table, each.row_id, each.kind.value) for each in ledger.wake_ups(100)]
    finally:
        ledger.close()


def test_webhooks_wake_the_gateway_until_they_are_removed(world, terminal):
    """A change of a mapped column does, with the right key; none does after the removal."""
    administrator = Environment(world.sync_yaml, "primary", is_administrator=True)
    with running_gateway(world) as url:
        codes = [
            terminal.type(command, GATEWAY_URL=url)[0]
            for command in ("provision --apply", "provision", "doctor")
        ]
        administrator.update("contoso_room", ROOM, {"contoso_name": "not mapped"})
        administrator.update("contoso_hotel", ADLON, {"contoso_stars": 4})
        woken = wake_ups(world)
        removed = terminal.type("provision --remove")
        administrator.update("contoso_room", ROOM, {"contoso_floor": 9})
        woken_later = wake_ups(world)
    administrator.close()

    assert [0, 0, 0, 0] == [*codes, removed[0]]
    assert [("contoso_hotel", ADLON, "update")] == woken == woken_later
    assert 7 == removed[1].count("✓ removed  primary")
