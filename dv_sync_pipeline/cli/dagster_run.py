"""Runs one of our jobs in this process, so that the run shows in Dagster's UI.

Belongs here: choosing assets, keeping Dagster's own words off the terminal, and finding out what
became of each table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagster import DagsterEvent

from dv_sync_pipeline.cli.dagster_home import open_instance
from dv_sync_pipeline.cli.passes import Outcome, check_environments, tables_in_order
from dv_sync_pipeline.config import Configuration, TableConfiguration
from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.defs.alerts import describe_failed_run, reasons_of
from dv_sync_pipeline.defs.jobs import STARTED_BY_TAG
from dv_sync_pipeline.defs.modes import Mode, config_of_ops
from dv_sync_pipeline.defs.names import APPLY_CHANGES, RECONCILE_ALL, names_of
from dv_sync_pipeline.defs.resources import EngineOpener, RunListener
from dv_sync_pipeline.sync.deferral import deferred_lookups
from dv_sync_pipeline.sync.ordering import children_of
from dv_sync_pipeline.sync.report import Progress, TableReport

__all__ = ["synchronize_through_dagster"]

_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The terminal belongs to dv-sync; Dagster's event log has everything."""


def synchronize_through_dagster(
    configuration: Configuration,
    names: Sequence[str],
    *,
    open_engine: EngineOpener,
    listener: RunListener,
    home: Path,
    mode: Mode = Mode.reconcile,
) -> Outcome[TableReport]:
    """Synchronize the named tables, or all, in one run recorded in the Dagster home `home`.

    Raises `UsageError` before the run starts when an environment cannot be used, and
    `KeyboardInterrupt` after Ctrl-C: Dagster takes it for a failed step and goes on to the end.
    """
    tables = tables_in_order(configuration, names)
    check_environments(configuration, open_engine=open_engine)
    witness = _Witness(listener)
    run_id = _execute(
        configuration, tables, open_engine=open_engine, witness=witness, home=home, mode=mode
    )
    return Outcome(
        results=[report for table in tables for report in witness.reports.get(table, ())],
        failures=witness.failures,
        skipped=[t for t in tables if t not in witness.reports and t not in witness.failures],
        run_id=run_id,
    )


def _execute(
    configuration: Configuration,
    tables: Sequence[str],
    *,
    open_engine: EngineOpener,
    witness: "_Witness",
    home: Path,
    mode: Mode,
) -> str:
    definitions = build_definitions(
        configuration=configuration,
        open_engine=open_engine,
        listener=witness,
    )
    names = names_of(configuration)
    job_name = RECONCILE_ALL if mode is Mode.reconcile else APPLY_CHANGES
    job = definitions.resolve_job_def(names.of(job_name))
    chosen = [configuration.table(table) for table in tables]
    deferred = deferred_lookups(configuration.tables)
    with_mode = [names.secondary(table) for table in chosen]
    with_mode += [names.deferred(table) for table in chosen if table.table in deferred]
    removals = [names.removals(table) for table in _to_remove_from(configuration, chosen)]
    with open_instance(home) as instance:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[*with_mode, *removals],
            raise_on_error=False,
            run_config={**_SILENT, **config_of_ops(with_mode, mode)},
            tags={STARTED_BY_TAG: "dv-sync"},
        )
    failures = [event for event in result.all_events if event.is_step_failure]
    if witness.interrupted or any(map(_is_interruption, failures)):
        raise KeyboardInterrupt
    if not (result.success or witness.failures):
        # Neither a table nor a person has stopped it: Dagster itself, or a mistake of ours.
        raise RuntimeError(describe_failed_run(result.dagster_run, reasons_of(failures)))
    return result.run_id


def _is_interruption(event: DagsterEvent) -> bool:
    """Dagster turns Ctrl-C between two passes into a failed step."""
    error = event.step_failure_data.error
    while error is not None:
        if "Interrupt" in (error.cls_name or ""):
            return True
        error = error.cause
    return False


def _to_remove_from(
    configuration: Configuration, chosen: Sequence[TableConfiguration]
) -> list[TableConfiguration]:
    """Those of the tables whose rows may go: all tables that look them up are in the run as well.

    A hotel must not go before the rooms that have left it.
    """
    return [
        table
        for table in chosen
        if table.has_removals
        and all(child in chosen for child in children_of(table, configuration.tables))
    ]


@dataclass(slots=True)
class _Witness(RunListener):
    """Remembers what it hears, and passes it on."""

    audience: RunListener
    reports: dict[str, list[TableReport]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    interrupted: bool = False

    def progressed(self, progress: Progress) -> None:
        self.audience.progressed(progress)

    def finished(self, report: TableReport) -> None:
        reports = self.reports.setdefault(report.table, [])
        if report.mode == "removals" and reports:
            reports[0] = reports[0].followed_by(report)
        else:
            reports.append(report)
        self.audience.finished(report)

    def failed(self, table: str, error: BaseException) -> None:
        if isinstance(error, Exception):
            self.failures[table] = error
        else:
            self.interrupted = True
        self.audience.failed(table, error)
