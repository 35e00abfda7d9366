"""What a run of the assets does and shows."""

import dagster as dg
import pytest

from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.defs.narration import describe_removals, describe_report
from dv_sync_pipeline.defs.record import ProgressLog
from dv_sync_pipeline.errors import (
    RequestFailedError,
    SchemaMismatchError,
    TableError,
    WrongEnvironmentError,
)
from dv_sync_pipeline.sync.drift import DriftKind, SchemaDifference
from dv_sync_pipeline.sync.guards import Removal
from dv_sync_pipeline.sync.report import (
    DifferenceKind,
    ParkedReason,
    ParkedRow,
    Progress,
    RowDifference,
    SynchronizedColumn,
)
from dv_sync_pipeline_tests.worlds.scripted_engine import (
    MOMENT,
    SECRET,
    ScriptedEngine,
    a_report,
    hotels_configuration,
)

HOTEL = dg.AssetKey(["secondary", "department_hotel"])
MISSPELT = SchemaMismatchError(
    "the column contoso_stars does not exist",
    where="secondary",
    why="it has contoso_star",
    mend="Correct columns in sync.yaml",
)
PARKED = ParkedRow(
    table="contoso_hotel",
    primary_id="00000000-0000-0000-0000-000000000001",
    key="H-0001",
    reason=ParkedReason.VALUE_TOO_LONG,
    message="contoso_name | too long",
    code="0x80044",
    since=MOMENT,
    attempts=2,
)


@pytest.fixture
def run(tmp_path):
    """Runs the job on a scripted engine and returns Dagster's result."""
    with dg.DagsterInstance.ephemeral() as instance:

        def run_job(engine, *, keys=None, run_config=None):
            definitions = build_definitions(
                configuration=hotels_configuration(tmp_path), open_engine=engine.open
            )
            job = definitions.resolve_job_def("reconcile_all")
            return job.execute_in_process(
                instance=instance,
                raise_on_error=False,
                asset_selection=keys,
                run_config=run_config,
            )

        yield run_job


def metadata_of(result, key):
    """The metadata of the asset's materialization, as plain values."""
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def check_of(result, name):
    """What Dagster shows of a check on hotels."""
    (check,) = [
        each
        for each in result.get_asset_check_evaluations()
        if (each.check_name, each.asset_key) == (name, HOTEL)
    ]
    return check


def tables_reconciled(engine):
    """The tables that the engine was asked for, in order."""
    return [call[1] for call in engine.calls if call[0] == "reconcile"]


def test_hotels_come_before_rooms(run):
    """Although sync.yaml names rooms first."""
    engine = ScriptedEngine()
    run(engine)
    order = tables_reconciled(engine)

    assert order.index("contoso_hotel") < order.index("contoso_room")


@pytest.mark.parametrize("hotels", [None, TableError("no hotels")], ids=["success", "failure"])
def test_one_engine_serves_all_tables_of_a_run(run, hotels):
    """To sign in and to learn what tables look like takes longer than a few changed rows."""
    engine = ScriptedEngine({"contoso_hotel": hotels} if hotels else {})
    run(engine)

    assert ["opened", "closed"] == engine.openings


def test_one_table_can_be_materialized_alone(run):
    """As from the UI, with nothing upstream of it run again."""
    engine = ScriptedEngine()
    run(engine, keys=[HOTEL])

    assert tables_reconciled(engine) == ["contoso_hotel"]


