"""One asset for the removals of each table, in the opposite order of the tables.

A table's removals come after its own reconcile and after the removals of every table that looks it
up. So in a run of all tables each child is moved or removed before its old parent goes, and the
lineage in the UI is the order of work (DESIGN 5). To materialize a table alone removes nothing.
"""

from collections.abc import Awaitable, Iterator, Sequence

import dagster as dg

from dv_sync_pipeline.config import Configuration, TableConfiguration
from dv_sync_pipeline.defs.checks import (
    answers_of_before,
    no_parked_rows,
    no_parked_rows_spec,
    nothing_held,
    nothing_held_spec,
)
from dv_sync_pipeline.defs.modes import StepConfig, heeding_the_run
from dv_sync_pipeline.defs.names import POOL, SYNCHRONIZER, Names, names_of
from dv_sync_pipeline.defs.narration import describe_beginning_of_removals, describe_removals
from dv_sync_pipeline.defs.record import record_of
from dv_sync_pipeline.defs.resources import Engine, synchronizer_of
from dv_sync_pipeline.defs.steps import run_as_step
from dv_sync_pipeline.sync.deferral import deferred_lookups
from dv_sync_pipeline.sync.ordering import children_of
from dv_sync_pipeline.sync.report import ProgressListener, TableReport

__all__ = ["build_removal_assets"]

_WHAT_HAPPENS = {"delete": "are deleted", "deactivate": "are deactivated"}


def build_removal_assets(configuration: Configuration) -> list[dg.AssetsDefinition]:
    """The removals of every table that does not keep its rows."""
    names = names_of(configuration)
    return [
        _build_asset(
            table,
            after=_steps_before(table, configuration.tables, names=names),
            owners=configuration.owners_of(table),
            names=names,
        )
        for table in configuration.tables
        if table.has_removals
    ]


def _steps_before(
    table: TableConfiguration, tables: Sequence[TableConfiguration], *, names: Names
) -> list[dg.AssetKey]:
    """The table itself, the last step of its children, and lookups that closed a circle to it."""
    deferred = deferred_lookups(tables)
    circles = [
        names.deferred(other)
        for other in tables
        if any(
            table.table in other.lookups[column].synchronized
            for column in deferred.get(other.table, ())
        )
    ]
    last_steps = [_last_step(child, names) for child in children_of(table, tables)]
    return [names.secondary(table), *last_steps, *circles]


def _build_asset(
    table: TableConfiguration,
    *,
    after: Sequence[dg.AssetKey],
    owners: Sequence[str],
    names: Names,
) -> dg.AssetsDefinition:
    key = names.removals(table)
    checks = [no_parked_rows_spec(key), nothing_held_spec(key)]

    @dg.asset(
        key=key,
        deps=after,
        description=_describe(table),
        group_name=table.group,
        owners=owners,
        kinds={"dataverse"},
        tags={"dv_sync/environment": "secondary", "dv_sync/deletes": table.deletes},
        check_specs=checks,
        pool=names.of(POOL),
        required_resource_keys={names.of(SYNCHRONIZER)},
    )
    def removals(
        context: dg.AssetExecutionContext,
        config: StepConfig,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult | dg.Output]:  # type: ignore[type-arg] # bare in Dagster
        dry_run = heeding_the_run(config, context).dry_run
        if dry_run:
            yield from answers_of_before(checks, context.instance)

        def work(engine: Engine, listener: ProgressListener) -> Awaitable[TableReport]:
            return engine.remove(table.table, dry_run=dry_run, progress=listener)

        context.log.info(describe_beginning_of_removals(table, dry_run=dry_run))
        report = run_as_step(context, synchronizer_of(context, names), table.table, work)
        summary = describe_removals(report)
        context.log.info(summary)
        yield dg.MaterializeResult(
            metadata={
                **record_of(report, summary=summary),
                "changed": report.removed > 0 and not dry_run,
            },
        )
        if not dry_run:
            yield from (no_parked_rows(report), nothing_held(report))

    return removals


def _last_step(table: TableConfiguration, names: Names) -> dg.AssetKey:
    """The last that a run does to a table."""
    return names.removals(table) if table.has_removals else names.secondary(table)


def _describe(table: TableConfiguration) -> str:
    return (
        f"Rows of {table.target} in the secondary whose row in the primary is gone "
        f"{_WHAT_HAPPENS[table.deletes]}, if they are linked. A row that others point to stays and "
        "is parked; too many at once are held until a person approves them: "
        f"`dv-sync removals approve {table.table}`."
    )
