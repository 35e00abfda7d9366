"""Killing a sync anywhere and running it again ends in the same state."""

import signal
import sqlite3
from contextlib import closing

from dv_sync_pipeline_tests.world.conftest import ROOMS

FOREIGN_ROOMS = 20


def wait_until_some_rooms_arrived(world, run):
    """Until the run is in the middle of its largest table; it must not end before."""
    while world.judge.secondary.count("contoso_room") == FOREIGN_ROOMS:
        assert run.poll() is None


def let_leases_end(world):
    """The killed run's turn ends by itself after half a minute; here that is now."""
    ledger = world.sync_yaml.parent / ".dv-sync" / "ledger.db"
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("DELETE FROM leases")


def test_a_killed_sync_is_repaired_by_the_next(large_world):
    """SIGKILL while rooms are written: no farewell, no clean-up. Then the same command again."""
    judge = large_world.judge
    with large_world.running_dv_sync("sync") as run:
        wait_until_some_rooms_arrived(large_world, run)
        run.kill()
    half = judge.secondary.count("contoso_room")
    let_leases_end(large_world)
    again = large_world.dv_sync("sync")
    primary = judge.readable(judge.snapshot(judge.primary))
    secondary = judge.readable(judge.snapshot(judge.secondary))
    missing = {table: primary[table] - secondary[table] for table in primary}

    assert half < ROOMS
    assert again.returncode == 0
    assert {table: len(rows) for table, rows in missing.items() if rows} == {}
    assert judge.secondary.count("contoso_room") == ROOMS + FOREIGN_ROOMS


def test_an_interrupted_sync_ends_without_a_traceback(large_world):
    """Ctrl-C while rooms are written: exit code 130, and a sentence instead of a table."""
    with large_world.running_dv_sync("sync") as run:
        wait_until_some_rooms_arrived(large_world, run)
        run.send_signal(signal.SIGINT)
        printed, told = run.communicate()

    assert (run.returncode, printed, told.strip()) == (
        130,
        b"",
        b"Interrupted. The same command again does what is left to do.",
    )
