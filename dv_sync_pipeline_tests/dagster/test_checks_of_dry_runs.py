"""A dry run plans; what people see of the last real run stays as it is."""

import dagster as dg
import pytest

from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline_tests.worlds.scripted_engine import (
    ScriptedEngine,
    a_report,
    hotels_configuration,
)

HOTEL = dg.AssetKey(["secondary", "department_hotel"])
REMOVALS = dg.AssetKey(["removals", "department_hotel"])
MISSPELT = SchemaMismatchError("the column contoso_stars does not exist")
WAITS = {
    "contoso_hotel": a_report("contoso_hotel", parked=2),
    "removals of contoso_hotel": a_report("contoso_hotel", mode="removals", held=9),
}


class World:
    """An engine that answers as it is told, and a Dagster that remembers."""

    def __init__(self, folder, instance):
        self.engine = ScriptedEngine()
        self.instance = instance
        self._definitions = build_definitions(
            configuration=hotels_configuration(folder), open_engine=self.engine.open
        )

    def run(self, job, answers):
        """One run in which the engine gives these answers; all others are well."""
        self.engine.answers = answers
        definition = self._definitions.resolve_job_def(job)
        return definition.execute_in_process(instance=self.instance, raise_on_error=False)

    def shown(self, key):
        """What the page of the asset shows of each check: passed, and its numbers."""
        (asset,) = [each for each in self._definitions.assets if key in getattr(each, "keys", ())]
        records = {
            check.name: self.instance.get_latest_asset_check_evaluation_record(check)
            for check in asset.check_keys
        }
        return {
            name: (record.status.value, getattr(record.evaluation, "metadata", {}))
            for name, record in records.items()
        }


@pytest.fixture
def world(tmp_path):
    """Nothing has run."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path, instance)


def without_origin(shown):
    """The answers, without the run that each is from."""
    return {
        name: (status, {part: metadata[part] for part in metadata if part != "answer_of_run"})
        for name, (status, metadata) in shown.items()
    }


@pytest.mark.parametrize(
    ("key", "real", "planned"),
    [
        pytest.param(HOTEL, WAITS, {}, id="the plan is well"),
        pytest.param(HOTEL, {}, WAITS, id="the plan is not"),
        pytest.param(HOTEL, {}, {"contoso_hotel": MISSPELT}, id="there is no plan"),
        pytest.param(REMOVALS, WAITS, {}, id="the plan of removals is well"),
        pytest.param(REMOVALS, {}, WAITS, id="the plan of removals is not"),
    ],
)
def test_the_answers_of_the_last_real_run_stand(world, key, real, planned):
    """Whatever a plan finds; a second one after it as well."""
    world.run("reconcile_all", real)
    before = world.shown(key)
    for _ in range(2):
        world.run("plan_all", planned)

    assert without_origin(world.shown(key)) == before


def test_a_repeated_answer_names_the_run_that_it_is_from(world):
    """Also when it is repeated again."""
    real = world.run("reconcile_all", WAITS)
    for _ in range(2):
        world.run("plan_all", {})
    origins = {metadata["answer_of_run"].value for _, metadata in world.shown(HOTEL).values()}

    assert origins == {real.run_id}


def test_a_dry_run_before_any_other_answers_nothing(world):
    """And goes on to the tables that need this one, though no check has let it."""
    result = world.run("plan_all", {})
    statuses = {status for status, _ in world.shown(HOTEL).values()}

    assert result.success
    assert ("reconcile", "contoso_room", True) in world.engine.calls
    assert statuses == {"PLANNED"}


def test_a_real_run_after_a_dry_one_answers_by_itself(world):
    """Nothing of before is left."""
    world.run("reconcile_all", WAITS)
    world.run("plan_all", {})
    world.run("reconcile_all", {})

    assert {status for status, _ in world.shown(HOTEL).values()} == {"SUCCEEDED"}
