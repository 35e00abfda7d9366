"""Asset checks: what Dagster shows as passed or not beside each table.

These cost nothing, because the pass that materializes the table knows the answer.
"""

import dagster as dg

from dv_sync_pipeline.defs.record import table_of_parked_rows
from dv_sync_pipeline.sync.report import TableReport

__all__ = ["no_parked_rows", "no_parked_rows_spec", "nothing_held", "nothing_held_spec"]

_NAME = "no_parked_rows"
_HELD_NAME = "no_held_removals"


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
        metadata={"held": report.held, "because": report.held_because or "nothing is held"},
    )
