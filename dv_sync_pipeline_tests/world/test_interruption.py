"""Killing a sync anywhere and running it again ends in the same state."""

import signal
import time


def wait_until_some_rooms_arrived(world):
    """Until the run is in the middle of its largest table."""
    deadline = time.monotonic() + 60
    foreign = len(world.judge.secondary.rows("contoso_room"))
    while len(world.judge.secondary.rows("contoso_room")) == foreign:
        assert time.monotonic() < deadline


def test_a_killed_sync_is_repaired_by_the_next(large_world):
    """SIGKILL while rooms are written: no farewell, no clean-up. Then the same command again."""
    judge = large_world.judge
    killed = large_world.start_dv_sync("sync")
    wait_until_some_rooms_arrived(large_world)
    killed.kill()
    killed.wait()
    half = len(judge.secondary.rows("contoso_room"))
    again = large_world.dv_sync("sync")
    primary = judge.readable(judge.snapshot(judge.primary))
    secondary = judge.readable(judge.snapshot(judge.secondary))
    missing = {table: primary[table] - secondary[table] for table in primary}

    assert half < 6000
    assert again.returncode == 0
    assert {table: len(rows) for table, rows in missing.items() if rows} == {}
    assert len(judge.secondary.rows("contoso_room")) == 6020


def test_an_interrupted_sync_ends_without_a_traceback(large_world):
    """Ctrl-C while rooms are written: exit code 130, and a sentence instead of a table."""
    interrupted = large_world.start_dv_sync("sync")
    wait_until_some_rooms_arrived(large_world)
    interrupted.send_signal(signal.SIGINT)
    printed, told = interrupted.communicate(timeout=30)

    assert (interrupted.returncode, printed, told.strip()) == (
        130,
        b"",
        b"Interrupted. The same command again does what is left to do.",
    )
