"""What a transaction promises to do once it is committed."""

from contextlib import suppress

import pytest

from dv_sync_pipeline.emulator.rows.database import Database


@pytest.fixture
def database():
    """Empty, in memory."""
    opened = Database(None)
    yield opened
    opened.close()


def test_kept_after_the_outermost_commit(database):
    """Not at the end of a transaction inside another one."""
    done = []

    with database.transaction():
        with database.transaction():
            database.after_commit(lambda: done.append("kept"))
        assert [] == done

    assert ["kept"] == done


def test_forgotten_by_a_rollback(database):
    """What never happened has no consequences."""
    done = []

    with suppress(ZeroDivisionError), database.transaction():
        database.after_commit(lambda: done.append("kept"))
        _ = 1 / 0
    with database.transaction():
        pass

    assert [] == done


def test_only_the_part_that_was_rolled_back_is_forgotten(database):
    """As with rows."""
    done = []

    with database.transaction():
        database.after_commit(lambda: done.append("outside"))
        with suppress(ZeroDivisionError), database.transaction():
            database.after_commit(lambda: done.append("inside"))
            _ = 1 / 0

    assert ["outside"] == done


def test_at_once_without_a_transaction(database):
    """There is nothing to wait for."""
    done = []

    database.after_commit(lambda: done.append("kept"))

    assert ["kept"] == done


def test_may_write(database):
    """In a transaction of its own."""
    database.execute("CREATE TABLE t (x)")

    def write():
        with database.transaction():
            database.execute("INSERT INTO t VALUES (1)")

    with database.transaction():
        database.after_commit(write)

    assert 1 == database.value("SELECT count(*) FROM t")
