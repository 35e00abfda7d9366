"""Sensors that tell a person: of failed runs, of tables that need one, and that it is over.

Finding a problem and sending an alert are two sensors with the outbox in between: an alert that is
raised while a channel is down would be lost if the sensor that finds it had to send it (DESIGN 5).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import AwareDatetime, BaseModel, ValidationError

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.defs.alerts import (
    AlertDesk,
    concerns_us,
    describe_failed_run,
    failed_run,
    reasons_of,
)
from dv_sync_pipeline.defs.looks import minimum_interval
from dv_sync_pipeline.defs.modes import is_dry
from dv_sync_pipeline.defs.names import names_of
from dv_sync_pipeline.defs.recoveries import Recoveries

__all__ = ["Watch", "build_alert_sensors"]

_WATCH_SECONDS = 30
_DELIVER_SECONDS = 10
_RUNNING = dg.DefaultSensorStatus.RUNNING

_AWAY = timedelta(minutes=2)
"""Between two looks this much is no delay: nobody has looked, the daemon was stopped."""

_SETTLING = timedelta(minutes=1)


class Watch(BaseModel, frozen=True, extra="forbid"):
    """Since when somebody looks, without a break.

    Attributes:
        since: the first look.
        last: the last one.

    """

    since: AwareDatetime
    last: AwareDatetime

    @classmethod
    def read(cls, text: str | None, *, now: datetime) -> "Watch":
        """The watch that goes on now; a new one when nobody has looked for a while."""
        try:
            before = cls.model_validate_json(text or "")
        except ValidationError:
            return cls(since=now, last=now)
        return cls(since=now if now - before.last > _AWAY else before.since, last=now)

    @property
    def has_settled(self) -> bool:
        """What starts together with the daemon had the time to do its work.

        While everything was stopped nothing was followed. A person who has just started it knows
        that, and need not be told so, and a minute later that it is over.
        """
        return self.last - self.since >= _SETTLING


def build_alert_sensors(configuration: Configuration) -> list[dg.SensorDefinition]:
    """All of them, with default status running."""
    return [
        _build_report_failed_runs(configuration),
        _build_report_recovered_runs(configuration),
        _build_watch_tables(configuration),
        _build_deliver_alerts(configuration),
    ]


def _build_report_failed_runs(configuration: Configuration) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name=names_of(configuration).of("report_failed_runs"),
        minimum_interval_seconds=minimum_interval(_DELIVER_SECONDS),
        default_status=_RUNNING,
        description="Writes every failed run of these tables into the log, with its reasons, "
        "and raises an alert.",
    )
    def report_failed_runs(context: dg.RunFailureSensorContext) -> None:
        """Runs of `dv-sync` are not seen here: they tell the person who started them."""
        run, failures = context.dagster_run, context.get_step_failure_events()
        if not concerns_us(run, configuration, failures):
            return
        reasons = reasons_of(failures)
        context.log.error(describe_failed_run(run, reasons))
        if is_dry(run):
            return  # who has asked for a plan looks at the run; nothing is amiss with the rows
        problem = failed_run(run, reasons, ui_url=configuration.alerts.ui_url)
        with AlertDesk.opened(configuration, clock=_utc_now) as desk:
            recoveries = Recoveries(configuration, context.instance, desk.ledger.failed_steps())
            desk.settle_run(
                problem,
                failed=recoveries.failed_in(run, failures),
                made_good=recoveries.made_good_by(run),
            )

    return report_failed_runs


def _build_report_recovered_runs(configuration: Configuration) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=names_of(configuration).of("report_recovered_runs"),
        run_status=dg.DagsterRunStatus.SUCCESS,
        default_status=_RUNNING,
        description="Tells that all that had failed in a run has been done.",
    )
    def report_recovered_runs(context: dg.RunStatusSensorContext) -> None:
        with AlertDesk.opened(configuration, clock=_utc_now) as desk:
            recoveries = Recoveries(configuration, context.instance, desk.ledger.failed_steps())
            _log(context, desk.settle_run(made_good=recoveries.made_good_by(context.dagster_run)))

    return report_recovered_runs


def _build_watch_tables(configuration: Configuration) -> dg.SensorDefinition:
    @dg.sensor(
        name=names_of(configuration).of("watch_tables"),
        default_status=_RUNNING,
        minimum_interval_seconds=minimum_interval(_WATCH_SECONDS),
        description="Looks for parked rows, held removals and other things that need a person.",
    )
    def watch_tables(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        watch = Watch.read(context.cursor, now=_utc_now())
        context.update_cursor(watch.model_dump_json())
        if not watch.has_settled:
            return dg.SkipReason("Just started: what else has started gets a minute first.")
        with AlertDesk.opened(configuration, clock=_utc_now) as desk:
            told = desk.look()
        _log(context, told)
        return dg.SkipReason("; ".join(told) or "Nothing new.")

    return watch_tables


def _build_deliver_alerts(configuration: Configuration) -> dg.SensorDefinition:
    @dg.sensor(
        name=names_of(configuration).of("deliver_alerts"),
        default_status=_RUNNING,
        minimum_interval_seconds=minimum_interval(_DELIVER_SECONDS),
        description="Sends alerts that wait in the outbox, and tries those again that failed.",
    )
    def deliver_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with AlertDesk.opened(configuration, clock=_utc_now) as desk:
            delivered, failures = desk.deliver()
        _log(context, failures)
        return dg.SkipReason(f"{delivered} alerts delivered, {len(failures)} channels failed.")

    return deliver_alerts


def _utc_now() -> datetime:
    return datetime.now(tz=UTC)


def _log(
    context: dg.SensorEvaluationContext | dg.RunStatusSensorContext, lines: Sequence[str]
) -> None:
    for line in lines:
        context.log.warning(line)
