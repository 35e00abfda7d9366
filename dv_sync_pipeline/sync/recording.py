"""Remembering how each pass ended.

Belongs here: what of a report goes into the ledger's short memory of passes. Does not belong here:
any step of a pass.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from dv_sync_pipeline.errors import DvSyncError, LedgerError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.passes import Pass
from dv_sync_pipeline.sync.report import TableReport

__all__ = ["recorded"]

_RARE = frozenset({"reconcile"})
"""Passes that are remembered even when they found nothing to do; the others come by the second."""


async def recorded(
    work: Awaitable[TableReport],
    *,
    ledger: Ledger,
    clock: Callable[[], datetime],
    table: str,
    mode: str,
) -> TableReport:
    """The report of a pass, once it is remembered; likewise the error that ended it."""
    began = clock()
    try:
        report = await work
    except LedgerError:
        raise
    except DvSyncError as error:
        seconds = (clock() - began).total_seconds()
        ledger.record_pass(Pass(table, mode, began, seconds, failure=redact(str(error))))
        raise
    done = _pass(report, began)
    # The end of a failure is worth remembering too.
    if done.mode in _RARE or done.differences or ledger.has_failed(table, mode=done.mode):
        ledger.record_pass(done)
    return report


def _pass(report: TableReport, began: datetime) -> Pass:
    return Pass(
        table=report.table,
        mode=report.mode,
        began=began,
        seconds=report.seconds,
        differences=report.created + report.updated + report.removed + report.pairs,
        parked=report.parked,
        held=report.held,
    )
