"""What Dagster's tools find: with a configuration, with a broken one, with none."""

import gc

import dagster as dg
import pytest

from dv_sync_pipeline.definitions import build_definitions, defs
from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline_tests.worlds.scripted_engine import SECRET, SYNC_YAML


@pytest.fixture(autouse=True)
def frozen(monkeypatch):
    """How often the garbage collector was told to leave alone what is there."""
    calls = []
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("frozen"))
    return calls


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder, and no variable that names a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DV_SYNC_CONFIG", raising=False)
    return tmp_path


def secondary_tables(definitions):
    """The names of the tables that can be materialized."""
    keys = definitions.resolve_asset_graph().materializable_asset_keys
    return {key.path[-1] for key in keys}


def test_the_variable_names_the_configuration(folder, monkeypatch):
    """Wherever the file is."""
    file = folder / "elsewhere.yaml"
    file.write_text(SYNC_YAML)
    monkeypatch.setenv("DV_SYNC_CONFIG", str(file))
    monkeypatch.setenv("SECRET", SECRET)

    assert secondary_tables(defs()) == {"contoso_room", "department_hotel", "contoso_season"}


def test_sync_yaml_of_the_working_folder_is_found(folder, monkeypatch):
    """Without any variable."""
    (folder / "sync.yaml").write_text(SYNC_YAML)
    monkeypatch.setenv("SECRET", SECRET)

    assert "department_hotel" in secondary_tables(defs())


def test_a_clone_without_configuration_shows_the_sample(folder, caplog):
    """So that the lineage can be looked at and CI can load it; the log says that it is a sample."""
    assert list(folder.iterdir()) == []
    definitions = defs()

    assert secondary_tables(definitions) == {
        "contoso_brand",
        "contoso_hotel",
        "contoso_roomtype",
        "contoso_room",
        "contoso_rateplan",
    }
    assert "the sample `hotels` is shown" in caplog.text


@pytest.mark.usefixtures("folder")
def test_only_a_process_of_its_own_is_tuned(frozen):
    """Another project that builds these definitions keeps its garbage collector as it is."""
    build_definitions()
    of_others = list(frozen)
    defs()

    assert ([], ["frozen"]) == (of_others, frozen)


def test_the_sample_cannot_be_run():
    """The failure says what to do instead."""
    job = build_definitions().resolve_job_def("reconcile_all")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    failures = result.filter_events(lambda event: event.is_step_failure)
    descriptions = {event.step_failure_data.user_failure_data.description for event in failures}

    assert descriptions == {
        "no configuration. Set DV_SYNC_CONFIG to a sync.yaml, or run dv-sync demo"
    }


def test_a_broken_configuration_is_named_with_its_line(folder):
    """A file that somebody wrote is never replaced by the sample."""
    (folder / "sync.yaml").write_text("environments: {}\ntables: []\nretries: 3\n")

    with pytest.raises(ConfigurationError, match=r"sync\.yaml, line"):
        defs()


def test_a_missing_file_that_the_variable_names_is_an_error(folder, monkeypatch):
    """Whoever sets the variable does not want the sample."""
    monkeypatch.setenv("DV_SYNC_CONFIG", str(folder / "absent.yaml"))

    with pytest.raises(ConfigurationError, match=r"absent\.yaml cannot be read"):
        defs()
