"""The pass that reads both sides completely, compares, and repairs; also the first load.

Belongs here: the order of its steps, and the report; likewise of the pass that removes what a
reconcile found to be gone. Does not belong here: how a step is done.
"""

from collections.abc import Container, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from dv_sync_pipeline.sync.associations import PairDifference, compare_pairs, pair_differences
from dv_sync_pipeline.sync.comparison import Comparison, TablePass, compare_sides
from dv_sync_pipeline.sync.difference import row_differences, rows_to_go
from dv_sync_pipeline.sync.feed import Feed
from dv_sync_pipeline.sync.guards import HeldLists, Removal, RemovalList
from dv_sync_pipeline.sync.ledger.scope import EVERY_ROW, AllBut
from dv_sync_pipeline.sync.mapping import PRIMARY_ID
from dv_sync_pipeline.sync.meter import Meter
from dv_sync_pipeline.sync.pairs import PairsWritten, apply_pairs, held_pairs
from dv_sync_pipeline.sync.removals import remove, would_be_removed
from dv_sync_pipeline.sync.report import (
    KEY_REASONS,
    PARKED_ROWS_SHOWN_MAX,
    DifferenceKind,
    ParkedRow,
    ParkedWork,
    RowDifference,
    TableReport,
)
from dv_sync_pipeline.sync.rows_pass import RowsPass, removals_listed
from dv_sync_pipeline.sync.waiting import missing_parents
from dv_sync_pipeline.sync.writer import Written, apply

__all__ = ["plan", "plan_removals", "reconcile", "remove_gone", "report_of"]

REMOVED_LATELY = timedelta(hours=1)
"""What went within this time counts with what is to go (`guards.py`)."""


async def reconcile(task: TablePass, feed: Feed) -> TableReport:
    """One pass over one table.

    A reconcile is owed from the first moment until the pass is completed, so that a crash anywhere
    leaves a trace (RELIABILITY 0.2). The delta token is taken before the primary is read and saved
    when all is done: changes go on from there without a gap. Rows that other passes have written
    meanwhile are looked at again when all others are done.
    """
    meter = Meter(task)
    await task.turns.begin()
    mapping_changed = task.ledger.mapping_changed(task.table, mapping=feed.fingerprint)
    task.ledger.begin_reconcile(task.table, mapping=feed.fingerprint)
    known_token = task.ledger.delta_token(task.table)
    token = await feed.fresh_token(writer=task.turns.writer)
    comparison = await compare_sides(task)
    written = await apply(comparison.difference, task)
    pairs = await _pairs(task, comparison)
    associated = await apply_pairs(task, pairs)
    overtaken = await _settle(comparison, task, written=written, associated=associated)
    again = RowsPass(task)
    await again.look_at(overtaken)
    await again.finish()
    feed.save(token, instead_of=known_token)
    task.ledger.finish_reconcile(task.table, verified_through=comparison.began)
    parked = [row for row in task.ledger.parked(task.table) if row.work is ParkedWork.WRITE]
    report = report_of(comparison, meter, written=again.added_to(written), parked=parked)
    report = replace(report, mapping_changed=mapping_changed)
    return report.with_pairs(
        associated.pairs, waiting=sum(each.waiting for each in pairs), held=associated.held
    )


async def _pairs(task: TablePass, comparison: Comparison) -> list[PairDifference]:
    """By the links as they are once all rows are written; without relationships none is read."""
    if not task.mapping.associations:
        return []
    links = task.ledger.links(task.table)
    return await compare_pairs(task, links, primary_ids=comparison.primary_ids)


async def _settle(
    comparison: Comparison, task: TablePass, *, written: Written, associated: PairsWritten
) -> set[str]:
    """Write down what waits; returns the rows of which other passes know more than this one."""
    ledger, table = task.ledger, task.table
    async with task.turns.hold():
        overtaken = task.turns.written_by_others() | task.turns.forget_overtaken()
        among = AllBut(frozenset(overtaken))
        refused = {**associated.parked, **written.parked}
        parked = [row for row in (*comparison.parked, *refused.values()) if row.primary_id in among]
        ledger.replace_parked(table, parked, among=among)
        ledger.replace_removals(_removals(comparison, task, among=among))
        ledger.replace_held_pairs(table, associated.held.lists)
        waiting = _waiting(comparison, task).filter(~pl.col(PRIMARY_ID).is_in(list(overtaken)))
        ledger.replace_waiting(table, waiting, among=among)
    return overtaken


def _waiting(comparison: Comparison, task: TablePass) -> pl.DataFrame:
    """Which rows wait for which parents, now that their own table is written."""
    known = comparison.parent_links
    if not task.mapping.chained:
        return missing_parents(comparison.rows, task.mapping, known)
    written = {**known, task.mapping.own: task.ledger.links(task.table)}
    return missing_parents(comparison.rows, task.mapping, known, written)


