"""From the health of tables to what a person is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dv_sync_pipeline.sync.health import Health, State, TableHealth
from dv_sync_pipeline.sync.ledger import Leader, Ledger
from dv_sync_pipeline.sync.ledger.feeds import Lag
from dv_sync_pipeline.sync.ledger.passes import Pass
from dv_sync_pipeline.sync.problems import (
    Expiry,
    Thresholds,
    problems_of,
    problems_of_credentials,
)
from dv_sync_pipeline.sync.wakeups import WaitingWakeUps

NOW = datetime(2026, 3, 1, tzinfo=UTC)
THRESHOLDS = Thresholds(parked_rows_max=2, lag_seconds_max=60, follows_changes=True, is_live=False)
LIVE = replace(THRESHOLDS, is_live=True)


def a_table(**changes) -> TableHealth:
    """Nothing is wrong with it, unless the changes say so."""
    values = {
        "table": "contoso_room",
        "target": "contoso_room",
        "links": 100,
        "verified_through": NOW,
        "reconcile_owed": "",
        "parked": 0,
        "held": 0,
        "held_because": "",
        "passes": (),
    }
    return TableHealth(**{**values, **changes})


def a_reconcile(*, differences=0, failure="") -> Pass:
    """One night."""
    return Pass("contoso_room", "reconcile", NOW, 1.0, differences, failure=failure)


def a_health(*tables, **changes) -> Health:
    """These tables, and nothing that waits."""
    values = {
        "now": NOW,
        "tables": tables,
        "waiting": WaitingWakeUps(0, None),
        "leader": None,
        "problems": (),
        "alerts_waiting": 0,
    }
    return Health(**{**values, **changes})


def names(*tables, thresholds=THRESHOLDS, **changes):
    """What is told of these tables."""
    return [problem.name for problem in problems_of(a_health(*tables, **changes), thresholds)]


def test_a_healthy_table_is_no_news():
    """Nobody is told that all is well."""
    assert names(a_table()) == []


def test_parked_rows_up_to_the_threshold_are_no_news():
    """The setting says how many a team lives with."""
    assert names(a_table(parked=2)) == []


def test_parked_rows_above_the_threshold_are_one_problem():
    """One for the table, never one for each row; the count may change without a new message."""
    three, four = a_table(parked=3), a_table(parked=4)

    assert names(three) == ["parked rows: contoso_room"]
    assert names(four) == names(three)


def test_held_removals_name_the_reason_and_the_command():
    """What happened, what it means, what to do."""
    table = a_table(held=7, held_because="7 of 10 rows would go, 1 is allowed")
    (problem,) = problems_of(a_health(table), THRESHOLDS)

    assert problem.title == "contoso_room: 7 rows would be removed and wait for your approval"
    assert "7 of 10 rows would go" in problem.meaning
    assert "dv-sync removals approve contoso_room" in problem.mend


def test_the_first_load_is_no_drift():
    """Two nights with differences after it are."""
    first, clean, drifting = (
        a_reconcile(differences=9000),
        a_reconcile(),
        a_reconcile(differences=3),
    )

    assert names(a_table(passes=(first, drifting))) == []
    assert names(a_table(passes=(first, drifting, clean))) == []
    assert names(a_table(passes=(first, drifting, drifting))) == ["drift: contoso_room"]


def test_differences_of_a_nightly_pipeline_are_no_drift():
    """Where no change is followed, the night is when changes come."""
    nightly = replace(THRESHOLDS, follows_changes=False)
    passes = (a_reconcile(), a_reconcile(differences=3), a_reconcile(differences=3))

    assert names(a_table(passes=passes), thresholds=nightly) == []


def test_a_credential_is_named_before_it_expires():
    """And after it has."""
    expiries = [
        Expiry("secondary certificate", NOW + timedelta(days=13)),
        Expiry("primary certificate", NOW + timedelta(days=15)),
        Expiry("old certificate", NOW - timedelta(days=1)),
    ]
    titles = [p.title for p in problems_of_credentials(expiries, now=NOW, days_min=14)]

    assert titles == [
        "secondary certificate expires on 2026-03-14",
        "old certificate expired on 2026-02-28",
    ]


def test_the_alert_of_a_credential_says_where_a_new_one_is_made():
    """Below what is to be done."""
    expiry = Expiry("certificate", NOW, link="https://entra.example/three")
    (problem,) = problems_of_credentials([expiry], now=NOW, days_min=14)

    assert problem.text.endswith("remove the old one\n\nhttps://entra.example/three")


def test_a_table_is_stopped_until_a_pass_is_completed():
    """Whatever was proven before."""
    failed, done = a_reconcile(failure="no privilege"), a_reconcile()

    assert a_table(passes=(done, failed)).state is State.STOPPED
    assert a_table(passes=(failed, done)).state is State.IN_SYNC
    assert a_table(passes=(replace(failed, mode="changes"), done)).state is State.IN_SYNC


def test_a_quiet_look_at_changes_does_not_make_up_for_a_failed_reconcile():
    """The live run may know the table from before."""
    failed, quiet = a_reconcile(failure="no such column"), replace(a_reconcile(), mode="changes")

    assert a_table(passes=(failed, quiet)).state is State.STOPPED


def test_a_table_that_owes_a_reconcile_is_behind():
    """Until one is completed."""
    assert a_table(reconcile_owed="it has never been reconciled").state is State.BEHIND


def a_lag(seconds, *, ago=timedelta()):
    """The last change that was followed."""
    return Lag(seconds, NOW - ago, seconds, NOW - ago)


def test_a_change_that_took_too_long_is_a_problem_for_a_while():
    """Over when no other one was slow for a quarter of an hour."""
    assert names(a_table(lag=a_lag(60))) == []
    assert names(a_table(lag=a_lag(61))) == ["lag: contoso_room"]
    assert names(a_table(lag=a_lag(61, ago=timedelta(minutes=15)))) == []


def test_announced_changes_that_nobody_looks_at_are_a_problem():
    """However many, one message."""
    young, old = NOW - timedelta(seconds=60), NOW - timedelta(seconds=61)

    assert names(waiting=WaitingWakeUps(3, young)) == []
    assert names(waiting=WaitingWakeUps(3, old)) == ["waiting changes"]


def test_a_feed_that_is_not_followed_is_a_problem_before_its_token_expires():
    """Two days are left to mend it."""
    assert names(a_table(token_taken=NOW - timedelta(days=5))) == []
    assert names(a_table(token_taken=NOW - timedelta(days=5, hours=1))) == [
        "delta token: contoso_room"
    ]


def test_a_live_run_must_give_signs_of_life():
    """Where the live path is on."""
    young, old = NOW - timedelta(seconds=60), NOW - timedelta(seconds=61)

    assert names(leader=Leader("h", "run", young, NOW), thresholds=LIVE) == []
    assert names(leader=Leader("h", "run", old, NOW), thresholds=LIVE) == ["live run"]
    assert names(thresholds=LIVE) == ["live run"]
    assert names(thresholds=THRESHOLDS) == []


def test_a_nightly_pipeline_has_no_lag():
    """Nothing that follows changes is looked at where none are followed."""
    nightly = replace(LIVE, follows_changes=False)
    table = a_table(lag=a_lag(9999), token_taken=NOW - timedelta(days=9))

    assert names(table, waiting=WaitingWakeUps(3, None), thresholds=nightly) == []


@pytest.fixture
def ledger(tmp_path):
    """Nobody was told of anything."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield ledger


