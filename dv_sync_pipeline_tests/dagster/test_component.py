"""Another Dagster project mounts the whole pipeline with one `defs.yaml`."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from dv_sync_pipeline import DataverseSync
from dv_sync_pipeline_tests.worlds.judge import Judge
from dv_sync_pipeline_tests.worlds.scripted_engine import SECRET, SYNC_YAML

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]


@pytest.fixture
def sandbox(monkeypatch):
    """An empty project."""
    monkeypatch.setenv("SECRET", SECRET)
    with create_defs_folder_sandbox() as sandbox:
        yield sandbox


def scaffolded(sandbox, text, **attributes):
    """The definitions that the component yields, scaffolded, with these attributes."""
    contents = {"type": "dv_sync_pipeline.DataverseSync", "attributes": attributes}
    path = sandbox.scaffold_component(
        DataverseSync, **({"defs_yaml_contents": contents} if attributes else {})
    )
    (path / "sync.yaml").write_text(text)
    return sandbox.load_component_and_build_defs(path)


def test_a_scaffolded_component_reads_the_sync_yaml_beside_it(sandbox):
    """All that `dv_sync_pipeline.definitions` has is there."""
    with scaffolded(sandbox, SYNC_YAML) as (component, definitions):
        graph = definitions.resolve_asset_graph()
        keys = {key.to_user_string() for key in graph.materializable_asset_keys}
        schedules = {schedule.name for schedule in definitions.schedules}

    assert isinstance(component, DataverseSync)
    assert {"secondary/department_hotel", "secondary/contoso_room"} < keys
    assert {"nightly_reconciliation"} == schedules
    assert definitions.executor is None


def test_a_group_puts_all_tables_together(sandbox):
    """Whatever their groups in sync.yaml are."""
    attributes = {"sync_yaml": "sync.yaml", "group": "master_data"}
    with scaffolded(sandbox, SYNC_YAML, **attributes) as (_, definitions):
        graph = definitions.resolve_asset_graph()
        groups = {graph.get(key).group_name for key in graph.materializable_asset_keys}

    assert {"master_data"} == groups


def test_a_mounted_table_is_materialized(sandbox, small_emulator):
    """On two emulated environments, as the judge sees them."""
    attributes = {"sync_yaml": str(small_emulator.sync_yaml)}
    with scaffolded(sandbox, SYNC_YAML, **attributes) as (_, definitions):
        job = definitions.resolve_implicit_global_asset_job_def()
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey(["secondary", "contoso_brand"])]
            )
    judge = Judge(small_emulator.sync_yaml)
    brands = [
        sorted(row["contoso_code"] for row in side.rows("contoso_brand"))
        for side in (judge.primary, judge.secondary)
    ]
    judge.close()

    assert result.success
    assert len(brands[0]) == 12
    assert brands[0] == brands[1]


def test_dg_knows_the_component_by_its_name():
    """In any environment where the package is installed, by its entry point."""
    listed = subprocess.run(
        [sys.executable, "-m", "dagster_dg_cli.cli", "list", "components", "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )

    assert "dv_sync_pipeline.DataverseSync" in listed.stdout


def test_importing_the_package_imports_no_dagster():
    """The attribute is looked up when it is asked for."""
    program = "import sys, dv_sync_pipeline; sys.exit('dagster' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
