"""When the alert of a failed run is over: its own tables were materialized by a run that wrote."""

import dagster as dg
import pytest

from dv_sync_pipeline.config import parse
from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.defs.recoveries import Recoveries
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.outbox import FailedStep
from dv_sync_pipeline_tests.worlds.ended_runs import tell_how_it_ended
from dv_sync_pipeline_tests.worlds.scripted_engine import SECRET, SYNC_YAML, ScriptedEngine

MISSPELT = SchemaMismatchError("the column contoso_stars does not exist", mend="Correct columns")
HOTEL, ROOM, SEASON = "department_hotel", "contoso_room", "contoso_season"
EVERY_TABLE = (HOTEL, ROOM, SEASON)
DRY = {"dry_run": True}
THE_ALERT = ["A run of reconcile_all failed: secondary__department_hotel"]


class World:
    """An engine that can be told to fail, and runs whose ends the sensors look at."""

    def __init__(self, folder, instance):
        self.folder = folder
        self.engine = ScriptedEngine()
        self._instance = instance
        self._change(SYNC_YAML)

    def _change(self, text):
        self.configuration = parse(text, {"SECRET": SECRET}, file=self.folder / "sync.yaml")
        self.definitions = build_definitions(
            configuration=self.configuration, open_engine=self.engine.open
        )

    def forget_hotels(self):
        """A person takes the table, and those that need it, out of sync.yaml."""
        head, _, tables = SYNC_YAML.partition("tables:\n")
        self._change(f"{head}tables:\n{tables[tables.index('  - table: contoso_season') :]}")

    def fail(self, *tables):
        """From now on passes over these fail, and no others."""
        self.engine.answers = dict.fromkeys(tables, MISSPELT)

    def run(self, name, **arguments):
        """One run of a job, and the tick of the sensor that sees how it ended."""
        return self._end(self.definitions.resolve_job_def(name), **arguments)

    def materialize(self, *tables, **config):
        """What the button does, with what was typed for the first of the tables."""
        keys = [dg.AssetKey(["secondary", table]) for table in tables]
        ops = {keys[0].to_python_identifier(): {"config": config}}
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return self._end(job, asset_selection=keys, run_config={"ops": ops})

    def _end(self, job, **arguments):
        result = job.execute_in_process(instance=self._instance, raise_on_error=False, **arguments)
        name = "report_recovered_runs" if result.success else "report_failed_runs"
        tell_how_it_ended(self.definitions.resolve_sensor_def(name), result, self._instance)
        return result

    def alerts(self):
        """The titles of what people were told and is not over."""
        with Ledger.open(self.configuration.ledger_url) as ledger:
            return [title for title, *_ in ledger.open_problems()]

    def judge(self):
        """Of runs that have ended, where nothing had failed before."""
        return Recoveries(self.configuration, self._instance, known=())

    def tags_of(self, result):
        """As the list of runs shows them."""
        return self._instance.get_run_by_id(result.run_id).tags


@pytest.fixture
def world(tmp_path):
    """Nothing has run."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path, instance)


@pytest.fixture
def failed(world):
    """The reconcile of hotels has failed; whatever was wrong is mended."""
    world.fail("contoso_hotel")
    world.run("reconcile_all")
    world.fail()
    return world


def test_a_run_that_does_the_same_again_ends_the_alert(failed):
    """The next night."""
    before = failed.alerts()
    failed.run("reconcile_all")

    assert (before, failed.alerts()) == (THE_ALERT, [])


def test_a_plan_ends_nothing(failed):
    """It has proven nothing, though the engine had no complaint."""
    failed.run("plan_all")

    assert failed.alerts() == THE_ALERT


def test_a_dry_run_ends_nothing_whichever_step_says_so(failed):
    """One step makes the run dry."""
    failed.materialize(SEASON, HOTEL, mode="reconcile", dry_run=True)

    assert failed.alerts() == THE_ALERT


@pytest.mark.parametrize(
    ("tables", "mode", "over"),
    [
        pytest.param([HOTEL], "reconcile", True, id="reconciled by hand"),
        pytest.param([ROOM, SEASON], "reconcile", False, id="other tables"),
        pytest.param([HOTEL], "changes", False, id="only its changes were followed"),
    ],
)
def test_a_person_who_materializes_the_table_ends_the_alert(failed, tables, mode, over):
    """That table, and all of it: the reconcile of it had failed."""
    failed.materialize(*tables, mode=mode)

    assert failed.alerts() == ([] if over else THE_ALERT)


def test_a_run_of_the_same_job_for_another_table_ends_nothing(failed):
    """As the sensors start them."""
    failed.run("reconcile_all", asset_selection=[dg.AssetKey(["secondary", SEASON])])

    assert failed.alerts() == THE_ALERT


def test_a_failed_dry_run_raises_no_alert(world, capsys):
    """Who has asked for it sees it, and the log tells it; nothing is amiss with the rows."""
    world.fail("contoso_hotel")
    world.materialize(HOTEL, **DRY)
    world.run("plan_all")

    assert world.alerts() == []
    assert capsys.readouterr().err.count("the column contoso_stars does not exist") >= 2


def test_what_fails_again_is_told_once(failed):
    """Every night, until it is mended."""
    failed.fail("contoso_hotel")
    failed.run("reconcile_all")

    assert failed.alerts() == THE_ALERT


def test_an_alert_is_over_when_all_that_failed_in_the_run_is_made_good(world):
    """One table after the other, even by runs in which something else fails."""
    world.fail("contoso_hotel", "contoso_season")
    world.run("reconcile_all")
    world.fail("contoso_season")
    world.run("reconcile_all")
    between = world.alerts()
    world.fail()
    world.materialize(SEASON, mode="reconcile")

    assert between == [
        "A run of reconcile_all failed: secondary__contoso_season, secondary__department_hotel"
    ]
    assert world.alerts() == []


def test_followed_changes_make_up_for_changes_that_failed(world):
    """Whichever job follows them."""
    world.engine.answers = {"changes of contoso_season": MISSPELT}
    world.run("apply_changes")
    before = world.alerts()
    world.fail()
    world.materialize(SEASON, mode="changes")

    assert (before, world.alerts()) == (
        ["A run of apply_changes failed: secondary__contoso_season"],
        [],
    )


def test_a_table_that_is_no_longer_synchronized_needs_nothing(failed):
    """Else its alert would never be over."""
    failed.forget_hotels()
    failed.run("reconcile_all")

    assert failed.alerts() == []


def test_the_list_of_runs_tells_dry_runs(world):
    """Also those that only the launchpad has made dry."""
    dry, wet = world.materialize(HOTEL, **DRY), world.materialize(HOTEL)

    assert world.tags_of(dry)["dv_sync/dry_run"] == "true"
    assert "dv_sync/dry_run" not in world.tags_of(wet)


def test_of_a_run_that_was_killed_every_planned_step_has_failed(world):
    """No step tells of a failure; what the run was to do is known, and no more than that."""
    killed = world.materialize(SEASON).dagster_run

    assert world.judge().failed_in(killed, []) == {
        FailedStep("secondary__contoso_season", "__ASSET_JOB")
    }
