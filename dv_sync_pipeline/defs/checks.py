"""Asset checks: what Dagster shows as passed or not beside each table.

These cost nothing, because the pass that materializes the table knows the answer. A dry run answers
none: what it tells of is a plan, and people look at checks to see how things are.
"""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.defs.record import table_of_held_rows, table_of_parked_rows
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.drift import Effect
from dv_sync_pipeline.sync.report import TableReport

__all__ = [
    "answers_of_before",
    "answers_of_checks",
    "evaluation_of",
    "no_parked_rows",
    "no_parked_rows_spec",
    "nothing_held",
    "nothing_held_spec",
    "schema_incompatible",
    "specs_of_checks",
]

_NAME = "no_parked_rows"
_HELD_NAME = "no_held_removals"
_IN_TIME_NAME = "changes_in_time"
_SCHEMA_NAME = "schema_compatible"
_IN_SYNC_NAME = "in_sync"
_KEYS_NAME = "keys_unique_and_present"

_LOOKS_BACK = 20
"""Runs of a table, dry or failed, over which its last answer is found again."""


def specs_of_checks(
    table: TableConfiguration, key: dg.AssetKey, *, lag_seconds_max: float
) -> list[dg.AssetCheckSpec]:
    """Promises the checks of a table; `answers_of_checks` answers them."""
    in_time = _changes_in_time_spec(key, lag_seconds_max=lag_seconds_max)
    # Only where there are pairs can a pass hold something: rows are removed later.
    held = [nothing_held_spec(key)] if table.associations else []
    return [
        _schema_compatible_spec(key),
        _in_sync_spec(key),
        _keys_spec(key),
        no_parked_rows_spec(key),
        in_time,
        *held,
    ]


def answers_of_checks(
    table: TableConfiguration, report: TableReport, *, lag_seconds_max: float
) -> list[dg.AssetCheckResult]:
    """What a pass over the table has found, in the order of `specs_of_checks`."""
    in_time = _changes_in_time(report, lag_seconds_max=lag_seconds_max)
    held = [nothing_held(report)] if table.associations else []
    return [
        _schema_compatible(report),
        _in_sync(report),
        _keys(report),
        no_parked_rows(report),
        in_time,
        *held,
    ]


def answers_of_before(
    specs: Iterable[dg.AssetCheckSpec], instance: dg.DagsterInstance
) -> Iterator[dg.AssetCheckResult | dg.Output[None]]:
    """What a dry run yields in place of answers: those that stand, each with the run it is from.

    Dagster plans every check of an asset that is materialized. One that then gets no answer is
    shown as skipped, in place of its last answer; so that is repeated. Where there is none the
    step's output alone is yielded, for the sake of what comes after it.
    """
    for spec in specs:
        answer = _last_answer(spec, instance)
        yield answer or dg.Output(None, output_name=spec.get_python_identifier())


def _last_answer(
    spec: dg.AssetCheckSpec, instance: dg.DagsterInstance
) -> dg.AssetCheckResult | None:
    storage = instance.event_log_storage
    for record in storage.get_asset_check_execution_history(spec.key, limit=_LOOKS_BACK):
        answer = record.evaluation  # of a check that was only planned: something else
        if isinstance(answer, dg.AssetCheckEvaluation):
            origin = {"answer_of_run": dg.MetadataValue.dagster_run(record.run_id)}
            return dg.AssetCheckResult(
                asset_key=spec.asset_key,
                check_name=spec.name,
                passed=answer.passed,
                severity=answer.severity,
                metadata={**origin, **answer.metadata},
                description="A dry run answers no check; this is the answer of before.",
            )
    return None


def _in_sync_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Promises the check; `_in_sync` answers it."""
    return dg.AssetCheckSpec(
        _IN_SYNC_NAME,
        asset=key,
        description="Every row of the primary that the pass has looked at is in the secondary, "
        "equal in every mapped column. Rows that are to be removed are seen to by the removals.",
    )


def _in_sync(report: TableReport) -> dg.AssetCheckResult:
    """By what every row was compared with; a reconcile has compared the whole table."""
    outstanding = {
        "parked": report.parked,
        "waiting": report.waiting,
        "held": report.held,
    }
    return dg.AssetCheckResult(
        check_name=_IN_SYNC_NAME,
        passed=not any(outstanding.values()) and not report.reconcile_owed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            **outstanding,
            "compared": report.read,
            "mode": report.mode,
            "reconcile_owed": report.reconcile_owed or "none",
        },
    )


def _keys_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Promises the check; `_keys` answers it."""
    return dg.AssetCheckSpec(
        _KEYS_NAME,
        asset=key,
        description="Every row of the primary has a key of its own, by which it finds its row in "
        "the secondary.",
    )