async def remove_gone(task: TablePass) -> TableReport:
    """Remove what is on the list of the table.

    To be run when all tables were reconciled, children before parents: a child that was moved to
    another parent must have moved before its old parent goes (DESIGN 4, Order).
    """
    meter = Meter(task)
    await task.turns.begin()
    began = task.clock()
    found = _listed(task, now=began)
    removed = await remove(found, task)
    if found.approved != found.digest:
        task.ledger.note_removed(task.table, removed.removed, now=began)
    task.ledger.replace_parked(task.table, removed.parked, work=ParkedWork.REMOVAL)
    report = _report_of_removals(task, meter, listed=len(found.removals))
    return replace(report, removed=removed.removed).holding(removed.held)


async def plan_removals(task: TablePass) -> TableReport:
    """What `remove_gone` would do, row by row; nothing is written anywhere.

    It knows the list of the last pass that was not a plan: what a plan of the table finds to be
    gone is told by that plan.
    """
    meter = Meter(task)
    found = _listed(task, now=task.clock())
    removals, held = await would_be_removed(found, task)
    report = _report_of_removals(task, meter, listed=len(found.removals))
    return replace(
        report,
        dry_run=True,
        removed=len(removals),
        differences=tuple(map(_as_difference, removals)),
    ).holding(held)


def _as_difference(removal: Removal) -> RowDifference:
    return RowDifference(DifferenceKind.REMOVE, removal.key, "", removal.secondary_id)


def _listed(task: TablePass, *, now: datetime) -> RemovalList:
    lately = task.ledger.removed_since(task.table, now - REMOVED_LATELY)
    return replace(task.ledger.removals(task.table), removed_lately=lately)


def _report_of_removals(task: TablePass, meter: Meter, *, listed: int) -> TableReport:
    """Of a list that long, before anything is said of what became of it."""
    seconds, traffic = meter.read()
    parked = [row for row in task.ledger.parked(task.table) if row.work is ParkedWork.REMOVAL]
    return TableReport(
        table=task.table,
        mode="removals",
        dry_run=False,
        read=listed,
        created=0,
        updated=0,
        equal=0,
        adopted=0,
        gone=len(task.ledger.removals(task.table).removals),
        waiting=0,
        foreign=0,
        parked=len(parked),
        requests=traffic.requests,
        retries=traffic.retries,
        throttled_seconds=traffic.throttled_seconds,
        seconds=seconds,
        verified_through=None,
        parked_rows=tuple(parked[:PARKED_ROWS_SHOWN_MAX]),
    )


def _removals(
    comparison: Comparison, task: TablePass, *, among: Container[str] = EVERY_ROW
) -> RemovalList:
    """What the removals of this run have to do; nothing where rows are kept."""
    known = task.ledger.removals(task.table)
    return RemovalList(
        task.table,
        removals_listed(comparison.difference, task, listed=known.removals, among=among),
        links=comparison.difference.links.height + comparison.difference.gone.height,
        primary_rows=comparison.primary_rows,
        approved=known.approved,
    )


async def plan(task: TablePass) -> tuple[TableReport, Comparison]:
    """What a reconcile would do, row by row; nothing is written anywhere."""
    meter = Meter(task)
    comparison = (await compare_sides(task)).foreseen(task.mapping)
    difference = comparison.difference
    pairs = await compare_pairs(task, comparison.expected_links, primary_ids=comparison.primary_ids)
    written = Written(created=difference.creates.height, updated=difference.changed.height)
    report = report_of(
        comparison,
        meter,
        written=written,
        parked=comparison.parked,
        differences=[
            *row_differences(difference, deletes=task.settings.deletes),
            *pair_differences(pairs),
        ],
    )
    count = sum(each.missing.height + each.surplus.height for each in pairs)
    rows = HeldLists.of([_removals(comparison, task)], max_removals=task.settings.max_removals)
    waiting = sum(each.waiting for each in pairs)
    report = report.holding(rows).with_pairs(count, waiting=waiting, held=held_pairs(task, pairs))
    return report, comparison


def report_of(
    comparison: Comparison,
    meter: Meter,
    *,
    written: Written,
    parked: Iterable[ParkedRow],
    differences: Iterable[RowDifference] | None = None,
    mode: str = "reconcile",
) -> TableReport:
    """What became of a comparison; with `differences`, it was only a plan."""
    difference, parked = comparison.difference, tuple(parked)
    is_plan = differences is not None
    seconds, traffic = meter.read()
    return TableReport(
        table=meter.table,
        mode=mode,
        dry_run=is_plan,
        read=comparison.primary_rows,
        created=written.created,
        updated=written.updated,
        equal=difference.equal,
        adopted=difference.adopted,
        gone=rows_to_go(difference, deletes=meter.deletes).height,
        waiting=comparison.waiting + written.waiting,
        foreign=difference.foreign,
        unmatched=difference.unmatched,
        parked=len(parked),
        requests=traffic.requests,
        retries=traffic.retries,
        throttled_seconds=traffic.throttled_seconds,
        seconds=seconds,
        verified_through=None if is_plan else comparison.began,
        parked_rows=parked[:PARKED_ROWS_SHOWN_MAX],
        differences=tuple(differences or ()),
        drift=meter.drift,
        columns=meter.columns,
        key_conflicts=sum(row.reason in KEY_REASONS for row in parked),
    )
