"""What `dv-sync sync` does, prints, and ends with."""

from dataclasses import replace

import dagster as dg
import pytest

from dv_sync_pipeline.errors import (
    AccessError,
    IncompleteReadError,
    SchemaMismatchError,
    WrongEnvironmentError,
)
from dv_sync_pipeline.sync.drift import DriftKind, SchemaDifference
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow
from dv_sync_pipeline_tests.worlds.scripted_engine import (
    MOMENT,
    SECRET,
    ScriptedEngine,
    a_report,
)

MISSPELT = SchemaMismatchError(
    "the column contoso_stars does not exist",
    where="secondary",
    why="it has contoso_star",
    mend="Correct columns in sync.yaml",
)
PARKED = ParkedRow(
    "contoso_hotel", "1", "H-0001", ParkedReason.VALUE_TOO_LONG, "too long", "0x80044", MOMENT, 1
)


def tables_reconciled(engine):
    """The tables that were reconciled, in order."""
    return [call[1] for call in engine.calls if call[0] == "reconcile"]


def test_all_tables_are_synchronized_parents_first(dv_sync):
    """Without a name it means all."""
    engine = ScriptedEngine()
    ended = dv_sync("sync", engine)

    assert ended.code == 0
    assert sorted(tables_reconciled(engine)) == ["contoso_hotel", "contoso_room", "contoso_season"]


def test_a_named_table_is_synchronized_alone(dv_sync):
    """By its name in the primary, whatever it is called in the secondary."""
    engine = ScriptedEngine()
    dv_sync("sync contoso_hotel", engine)

    assert tables_reconciled(engine) == ["contoso_hotel"]


def test_changes_are_followed_on_demand(dv_sync):
    """Tables are not compared; what is gone is removed all the same."""
    engine = ScriptedEngine()
    ended = dv_sync("sync --mode changes contoso_hotel contoso_room", engine)

    assert ended.code == 0
    assert [("changes", "contoso_hotel"), ("changes", "contoso_room")] == [
        call for call in engine.calls if call[0] in ("changes", "reconcile", "auto")
    ]


def test_schemas_that_differ_are_told(dv_sync):
    """What is expected, what is found, what to do; it is no failure."""
    shorter = SchemaDifference(
        DriftKind.TEXT_SHORTER,
        "secondary",
        "hotel.name",
        "hotel.name is shorter",
        "90",
        "20",
        "Mend",
    )
    engine = ScriptedEngine({"contoso_hotel": a_report("contoso_hotel", drift=(shorter,))})
    ended = dv_sync("sync contoso_hotel", engine)

    assert ended.code == 0
    told = "contoso_hotel: secondary: hotel.name is shorter (expected 90, found 20). Mend"
    assert told in ended.out


def test_rows_that_nobody_can_tell_are_told_as_unmatched(dv_sync):
    """They are there when the ledger is new."""
    engine = ScriptedEngine({"contoso_hotel": a_report("contoso_hotel", unmatched=3)})
    ended = dv_sync("sync contoso_hotel", engine)

    assert "contoso_hotel: 3 of these unmatched: as it should be on a first run" in ended.out


def test_a_reconcile_that_is_owed_is_told(dv_sync):
    """Nothing was followed: the code is 1, and the reason stands there."""
    owed = a_report("contoso_hotel", mode="changes", read=0, reconcile_owed="the token expired")
    engine = ScriptedEngine({"changes of contoso_hotel": owed})
    ended = dv_sync("sync --mode changes contoso_hotel", engine)

    assert ended.code == 1
    assert "contoso_hotel, changes: a reconcile is owed: the token expired" in ended.out


def test_the_result_is_a_table(dv_sync):
    """Created, updated, equal, parked, seconds and speed, with a total; nothing of Dagster's."""
    report = a_report("contoso_hotel", read=12000, created=11950, updated=40, equal=10)
    ended = dv_sync("sync", ScriptedEngine({"contoso_hotel": report}))
    (row,) = [line for line in ended.out.splitlines() if "contoso_hotel" in line]

    assert row.strip("│ ").replace(" ", "").split("│") == [
        "contoso_hotel",
        "11,950",
        "40",
        "10",
        "0",
        "0",
        "4.0",
        "3,000",
    ]
    assert ended.err == ""


