"""A problem is told once, its end once, and no message is lost on the way."""

from datetime import UTC, datetime, timedelta

import pytest

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.problems import Problem

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PARKED = Problem("parked rows: room", "room: 3 rows parked", "They are refused.", "Look at them")
HELD = Problem("held removals: room", "room: 7 rows would be removed", "Nothing was.", "Approve")


@pytest.fixture
def ledger(tmp_path):
    """A new ledger."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield ledger
    ledger.close()


def settle(ledger, *problems, scope="tables", channels=("teams",), now=NOW):
    """Tell the outbox what is wrong now."""
    return ledger.settle_problems(problems, scope=scope, channels=channels, now=now)


def messages(ledger):
    """What waits to be sent: the channel, whether it is a recovery, and the title."""
    return [(each.channel, each.is_recovery, each.title) for each in ledger.waiting_alerts()]


def test_a_problem_is_told_once_however_often_it_is_found(ledger):
    """Sensors look every half minute."""
    for _ in range(3):
        settle(ledger, PARKED)

    assert messages(ledger) == [("teams", False, PARKED.title)]


def test_the_end_of_a_problem_is_told_once(ledger):
    """Then it may begin anew."""
    settle(ledger, PARKED, HELD)
    settle(ledger, HELD)
    settle(ledger, HELD)
    settle(ledger, PARKED, HELD)

    assert messages(ledger)[2:] == [
        ("teams", True, f"Over: {PARKED.title}"),
        ("teams", False, PARKED.title),
    ]


def test_a_problem_of_another_scope_is_left_alone(ledger):
    """Runs and tables are looked at by different sensors."""
    settle(ledger, PARKED, scope="runs")
    settle(ledger, scope="tables")

    assert [title for title, _, _ in ledger.open_problems()] == [PARKED.title]


def test_every_channel_gets_its_own_message(ledger):
    """One that is down keeps nothing from the others."""
    settle(ledger, PARKED, channels=("teams", "mail"))
    teams, _ = ledger.waiting_alerts()
    ledger.settle_alert(teams)

    assert messages(ledger) == [("mail", False, PARKED.title)]


def test_without_a_channel_the_problem_is_known_all_the_same(ledger):
    """The sensor's log tells it."""
    new, over = settle(ledger, PARKED, channels=())

    assert (new, over) == ([PARKED], [])
    assert messages(ledger) == []


def test_a_message_that_did_not_arrive_waits_longer_each_time(ledger):
    """Up to an hour; it is never dropped."""
    settle(ledger, PARKED)
    delays, now = [], NOW
    for _ in range(9):
        (alert,) = ledger.waiting_alerts()
        ledger.postpone_alert(alert, error="no route", now=now)
        later = now
        while not ledger.waiting_alerts(due=later):
            later += timedelta(seconds=30)
        delays.append(int((later - now).total_seconds()))
        now = later

    assert delays == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert [(each.attempts, each.last_error) for each in ledger.waiting_alerts()] == [
        (9, "no route")
    ]


def test_messages_outlive_the_process(tmp_path):
    """They stand in the ledger before anybody tries to send them."""
    url = f"sqlite:///{tmp_path / 'outlived.db'}"
    first = Ledger.open(url)
    settle(first, PARKED)
    first.close()
    second = Ledger.open(url)
    found = messages(second)
    second.close()

    assert found == [("teams", False, PARKED.title)]
