"""Jobs: which assets run together."""

from collections.abc import Iterable
from typing import Any

import dagster as dg

__all__ = ["RECONCILE_ALL", "build_reconcile_all"]

RECONCILE_ALL = "reconcile_all"


def build_reconcile_all(keys: Iterable[dg.AssetKey]) -> Any:
    """Every table in the order of its lookups, then the removals in the opposite order.

    Dagster does not export the type of such a job.
    """
    return dg.define_asset_job(
        RECONCILE_ALL,
        selection=dg.AssetSelection.assets(*keys),
        description="Compares every table of both environments and repairs the secondary, removals "
        "included.",
    )
