"""What a person is told when a run fails. How it reaches them is for `sensors`."""

from collections.abc import Sequence

import dagster as dg

from dv_sync_pipeline.redact import redact

__all__ = ["describe_failed_run"]


def describe_failed_run(run: dg.DagsterRun, step_failures: Sequence[dg.DagsterEvent]) -> str:
    """Which run, and one line for each table that failed, without tracebacks or secrets."""
    reasons = [f"  {event.step_key}: {_reason(event)}" for event in step_failures]
    return redact("\n".join([f"run {run.run_id} of {run.job_name} failed:", *reasons]))


def _reason(event: dg.DagsterEvent) -> str:
    """Our own words where the asset raised `Failure`, else those of the innermost exception."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "no reason given"