def test_the_materialization_carries_the_whole_record(run):
    """The numbers of the report, under the names of the report."""
    report = a_report(
        "contoso_hotel", created=3, updated=2, equal=4, parked=1, adopted=2, foreign=5, retries=1
    )
    metadata = metadata_of(run(ScriptedEngine({"contoso_hotel": report})), HOTEL)
    del metadata["dagster/column_lineage"]

    assert metadata == {
        "summary": describe_report(report),
        "read": 10,
        "created": 3,
        "updated": 2,
        "pairs": 0,
        "equal": 4,
        "adopted": 2,
        "gone": 0,
        "removed": 0,
        "held": 0,
        "waiting": 0,
        "foreign": 5,
        "unmatched": 0,
        "parked": 1,
        "requests": 4,
        "retries": 1,
        "throttled_seconds": 0.0,
        "seconds": 2.0,
        "rows_per_second": 5.0,
        "verified_through": MOMENT.timestamp(),
        "mode": "reconcile",
        "dry_run": False,
        "mapping_changed": False,
        "changed": True,
        "dagster/row_count": 9,
    }


def test_unchanged_tables_do_not_hide_the_tables_below_them(run):
    """Equal hotels are materialized all the same: otherwise Dagster would skip their rooms."""
    engine = ScriptedEngine()
    result = run(engine)

    assert metadata_of(result, HOTEL)["changed"] is False
    assert "contoso_room" in tables_reconciled(engine)


def test_parked_rows_are_a_table_that_a_person_can_read(run):
    """Key, reason, the server's words, code, since when, how often; pipes escaped."""
    report = a_report("contoso_hotel", parked=1, parked_rows=(PARKED,))
    table = metadata_of(run(ScriptedEngine({"contoso_hotel": report})), HOTEL)["parked_rows"]

    assert table.splitlines() == [
        "| key | reason | message | code | since | attempts | next attempt |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        (
            r"| H-0001 | value too long | contoso_name \| too long | 0x80044 | 2026-03-01 02:00 "
            r"| 2 | at the next reconcile |"
        ),
    ]


@pytest.mark.parametrize(("parked", "passed"), [(0, True), (1, False)])
def test_the_check_warns_of_parked_rows(run, parked, passed):
    """A warning does not fail the run: one bad row stops only itself."""
    result = run(ScriptedEngine({"contoso_hotel": a_report("contoso_hotel", parked=parked)}))
    check = check_of(result, "no_parked_rows")

    assert (check.passed, check.severity, result.success) == (
        passed,
        dg.AssetCheckSeverity.WARN,
        True,
    )


def test_a_dry_run_reaches_the_engine_and_says_what_would_be(run):
    """Its counts have other names, so that the plots of real runs stay true."""
    update = RowDifference(DifferenceKind.UPDATE, "H-0001", "1", "2", {"contoso_name": ("a", "b")})
    engine = ScriptedEngine(
        {"contoso_hotel": a_report("contoso_hotel", dry_run=True, updated=1, differences=(update,))}
    )
    run_config = {"ops": {"secondary__department_hotel": {"config": {"dry_run": True}}}}
    metadata = metadata_of(run(engine, keys=[HOTEL], run_config=run_config), HOTEL)

    assert engine.calls == [("auto", "contoso_hotel", True)]
    assert metadata["would_be_updated"] == 1
    assert metadata["differences"].splitlines()[-1] == "| update | H-0001 | contoso_name |"
    assert not {"updated", "dagster/row_count"} & metadata.keys()


def test_a_refused_table_stops_its_descendants_and_nobody_else(run):
    """Rooms wait for hotels; seasons do not."""
    engine = ScriptedEngine({"contoso_hotel": MISSPELT})
    result = run(engine)

    assert sorted(tables_reconciled(engine)) == ["contoso_hotel", "contoso_season"]
    assert result.success is False


def test_a_failure_says_what_where_why_and_how_to_mend(run):
    """In one line, first in Dagster's log and in the failure sensor."""
    result = run(ScriptedEngine({"contoso_hotel": MISSPELT}))
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    data = failure.step_failure_data.user_failure_data

    assert data.description == (
        "secondary: the column contoso_stars does not exist (it has contoso_star). "
        "Correct columns in sync.yaml"
    )


