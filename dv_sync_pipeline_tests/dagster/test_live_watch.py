"""Which live runs are dead, whether another is needed, and what the sensor does about it."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status
from dagster._core.events import EngineEventData

from dv_sync_pipeline.config import LiveSettings
from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.defs.live_watch import LiveRun, judge
from dv_sync_pipeline.defs.looks import LOOK_SECONDS
from dv_sync_pipeline.sync.leadership import SILENCE
from dv_sync_pipeline.sync.ledger import Leader, Ledger
from dv_sync_pipeline_tests.worlds.scripted_engine import ScriptedEngine, hotels_configuration

CODE_SERVER_SECONDS = 8
"""Until it is restarted, answers, and is seen by the daemon."""

TICK_SECONDS = 1
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def ago(**time):
    """So long before noon."""
    return NOON - timedelta(**time)


def a_run(run_id, status=Status.STARTED, *, since=None, ended=None, process_has_ended=False):
    """A live run, ten minutes old unless told otherwise."""
    return LiveRun(run_id, status, since or ago(minutes=10), ended, process_has_ended)


def failed_at_once(run_id, *, seconds_ago):
    """A live run that came to nothing, five seconds after its start."""
    since, ended = ago(seconds=seconds_ago + 5), ago(seconds=seconds_ago)
    return a_run(run_id, Status.FAILURE, since=since, ended=ended)


def a_leader(run_id, *, silent_seconds=1.0, minutes_left=20):
    """Whoever leads or waits, heard of a second ago unless told otherwise."""
    deadline = NOON + timedelta(minutes=minutes_left)
    return Leader(f"holder {run_id}", run_id, ago(seconds=silent_seconds), deadline)


def judged(*runs, leader=None, others=(), ended=()):
    """(Dead runs, whether another is needed) at noon."""
    heard = [*others, leader] if leader else others
    verdict = judge(
        runs, heard, leader=leader, ended=ended, lead_time=timedelta(seconds=30), now=NOON
    )
    return set(verdict.dead), verdict.is_needed


def test_a_run_is_needed_where_there_is_none():
    """As when the pipeline is installed."""
    assert (set(), True) == judged()


def test_a_leader_that_gives_signs_of_life_is_enough():
    """It leads for twenty more minutes."""
    assert (set(), False) == judged(a_run("a"), leader=a_leader("a"))


def test_a_leader_that_fell_silent_is_dead_and_replaced():
    """Although Dagster calls its run started."""
    assert ({"a"}, True) == judged(a_run("a"), leader=a_leader("a", silent_seconds=8))


def test_a_dead_leader_is_noticed_within_fifteen_seconds():
    """Its silence, or the restart of its code server, and the next look at the sensors."""
    assert 15 > max(SILENCE.total_seconds(), CODE_SERVER_SECONDS) + LOOK_SECONDS + TICK_SECONDS


def test_a_run_that_nobody_ever_heard_of_is_dead():
    """Its worker was killed before it said anything."""
    assert ({"a"}, True) == judged(a_run("a", since=ago(seconds=20)))


@pytest.mark.parametrize("status", [Status.STARTING, Status.STARTED])
def test_a_run_whose_process_has_ended_is_dead_as_soon_as_one_that_fell_silent(status):
    """Nobody heard of it, and nobody will."""
    gone = a_run("a", status, since=ago(seconds=SILENCE.total_seconds()), process_has_ended=True)

    assert ({"a"}, True) == judged(gone)


def test_a_run_whose_process_has_ended_may_still_say_how():
    """Or its code server does: that it is over does not mean that it was killed."""
    assert (set(), False) == judged(a_run("a", since=ago(seconds=5), process_has_ended=True))


@pytest.mark.parametrize("status", [Status.STARTING, Status.STARTED])
def test_a_run_that_may_live_is_waited_for_longer(status):
    """A busy machine takes a while to load it, and nobody can tell that its process is gone."""
    assert (set(), False) == judged(a_run("a", status, since=ago(seconds=15)))


@pytest.mark.parametrize("status", [Status.NOT_STARTED, Status.STARTING, Status.STARTED])
def test_a_run_that_is_about_to_begin_is_waited_for(status):
    """It takes a moment to load."""
    assert (set(), False) == judged(a_run("a", status, since=ago(seconds=5)))


def test_a_queued_run_waits_as_long_as_it_must():
    """The queue is full; another run would only make it longer."""
    assert (set(), False) == judged(a_run("a", Status.QUEUED, since=ago(hours=1)))


def test_a_run_that_a_person_ends_is_replaced_and_not_called_dead():
    """Whoever wants none stops the sensor first."""
    assert (set(), True) == judged(a_run("a", Status.CANCELING, since=ago(seconds=5)))


def test_a_successor_is_asked_for_before_the_deadline():
    """So that it is ready when the lead is free."""
    assert (set(), True) == judged(a_run("a"), leader=a_leader("a", minutes_left=0.5))


def test_one_successor_is_enough():
    """Queued, or waiting for the lead."""
    leader = a_leader("a", minutes_left=0.1)
    queued = judged(a_run("a"), a_run("b", Status.QUEUED), leader=leader)
    waiting = judged(a_run("a"), a_run("b"), leader=leader, others=[a_leader("b")])

    assert [(set(), False), (set(), False)] == [queued, waiting]


def test_a_successor_that_died_while_waiting_is_replaced():
    """Or nobody would take over."""
    leader = a_leader("a", minutes_left=0.1)
    dead = a_leader("b", silent_seconds=9)

    assert ({"b"}, True) == judged(a_run("a"), a_run("b"), leader=leader, others=[dead])


def test_a_run_that_has_handed_over_may_take_a_moment_to_end():
    """It gave its last sign of life when it let go."""
    ending = a_leader("a", silent_seconds=2, minutes_left=0)

    assert (set(), False) == judged(a_run("a"), a_run("b"), leader=a_leader("b"), others=[ending])


def test_what_fails_at_once_is_tried_again_at_once():
    """It may have been killed before its first sign of life; whoever killed it does not say so."""
    before = a_run("a", Status.SUCCESS, since=ago(minutes=30), ended=ago(minutes=1))

    assert (set(), True) == judged(ended=[failed_at_once("b", seconds_ago=1), before])


def test_what_fails_at_once_again_is_tried_again_after_a_minute():
    """A wrong environment is not asked every five seconds."""
    before = failed_at_once("a", seconds_ago=100)
    young = [failed_at_once("b", seconds_ago=59), before]
    old = [failed_at_once("b", seconds_ago=60), before]

    assert [(set(), False), (set(), True)] == [judged(ended=young), judged(ended=old)]


def test_what_failed_after_a_while_is_replaced_at_once():
    """It had worked, whatever became of the one before."""
    last = a_run("b", Status.FAILURE, since=ago(minutes=10), ended=ago(seconds=5))

    assert (set(), True) == judged(ended=[last, failed_at_once("a", seconds_ago=700)])


COMING_TO_NOTHING = [failed_at_once("z", seconds_ago=35), failed_at_once("y", seconds_ago=45)]


def test_what_was_killed_is_replaced_at_once_however_young():
    """The last ones that failed say nothing about it."""
    killed = a_leader("a", silent_seconds=9)

    assert ({"a"}, True) == judged(a_run("a"), leader=killed, ended=COMING_TO_NOTHING)


def test_a_killed_leader_is_replaced_at_once_when_dagster_sees_it_first():
    """Its code server tells at once that the process is gone; its heartbeat is still young."""
    killed = failed_at_once("a", seconds_ago=1)

    assert (set(), True) == judged(leader=a_leader("a"), ended=[killed, *COMING_TO_NOTHING])


@pytest.fixture
def instance():
    """A Dagster that forgets, with the default launcher."""
    with dg.DagsterInstance.local_temp() as instance:
        yield instance


@pytest.fixture
def configuration(tmp_path):
    """Hotels, with the live path on."""
    return hotels_configuration(tmp_path).model_copy(update={"live": LiveSettings()})


@pytest.fixture
def definitions(configuration):
    """As the code location loads them."""
    return build_definitions(configuration=configuration, open_engine=ScriptedEngine().open)


@pytest.fixture
def look(definitions, instance):
    """A tick of the sensor."""

    def evaluate():
        with dg.build_sensor_context(instance=instance, definitions=definitions) as context:
            return definitions.resolve_sensor_def("keep_live").evaluate_tick(context)

    return evaluate


@pytest.fixture
def ledger(configuration):
    """The one that the sensor looks into."""
    ledger = Ledger.open(configuration.ledger_url)
    yield ledger
    ledger.close()


def happens(instance, run_id, event, *, seconds_ago=0.0):
    """Dagster takes the run for what the event says, as long as nobody says otherwise."""
    instance.handle_new_event(
        dg.EventLogEntry(
            error_info=None,
            level=10,
            user_message="",
            run_id=run_id,
            timestamp=datetime.now(UTC).timestamp() - seconds_ago,
            dagster_event=dg.DagsterEvent(event, "live"),
        )
    )


def start_run(instance, definitions, *, seconds_ago=3600.0, tags=None):
    """A live run that Dagster takes for started, for an hour unless told otherwise."""
    run = instance.create_run_for_job(definitions.resolve_job_def("live"), tags=tags)
    happens(instance, run.run_id, "PIPELINE_START", seconds_ago=seconds_ago)
    return run.run_id


def test_the_sensor_starts_a_live_run(look):
    """As soon as the code location is loaded."""
    assert [None] == [request.run_key for request in look().run_requests]


def test_the_sensor_reports_a_silent_run_failed_and_starts_another(
    look, instance, definitions, ledger
):
    """Although Dagster calls it started."""
    run_id = start_run(instance, definitions)
    heard = datetime.now(UTC) - timedelta(seconds=9)
    ledger.take_leadership(
        Leader("holder", run_id, heard, heard + timedelta(hours=1)), silence=timedelta(seconds=8)
    )

    assert 1 == len(look().run_requests)
    assert Status.FAILURE == instance.get_run_by_id(run_id).status


def test_the_sensor_replaces_a_run_that_was_killed_before_its_first_sign_of_life(
    look, instance, definitions
):
    """It has reported its process, and that is gone."""
    run_id = start_run(instance, definitions, seconds_ago=10, tags=look().run_requests[0].tags)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    run = instance.get_run_by_id(run_id)
    instance.report_engine_event("", run, EngineEventData.in_process(process.pid))

    assert 1 == len(look().run_requests)
    assert Status.FAILURE == instance.get_run_by_id(run_id).status


def test_the_time_in_the_queue_is_no_silence(look, instance, definitions):
    """The run waited there for an hour, and has just been sent on its way."""
    run = instance.create_run_for_job(definitions.resolve_job_def("live"))
    instance.delete_run(run.run_id)
    instance.run_storage.add_historical_run(run, datetime.now(UTC) - timedelta(hours=1))
    happens(instance, run.run_id, "PIPELINE_STARTING")

    assert [] == look().run_requests
    assert Status.STARTING == instance.get_run_by_id(run.run_id).status


def test_the_sensor_leaves_a_living_run_alone(look, instance, definitions, ledger):
    """And says until when it leads."""
    run_id = start_run(instance, definitions)
    heard = datetime.now(UTC)
    ledger.take_leadership(
        Leader("holder", run_id, heard, heard + timedelta(hours=1)), silence=timedelta(seconds=8)
    )
    tick = look()

    assert [] == tick.run_requests
    assert tick.skip_message.startswith("A live run leads until")


def test_no_live_run_unless_it_is_wanted(tmp_path):
    """Neither job nor sensor."""
    configuration = hotels_configuration(tmp_path)
    definitions = build_definitions(configuration=configuration, open_engine=ScriptedEngine().open)
    repository = definitions.get_repository_def()

    assert not repository.has_sensor_def("keep_live")
    assert not repository.has_job("live")
