"""One Dagster project mounts two pairs of environments, which know nothing of each other."""

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from dv_sync_pipeline import DataverseSync
from dv_sync_pipeline_tests.worlds.ended_runs import tell_how_it_ended
from dv_sync_pipeline_tests.worlds.judge import Judge
from dv_sync_pipeline_tests.worlds.scripted_engine import SECRET, SYNC_YAML

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]

HOTEL_NORTH = dg.AssetKey(["north", "secondary", "department_hotel"])
HOTEL_SOUTH = dg.AssetKey(["south", "secondary", "department_hotel"])


@pytest.fixture
def sandbox(monkeypatch):
    """An empty project."""
    monkeypatch.setenv("SECRET", SECRET)
    with create_defs_folder_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def project(sandbox):
    """All definitions of a project with the pairs `north` and `south`, both live."""
    for name in ("north", "south"):
        (mount(sandbox, name) / "sync.yaml").write_text(f"{SYNC_YAML}live: true\n")
    with sandbox.build_all_defs() as definitions:
        yield definitions


def mount(sandbox, name, **attributes):
    """The component of a pair, scaffolded; its folder."""
    contents = {
        "type": "dv_sync_pipeline.DataverseSync",
        "attributes": {"key_prefix": name, **attributes},
    }
    return sandbox.scaffold_component(DataverseSync, defs_path=name, defs_yaml_contents=contents)


def instigators(project):
    """Names of the schedules and sensors."""
    return [each.name for each in (*project.schedules, *project.sensors)]


def test_both_pairs_load_in_one_project(project):
    """Everything that one pair has, the other has under its own name."""
    dg.Definitions.validate_loadable(project)
    names = {
        "jobs": [job.name for job in project.jobs],
        "instigators": instigators(project),
        "resources": list(project.resources),
        "assets": [key.path[0] for key in project.resolve_asset_graph().get_all_asset_keys()],
    }
    of_north, of_south = (
        {
            kind: sorted(each.removeprefix(prefix) for each in found if each.startswith(prefix))
            for kind, found in names.items()
        }
        for prefix in ("north", "south")
    )

    assert of_north == of_south
    assert ["_apply_changes", "_live", "_plan_all", "_reconcile_all"] == of_north["jobs"]
    assert {"_keep_live", "_nightly_reconciliation"} < set(of_north["instigators"])
    assert all(len(set(found)) == len(found) for kind, found in names.items() if kind != "assets")
    assert {kind: 2 * len(found) for kind, found in of_north.items()} == {
        kind: len(found) for kind, found in names.items()
    }


def test_lineage_stays_within_a_pair(project):
    """Of tables, of removals and of single columns."""
    graph = project.resolve_asset_graph()
    others = {
        key: parent
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
        if parent.path[0] != key.path[0]
    }
    (origin,) = (
        graph.get(HOTEL_SOUTH).metadata["dagster/column_lineage"].deps_by_column["department_code"]
    )

    assert {} == others
    assert {dg.AssetKey(["south", "primary", "contoso_hotel"])} == graph.get(
        HOTEL_SOUTH
    ).parent_keys
    assert dg.AssetKey(["south", "primary", "contoso_hotel"]) == origin.asset_key


def test_schedules_and_sensors_start_jobs_of_their_own_pair(project):
    """None starts the other's."""
    jobs = {
        each: project.resolve_schedule_def(each).job_name
        for each in ("north_nightly_reconciliation", "south_nightly_reconciliation")
    } | {
        f"{pair}_{name}": project.resolve_sensor_def(f"{pair}_{name}").job_name
        for pair in ("north", "south")
        for name in ("follow_feeds", "follow_wake_ups", "keep_live", "reconcile_what_is_owed")
    }

    assert {name: name.partition("_")[0] for name in jobs} == {
        name: job.partition("_")[0] for name, job in jobs.items()
    }


def test_each_pair_has_writers_of_its_own(project):
    """One pool for each secondary, and live runs that are counted for each."""
    graph = project.resolve_asset_graph()
    jobs = [project.resolve_job_def(f"{name}_live") for name in ("north", "south")]

    assert {"north_dv_sync_secondary"} == set(graph.get(HOTEL_NORTH).pools)
    assert {"south_dv_sync_secondary"} == set(graph.get(HOTEL_SOUTH).pools)
    assert ["north", "south"] == [job.tags["dv_sync/live"] for job in jobs]


@pytest.mark.parametrize(("failing", "told"), [(HOTEL_NORTH, True), (HOTEL_SOUTH, False)])
def test_an_alert_is_raised_by_the_pair_whose_table_failed(project, failing, told, capsys):
    """Also of a run that a person has put together; these environments do not exist."""
    job = project.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance, asset_selection=[failing], raise_on_error=False
        )
        capsys.readouterr()
        sensor = project.resolve_sensor_def("north_report_failed_runs")
        tell_how_it_ended(sensor, result, instance)

    assert told == ("failed:" in capsys.readouterr().err)


def test_each_pair_writes_to_its_own_secondary(sandbox, small_emulator, second_emulator):
    """One run of one table of each, as the judges see them."""
    pairs = {"north": small_emulator, "south": second_emulator}
    for name, emulator in pairs.items():
        mount(sandbox, name, sync_yaml=str(emulator.sync_yaml))
    brands = [dg.AssetKey([name, "secondary", "contoso_brand"]) for name in pairs]
    with sandbox.build_all_defs() as definitions, dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, asset_selection=brands)
    seen = {name: ids_of_brands(emulator.sync_yaml) for name, emulator in pairs.items()}

    assert result.success
    assert all(primary == secondary for primary, secondary in seen.values())
    assert seen["north"] != seen["south"]


def ids_of_brands(sync_yaml):
    """What both environments of a pair show."""
    judge = Judge(sync_yaml)
    ids = [
        sorted(row["contoso_brandid"] for row in side.rows("contoso_brand"))
        for side in (judge.primary, judge.secondary)
    ]
    judge.close()
    return ids