def test_the_run_is_kept_for_dagsters_ui(dv_sync, dagster_home):
    """In the Dagster home that the person has."""
    run_id = dv_sync("sync --json").json["synchronized"]["run_id"]
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        run = instance.get_run_by_id(run_id)

    assert (run.job_name, run.status) == ("reconcile_all", dg.DagsterRunStatus.SUCCESS)


def test_without_a_dagster_home_one_is_made_beside_the_ledger(dv_sync, folder):
    """Only its owner may read it; it starts with our settings."""
    run_id = dv_sync("sync --json", DAGSTER_HOME="").json["synchronized"]["run_id"]
    home = folder / ".dv-sync" / "dagster"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.has_run(run_id)

    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "dagster.yaml").is_file()


def test_a_dagster_home_that_does_not_exist_is_a_mistake(dv_sync):
    """It is not created: a misspelt path would hide the runs."""
    ended = dv_sync("sync", DAGSTER_HOME="/does/not/exist")

    assert ended.code == 2
    assert "DAGSTER_HOME names /does/not/exist, which is not a folder" in ended.err


def test_a_table_that_fails_is_told_with_its_remedy(dv_sync):
    """Its descendants are skipped, unrelated tables are done, and the exit code is 3."""
    engine = ScriptedEngine({"contoso_hotel": MISSPELT})
    ended = dv_sync("sync", engine)
    told = [line for line in ended.out.splitlines() if "│" not in line]

    assert ended.code == 3
    assert "contoso_season" in tables_reconciled(engine)
    assert told[-8:-2] == [
        "contoso_hotel failed",
        "error: the column contoso_stars does not exist",
        "  where: secondary",
        "  why:   it has contoso_star",
        "  mend:  Correct columns in sync.yaml",
        "contoso_room was skipped, because a table it looks up failed",
    ]


def test_a_user_without_a_role_is_a_mistake_in_the_configuration(dv_sync):
    """Exit code 2, and what to give it: no table can be at fault."""
    refused = AccessError("it has no security role", where="secondary", mend="Give it a role")
    ended = dv_sync("sync", ScriptedEngine({"contoso_hotel": refused}))

    assert 2 == ended.code
    assert "Give it a role" in ended.out + ended.err


def test_json_tells_failures_and_skipped_tables_apart(dv_sync):
    """For programs that decide what to do next."""
    document = dv_sync("sync --json", ScriptedEngine({"contoso_hotel": MISSPELT})).json
    outcome = document["synchronized"]

    assert [table["table"] for table in outcome["tables"]] == ["contoso_season"]
    assert outcome["skipped"] == ["contoso_room"]
    assert outcome["failed"] == [
        {
            "table": "contoso_hotel",
            "error": {
                "kind": "SchemaMismatchError",
                "what": "the column contoso_stars does not exist",
                "where": "secondary",
                "why": "it has contoso_star",
                "mend": "Correct columns in sync.yaml",
            },
        }
    ]


def test_nothing_done_is_no_table(dv_sync):
    """Only the failure is told."""
    ended = dv_sync("sync contoso_hotel", ScriptedEngine({"contoso_hotel": MISSPELT}))

    assert ended.out.splitlines()[0] == "contoso_hotel failed"


def test_a_mistake_of_ours_is_a_failed_table_too(dv_sync):
    """A bug in one table is neither hidden nor taken for a skipped table."""
    engine = ScriptedEngine({"contoso_hotel": ZeroDivisionError("division by zero")})
    ended = dv_sync("sync", engine)

    assert ended.code == 3
    assert "error: ZeroDivisionError: division by zero" in ended.out


@pytest.mark.parametrize("remaining", ["parked", "waiting", "gone"])
def test_whatever_remains_makes_the_exit_code_1(dv_sync, remaining):
    """Done, but the two sides are not equal."""
    report = a_report("contoso_room", **{remaining: 1})
    removals = a_report("contoso_room", mode="removals", gone=report.gone)
    engine = ScriptedEngine({"contoso_room": report, "removals of contoso_room": removals})

    assert dv_sync("sync", engine).code == 1


