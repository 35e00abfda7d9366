"""The live run, as Dagster shows it: what it touched, what is in trouble, when it ends."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from dv_sync_pipeline.config import LiveSettings
from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.defs.live import LiveLog
from dv_sync_pipeline.errors import LedgerError, TableError
from dv_sync_pipeline.sync.ledger import Leader, Ledger
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind
from dv_sync_pipeline_tests.worlds.ended_runs import tell_how_it_ended
from dv_sync_pipeline_tests.worlds.scripted_engine import (
    MOMENT,
    SECRET,
    ScriptedEngine,
    a_report,
    hotels_configuration,
)

HOTEL = dg.AssetKey(["secondary", "department_hotel"])
SECONDS = 0.3


@pytest.fixture
def configuration(tmp_path):
    """The live path is on; a run of it takes a moment, and nobody follows."""
    settings = LiveSettings(max_minutes=SECONDS / 60, poll_seconds=0.5)
    return hotels_configuration(tmp_path).model_copy(update={"live": settings})


@pytest.fixture
def ledger(configuration):
    """The one that the run uses."""
    ledger = Ledger.open(configuration.ledger_url)
    yield ledger
    ledger.close()


@pytest.fixture
def instance():
    """A Dagster that forgets."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def run(configuration, instance, monkeypatch):
    """Runs the job on a scripted engine, to its end."""
    monkeypatch.setattr("dv_sync_pipeline.sync.leadership.GRACE", timedelta(0))
    monkeypatch.setattr("dv_sync_pipeline.sync.leadership.WAIT", timedelta(seconds=SECONDS))

    def run_job(engine):
        definitions = build_definitions(configuration=configuration, open_engine=engine.open)
        job = definitions.resolve_job_def("live")
        return job.execute_in_process(instance=instance, raise_on_error=False)

    return run_job


def test_what_a_webhook_told_of_is_applied_and_shown_with_its_table(run, ledger):
    """A materialization of the table in the live run, with the numbers of the micro-batch."""
    ledger.store_wake_ups([WakeUp("contoso_hotel", "a", WakeUpKind.UPDATE, MOMENT)])
    engine = ScriptedEngine({"rows of contoso_hotel": a_report("contoso_hotel", updated=1)})
    result = run(engine)

    assert result.success
    assert ("rows", "contoso_hotel", "a") in engine.calls
    assert [(HOTEL, 1)] == [
        (event.asset_key, event.materialization.metadata["updated"].value)
        for event in result.get_asset_materialization_events()
    ]


def test_feeds_without_news_leave_no_trace_in_the_event_log(run):
    """They are asked every few seconds."""
    engine = ScriptedEngine()
    result = run(engine)

    assert ("changes", "contoso_hotel") in engine.calls
    assert [] == result.get_asset_materialization_events()


def test_the_lead_is_free_when_the_run_has_ended(run, ledger):
    """Another one may begin at once."""
    run(ScriptedEngine())

    assert ledger.leader() is None


def test_a_run_that_is_not_needed_ends_and_touches_nothing(run, ledger):
    """Two were started, one leads."""
    now = datetime.now(UTC) + timedelta(minutes=1)
    leader = Leader("holder", "run", now, now + timedelta(hours=1))
    ledger.take_leadership(leader, silence=timedelta(seconds=8))
    engine = ScriptedEngine()

    assert run(engine).success
    assert [] == engine.calls


def test_what_could_do_harm_fails_the_run(run):
    """A person is told, and the sensor tries again after a minute."""
    engine = ScriptedEngine({"changes of contoso_hotel": LedgerError("damaged", mend="Restore it")})
    result = run(engine)
    (failure,) = result.filter_events(lambda event: event.is_step_failure)

    assert "damaged. Restore it" == failure.step_failure_data.user_failure_data.description


def test_the_alert_of_a_failed_live_run_is_over_when_another_one_has_done_its_time(
    run, configuration, instance, ledger
):
    """It is no step of any table."""
    definitions = build_definitions(configuration=configuration, open_engine=ScriptedEngine().open)
    failed = run(ScriptedEngine({"changes of contoso_hotel": LedgerError("damaged")}))
    tell_how_it_ended(definitions.resolve_sensor_def("report_failed_runs"), failed, instance)
    before = [title for title, *_ in ledger.open_problems()]
    well = run(ScriptedEngine())
    tell_how_it_ended(definitions.resolve_sensor_def("report_recovered_runs"), well, instance)

    assert before == ["A run of live failed: follow_changes"]
    assert ledger.open_problems() == []


class Notes:
    """An op's context that remembers what it is told."""

    def __init__(self):
        self.events = []
        self.lines = []
        self.log = self

    def log_event(self, event):
        """A materialization or a check."""
        self.events.append(event)

    def info(self, line, *arguments):
        """A line of the log."""
        self.lines.append(line % arguments)

    error = warning = info

    def materializations(self):
        """Rows updated and parked, by the table of the secondary."""
        return [
            (event.asset_key.path[-1], event.metadata["updated"].value)
            for event in self.events
            if isinstance(event, dg.AssetMaterialization)
        ]

    def checks(self, name=""):
        """Answers to checks, or to the one of that name."""
        events = (e for e in self.events if isinstance(e, dg.AssetCheckEvaluation))
        return [event for event in events if name in ("", event.check_name)]


