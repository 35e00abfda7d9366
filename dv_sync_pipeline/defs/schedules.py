"""Schedules: what runs by the clock."""

import dagster as dg

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.defs.jobs import STARTED_BY_TAG
from dv_sync_pipeline.defs.names import RECONCILE_ALL, Names, names_of
from dv_sync_pipeline.errors import ConfigurationError

__all__ = ["build_schedules"]


def build_schedules(configuration: Configuration) -> list[dg.ScheduleDefinition]:
    """The nightly reconciliation, or none when the configuration switches it off."""
    schedule = configuration.schedule
    if schedule.reconcile is None:
        return []
    names = names_of(configuration)
    return [_nightly(schedule.reconcile, timezone=schedule.timezone, names=names)]


def _nightly(cron: str, *, timezone: str, names: Names) -> dg.ScheduleDefinition:
    try:
        return dg.ScheduleDefinition(
            name=names.of("nightly_reconciliation"),
            job_name=names.of(RECONCILE_ALL),
            cron_schedule=cron,
            execution_timezone=timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Compares every row of both environments, and repairs what no change told "
            "us about, removals included.",
            tags={STARTED_BY_TAG: "nightly"},
        )
    except dg.DagsterInvalidDefinitionError:
        raise ConfigurationError(
            f"schedule.reconcile: {cron!r} is not a cron expression",
            mend="Write minute, hour, day, month and weekday, such as '0 2 * * *'",
        ) from None