def test_removals_come_after_all_tables_children_first(dv_sync):
    """A room must have left its hotel before the hotel goes."""
    engine = ScriptedEngine()
    dv_sync("sync", engine)
    steps = [call[:2] for call in engine.calls if call[1:2] != ("contoso_season",)]

    assert steps[-4:] == [
        ("reconcile", "contoso_hotel"),
        ("reconcile", "contoso_room"),
        ("remove", "contoso_room"),
        ("remove", "contoso_hotel"),
    ]


@pytest.mark.parametrize(
    ("named", "removed_from"),
    [
        ("contoso_hotel", []),
        ("contoso_room", ["contoso_room"]),
        ("contoso_hotel contoso_room", ["contoso_room", "contoso_hotel"]),
    ],
)
def test_named_tables_lose_rows_only_together_with_their_children(dv_sync, named, removed_from):
    """Hotels alone lose none: their rooms may not have moved yet."""
    engine = ScriptedEngine()
    dv_sync(f"sync {named}", engine)

    assert removed_from == [call[1] for call in engine.calls if call[0] == "remove"]


def test_removed_and_held_rows_are_told(dv_sync):
    """The reconcile of a table and its removals are one line; held rows say what to do."""
    because = "2 of 3 rows would go, 1 are allowed"
    removals = a_report("contoso_room", mode="removals", removed=4, held=2, gone=2)
    removals = replace(removals, held_because=because)
    engine = ScriptedEngine({"removals of contoso_room": removals})
    ended = dv_sync("sync contoso_room", engine)

    assert (
        f"contoso_room: 2 removals held ({because}): dv-sync removals approve contoso_room"
        in ended.out
    )
    assert (
        dv_sync("sync contoso_room --json", engine).json["synchronized"]["tables"][0]["removed"]
        == 4
    )


def test_parked_rows_are_named_with_their_reason(dv_sync):
    """Key, reason, the server's words and code."""
    report = a_report("contoso_hotel", parked=1, parked_rows=(PARKED,))
    ended = dv_sync("sync", ScriptedEngine({"contoso_hotel": report}))

    assert "  H-0001: value too long: too long (0x80044)" in ended.out.splitlines()


@pytest.mark.parametrize(
    ("refusal", "code"),
    [(AccessError("the secret is wrong"), 2), (WrongEnvironmentError("the wrong organisation"), 3)],
)
def test_an_unusable_environment_ends_it_before_the_run_starts(dv_sync, refusal, code):
    """No half run in the UI, and the answer comes at once."""
    engine = ScriptedEngine(refusal=refusal)
    ended = dv_sync("sync", engine)

    assert (ended.code, ended.err) == (code, f"error: {refusal.what}\n")
    assert engine.calls == [("check environments",)]


def test_an_unknown_table_is_named_with_those_that_exist(dv_sync):
    """Before anything is asked of an environment."""
    engine = ScriptedEngine()
    ended = dv_sync("sync contoso_hotels", engine)

    assert (ended.code, engine.calls) == (2, [])
    assert ended.err.splitlines() == [
        "error: the table contoso_hotels is not synchronized",
        "  mend:  Give one of contoso_hotel, contoso_room, contoso_season",
    ]


def test_secrets_are_hidden_wherever_an_error_is_told(dv_sync):
    """On the terminal and in JSON."""
    leak = IncompleteReadError("the answer to client_secret=" + SECRET + " was cut")
    engine = ScriptedEngine({"contoso_hotel": leak})

    assert SECRET not in dv_sync("sync", engine).out
    assert SECRET not in dv_sync("sync --json", engine).out


def test_a_terminal_that_nobody_watches_sees_no_bars(dv_sync):
    """Logs of CI stay readable."""
    engine = ScriptedEngine(steps=(("create", 5, 10), ("create", 10, 10)))

    assert dv_sync("sync", engine).err == ""


def test_a_failure_of_dagsters_own_is_not_taken_for_an_interruption(dv_sync, monkeypatch):
    """Neither a table nor a person stopped the run: its reason is told."""

    def fail(_report):
        raise OSError("the disk of the event log is full")

    monkeypatch.setattr("dv_sync_pipeline.defs.assets.describe_report", fail)
    ended = dv_sync("sync")

    assert "the disk of the event log is full" in ended.err
    assert "Interrupted" not in ended.err