@pytest.fixture
def notes():
    """Nothing was told yet."""
    return Notes()


@pytest.fixture
def clock():
    """Seconds on a clock that a test moves."""
    return [100.0]


@pytest.fixture
def log(configuration, notes, clock):
    """As the live run has it."""
    return LiveLog(configuration, notes, monotonic=lambda: clock[0])


def test_micro_batches_of_a_second_become_one_materialization(log, notes, clock):
    """So the event log stays small, however many changes there are."""
    for _ in range(20):
        log.applied(a_report("contoso_hotel", updated=2))
        log.breathed()
    clock[0] += 1.0
    log.breathed()

    assert [("department_hotel", 2), ("department_hotel", 38)] == notes.materializations()


def test_tables_are_shown_in_turns(log, notes, clock):
    """One a second, so that none of them keeps changes waiting for long; none is passed over."""
    for _ in range(3):
        log.applied(a_report("contoso_hotel", updated=1))
        log.applied(a_report("contoso_room", updated=3))
        clock[0] += 1.0
        log.breathed()

    shown = [("department_hotel", 1), ("contoso_room", 6), ("department_hotel", 2)]
    assert shown == notes.materializations()


def test_at_the_end_everything_is_shown(log, notes):
    """In the order in which it was touched."""
    log.applied(a_report("contoso_hotel", updated=1))
    log.applied(a_report("contoso_room", updated=3))
    log.write()

    assert [("department_hotel", 1), ("contoso_room", 3)] == notes.materializations()


def test_rows_that_were_equal_already_are_not_shown(log, notes):
    """The feed tells again what a wake-up has told before."""
    log.applied(a_report("contoso_hotel", equal=10))
    log.breathed()

    assert [] == notes.materializations()


def test_a_row_that_was_parked_is_shown(log, notes):
    """Nothing was written, and yet something happened."""
    log.applied(a_report("contoso_hotel", equal=0, read=1, parked=1))
    log.breathed()

    assert 1 == len(notes.materializations())


def test_rows_that_stay_parked_are_shown_once(log, notes, clock):
    """Not with every change of another row."""
    for _ in range(3):
        log.applied(a_report("contoso_hotel", equal=1, read=1, parked=1))
        clock[0] += 1.0
        log.breathed()

    assert 1 == len(notes.materializations())


def test_a_reconcile_that_is_owed_is_told_once(log, notes):
    """The sensor starts it; every poll finds it again until it is done."""
    for _ in range(3):
        log.applied(a_report("contoso_hotel", reconcile_owed="the token is lost"))

    assert ["contoso_hotel: a reconcile is owed: the token is lost"] == notes.lines


def test_a_trouble_is_told_once_and_so_is_its_end(log, notes):
    """Not with every attempt."""
    for _ in range(5):
        log.failed("contoso_hotel", TableError("locked"), again_in_seconds=2.0)
    log.applied(a_report("contoso_hotel"))
    log.applied(a_report("contoso_hotel"))

    assert ["contoso_hotel: locked. Again in 2.0 s", "contoso_hotel: well again"] == notes.lines


def test_secrets_are_hidden_from_the_log(log, notes):
    """Whatever the exception carried."""
    log.failed("contoso_hotel", RuntimeError(f"Bearer {SECRET}"), again_in_seconds=2.0)

    assert SECRET not in notes.lines[0]


def test_the_longest_lag_of_a_second_is_shown(log, notes, clock):
    """As metadata, under the name that it has everywhere."""
    log.applied(a_report("contoso_hotel", updated=1, lag_seconds=0.4))
    log.breathed()
    log.applied(a_report("contoso_hotel", updated=1, lag_seconds=1.5))
    log.applied(a_report("contoso_hotel", updated=1, lag_seconds=0.5))
    clock[0] += 1.0
    log.breathed()

    lags = [
        event.metadata["lag_seconds"].value
        for event in notes.events
        if isinstance(event, dg.AssetMaterialization)
    ]
    assert [0.4, 1.5] == lags


def test_a_check_is_answered_again_when_its_answer_changes(log, notes, clock):
    """In time, too late, in time again; not with every micro-batch."""
    for lag_seconds in (0.4, 0.5, 61.0, 62.0, 0.4):
        log.applied(a_report("contoso_hotel", updated=1, lag_seconds=lag_seconds))
        clock[0] += 1.0
        log.breathed()

    assert [(HOTEL, passed) for passed in (True, False, True)] == [
        (check.asset_key, check.passed) for check in notes.checks("changes_in_time")
    ]


def test_every_check_of_a_table_is_answered_at_first(log, notes):
    """A materialization of a new run without them would show them as not evaluated."""
    log.applied(a_report("contoso_hotel", updated=1, parked=1))
    log.breathed()

    assert [
        ("schema_compatible", True),
        ("in_sync", False),
        ("keys_unique_and_present", True),
        ("no_parked_rows", False),
        ("changes_in_time", True),
    ] == [(check.check_name, check.passed) for check in notes.checks()]
