"""What is left when gateway, daemon, code server and live run are killed while changes go on.

One story, told once, and judged from outside. `python -m dv_sync_pipeline_tests.bench chaos` tells
longer ones.
"""

import pytest

from dv_sync_pipeline_tests.bench.chaos import VICTIMS, survive
from dv_sync_pipeline_tests.worlds.followed_pair import Circumstances, followed_pair

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

SECONDS = 50.0
CHANGES_PER_SECOND = 3.0


@pytest.fixture(scope="session")
def verdict(tmp_path_factory):
    """Each of them was killed at least once, and the changes have arrived."""
    folder = tmp_path_factory.mktemp("chaos")
    with followed_pair(folder, Circumstances(rooms=60, latency="none")) as pair:
        return survive(pair, seconds=SECONDS, per_second=CHANGES_PER_SECOND, seed=28)


def test_there_was_chaos(verdict):
    """Otherwise the other tests would show nothing."""
    assert set(VICTIMS) <= {victim for victim, count in verdict.kills.items() if count}
    assert SECONDS * CHANGES_PER_SECOND <= verdict.changes


def test_every_change_arrives(verdict):
    """And both sides show the same."""
    assert (0, []) == (verdict.lost, verdict.differing)


def test_no_row_goes_backwards_and_none_is_created_twice(verdict):
    """Whoever takes over may read what the killed one has read, and later."""
    assert (0, 0) == (verdict.stale, verdict.repeated)


def test_foreign_rows_and_unmapped_columns_are_as_before(verdict):
    """By hashes of all of them."""
    assert [] == verdict.broken_fences


def test_no_reconcile_was_needed(verdict):
    """Only runs that follow changes were started."""
    assert {} == verdict.other_runs
