"""What is said about a failed run, and that it is said."""

import dagster as dg
import pytest

from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline_tests.worlds.ended_runs import tell_how_it_ended
from dv_sync_pipeline_tests.worlds.scripted_engine import ScriptedEngine, hotels_configuration


@pytest.fixture
def instance():
    """A Dagster that forgets."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def told_about(tmp_path, instance, capsys):
    """Fails the hotels with an error and returns what the sensor wrote."""
    configuration = hotels_configuration(tmp_path)

    def fail_with(error):
        definitions = build_definitions(
            configuration=configuration,
            open_engine=ScriptedEngine({"contoso_hotel": error}).open,
        )
        job = definitions.resolve_job_def("reconcile_all")
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        capsys.readouterr()
        tell_how_it_ended(definitions.resolve_sensor_def("report_failed_runs"), result, instance)
        return capsys.readouterr().err.replace(result.run_id, "RUN")

    return fail_with


def test_a_failed_run_is_written_with_its_reason(told_about):
    """The table, and how to mend it; no traceback."""
    text = told_about(SchemaMismatchError("contoso_hotel has no key", mend="Provision it"))

    assert "run RUN of reconcile_all failed:" in text
    assert "secondary__department_hotel: contoso_hotel has no key. Provision it" in text
    assert "Traceback" not in text


def test_a_mistake_of_ours_is_named_by_its_error(told_about):
    """A bug has no description; its exception's first line stands for it."""
    assert "ZeroDivisionError: division by zero" in told_about(
        ZeroDivisionError("division by zero")
    )


def test_secrets_are_hidden_from_the_log(told_about):
    """Whatever the exception carried."""
    text = told_about(RuntimeError("Bearer abcdefghijklmnop"))

    assert "abcdefghijklmnop" not in text