def a_while(*minutes):
    """Wake-ups that wait, the oldest for so long."""
    return [WaitingWakeUps(each, NOW - timedelta(minutes=each)) for each in minutes]


DRIFTING = tuple(a_reconcile(differences=each) for each in (9, 3, 3))


@pytest.mark.parametrize(
    ("kind", "bad", "worse"),
    [
        ("parked rows", a_health(a_table(parked=3)), a_health(a_table(parked=500))),
        ("held removals", a_health(a_table(held=7)), a_health(a_table(held=70))),
        ("lag", a_health(a_table(lag=a_lag(61))), a_health(a_table(lag=a_lag(600)))),
        (
            "delta token",
            a_health(a_table(token_taken=NOW - timedelta(days=6))),
            a_health(a_table(token_taken=NOW - timedelta(days=8))),
        ),
        (
            "drift",
            a_health(a_table(passes=DRIFTING)),
            a_health(a_table(passes=(*DRIFTING, a_reconcile(differences=500)))),
        ),
        ("waiting changes", *(a_health(waiting=waiting) for waiting in a_while(2, 20))),
        (
            "live run",
            a_health(leader=None),
            a_health(leader=Leader("h", "run", NOW - timedelta(hours=1), NOW)),
        ),
    ],
)
def test_each_kind_is_told_once_and_so_is_its_end(ledger, kind, bad, worse):
    """However it grows meanwhile; and it tells what it means and what to do."""
    well = a_health(a_table(), leader=Leader("h", "run", NOW, NOW))
    for seen in (well, bad, worse, well, well):
        thresholds = LIVE if kind == "live run" else THRESHOLDS
        problems = problems_of(seen, thresholds)
        ledger.settle_problems(problems, scope="tables", channels=["teams"], now=NOW)
    told = ledger.waiting_alerts()
    (problem,) = problems_of(bad, LIVE if kind == "live run" else THRESHOLDS)

    assert problem.name.startswith(kind)
    assert [False, True] == [alert.is_recovery for alert in told]
    assert [problem.title, f"Over: {problem.title}"] == [alert.title for alert in told]
    assert problem.meaning in told[0].text
    assert problem.mend in told[0].text


def test_a_credential_is_told_once_and_so_is_its_end(ledger):
    """Over when another one stands in its place."""
    soon, later = NOW + timedelta(days=3), NOW + timedelta(days=300)
    for now, expires in ((NOW, soon), (NOW + timedelta(days=4), soon), (NOW, later)):
        problems = problems_of_credentials([Expiry("secret", expires)], now=now, days_min=14)
        ledger.settle_problems(problems, scope="credentials", channels=["teams"], now=now)

    assert [False, True] == [alert.is_recovery for alert in ledger.waiting_alerts()]
