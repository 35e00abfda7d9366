"""The pass that follows changes: only the rows that the feed, or somebody, speaks of.

Belongs here: the order of its steps, the token, and its report. Rows are compared and written
exactly as by a reconcile. Does not belong here: how few rows are compared (`touched.py`).

A delta token is saved when all that it covers is written, parked, or on the list of removals; a
crash before that lets the next pass read the same changes again, which harms nobody. Rows that are
gone, and rows that have left the filter, are put on the list; `remove_gone` removes them, children
before parents, as after a reconcile.

Pairs of many-to-many relationships are not followed: the feed of a table does not tell of them
(DATAVERSE 7.4). Reconciles cover them.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from dv_sync_pipeline.errors import DeltaTokenLostError, DvSyncError
from dv_sync_pipeline.sync.comparison import Comparison, TablePass
from dv_sync_pipeline.sync.difference import row_differences, rows_to_go
from dv_sync_pipeline.sync.feed import MODIFIED, Feed
from dv_sync_pipeline.sync.guards import Removal, RemovalList
from dv_sync_pipeline.sync.mapping import KEY, PRIMARY_ID, SECONDARY_ID
from dv_sync_pipeline.sync.reconcile import Meter
from dv_sync_pipeline.sync.report import (
    PARKED_ROWS_SHOWN_MAX,
    ParkedRow,
    RowDifference,
    TableReport,
)
from dv_sync_pipeline.sync.touched import (
    Touched,
    compare_touched,
    frame_of_changes,
    read_touched,
)
from dv_sync_pipeline.sync.waiting import looked_up, missing_parents
from dv_sync_pipeline.sync.writer import Written, apply
from dv_sync_pipeline.webapi.client import ChangePage

__all__ = ["follow_changes", "reread_rows"]


async def follow_changes(
    task: TablePass, feed: Feed, *, ensure_turn: Callable[[], None], dry_run: bool = False
) -> TableReport:
    """Follow the feed of one table from the saved token, the turn being ours.

    Without a usable token nothing is done and a reconcile is owed: `TableReport.reconcile_owed`.
    """
    story = _Pass(task, ensure_turn, dry_run=dry_run)
    token = feed.usable_token()
    if token is None:
        if not feed.ledger.is_untracked(task.table):
            feed.ledger.owe_reconcile(task.table, feed.why_unusable())
        return story.report("changes")
    try:
        async for page in feed.read(token):
            await story.apply_page(page)
            link = page.token
    except DeltaTokenLostError as error:
        feed.ledger.owe_reconcile(task.table, _why_lost(error))
        feed.ledger.drop_delta_token(task.table, token)
        return story.report("changes")
    await story.settle_arrivals()
    if not dry_run:
        feed.save(replace(token, link=link, taken=story.began), instead_of=token)
    return story.report("changes")


def _why_lost(error: DvSyncError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what


async def reread_rows(
    task: TablePass, ids: Iterable[str], *, ensure_turn: Callable[[], None]
) -> TableReport:
    """Make exactly these rows equal, and those that have waited for them; the turn being ours."""
    story = _Pass(task, ensure_turn)
    await story.apply(await read_touched(task, {row_id.lower() for row_id in ids}))
    await story.settle_arrivals()
    return story.report("rows")


@dataclass(slots=True)
class _Tally:
    """What became of the rows so far; the counts are those of `TableReport`."""

    read: int = 0
    created: int = 0
    updated: int = 0
    equal: int = 0
    adopted: int = 0
    gone: int = 0
    waiting: int = 0
    parked: dict[str, ParkedRow] = field(default_factory=dict)
    differences: list[RowDifference] = field(default_factory=list)
    lag_seconds: float | None = None

    def add(self, comparison: Comparison, written: Written, *, gone: int) -> None:
        difference = comparison.difference
        self.created += written.created
        self.updated += written.updated
        self.equal += difference.equal
        self.adopted += difference.adopted
        self.gone += gone
        self.waiting += comparison.projection.waiting + written.waiting


class _Pass:
    """One pass over some rows of one table."""

    def __init__(
        self, task: TablePass, ensure_turn: Callable[[], None], *, dry_run: bool = False
    ) -> None:
        self._task = task
        self._ensure_turn = ensure_turn
        self._dry_run = dry_run
        self._meter = Meter(task)
        self._tally = _Tally()
        self._handled: set[str] = set()
        self.began = task.clock()

    async def apply_page(self, page: ChangePage) -> None:
        """Rows as the feed shows them; where it alone decides nothing, the primary is asked.

        That is so for tombstones, because the row may be there again (DATAVERSE 7.2), and for every
        row of a table with a filter, because a feed has none (DATAVERSE 7.1).
        """
        task = self._task
        rows = frame_of_changes(task, page.rows)
        shown = frozenset(rows[PRIMARY_ID])
        known = set(task.ledger.links_of(task.table, page.deleted)[PRIMARY_ID])
        parked = {row.primary_id for row in task.ledger.parked(task.table)} & set(page.deleted)
        doubtful = known | parked | (set(page.deleted) & shown)
        doubtful |= shown if task.mapping.filter else set()
        touched = Touched(rows, shown)
        if doubtful:
            touched = touched.joined_with(await read_touched(task, doubtful))
        await self.apply(touched)

    async def settle_arrivals(self) -> None:
        """Rows for which a parent has arrived, be it in this very pass, are looked at again."""
        while arrived := set(self._task.ledger.arrived(self._task.table)) - self._handled:
            self._handled |= arrived
            await self.apply(await read_touched(self._task, arrived))

    async def apply(self, touched: Touched) -> None:
        """Compare these rows and write what differs."""
        if not touched.ids:
            return
        touched, comparison = await compare_touched(self._task, touched)
        self._tally.read += len(touched.ids)
        gone = rows_to_go(comparison.difference, deletes=self._task.settings.deletes)
        if self._dry_run:
            self._plan(comparison, gone=gone.height)
            return
        written = await apply(comparison.difference, self._task, ensure_turn=self._ensure_turn)
        self._tally.add(comparison, written, gone=gone.height)
        self._settle(touched, comparison, written)
        self._note_lag(comparison, written)

    def _plan(self, comparison: Comparison, *, gone: int) -> None:
        difference = comparison.difference
        would_be = Written(created=difference.creates.height, updated=difference.changed.height)
        self._tally.add(comparison, would_be, gone=gone)
        self._tally.parked |= {row.primary_id: row for row in comparison.parked}
        deletes = self._task.settings.deletes
        self._tally.differences += row_differences(difference, deletes=deletes)

    def _settle(self, touched: Touched, comparison: Comparison, written: Written) -> None:
        """Write down what waits: for a person, for a parent, or to be removed."""
        task, ids = self._task, touched.ids
        refused = {row.primary_id: row for row in comparison.parked} | written.parked
        parked = task.ledger.replace_parked(task.table, list(refused.values()), among=ids)
        for row_id in ids:
            self._tally.parked.pop(row_id, None)
        self._tally.parked |= {row.primary_id: row for row in parked}
        task.ledger.replace_waiting(task.table, _waiting(task, touched), among=ids)
        self._list_removals(comparison, ids)

    def _list_removals(self, comparison: Comparison, ids: Collection[str]) -> None:
        """Add the rows that are gone to the list of the table, and strike off those that are not.

        How many rows the primary has is not known here: as many as are linked and not listed.
        """
        task = self._task
        if not task.settings.has_removals:
            return
        listed = task.ledger.removals(task.table)
        gone = rows_to_go(comparison.difference, deletes=task.settings.deletes)
        found = [Removal(*row) for row in gone.select(PRIMARY_ID, SECONDARY_ID, KEY).iter_rows()]
        kept = [each for each in listed.removals if each.primary_id not in ids]
        if not found and len(kept) == len(listed.removals):
            return
        removals = tuple(sorted([*kept, *found], key=lambda each: each.key))
        links = task.ledger.count_links(task.table)
        task.ledger.replace_removals(
            RemovalList(task.table, removals, links, max(links - len(removals), 0))
        )

    def _note_lag(self, comparison: Comparison, written: Written) -> None:
        """From `modifiedon` of the rows that were written until now."""
        now = self._task.clock()
        moment = _oldest_change(comparison, without=written.parked)
        if moment is not None:
            seconds = max((now - moment).total_seconds(), 0.0)
            self._tally.lag_seconds = max(seconds, self._tally.lag_seconds or 0.0)
            self._task.ledger.note_lag(self._task.table, seconds, now=now)

    def report(self, mode: str) -> TableReport:
        """What became of it all."""
        tally, parked = self._tally, tuple(self._tally.parked.values())
        seconds, traffic = self._meter.read()
        ledger, table = self._task.ledger, self._task.table
        return TableReport(
            table=table,
            mode=mode,
            dry_run=self._dry_run,
            read=tally.read,
            created=tally.created,
            updated=tally.updated,
            equal=tally.equal,
            adopted=tally.adopted,
            gone=tally.gone,
            waiting=tally.waiting,
            foreign=0,
            parked=len(parked),
            requests=traffic.requests,
            retries=traffic.retries,
            throttled_seconds=traffic.throttled_seconds,
            seconds=seconds,
            verified_through=None,
            parked_rows=parked[:PARKED_ROWS_SHOWN_MAX],
            differences=tuple(tally.differences),
            lag_seconds=tally.lag_seconds,
            reconcile_owed=ledger.reconcile_owed(table),
            reconcile_only=ledger.is_untracked(table),
        )


def _waiting(task: TablePass, touched: Touched) -> pl.DataFrame:
    """Which of the rows wait for which parents, as the ledger knows the parents now."""
    ids = {
        parent: frame["@parent_id"]
        for parent, frame in looked_up(touched.rows, task.mapping).items()
    }
    links = {parent: task.ledger.links_of(parent.table, some) for parent, some in ids.items()}
    return missing_parents(touched.rows, task.mapping, links=links)


def _oldest_change(comparison: Comparison, *, without: Collection[str]) -> datetime | None:
    """When the first of the rows was changed that were written."""
    difference, rows = comparison.difference, comparison.rows
    if MODIFIED not in rows.columns:
        return None
    written = {*difference.creates[PRIMARY_ID], *difference.changed[PRIMARY_ID]} - set(without)
    oldest = rows.filter(pl.col(PRIMARY_ID).is_in(list(written)))[MODIFIED].min()
    return datetime.fromisoformat(str(oldest)).astimezone(UTC) if oldest else None
