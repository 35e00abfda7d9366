"""How an error that we raise on purpose looks in Dagster.

Belongs here: one readable line in the run's log, and a step that failed for good. Does not belong
here: who is told about it; that is `alerts.py`.
"""

import dagster as dg

from dv_sync_pipeline.errors import DvSyncError
from dv_sync_pipeline.redact import redact

__all__ = ["failure"]


def failure(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, error: DvSyncError
) -> dg.Failure:
    """To be raised `from None`: no retry would help, and the cause is told in full.

    The log gets the text on its own, because below a failure Dagster shows its own stack.
    """
    text = redact(str(error))
    context.log.error(text)
    return dg.Failure(text, allow_retries=False)
