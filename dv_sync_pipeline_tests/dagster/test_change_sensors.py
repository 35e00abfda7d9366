"""Changes of the primary become runs of the tables that they concern, and nothing else does."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from dv_sync_pipeline.config import ChangesSettings, LiveSettings
from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.errors import RequestFailedError, UnreachableError
from dv_sync_pipeline.sync.ledger import Leader, Ledger
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind
from dv_sync_pipeline_tests.worlds.scripted_engine import (
    MOMENT,
    ScriptedEngine,
    hotels_configuration,
)

ROOM = dg.AssetKey(["secondary", "contoso_room"])
HOTEL = dg.AssetKey(["secondary", "department_hotel"])
ROOM_REMOVALS = dg.AssetKey(["removals", "contoso_room"])
HOTEL_REMOVALS = dg.AssetKey(["removals", "department_hotel"])


class World:
    """A code location, the ledger that its sensors look into, and a Dagster that forgets."""

    def __init__(self, configuration, ledger, instance):
        self.configuration = configuration
        self.ledger = ledger
        self.instance = instance
        self.engine = ScriptedEngine()

    @property
    def definitions(self):
        """As the code location loads them."""
        return build_definitions(configuration=self.configuration, open_engine=self.engine.open)

    def tick(self, sensor, *, cursor=None):
        """One tick: what Dagster is given."""
        definitions = self.definitions
        with dg.build_sensor_context(
            instance=self.instance, definitions=definitions, cursor=cursor
        ) as context:
            return definitions.resolve_sensor_def(sensor).evaluate_tick(context)

    def wake(self, table, row_id="a", kind=WakeUpKind.UPDATE):
        """A webhook came in."""
        self.ledger.store_wake_ups([WakeUp(table, row_id, kind, MOMENT)])

    def run(self, request, status, *, ended=None):
        """Dagster has run what was requested, so far."""
        job = self.definitions.resolve_job_def(request.job_name)
        run = self.instance.create_run_for_job(job, tags=request.tags, status=Status.NOT_STARTED)
        if status is Status.NOT_STARTED:
            return
        began = (ended or datetime.now(UTC)) - timedelta(seconds=2)
        for event, moment in (("PIPELINE_START", began), (_EVENTS.get(status), ended)):
            if event:
                self._report(run, event, moment or datetime.now(UTC))

    def _report(self, run, event, moment):
        self.instance.handle_new_event(
            dg.EventLogEntry(
                error_info=None,
                level=10,
                user_message="",
                run_id=run.run_id,
                timestamp=moment.timestamp(),
                dagster_event=dg.DagsterEvent(event, run.job_name),
            )
        )


_EVENTS = {Status.SUCCESS: "PIPELINE_SUCCESS", Status.FAILURE: "PIPELINE_FAILURE"}


@pytest.fixture
def world(tmp_path):
    """Hotels and rooms; both were reconciled and nothing has happened since."""
    configuration = hotels_configuration(tmp_path)
    ledger = Ledger.open(configuration.ledger_url)
    for table in ("contoso_hotel", "contoso_room"):
        ledger.begin_reconcile(table, mapping="m")
        ledger.finish_reconcile(table, verified_through=MOMENT)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(configuration, ledger, instance)
    ledger.close()


def only_request(tick):
    """The request of a tick that has one."""
    (request,) = tick.run_requests
    return request


@pytest.mark.parametrize("sensor", ["follow_wake_ups", "follow_feeds", "reconcile_what_is_owed"])
def test_nothing_is_started_while_nothing_has_changed(world, sensor):
    """The tick says so."""
    tick = world.tick(sensor)

    assert [] == tick.run_requests
    assert tick.skip_message


def test_wake_ups_become_a_run_of_exactly_their_tables(world):
    """And of what must follow: removals, in case a row is gone."""
    world.wake("contoso_room")
    request = only_request(world.tick("follow_wake_ups"))

    assert [ROOM, ROOM_REMOVALS] == request.asset_selection
    assert {"ops": {"secondary__contoso_room": {"config": {"mode": "rows"}}}} == request.run_config


def test_what_a_sensor_asks_for_is_what_dagster_runs(world):
    """Hotels before rooms, removals in the opposite order."""
    world.wake("contoso_room")
    world.wake("contoso_hotel")
    request = only_request(world.tick("follow_wake_ups"))
    job = world.definitions.resolve_job_def(request.job_name)
    job.execute_in_process(
        instance=world.instance,
        asset_selection=request.asset_selection,
        run_config=request.run_config,
    )

    assert [
        ("woken rows", "contoso_hotel"),
        ("woken rows", "contoso_room"),
        ("remove", "contoso_room"),
        ("remove", "contoso_hotel"),
    ] == world.engine.calls


def test_the_same_wake_ups_have_the_same_run_key(world):
    """Whatever happens between enqueueing and remembering, they are run once."""
    world.wake("contoso_room")
    keys = {only_request(world.tick("follow_wake_ups")).run_key for _ in range(2)}

    assert 1 == len(keys)


def test_a_row_that_is_woken_again_has_another_run_key(world):
    """It may have changed after it was read."""
    world.wake("contoso_room")
    first = only_request(world.tick("follow_wake_ups"))
    world.wake("contoso_room")

    assert first.run_key != only_request(world.tick("follow_wake_ups")).run_key


def test_runs_that_have_not_begun_take_along_what_comes_meanwhile(world):
    """They look for wake-ups when they begin; while one begins, another one gets ready."""
    world.wake("contoso_room")
    world.run(only_request(world.tick("follow_wake_ups")), Status.NOT_STARTED)
    world.wake("contoso_hotel")
    world.run(only_request(world.tick("follow_wake_ups")), Status.NOT_STARTED)
    world.wake("contoso_room")

    assert [] == world.tick("follow_wake_ups").run_requests


def test_a_run_that_has_begun_does_not_hold_back_another(world):
    """It may have looked already; versions and turns keep two of them from doing harm."""
    world.wake("contoso_room")
    world.run(only_request(world.tick("follow_wake_ups")), Status.STARTED)
    world.wake("contoso_hotel")

    assert 1 == len(world.tick("follow_wake_ups").run_requests)


def test_a_run_under_way_is_enough_for_the_same_wake_ups(world):
    """They are settled when it has applied them."""
    world.wake("contoso_room")
    world.run(only_request(world.tick("follow_wake_ups")), Status.STARTED)

    assert [] == world.tick("follow_wake_ups").run_requests


def test_one_reconcile_at_a_time(world):
    """It may be long, and another one would read everything again."""
    world.ledger.owe_reconcile("contoso_hotel", "the delta token is lost")
    world.run(only_request(world.tick("reconcile_what_is_owed")), Status.STARTED)
    world.ledger.owe_reconcile("contoso_room", "the delta token is lost")

    assert [] == world.tick("reconcile_what_is_owed").run_requests


def test_a_failed_run_is_tried_again_after_a_while(world):
    """Its wake-ups still wait; a new key lets Dagster run them again."""
    world.wake("contoso_room")
    first = only_request(world.tick("follow_wake_ups"))
    world.run(first, Status.FAILURE, ended=datetime.now(UTC))
    at_once = world.tick("follow_wake_ups").run_requests
    world.instance.wipe()
    world.run(first, Status.FAILURE, ended=datetime.now(UTC) - timedelta(seconds=11))
    later = only_request(world.tick("follow_wake_ups"))

    assert [] == at_once
    assert first.run_key != later.run_key


def test_rows_whose_parents_have_arrived_are_looked_at(world, monkeypatch):
    """Nobody wakes them a second time."""
    monkeypatch.setattr(Ledger, "tables_with_arrivals", lambda _ledger: {"contoso_room"})

    assert [ROOM, ROOM_REMOVALS] == only_request(world.tick("follow_wake_ups")).asset_selection


@pytest.mark.parametrize(("silent_seconds", "expected"), [(1, 0), (9, 1)])
def test_while_a_live_run_leads_the_sensors_stand_by(world, silent_seconds, expected):
    """Once it falls silent, they step in."""
    heard = datetime.now(UTC) - timedelta(seconds=silent_seconds)
    leader = Leader("holder", "run", heard, heard + timedelta(hours=1))
    world.ledger.take_leadership(leader, silence=timedelta(seconds=8))
    world.wake("contoso_room")
    world.engine.answers = {"news of contoso_hotel": "token"}

    assert [expected, expected] == [
        len(world.tick(sensor).run_requests) for sensor in ("follow_wake_ups", "follow_feeds")
    ]


def test_news_in_a_feed_become_a_run_that_follows_it(world):
    """Only of the table that has some."""
    world.engine.answers = {"news of contoso_hotel": "token"}
    request = only_request(world.tick("follow_feeds"))

    assert [HOTEL, HOTEL_REMOVALS] == request.asset_selection
    assert {
        "ops": {"secondary__department_hotel": {"config": {"mode": "changes"}}}
    } == request.run_config


def test_the_same_news_have_the_same_run_key(world):
    """A daemon that dies between enqueueing and remembering starts no second run."""
    world.engine.answers = {"news of contoso_hotel": "token"}
    first = only_request(world.tick("follow_feeds"))
    again = only_request(world.tick("follow_feeds"))
    world.engine.answers = {"news of contoso_hotel": "a later token"}
    later = only_request(world.tick("follow_feeds"))

    assert first.run_key == again.run_key != later.run_key


@pytest.mark.parametrize("cursor", [None, "", "nonsense", "{}", '{"next": 1}', "[1]"])
def test_a_cursor_that_cannot_be_read_is_the_beginning(world, cursor):
    """It is a hint and no more."""
    world.tick("follow_feeds", cursor=cursor)

    asked = [table for name, table in world.engine.calls if name == "news"]
    assert ["contoso_hotel", "contoso_room", "contoso_season"] == asked


def test_a_tick_begins_where_the_last_one_ran_out_of_time(world):
    """So that no table is never asked."""
    world.tick("follow_feeds", cursor='{"next_table": "contoso_room"}')

    asked = [table for name, table in world.engine.calls if name == "news"]
    assert ["contoso_room", "contoso_season", "contoso_hotel"] == asked


def test_a_tick_ends_when_its_time_is_up(world, monkeypatch):
    """And remembers the table that it did not come to."""
    monkeypatch.setattr("dv_sync_pipeline.defs.change_sensors._BUDGET_SECONDS", 0.0)
    tick = world.tick("follow_feeds", cursor='{"next_table": "contoso_room"}')

    assert '{"next_table":"contoso_room"}' == tick.cursor


def test_a_table_that_cannot_be_asked_does_not_hide_the_others(world):
    """It is named in the log of the tick."""
    failure = RequestFailedError("no answer", outcome_unknown=False)
    world.engine.answers = {"news of contoso_hotel": failure, "news of contoso_room": "token"}

    assert [ROOM, ROOM_REMOVALS] == only_request(world.tick("follow_feeds")).asset_selection


def test_an_environment_that_cannot_be_reached_fails_the_tick(world):
    """So that the automation page shows it."""
    world.engine.answers = {"news of contoso_hotel": UnreachableError("no answer")}

    with pytest.raises(UnreachableError, match="no answer"):
        world.tick("follow_feeds")


def test_a_reconcile_that_is_owed_is_started(world):
    """Of the table that owes it, with its removals."""
    world.ledger.owe_reconcile("contoso_hotel", "the delta token is lost")
    request = only_request(world.tick("reconcile_what_is_owed"))

    assert "reconcile_all" == request.job_name
    assert [HOTEL, HOTEL_REMOVALS] == request.asset_selection
    assert {
        "ops": {"secondary__department_hotel": {"config": {"mode": "reconcile"}}}
    } == request.run_config


def test_a_first_load_is_not_started_by_a_sensor(world):
    """A person decides when, or the schedule does; seasons were never reconciled."""
    assert "it was never reconciled" == world.ledger.reconcile_owed("contoso_season")
    assert [] == world.tick("reconcile_what_is_owed").run_requests


@pytest.mark.parametrize(
    ("changes", "live", "expected"),
    [
        (True, False, {"follow_wake_ups", "follow_feeds", "reconcile_what_is_owed"}),
        (False, True, {"keep_live", "reconcile_what_is_owed"}),
        (False, False, set()),
    ],
)
def test_sensors_are_there_when_they_are_wanted(world, changes, live, expected):
    """And run without a click."""
    world.configuration = world.configuration.model_copy(
        update={
            "changes": ChangesSettings(enabled=changes),
            "live": LiveSettings(enabled=live),
        }
    )
    sensors = world.definitions.get_repository_def().sensor_defs
    ours = {"follow_wake_ups", "follow_feeds", "reconcile_what_is_owed", "keep_live"}

    assert expected == {sensor.name for sensor in sensors} & ours
    assert {dg.DefaultSensorStatus.RUNNING} == {sensor.default_status for sensor in sensors}
