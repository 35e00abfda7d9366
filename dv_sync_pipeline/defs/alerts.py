"""What a person is told about runs, and how alerts leave this machine.

Belongs here: from Dagster's runs to problems; opening the ledger for one sensor tick; sending what
is due. Does not belong here: which state of a table is a problem (`sync/problems.py`), and the
sensors themselves (`alert_sensors.py`).
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import dagster as dg

from dv_sync_pipeline.channels import channel_id, open_channels
from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.defs.names import names_of
from dv_sync_pipeline.errors import UnreachableError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.comparison import Clock
from dv_sync_pipeline.sync.health import health
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.outbox import FailedStep
from dv_sync_pipeline.sync.problems import (
    Expiry,
    Problem,
    Thresholds,
    problems_of,
    problems_of_credentials,
)
from dv_sync_pipeline.sync.timeliness import problems_of_feeds
from dv_sync_pipeline.webapi.credential_expiries import credential_expiries

__all__ = ["AlertDesk", "concerns_us", "describe_failed_run", "failed_run", "reasons_of"]

_TABLES = "tables"
_CREDENTIALS = "credentials"


@dataclass(frozen=True, slots=True)
class AlertDesk:
    """Where problems are handed in and alerts handed out; one for each tick of a sensor.

    Attributes:
        configuration: all of `sync.yaml`.
        ledger: holds the outbox.
        clock: the time, in UTC.

    """

    configuration: Configuration
    ledger: Ledger
    clock: Clock

    @classmethod
    @contextmanager
    def opened(cls, configuration: Configuration, *, clock: Clock) -> Iterator["AlertDesk"]:
        """With the ledger open; raises `LedgerError`."""
        with Ledger.open(configuration.ledger_url) as ledger:
            yield cls(configuration, ledger, clock)

    def settle(self, problems: Sequence[Problem], *, scope: str) -> list[str]:
        """Let these be all problems of the scope; a line for each that is new or over."""
        return _lines(
            *self.ledger.settle_problems(
                problems, scope=scope, channels=self._channels(), now=self.clock()
            )
        )

    def settle_run(
        self,
        problem: Problem | None = None,
        *,
        failed: Collection[FailedStep] = (),
        made_good: Collection[FailedStep] = (),
    ) -> list[str]:
        """Let a run have ended like this; a line for each failed run that is new or over."""
        return _lines(
            *self.ledger.settle_run(
                problem,
                failed=failed,
                made_good=made_good,
                channels=self._channels(),
                now=self.clock(),
            )
        )

    def _channels(self) -> list[str]:
        addresses = self.configuration.alerts.channels
        return [channel_id(address.get_secret_value()) for address in addresses]

    def look(self) -> list[str]:
        """Every problem that can be seen from here; a line for each that is new or over."""
        seen = health(self.configuration, self.ledger, now=self.clock())
        found = problems_of(seen, _thresholds(self.configuration))
        stale = problems_of_feeds(self.configuration, self.ledger, now=self.clock())
        problems = [self._with_link(problem) for problem in (*found, *stale)]
        return [
            *self.settle(problems, scope=_TABLES),
            *self.settle(self._of_credentials(), scope=_CREDENTIALS),
        ]

    def _with_link(self, problem: Problem) -> Problem:
        """Where Dagster shows it: the page of its table, or the sensors; none without `ui_url`."""
        ui_url = self.configuration.alerts.ui_url.rstrip("/")
        if not ui_url:
            return problem
        if not problem.table:
            return replace(problem, link=f"{ui_url}/automation")
        table = self.configuration.table(problem.table)
        path = "/".join(names_of(self.configuration).secondary(table).path)
        return replace(problem, link=f"{ui_url}/assets/{path}?view=events")

    def _of_credentials(self) -> list[Problem]:
        days_min = self.configuration.alerts.credential_days_min
        expiries = [
            Expiry(
                f"{each.kind} of {each.client_id} in the {each.environment}",
                each.expires,
                each.link,
            )
            for each in credential_expiries(self.configuration)
        ]
        return problems_of_credentials(expiries, now=self.clock(), days_min=days_min)

    def deliver(self) -> tuple[int, list[str]]:
        """Send what is due: how many alerts arrived, and why others did not.

        A channel that fails is left alone until the next tick; its alerts stay.
        """
        addresses = [each.get_secret_value() for each in self.configuration.alerts.channels]
        channels = {channel.id: channel for channel in open_channels(addresses)}
        delivered, silent = 0, dict[str, str]()
        for alert in self.ledger.waiting_alerts(due=self.clock()):
            if alert.channel not in channels:
                self.ledger.settle_alert(alert)  # the channel was taken out of sync.yaml
            elif alert.channel not in silent:
                try:
                    channels[alert.channel].send(
                        title=alert.title, text=alert.text, is_recovery=alert.is_recovery
                    )
                except UnreachableError as error:
                    silent[alert.channel] = str(error)
                    self.ledger.postpone_alert(alert, error=str(error), now=self.clock())
                else:
                    delivered += 1
                    self.ledger.settle_alert(alert)
        return delivered, list(silent.values())


def _lines(new: Sequence[Problem], over: Sequence[str]) -> list[str]:
    return [*(each.title for each in new), *(f"Over: {title}" for title in over)]


def concerns_us(
    run: dg.DagsterRun, configuration: Configuration, step_failures: Sequence[dg.DagsterEvent]
) -> bool:
    """Whether a failed run is one of this pair of environments.

    A Dagster project may hold other things, or another pair. Of a run that is no job of ours, the
    steps that failed decide; where none did, the assets that it was to materialize.
    """
    names = names_of(configuration)
    if run.job_name in names.jobs():
        return True
    steps = {event.step_key for event in step_failures}
    if steps:
        return not steps.isdisjoint(names.steps(configuration))
    written = {key for table in configuration.tables for key in names.written(table)}
    return not written.isdisjoint(run.asset_selection or ())


def failed_run(run: dg.DagsterRun, reasons: Sequence[str], *, ui_url: str) -> Problem:
    """A failed run, and where to look at it."""
    steps = sorted(reason.partition(":")[0] for reason in reasons)
    return Problem(
        name=f"failed run: {run.run_id}",
        title=redact(f"A run of {run.job_name} failed" + _in_steps(steps)),
        meaning=redact("\n".join(["What could be done was done. The reasons:", *reasons])),
        mend="Mend what the reasons name; the next run does what is left to do.",
        link=f"{ui_url.rstrip('/')}/runs/{run.run_id}" if ui_url else f"Run {run.run_id}",
    )


def _in_steps(steps: Sequence[str]) -> str:
    return f": {', '.join(steps)}" if steps else ""


def describe_failed_run(run: dg.DagsterRun, reasons: Sequence[str]) -> str:
    """Which run, and one line for each table that failed, without tracebacks or secrets."""
    lines = [f"  {reason}" for reason in reasons]
    return redact("\n".join([f"run {run.run_id} of {run.job_name} failed:", *lines]))


def reasons_of(step_failures: Sequence[dg.DagsterEvent]) -> list[str]:
    """One line for each step that failed."""
    return [f"{event.step_key}: {_reason(event)}" for event in step_failures]


def _reason(event: dg.DagsterEvent) -> str:
    """Our own words where the asset raised `Failure`, else those of the innermost exception."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "no reason given"


def _thresholds(configuration: Configuration) -> Thresholds:
    return Thresholds(
        parked_rows_max=configuration.alerts.parked_rows_max,
        lag_seconds_max=configuration.alerts.lag_seconds_max,
        follows_changes=configuration.follows_changes,
        is_live=configuration.live.enabled,
    )