def test_a_failure_hides_secrets(run):
    """Whatever the server put into its answer."""
    leak = RequestFailedError("Bearer abcdefghijklmnop was refused", outcome_unknown=False)
    result = run(ScriptedEngine({"contoso_hotel": leak}))
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    data = failure.step_failure_data.user_failure_data

    assert data.description == "Bearer [hidden] was refused"


def test_the_secrets_of_the_configuration_stay_out_of_dagster(tmp_path):
    """Nothing that Dagster keeps about a run contains one."""
    definitions = build_definitions(
        configuration=hotels_configuration(tmp_path), open_engine=ScriptedEngine().open
    )
    job = definitions.resolve_job_def("reconcile_all")
    with dg.DagsterInstance.ephemeral() as instance:
        run = job.execute_in_process(instance=instance).dagster_run
        kept = repr((run, instance.all_logs(run.run_id)))

    assert "contoso_hotel" in kept
    assert SECRET not in kept


def test_danger_stops_every_further_table(run):
    """In the wrong organisation not one more request is sent."""
    danger = WrongEnvironmentError("not the organisation that sync.yaml names")
    engine = ScriptedEngine(dict.fromkeys(("contoso_hotel", "contoso_season"), danger))
    run(engine)

    assert len(engine.calls) == 1


def test_progress_becomes_a_line_every_five_seconds():
    """However often the engine tells of it; a pass that is over sooner writes none."""
    lines = []
    moments = iter([100.0, 104.9, 105.0, 106.0, 110.1])
    log = ProgressLog(lines.append, monotonic=lambda: next(moments))
    for done in (0, 500, 1000, 1500, 2000):
        log(Progress("contoso_room", "create", done, 15000))

    assert lines == [
        "contoso_room: create, 1,000 of 15,000 rows",
        "contoso_room: create, 2,000 of 15,000 rows",
    ]


def test_held_removals_say_why_and_what_to_do():
    """In the log of the removals; the rows are where they were."""
    held = a_report(
        "contoso_room", mode="removals", read=4, held=4, held_because="4 of 5 rows would go"
    )

    assert describe_removals(held) == (
        "contoso_room: 0 of 4 rows removed that are gone in the primary, in 2.0 s. "
        "Held until a person approves: 4, because 4 of 5 rows would go. "
        "Next: dv-sync removals list, then dv-sync removals approve contoso_room."
    )


def test_a_look_that_found_nothing_says_so():
    """Instead of a row of zeros."""
    quiet = a_report("contoso_room", mode="changes", read=0, equal=0, verified_through=None)

    assert describe_report(quiet) == (
        "contoso_room, changes: nothing has changed in the primary since last time."
    )


def test_the_report_reads_like_prose():
    """What is zero is not mentioned."""
    report = a_report("contoso_room", read=15000, created=14980, equal=0, waiting=1, foreign=20)

    assert describe_report(report) == (
        "contoso_room: read 15,000 rows in 2.0 s (7,500 rows/s); 14,980 created, 0 updated, "
        "0 already equal. Rows of the secondary's own, not touched: 20. "
        "Rows written with a lookup left empty, its row is missing: 1. "
        "Verified through 2026-03-01 02:00:00 UTC."
    )


ROOM_REMOVALS = dg.AssetKey(["removals", "contoso_room"])


def test_removals_follow_the_tables_in_the_opposite_order(run):
    """All reconciles of a table and its children first; then rooms go, then hotels."""
    engine = ScriptedEngine()
    run(engine)
    steps = [call[:2] for call in engine.calls if call[1] != "contoso_season"]

    assert steps == [
        ("reconcile", "contoso_hotel"),
        ("reconcile", "contoso_room"),
        ("remove", "contoso_room"),
        ("remove", "contoso_hotel"),
    ]


def test_a_refused_table_keeps_the_rows_of_its_parents(run):
    """Rooms that could not be moved must not lose their hotel."""
    engine = ScriptedEngine({"contoso_room": MISSPELT})
    run(engine)

    assert [("remove", "contoso_season")] == [call for call in engine.calls if call[0] == "remove"]


