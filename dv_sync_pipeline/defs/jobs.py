"""Jobs: which assets run together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from dv_sync_pipeline.defs.modes import DRY_RUN_TAG, Mode, config_of_ops
from dv_sync_pipeline.defs.names import APPLY_CHANGES, PLAN_ALL, RECONCILE_ALL, Names

__all__ = [
    "STARTED_BY_TAG",
    "build_apply_changes",
    "build_plan_all",
    "build_reconcile_all",
]

STARTED_BY_TAG = "dv_sync/started_by"
"""On every run that no person has started in Dagster: who did."""


def build_reconcile_all(
    tables: Iterable[dg.AssetKey], removals: Iterable[dg.AssetKey], *, names: Names
) -> Any:
    """Every table in the order of its lookups, then the removals in the opposite order.

    `tables` are the assets that have a mode. Dagster does not export the type of such a job.
    """
    return _build(
        names.of(RECONCILE_ALL),
        list(tables),
        removals,
        mode=Mode.reconcile,
        description="Compares every table of both environments and repairs the secondary, removals "
        "included.",
    )


def build_plan_all(
    tables: Iterable[dg.AssetKey], removals: Iterable[dg.AssetKey], *, names: Names
) -> Any:
    """Likewise as a dry run, so that a person finds it without typing anything."""
    return _build(
        names.of(PLAN_ALL),
        list(tables),
        removals,
        mode=Mode.reconcile,
        tags={DRY_RUN_TAG: "true"},
        description=f"Tells what {names.of(RECONCILE_ALL)} would change, row by row, and writes "
        "nothing.",
    )


def build_apply_changes(
    tables: Iterable[dg.AssetKey], removals: Iterable[dg.AssetKey], *, names: Names
) -> Any:
    """Likewise for what changed; sensors choose the tables that it concerns."""
    return _build(
        names.of(APPLY_CHANGES),
        list(tables),
        removals,
        mode=Mode.changes,
        description="Applies what changed in the primary since last time, removals included.",
    )


def _build(
    name: str,
    tables: Sequence[dg.AssetKey],
    removals: Iterable[dg.AssetKey],
    *,
    mode: Mode,
    description: str,
    tags: Mapping[str, str] | None = None,
) -> Any:
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*tables, *removals),
        executor_def=dg.in_process_executor,
        config=config_of_ops(tables, mode),
        tags=tags,
        description=description,
    )