def _keys(report: TableReport) -> dg.AssetCheckResult:
    """Rows without are parked; the others are not concerned."""
    return dg.AssetCheckResult(
        check_name=_KEYS_NAME,
        passed=report.key_conflicts == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows_at_fault": report.key_conflicts},
    )


def no_parked_rows_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Promises the check; `no_parked_rows` answers it."""
    return dg.AssetCheckSpec(
        _NAME,
        asset=key,
        description="No row waits for a person or a parent: all that was to be done was done.",
    )


def no_parked_rows(report: TableReport) -> dg.AssetCheckResult:
    """A warning, not an error: one bad row stops only itself (DESIGN 4, Failures)."""
    return dg.AssetCheckResult(
        check_name=_NAME,
        passed=report.parked == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"parked": report.parked, **table_of_parked_rows(report)},
    )


def nothing_held_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Promises the check; `nothing_held` answers it."""
    return dg.AssetCheckSpec(
        _HELD_NAME,
        asset=key,
        description="No removal waits for the approval of a person.",
    )


def nothing_held(report: TableReport) -> dg.AssetCheckResult:
    """A warning: everything else was done, and the rows are safe where they are."""
    return dg.AssetCheckResult(
        check_name=_HELD_NAME,
        passed=report.held == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"held": report.held, **table_of_held_rows(report)},
    )


def _changes_in_time_spec(key: dg.AssetKey, *, lag_seconds_max: float) -> dg.AssetCheckSpec:
    """Promises the check; `_changes_in_time` answers it."""
    return dg.AssetCheckSpec(
        _IN_TIME_NAME,
        asset=key,
        description=f"No change took more than {lag_seconds_max:g} seconds from the primary to the "
        "secondary.",
    )


def _changes_in_time(report: TableReport, *, lag_seconds_max: float) -> dg.AssetCheckResult:
    """A warning: the change has arrived. One that has not is told by an alert."""
    lag = report.lag_seconds
    return dg.AssetCheckResult(
        check_name=_IN_TIME_NAME,
        passed=lag is None or lag <= lag_seconds_max,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "lag_seconds": "no change was applied" if lag is None else round(lag, 3),
            "lag_seconds_max": lag_seconds_max,
        },
    )


def evaluation_of(check: dg.AssetCheckResult, key: dg.AssetKey) -> dg.AssetCheckEvaluation:
    """The answer as an event, for a run that is no step of the asset itself."""
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=str(check.check_name),
        passed=check.passed,
        metadata=dict(check.metadata),
        severity=check.severity,
    )


def _schema_compatible_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Promises the check; `_schema_compatible` or `schema_incompatible` answers it."""
    return dg.AssetCheckSpec(
        _SCHEMA_NAME,
        asset=key,
        blocking=True,
        description="Both environments have the columns, keys and choices that sync.yaml names.",
    )


def _schema_compatible(report: TableReport) -> dg.AssetCheckResult:
    """Nothing stopped the table; a warning where some rows may not fit."""
    drift = {f"{each.environment} {each.part}": each for each in report.drift}
    return dg.AssetCheckResult(
        check_name=_SCHEMA_NAME,
        passed=all(each.effect is not Effect.WARNS for each in report.drift),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "expected": _json({part: each.expected for part, each in drift.items()}),
            "actual": _json({part: each.actual for part, each in drift.items()}),
            "told": redact("\n".join(map(str, report.drift)) or "the schemas fit"),
        },
    )


def schema_incompatible(error: SchemaMismatchError, key: dg.AssetKey) -> dg.AssetCheckResult:
    """An error: nothing was written, and what needs the table is not tried."""
    return dg.AssetCheckResult(
        check_name=_SCHEMA_NAME,
        asset_key=key,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "expected": _json(error.expected),
            "actual": _json(error.actual),
            "told": redact(str(error)),
        },
    )


def _json(parts: Mapping[str, str]) -> dg.JsonMetadataValue:
    return dg.MetadataValue.json({part: redact(text) for part, text in parts.items()})
