"""What `dv-sync alerts` shows, and what it ends with."""

from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.problems import Problem

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PARKED = Problem("parked rows: room", "room: 3 rows parked", "They are refused.", "Look at them")


@pytest.fixture
def tell(folder):
    """Tells the outbox of this problem, for these channels."""

    def settle(*problems, channels=()):
        ledger = Ledger.open(f"sqlite:///{folder / '.dv-sync' / 'ledger.db'}")
        ledger.settle_problems(problems, scope="tables", channels=channels, now=NOW)
        ledger.close()

    return settle


def test_all_is_well(dv_sync):
    """Said in a sentence, exit 0."""
    ended = dv_sync("alerts list")

    assert (ended.code, ended.out) == (0, "Nothing is wrong, and every alert was sent.\n")


def test_an_open_problem_says_what_to_do(dv_sync, tell):
    """And since when; exit 1."""
    tell(PARKED)
    ended = dv_sync("alerts list")

    assert ended.code == 1
    assert ended.out.splitlines()[:4] == [
        "room: 3 rows parked",
        "  since 2026-03-01 00:00 UTC",
        "  They are refused.",
        "  Look at them",
    ]


def test_a_problem_that_is_over_and_not_sent_is_shown(dv_sync, tell):
    """Somebody is still to be told."""
    tell(PARKED, channels=("teams",))
    tell(channels=("teams",))
    ended = dv_sync("alerts list --json")

    assert ended.code == 1
    assert ended.json["problems"] == []
    assert [alert["title"] for alert in ended.json["waiting"]] == [
        "room: 3 rows parked",
        "Over: room: 3 rows parked",
    ]


def test_without_a_channel_the_test_says_how_to_set_one(dv_sync):
    """Wrong configuration."""
    ended = dv_sync("alerts test")

    assert ended.code == 2
    assert "no channel is set" in ended.err
    assert "channels:" in ended.err
