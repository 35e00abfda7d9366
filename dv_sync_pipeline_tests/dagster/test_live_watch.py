"""Which live runs are dead, whether another is needed, and what the sensor does about it."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

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


def a_run(run_id, status=Status.STARTED, *, since=None, ended=None):
    """A live run, ten minutes old unless told otherwise."""
    return LiveRun(run_id, status, since or ago(minutes=10), ended)


def a_leader(run_id, *, silent_seconds=1.0, minutes_left=20):
    """Whoever leads or waits, heard of a second ago unless told otherwise."""
    deadline = NOON + timedelta(minutes=minutes_left)
    return Leader(f"holder {run_id}", run_id, ago(seconds=silent_seconds), deadline)


def judged(*runs, leader=None, others=(), last=None):
    """(Dead runs, whether another is needed) at noon."""
    heard = [*others, leader] if leader else others
    verdict = judge(
        runs, heard, leader=leader, last=last, lead_time=timedelta(seconds=30), now=NOON
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


def test_what_fails_at_once_is_tried_again_after_a_minute():
    """A wrong environment is not asked every five seconds."""
    young = a_run("a", Status.FAILURE, since=ago(seconds=40), ended=ago(seconds=35))
    old = a_run("a", Status.FAILURE, since=ago(seconds=90), ended=ago(seconds=60))

    assert [(set(), False), (set(), True)] == [judged(last=young), judged(last=old)]


def test_what_failed_after_a_while_is_replaced_at_once():
    """It had worked."""
    last = a_run("a", Status.FAILURE, since=ago(minutes=10), ended=ago(seconds=5))

    assert (set(), True) == judged(last=last)


def test_what_was_killed_is_replaced_at_once_however_young():
    """The last one that failed says nothing about it."""
    last = a_run("z", Status.FAILURE, since=ago(seconds=40), ended=ago(seconds=35))

    assert ({"a"}, True) == judged(a_run("a"), leader=a_leader("a", silent_seconds=9), last=last)


def test_a_killed_leader_is_replaced_at_once_when_dagster_sees_it_first():
    """Its code server tells at once that the process is gone; its heartbeat is still young."""
    last = a_run("a", Status.FAILURE, since=ago(seconds=40), ended=ago(seconds=1))

    assert (set(), True) == judged(leader=a_leader("a"), last=last)


@pytest.fixture
def instance():
    """A Dagster that forgets."""
    with dg.DagsterInstance.ephemeral() as instance:
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


def start_run(instance, definitions):
    """A live run that Dagster takes for started, as long as nobody says otherwise."""
    job = definitions.resolve_job_def("live")
    run = instance.create_run_for_job(job)
    instance.handle_new_event(
        dg.EventLogEntry(
            error_info=None,
            level=10,
            user_message="",
            run_id=run.run_id,
            timestamp=(datetime.now(UTC) - timedelta(hours=1)).timestamp(),
            dagster_event=dg.DagsterEvent("PIPELINE_START", "live"),
        )
    )
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
