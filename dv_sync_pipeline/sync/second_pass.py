"""Setting the lookups that close a circle of tables, once all tables of the circle are there.

Belongs here: the pass alone. Which lookups these are is decided in `deferral.py`; lookups within
one table need no pass of their own (`writer.py`). It reads ids, keys and those lookups only, never
creates a row, and neither adopts nor forgets one: all that is for the reconcile before it.
"""

from dataclasses import replace

import polars as pl

from dv_sync_pipeline.sync.comparison import Comparison, TablePass, compare_sides
from dv_sync_pipeline.sync.difference import CHANGED, STATUS_CHANGED, Difference, row_differences
from dv_sync_pipeline.sync.mapping import PRIMARY_ID, VERSION
from dv_sync_pipeline.sync.meter import Meter
from dv_sync_pipeline.sync.reconcile import report_of
from dv_sync_pipeline.sync.report import ParkedRow, ParkedWork, TableReport
from dv_sync_pipeline.sync.waiting import missing_parents
from dv_sync_pipeline.sync.writer import Written, apply

__all__ = ["plan_deferred_lookups", "set_deferred_lookups"]

_MODE = "deferred lookups"
_WHOLE = (ParkedWork.WRITE, ParkedWork.REMOVAL)


async def set_deferred_lookups(task: TablePass) -> TableReport:
    """Make the deferred lookups of linked rows equal."""
    meter = Meter(task)
    comparison = await _compare(task)
    written = await apply(comparison.difference, task)
    known = comparison.parent_links
    own = {task.mapping.own: task.ledger.links(task.table)}
    waiting = missing_parents(comparison.rows, task.mapping, {**known, **own})
    task.ledger.add_waiting(task.table, waiting)
    parked = task.ledger.replace_parked(
        task.table, _newly_parked(written, task), work=ParkedWork.LOOKUPS
    )
    return report_of(comparison, meter, mode=_MODE, written=written, parked=parked)


def _newly_parked(written: Written, task: TablePass) -> list[ParkedRow]:
    """Without the rows that wait already to be written as a whole."""
    known = {row.primary_id for row in task.ledger.parked(task.table) if row.work in _WHOLE}
    return [
        replace(row, work=ParkedWork.LOOKUPS)
        for row in written.parked.values()
        if row.primary_id not in known
    ]


async def plan_deferred_lookups(task: TablePass) -> TableReport:
    """What `set_deferred_lookups` would do, row by row; nothing is written anywhere."""
    meter = Meter(task)
    comparison = await _compare(task)
    return report_of(
        comparison,
        meter,
        mode=_MODE,
        written=Written(updated=comparison.difference.changed.height),
        parked=(),
        differences=row_differences(comparison.difference, deletes=task.settings.deletes),
    )


async def _compare(task: TablePass) -> Comparison:
    comparison = await compare_sides(task)
    links = task.ledger.links(task.table)
    return replace(comparison, difference=_of_linked_rows(comparison.difference, links), parked=())


def _of_linked_rows(difference: Difference, links: pl.DataFrame) -> Difference:
    """What differs in rows that are linked; their links keep the version of the whole row.

    A state that differs is not for this pass: the reconcile has tried it.
    """
    versions = links.select(PRIMARY_ID, pl.col(VERSION).alias("@known_version"))
    known = difference.changed.select(PRIMARY_ID).join(
        versions, on=PRIMARY_ID, how="left", maintain_order="left"
    )["@known_version"]
    changed = difference.changed.with_columns(
        known.alias(VERSION), pl.lit(value=False).alias(STATUS_CHANGED)
    )
    is_due = known.is_not_null() & (changed[CHANGED].list.len() > 0)
    return replace(
        difference,
        creates=difference.creates.clear(),
        changed=changed.filter(is_due),
        before=difference.before.filter(is_due),
        fresh_links=difference.fresh_links.clear(),
        dead_links=difference.dead_links.clear(),
        gone=difference.gone.clear(),
        adopted=0,
        foreign=0,
        unmatched=0,
    )
