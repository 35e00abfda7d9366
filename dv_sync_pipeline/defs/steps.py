"""One pass as a step of a Dagster run: progress in its log, an error in its own words."""

import time

import dagster as dg

from dv_sync_pipeline.defs.failures import failure
from dv_sync_pipeline.defs.record import ProgressLog
from dv_sync_pipeline.defs.resources import Synchronizer, Work
from dv_sync_pipeline.errors import DvSyncError
from dv_sync_pipeline.sync.report import TableReport

__all__ = ["attempt", "run_as_step"]


def attempt(
    context: dg.AssetExecutionContext, synchronizer: Synchronizer, table: str, work: Work
) -> TableReport:
    """The pass, its progress in the log of the run; raises what the engine raises."""
    progress = ProgressLog(context.log.info, monotonic=time.monotonic)
    return synchronizer.run(table, work, progress=progress)


def run_as_step(
    context: dg.AssetExecutionContext, synchronizer: Synchronizer, table: str, work: Work
) -> TableReport:
    """The same; an error that we raise on purpose becomes a failure without chained tracebacks."""
    try:
        return attempt(context, synchronizer, table, work)
    except DvSyncError as error:
        raise failure(context, error) from None
