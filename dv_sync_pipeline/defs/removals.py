"""One asset for the removals of each table, in the opposite order of the tables.

A table's removals come after its own reconcile and after the removals of every table that looks it
up. So in a run of all tables each child is moved or removed before its old parent goes, and the
lineage in the UI is the order of work (DESIGN 5). To materialize a table alone removes nothing.
"""

from collections.abc import Awaitable, Sequence

import dagster as dg

from dv_sync_pipeline.config import Configuration, TableConfiguration
from dv_sync_pipeline.defs.checks import (
    no_parked_rows,
    no_parked_rows_spec,
    nothing_held,
    nothing_held_spec,
)
from dv_sync_pipeline.defs.lineage import deferred_key, removals_key, secondary_key
from dv_sync_pipeline.defs.narration import describe_removals
from dv_sync_pipeline.defs.record import record_of
from dv_sync_pipeline.defs.resources import Engine, Synchronizer
from dv_sync_pipeline.defs.steps import POOL, run_as_step
from dv_sync_pipeline.sync.deferral import deferred_lookups
from dv_sync_pipeline.sync.ordering import children_of
from dv_sync_pipeline.sync.report import ProgressListener, TableReport

__all__ = ["build_removal_assets"]

_WHAT_HAPPENS = {"delete": "are deleted", "deactivate": "are deactivated"}


def build_removal_assets(configuration: Configuration) -> list[dg.AssetsDefinition]:
    """The removals of every table that does not keep its rows."""
    return [
        _build_asset(
            table,
            after=_steps_before(table, configuration.tables),
            owners=configuration.owners_of(table),
        )
        for table in configuration.tables
        if table.has_removals
    ]


def _steps_before(
    table: TableConfiguration, tables: Sequence[TableConfiguration]
) -> list[dg.AssetKey]:
    """The table itself, the last step of its children, and lookups that closed a circle to it."""
    deferred = deferred_lookups(tables)
    circles = [
        deferred_key(other)
        for other in tables
        if any(
            table.table in other.lookups[column].synchronized
            for column in deferred.get(other.table, ())
        )
    ]
    return [secondary_key(table), *map(_last_step, children_of(table, tables)), *circles]


def _build_asset(
    table: TableConfiguration, *, after: Sequence[dg.AssetKey], owners: Sequence[str]
) -> dg.AssetsDefinition:
    key = removals_key(table)

    @dg.asset(
        key=key,
        deps=after,
        description=_describe(table),
        group_name=table.group,
        owners=owners,
        kinds={"dataverse"},
        tags={"dv_sync/environment": "secondary", "dv_sync/deletes": table.deletes},
        check_specs=[no_parked_rows_spec(key), nothing_held_spec(key)],
        pool=POOL,
    )
    def removals(
        context: dg.AssetExecutionContext,
        synchronizer: dg.ResourceParam[Synchronizer],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster only knows the bare class here
        def work(engine: Engine, listener: ProgressListener) -> Awaitable[TableReport]:
            return engine.remove(table.table, progress=listener)

        context.log.info("%s: looks for rows that are gone in the primary.", table.table)
        report = run_as_step(context, synchronizer, table.table, work)
        context.log.info(describe_removals(report))
        return dg.MaterializeResult(
            metadata={**record_of(report), "changed": report.removed > 0},
            check_results=[no_parked_rows(report), nothing_held(report)],
        )

    return removals


def _last_step(table: TableConfiguration) -> dg.AssetKey:
    """The last that a run does to a table."""
    return removals_key(table) if table.has_removals else secondary_key(table)


def _describe(table: TableConfiguration) -> str:
    return (
        f"Rows of {table.target} in the secondary whose row in the primary is gone "
        f"{_WHAT_HAPPENS[table.deletes]}, if they are linked. A row that others point to stays and "
        "is parked; too many at once are held until a person approves them: "
        f"`dv-sync removals approve {table.table}`."
    )
