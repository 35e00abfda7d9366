"""One asset for each table, one for deferred lookups, and the primary's tables upstream.

Everything that the UI shows before a run (order, columns, column lineage) comes from the
configuration alone: no network while definitions load.
"""

from collections.abc import Awaitable, Collection, Iterator, Sequence

import dagster as dg

from dv_sync_pipeline.config import Configuration, TableConfiguration
from dv_sync_pipeline.defs.checks import (
    answers_of_before,
    answers_of_checks,
    schema_incompatible,
    specs_of_checks,
)
from dv_sync_pipeline.defs.failures import failure
from dv_sync_pipeline.defs.lineage import (
    column_lineage,
    columns_of,
    primary_schema,
    secondary_schema,
)
from dv_sync_pipeline.defs.modes import Mode, RunConfig, heeding_the_run, work_of
from dv_sync_pipeline.defs.names import POOL, SYNCHRONIZER, Names, names_of
from dv_sync_pipeline.defs.narration import (
    describe_beginning,
    describe_beginning_of_lookups,
    describe_report,
)
from dv_sync_pipeline.defs.record import record_of
from dv_sync_pipeline.defs.resources import Engine, synchronizer_of
from dv_sync_pipeline.defs.steps import attempt, run_as_step
from dv_sync_pipeline.errors import DvSyncError, SchemaMismatchError
from dv_sync_pipeline.sync.deferral import deferred_lookups, parents_before
from dv_sync_pipeline.sync.ordering import in_dependency_order
from dv_sync_pipeline.sync.report import ProgressListener, TableReport

__all__ = [
    "build_deferred_assets",
    "build_primary_specs",
    "build_table_assets",
]

_KIND = "dataverse"
_SETS_EVERY_LOOKUP = frozenset({Mode.changes, Mode.rows})
"""These look up the rows they touch wherever they are; what is not there yet, they wait for."""


def build_primary_specs(configuration: Configuration) -> list[dg.AssetSpec]:
    """External assets: shown as the origin of the lineage, never materialized by us."""
    url = dg.MetadataValue.url(configuration.environments.primary.url)
    names = names_of(configuration)
    return [
        dg.AssetSpec(
            names.primary(table.table),
            description=f"The table {table.table} of the primary environment, the authority.",
            group_name=table.group,
            owners=configuration.owners_of(table),
            kinds={_KIND},
            tags={"dv_sync/environment": "primary"},
            metadata={"dagster/column_schema": primary_schema(table), "environment": url},
        )
        for table in configuration.tables
    ]


def build_table_assets(configuration: Configuration) -> list[dg.AssetsDefinition]:
    """The synchronized tables, each after the tables that its lookups point to.

    Raises `ConfigurationError` when lookups go round in a circle of keys.
    """
    deferred = deferred_lookups(configuration.tables)
    return [
        _build_asset(
            table,
            parents=[
                configuration.table(name)
                for name in sorted(parents_before(table, deferred.get(table.table, ())))
            ],
            owners=configuration.owners_of(table),
            url=configuration.environments.secondary.url,
            lag_seconds_max=configuration.alerts.lag_seconds_max,
            names=names_of(configuration),
        )
        for table in in_dependency_order(configuration.tables)
    ]


def build_deferred_assets(configuration: Configuration) -> list[dg.AssetsDefinition]:
    """For each table of a circle that has some: the lookups that are set when all are done."""
    return [
        _build_deferred_asset(
            configuration.table(name),
            owners=configuration.owners_of(configuration.table(name)),
            columns=sorted(columns),
            parents=[
                configuration.table(parent)
                for parent in sorted(_parents_of(configuration.table(name), columns))
            ],
            names=names_of(configuration),
        )
        for name, columns in sorted(deferred_lookups(configuration.tables).items())
    ]


def _parents_of(table: TableConfiguration, columns: Collection[str]) -> set[str]:
    names = {name for column in columns for name in table.lookups[column].synchronized}
    return names - {table.table}