def test_held_removals_fail_a_check_as_a_warning(run):
    """With the number and the reason; the run itself succeeds."""
    held = a_report(
        "contoso_room",
        mode="removals",
        held=3,
        held_because="3 of 4 rows would go",
        held_rows=(Removal("p1", "s1", "101"),),
    )
    result = run(ScriptedEngine({"removals of contoso_room": held}))
    (check,) = [
        check
        for check in result.get_asset_check_evaluations()
        if check.check_name == "no_held_removals" and check.asset_key == ROOM_REMOVALS
    ]

    assert result.success
    assert (False, dg.AssetCheckSeverity.WARN) == (check.passed, check.severity)
    assert {
        "held": 3,
        "held_because": "3 of 4 rows would go",
        "held_rows": (
            "| key | row in the secondary | was in the primary |\n"
            "| --- | --- | --- |\n"
            "| 101 | s1 | p1 |\n\n"
            "and 2 more"
        ),
    } == {name: value.value for name, value in check.metadata.items()}


def test_schemas_that_do_not_fit_fail_a_blocking_check(run):
    """With what was expected and what was found; the rooms below are not tried."""
    error = SchemaMismatchError(
        "contoso_hotel has no column contoso_stars any more",
        expected={"secondary contoso_hotel.contoso_stars": "whole number"},
        actual={"secondary contoso_hotel.contoso_stars": "none"},
    )
    engine = ScriptedEngine({"contoso_hotel": error})
    check = check_of(run(engine), "schema_compatible")

    assert (False, dg.AssetCheckSeverity.ERROR) == (check.passed, check.severity)
    assert {"secondary contoso_hotel.contoso_stars": "whole number"} == (
        check.metadata["expected"].value
    )
    assert {"secondary contoso_hotel.contoso_stars": "none"} == check.metadata["actual"].value
    assert "contoso_room" not in tables_reconciled(engine)


def test_schemas_that_fit_most_rows_are_a_warning(run):
    """The table goes on, and so does what is below it."""
    shorter = SchemaDifference(
        DriftKind.TEXT_SHORTER,
        "secondary",
        "contoso_hotel.contoso_name",
        "contoso_hotel.contoso_name is shorter",
        expected="100 characters as in the primary",
        actual="20",
        mend="Make it longer",
    )
    engine = ScriptedEngine({"contoso_hotel": a_report("contoso_hotel", drift=(shorter,))})
    check = check_of(run(engine), "schema_compatible")

    assert (False, dg.AssetCheckSeverity.WARN) == (check.passed, check.severity)
    assert str(shorter) == check.metadata["told"].value
    assert "contoso_room" in tables_reconciled(engine)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ("auto", "contoso_hotel", False)),
        ({"mode": "changes"}, ("changes", "contoso_hotel")),
        ({"mode": "reconcile", "dry_run": True}, ("reconcile", "contoso_hotel", True)),
        ({"mode": "rows", "row_ids": ["a", "b"]}, ("rows", "contoso_hotel", "a", "b")),
        ({"mode": "rows"}, ("woken rows", "contoso_hotel")),
    ],
)
def test_the_launchpad_chooses_the_pass(run, config, expected):
    """By name; rows without ids are those that webhooks told of."""
    engine = ScriptedEngine()
    run(
        engine,
        keys=[HOTEL],
        run_config={"ops": {"secondary__department_hotel": {"config": config}}},
    )

    assert [expected] == engine.calls


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"mode": "rows", "dry_run": True}, "a dry run of single rows is not possible"),
        ({"mode": "changes", "row_ids": ["a"]}, "row_ids are given, and the mode is changes"),
    ],
)
def test_choices_that_contradict_each_other_are_refused(run, config, expected):
    """Before anything is asked or written."""
    engine = ScriptedEngine()
    result = run(
        engine,
        keys=[HOTEL],
        run_config={"ops": {"secondary__department_hotel": {"config": config}}},
    )
    (failure,) = result.filter_events(lambda event: event.is_step_failure)

    assert failure.step_failure_data.user_failure_data.description.startswith(expected)
    assert [] == engine.calls


