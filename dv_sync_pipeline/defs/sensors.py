"""Sensors: what Dagster watches for."""

import dagster as dg

from dv_sync_pipeline.defs.alerts import describe_failed_run

__all__ = ["report_failed_runs"]


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes every failed run of this code location into the log, with its reasons.",
)
def report_failed_runs(context: dg.RunFailureSensorContext) -> None:
    """Runs of `dv-sync` are not seen here: they tell the person who started them."""
    context.log.error(describe_failed_run(context.dagster_run, context.get_step_failure_events()))
