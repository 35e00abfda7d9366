"""Asset checks: what Dagster shows as passed or not beside each table.

This one costs nothing, because the pass that materializes the table knows the answer.
"""

import dagster as dg

from dv_sync_pipeline.sync.report import TableReport

__all__ = ["no_parked_rows", "no_parked_rows_spec"]

_NAME = "no_parked_rows"


def no_parked_rows_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Promises the check; `no_parked_rows` answers it."""
    return dg.AssetCheckSpec(
        _NAME,
        asset=key,
        description="No row waits for a person or a parent: every row of the primary was written.",
    )


def no_parked_rows(report: TableReport) -> dg.AssetCheckResult:
    """A warning, not an error: one bad row stops only itself (DESIGN 4, Failures)."""
    return dg.AssetCheckResult(
        check_name=_NAME,
        passed=report.parked == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"parked": report.parked},
    )