@pytest.mark.parametrize(("lag_seconds", "expected"), [(None, True), (60.0, True), (61.0, False)])
def test_a_change_that_took_too_long_is_a_warning(run, lag_seconds, expected):
    """The limit stands in sync.yaml; a pass that wrote no change has nothing to say."""
    report = a_report("contoso_hotel", mode="changes", lag_seconds=lag_seconds)
    result = run(ScriptedEngine({"contoso_hotel": report}), keys=[HOTEL])
    (check,) = [
        check
        for check in result.get_asset_check_evaluations()
        if check.check_name == "changes_in_time"
    ]

    assert (expected, dg.AssetCheckSeverity.WARN) == (check.passed, check.severity)


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, True),
        ({"parked": 1}, False),
        ({"waiting": 1}, False),
        ({"reconcile_owed": "the delta token is lost"}, False),
        ({"gone": 1}, True),
    ],
)
def test_the_check_tells_whether_a_table_is_in_sync(run, changes, passed):
    """Rows that are gone are the business of the removals, which have checks of their own."""
    result = run(ScriptedEngine({"contoso_hotel": a_report("contoso_hotel", **changes)}))
    check = check_of(result, "in_sync")

    assert (passed, dg.AssetCheckSeverity.WARN) == (check.passed, check.severity)


def test_the_check_on_keys_counts_the_rows_at_fault(run):
    """Other parked rows have nothing to do with it."""
    report = a_report("contoso_hotel", parked=3, key_conflicts=2)
    check = check_of(run(ScriptedEngine({"contoso_hotel": report})), "keys_unique_and_present")

    assert (False, 2) == (check.passed, check.metadata["rows_at_fault"].value)


def test_a_materialization_knows_the_types_of_the_columns(run):
    """sync.yaml does not; and every column that was synchronized has its origin."""
    columns = (SynchronizedColumn("contoso_name", "hotel_name", "text, up to 100 characters"),)
    result = run(ScriptedEngine({"contoso_hotel": a_report("contoso_hotel", columns=columns)}))
    metadata = metadata_of(result, HOTEL)
    (column,) = metadata["dagster/column_schema"].columns

    assert ("hotel_name", "text", "up to 100 characters") == (
        column.name,
        column.type,
        column.description,
    )
    assert metadata["dagster/column_lineage"].deps_by_column == {
        "hotel_name": [
            dg.TableColumnDep(
                asset_key=dg.AssetKey(["primary", "contoso_hotel"]), column_name="contoso_name"
            )
        ]
    }


def test_the_log_of_a_run_reads_like_a_report(tmp_path):
    """First what will be done, last what came of it and what a person does next."""
    report = a_report("contoso_hotel", parked=1, parked_rows=(PARKED,))
    definitions = build_definitions(
        configuration=hotels_configuration(tmp_path),
        open_engine=ScriptedEngine({"contoso_hotel": report}).open,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("reconcile_all")
        result = job.execute_in_process(instance=instance, asset_selection=[HOTEL])
        entries = instance.all_logs(result.run_id)
    said = [entry.user_message for entry in entries if entry.dagster_event is None]

    assert said == [
        (
            "contoso_hotel: compares every row of both environments, by contoso_code, and repairs "
            "the secondary (department_hotel)."
        ),
        (
            "contoso_hotel: read 10 rows in 2.0 s; 0 created, 0 updated, 10 already equal. "
            "Rows parked: 1. Verified through 2026-03-01 02:00:00 UTC. "
            "Next: dv-sync parked list contoso_hotel."
        ),
    ]