def _build_deferred_asset(
    table: TableConfiguration,
    *,
    owners: Sequence[str],
    columns: Sequence[str],
    parents: Collection[TableConfiguration],
    names: Names,
) -> dg.AssetsDefinition:
    listed = ", ".join(columns)

    @dg.asset(
        key=names.deferred(table),
        deps=[names.secondary(table), *map(names.secondary, parents)],
        description=(
            f"The lookups {listed} of {table.target}. They close a circle of tables, "
            "so they are set in a second pass, once all rows that they point to are there."
        ),
        group_name=table.group,
        owners=owners,
        kinds={_KIND},
        tags={"dv_sync/environment": "secondary"},
        pool=names.of(POOL),
        required_resource_keys={names.of(SYNCHRONIZER)},
    )
    def deferred_lookups_of_table(
        context: dg.AssetExecutionContext,
        config: RunConfig,
    ) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster only knows the bare class here
        config = heeding_the_run(config, context)

        def work(engine: Engine, listener: ProgressListener) -> Awaitable[TableReport]:
            return engine.set_deferred_lookups(
                table.table, dry_run=config.dry_run, progress=listener
            )

        if config.mode in _SETS_EVERY_LOOKUP:
            context.log.info("Nothing to do here: this mode sets every lookup of a row at once.")
            return dg.MaterializeResult()
        context.log.info(describe_beginning_of_lookups(table, listed, dry_run=config.dry_run))
        report = run_as_step(context, synchronizer_of(context, names), table.table, work)
        summary = describe_report(report)
        context.log.info(summary)
        return dg.MaterializeResult(metadata=record_of(report, summary=summary))

    return deferred_lookups_of_table


def _build_asset(
    table: TableConfiguration,
    *,
    parents: Collection[TableConfiguration],
    owners: Sequence[str],
    url: str,
    lag_seconds_max: float,
    names: Names,
) -> dg.AssetsDefinition:
    key = names.secondary(table)
    checks = specs_of_checks(table, key, lag_seconds_max=lag_seconds_max)

    @dg.asset(
        key=key,
        deps=[names.primary(table.table), *map(names.secondary, parents)],
        description=_describe(table),
        group_name=table.group,
        owners=owners,
        kinds={_KIND},
        tags={"dv_sync/environment": "secondary", "dv_sync/deletes": table.deletes},
        metadata={
            "dagster/column_schema": secondary_schema(table),
            "dagster/column_lineage": column_lineage(table, names=names),
            "dagster/table_name": table.target,
            "environment": dg.MetadataValue.url(url),
        },
        check_specs=checks,
        pool=names.of(POOL),
        required_resource_keys={names.of(SYNCHRONIZER)},
    )
    def synchronized_table(
        context: dg.AssetExecutionContext,
        config: RunConfig,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult | dg.Output]:  # type: ignore[type-arg] # likewise
        config = heeding_the_run(config, context)
        context.log.info(describe_beginning(table, config))
        synchronizer = synchronizer_of(context, names)
        if config.dry_run:
            yield from answers_of_before(checks, context.instance)
        try:
            report = attempt(context, synchronizer, table.table, work_of(table.table, config))
        except DvSyncError as error:
            if isinstance(error, SchemaMismatchError) and not config.dry_run:
                yield schema_incompatible(error, key)
            raise failure(context, error) from None
        context.log.info(describe_report(report))
        yield _materialized(table, report, names=names)
        if not config.dry_run:
            yield from answers_of_checks(table, report, lag_seconds_max=lag_seconds_max)

    return synchronized_table


def _materialized(
    table: TableConfiguration, report: TableReport, *, names: Names
) -> dg.MaterializeResult[None]:
    """A materialization even when nothing changed, and even of a dry run.

    An observation would say "checked, nothing changed" better. But a step that does not materialize
    its asset makes Dagster skip every asset downstream: unchanged hotels would hide changed rooms.
    So the record tells the difference: `changed`, and `would_be_...` counts for a dry run.
    """
    changed = not report.dry_run and report.created + report.updated + report.pairs > 0
    return dg.MaterializeResult(
        metadata={
            **record_of(report, summary=describe_report(report)),
            "changed": changed,
            **columns_of(table, report, names=names),
        },
    )


def _describe_columns(table: TableConfiguration) -> str:
    count = len(table.target_columns) + len(table.constants)
    named = f"{count} columns are"
    return f"every common custom column and {named}" if table.takes_every_column else named


def _describe(table: TableConfiguration) -> str:
    matched = "their GUID" if table.matches_by_id else " and ".join(table.key)
    status = "" if table.status == "none" else " State and status reason follow."
    introduction = f"{table.description}\n\n" if table.description else ""
    return (
        f"{introduction}The rows of {table.table} in the primary, kept equal in {table.target} of "
        f"the secondary. Rows are matched by {matched}; {_describe_columns(table)} "
        f"written, every other column is left alone.{status} {_GONE[table.deletes]}"
    )


_GONE = {
    "delete": "Rows that are gone in the primary are deleted by the asset of removals.",
    "deactivate": "Rows that are gone in the primary are deactivated by the asset of removals.",
    "keep": "Rows that are gone in the primary are reported and kept.",
}
