"""Whether the process of a run has ended: known of processes of this machine, and of no others."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import dagster as dg
import psutil
import pytest
from dagster._core.events import EngineEventData

from dv_sync_pipeline.defs.run_process import HOST_TAG, has_ended, this_host

NOTHING = [sys.executable, "-c", ""]


@dg.job
def nothing():
    """A job to have runs of."""


@pytest.fixture
def instance():
    """A Dagster with its default launcher."""
    with dg.DagsterInstance.local_temp() as instance:
        yield instance


def a_run(instance, *, host=None):
    """A run that a code server asked for, on this machine unless told otherwise."""
    return instance.create_run_for_job(nothing, tags={HOST_TAG: host or this_host()})


def happens(instance, run, event, *, seconds=0.0, **details):
    """The event log tells of it, as of now or of so many seconds after 1970."""
    instance.handle_new_event(
        dg.EventLogEntry(
            error_info=None,
            level=20,
            user_message="",
            run_id=run.run_id,
            timestamp=seconds or datetime.now(UTC).timestamp(),
            dagster_event=dg.DagsterEvent(event.value, "nothing", **details),
        )
    )


def reports(instance, run, process_id, *, seconds=0.0):
    """The run tells its process, as its worker does first of all."""
    data = EngineEventData({"pid": dg.MetadataValue.text(str(process_id))})
    happens(
        instance, run, dg.DagsterEventType.ENGINE_EVENT, seconds=seconds, event_specific_data=data
    )


@pytest.fixture
def ended_process():
    """The number of a process that has ended, and that nobody remembers."""
    with subprocess.Popen(NOTHING) as process:
        pass
    return process.pid


def test_a_process_that_is_gone_has_ended(instance, ended_process):
    """Whoever killed it."""
    run = a_run(instance)
    reports(instance, run, ended_process)

    assert has_ended(instance, run)


def test_a_process_that_runs_has_not_ended(instance):
    """This one does."""
    run = a_run(instance)
    reports(instance, run, os.getpid())

    assert not has_ended(instance, run)


def test_a_process_that_nobody_buries_has_ended(instance):
    """A container without an init keeps its number."""
    run = a_run(instance)
    with subprocess.Popen(NOTHING) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        reports(instance, run, process.pid)

        assert psutil.STATUS_ZOMBIE == psutil.Process(process.pid).status()
        assert has_ended(instance, run)


def test_another_process_of_the_same_number_is_not_taken_for_it(instance):
    """A container that was restarted gives the same numbers away again."""
    run = a_run(instance)
    reports(instance, run, os.getpid(), seconds=psutil.Process().create_time() - 5)

    assert has_ended(instance, run)


def test_of_a_process_that_was_not_reported_nothing_is_known(instance):
    """It is about to begin, as far as anybody knows."""
    assert not has_ended(instance, a_run(instance))


def test_of_another_machine_nothing_is_known(instance, ended_process):
    """There, the same number may be that of a process that runs."""
    run = a_run(instance, host="another")
    reports(instance, run, ended_process)

    assert not has_ended(instance, run)


def test_what_was_reported_before_another_attempt_does_not_count(instance, ended_process):
    """Dagster's queue launches a run again when it lost its code server meanwhile."""
    run = a_run(instance)
    reports(instance, run, ended_process)
    happens(instance, run, dg.DagsterEventType.RUN_STARTING)

    assert not has_ended(instance, run)


def test_of_other_launchers_nothing_is_known(ended_process):
    """Their workers may be anywhere."""
    with dg.DagsterInstance.ephemeral() as instance:
        run = a_run(instance)
        reports(instance, run, ended_process)

        assert not has_ended(instance, run)
