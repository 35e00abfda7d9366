"""From the health of tables to what a person is told."""

from datetime import UTC, datetime, timedelta

from dv_sync_pipeline.sync.health import State, TableHealth
from dv_sync_pipeline.sync.ledger.passes import Pass
from dv_sync_pipeline.sync.problems import (
    Thresholds,
    problems_of_credentials,
    problems_of_tables,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
THRESHOLDS = Thresholds(parked_rows_max=2, follows_changes=True, credential_days_min=14)


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


def names(*tables, thresholds=THRESHOLDS):
    """What is told of these tables."""
    return [problem.name for problem in problems_of_tables(tables, thresholds)]


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
    (problem,) = problems_of_tables([table], THRESHOLDS)

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
    nightly = Thresholds(parked_rows_max=2, follows_changes=False, credential_days_min=14)
    passes = (a_reconcile(), a_reconcile(differences=3), a_reconcile(differences=3))

    assert names(a_table(passes=passes), thresholds=nightly) == []


def test_a_credential_is_named_before_it_expires():
    """And after it has."""
    expiries = [
        ("secondary certificate", NOW + timedelta(days=13)),
        ("primary certificate", NOW + timedelta(days=15)),
        ("old certificate", NOW - timedelta(days=1)),
    ]
    titles = [p.title for p in problems_of_credentials(expiries, now=NOW, thresholds=THRESHOLDS)]

    assert titles == [
        "secondary certificate expires on 2026-03-14",
        "old certificate expired on 2026-02-28",
    ]


def test_a_table_is_stopped_until_a_pass_is_completed():
    """Whatever was proven before."""
    failed, done = a_reconcile(failure="no privilege"), a_reconcile()

    assert a_table(passes=(done, failed)).state is State.STOPPED
    assert a_table(passes=(failed, done)).state is State.IN_SYNC
    assert a_table(reconcile_owed="it has never been reconciled").state is State.BEHIND
