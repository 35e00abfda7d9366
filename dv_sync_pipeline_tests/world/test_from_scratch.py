"""From tables that somebody made by hand to two equal environments: each command tells the next.

Two emulators as processes of their own, the real command, and a judge who reads both over HTTP.
"""

import asyncio
from contextlib import contextmanager

import pytest

from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline.emulator.process.sync_file import Connection, write_sync_file
from dv_sync_pipeline.emulator.process.users import ADMINISTRATOR, PIPELINE, TENANT_ID
from dv_sync_pipeline_tests.world.conftest import World
from dv_sync_pipeline_tests.worlds.hand_made import TABLES_YAML, make_rows, make_tables
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
    with running_emulator(["primary=0", "secondary=0"], state=folder) as emulator:
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
        yield write_sync_file(folder, connections, tables=TABLES_YAML)


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


def test_from_hand_made_tables_to_equal_ones(world):
    """Problems, what is missing, provided, well, synchronized, proven."""
    ended = [
        world.dv_sync(*command.split())
        for command in (
            "doctor",
            "provision",
            "provision --apply",
            "doctor",
            "sync",
            "verify",
        )
    ]

    assert [2, 1, 0, 0, 0, 0] == [each.returncode for each in ended], "\n".join(
        f"{each.stdout}{each.stderr}" for each in ended
    )
    ill, missing, provided, well, *_ = (each.stdout for each in ended)
    assert "dv-sync provision --apply builds the key" in ill
    assert "To provide them: dv-sync provision --apply" in missing
    assert "Next: dv-sync doctor" in provided
    assert "Next: dv-sync plan" in well
    judge = world.judge
    shown = judge.readable(judge.snapshot(judge.secondary))
    assert judge.readable(judge.snapshot(judge.primary)) == shown
    assert 2 == sum(len(rows) for rows in shown.values())
