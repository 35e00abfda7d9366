"""The live run: a job of one op that leads the live path until its time is up.

Belongs here: opening what the loop of `sync/live.py` needs, and making the run tell what it does:
a materialization of each table that it touched, at most one a second, so that the assets stay true
and the event log stays small. Does not belong here: keeping such a run alive (`live_watch.py`).
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from dv_sync_pipeline.config import Configuration, TableConfiguration
from dv_sync_pipeline.defs.checks import answers_of_checks, evaluation_of
from dv_sync_pipeline.defs.failures import failure
from dv_sync_pipeline.defs.lineage import columns_of
from dv_sync_pipeline.defs.names import FOLLOW_CHANGES, LIVE, SYNCHRONIZER, names_of
from dv_sync_pipeline.defs.narration import describe_report
from dv_sync_pipeline.defs.record import record_of
from dv_sync_pipeline.defs.resources import Synchronizer, run_to_the_end, synchronizer_of
from dv_sync_pipeline.errors import DvSyncError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.leadership import leadership, wait_for_lead
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.live import LiveLoop
from dv_sync_pipeline.sync.report import TableReport

__all__ = ["LIVE_TAG", "LiveLog", "build_live_job"]

LIVE_TAG = "dv_sync/live"
"""On every live run, with the prefix of its names, for limits of the run queue."""

LOG_SECONDS = 1.0
_SPARE_MINUTES = 5
"""Waiting for the lead, and handing it over; Dagster ends a run that takes longer."""


def build_live_job(configuration: Configuration) -> dg.JobDefinition:
    """The job; the sensor starts it, or a person does."""
    minutes, names = configuration.live.max_minutes, names_of(configuration)

    @dg.op(
        name=names.of(FOLLOW_CHANGES),
        description="Applies changes in micro-batches until another run takes over.",
        required_resource_keys={names.of(SYNCHRONIZER)},
    )
    def follow_changes(context: dg.OpExecutionContext) -> None:
        try:
            run_to_the_end(_lead(context, synchronizer_of(context, names)))
        except DvSyncError as error:
            raise failure(context, error) from None

    @dg.job(
        name=names.of(LIVE),
        description=f"Applies changes within a second or two. Takes {minutes:g} minutes and is "
        f"then followed by a run of its own kind. To stop it, stop the sensor "
        f"{names.of('keep_live')} first.",
        executor_def=dg.in_process_executor,
        tags={
            LIVE_TAG: names.prefix or "true",
            "dagster/priority": "10",
            "dagster/max_runtime": str(round((minutes + _SPARE_MINUTES) * 60)),
        },
    )
    def live() -> None:
        follow_changes()

    return live


async def _lead(context: dg.OpExecutionContext, synchronizer: Synchronizer) -> None:
    with Ledger.open(synchronizer.configuration.ledger_url) as ledger:
        await _lead_with(ledger, context, synchronizer)


async def _lead_with(
    ledger: Ledger, context: dg.OpExecutionContext, synchronizer: Synchronizer
) -> None:
    """Signs of life begin before the engine is open, which may take a while."""
    settings = synchronizer.configuration.live
    lasts = timedelta(minutes=settings.max_minutes)
    async with (
        leadership(ledger, run_id=context.run_id, lasts=lasts, clock=_now) as lead,
        synchronizer.open_engine(synchronizer.configuration) as engine,
    ):
        if not await wait_for_lead(lead, clock=_now, sleep=asyncio.sleep):
            context.log.info("Another live run leads and goes on; this one is not needed.")
            return
        context.log.info("This run applies changes from now on.")
        log = LiveLog(synchronizer.configuration, context, monotonic=time.monotonic)
        loop = LiveLoop(
            engine=engine,
            inbox=ledger,
            listener=log,
            poll_seconds=settings.poll_seconds,
            monotonic=time.monotonic,
            sleep=asyncio.sleep,
            random=random.Random(),
        )
        await loop.follow(lead.goes_on)
        log.write()
        context.log.info("Another run takes over.")


@dataclass(slots=True)
class LiveLog:
    """Tells Dagster what the live path does: of one table a second, in turns.

    To write a materialization takes Dagster some ten milliseconds in which nothing else is done, so
    those of all tables at once would be felt by the changes that arrive meanwhile.

    Attributes:
        configuration: all of `sync.yaml`.
        context: of the op.
        monotonic: seconds on a clock that never goes back.

    """

    configuration: Configuration
    context: dg.OpExecutionContext
    monotonic: Callable[[], float]
    _gathered: dict[str, TableReport] = field(default_factory=dict)
    _quiet_until: float = 0.0
    _troubles: dict[str, str] = field(default_factory=dict)
    """Table → what was told of it last."""
    _owed: dict[str, str] = field(default_factory=dict)
    """Table → why a reconcile was owed at last."""
    _parked: dict[str, int] = field(default_factory=dict)
    """Table → how many rows were parked at last."""
    _checks: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Table and check → its last answer."""

    def applied(self, report: TableReport) -> None:
        """Gather what did something; tell that a table in trouble is well again."""
        if self._troubles.pop(report.table, None):
            self.context.log.info("%s: well again", report.table)
        self._tell_of_owed_reconcile(report)
        if self._is_worth_telling(report):
            gathered = self._gathered.get(report.table)
            self._gathered[report.table] = report if gathered is None else _joined(gathered, report)

    def _tell_of_owed_reconcile(self, report: TableReport) -> None:
        """Once; the sensor starts it."""
        reason, table = report.reconcile_owed, report.table
        if reason and self._owed.get(table) != reason:
            self.context.log.warning("%s: a reconcile is owed: %s", table, reason)
        self._owed[table] = reason

    def _is_worth_telling(self, report: TableReport) -> bool:
        """Not a feed without news, nor rows that are equal already: a wake-up was faster."""
        parked_before = self._parked.get(report.table, 0)
        self._parked[report.table] = report.parked
        return _has_changed(report) or (bool(report.read) and report.parked != parked_before)

    def failed(self, table: str, error: Exception, *, again_in_seconds: float) -> None:
        """Once for each trouble; the time of the next attempt only when it is new."""
        text = redact(str(error) or type(error).__name__)
        if self._troubles.get(table) != text:
            self._troubles[table] = text
            self.context.log.error("%s: %s. Again in %.1f s", table, text, again_in_seconds)

    def breathed(self) -> None:
        """Write of the table that has waited longest, unless something was written a moment ago."""
        if self._gathered and self.monotonic() >= self._quiet_until:
            self._write_next()
            self._quiet_until = self.monotonic() + LOG_SECONDS

    def write(self) -> None:
        """Everything that was gathered."""
        while self._gathered:
            self._write_next()

    def _write_next(self) -> None:
        """A materialization of one table that was touched."""
        report = self._gathered.pop(next(iter(self._gathered)))
        table = self.configuration.table(report.table)
        names = names_of(self.configuration)
        self.context.log_event(
            dg.AssetMaterialization(
                names.secondary(table),
                description=describe_report(report),
                metadata={
                    **record_of(report),
                    **columns_of(table, report, names=names),
                    "changed": _has_changed(report),
                },
            )
        )
        self._answer_checks(table, report)

    def _answer_checks(self, table: TableConfiguration, report: TableReport) -> None:
        """Each at first, because Dagster forgets it with a new run, and whenever it changes."""
        limit = self.configuration.alerts.lag_seconds_max
        key = names_of(self.configuration).secondary(table)
        for check in answers_of_checks(table, report, lag_seconds_max=limit):
            name = table.table, str(check.check_name)
            if self._checks.get(name) != check.passed:
                self._checks[name] = check.passed
                evaluation = evaluation_of(check, key)
                self.context.log_event(evaluation)  # type: ignore[arg-type] # it takes these too


def _has_changed(report: TableReport) -> bool:
    return report.created + report.updated + report.removed + report.pairs > 0


_ADDED = (
    "read",
    "created",
    "updated",
    "equal",
    "adopted",
    "waiting",
    "pairs",
    "removed",
    "requests",
    "retries",
    "throttled_seconds",
    "seconds",
)
"""The other numbers of a report tell of the whole table: the later one counts."""


def _joined(earlier: TableReport, later: TableReport) -> TableReport:
    sums = {name: getattr(earlier, name) + getattr(later, name) for name in _ADDED}
    lags = [each.lag_seconds for each in (earlier, later) if each.lag_seconds is not None]
    return replace(later, mode=LIVE, lag_seconds=max(lags, default=None), **sums)


def _now() -> datetime:
    return datetime.now(tz=UTC)
