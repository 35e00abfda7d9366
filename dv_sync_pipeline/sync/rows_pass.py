"""A pass over a few rows: compare, write, and write down what waits.

Belongs here: the order of its steps, and its report. Rows are compared and written exactly as by a
reconcile. Does not belong here: which rows, and why (`changes.py`, `reconcile.py`), or how few rows
are compared (`touched.py`).
"""

from collections.abc import AsyncIterator, Collection, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from dv_sync_pipeline.errors import TableError
from dv_sync_pipeline.sync.associations import compare_pairs_of
from dv_sync_pipeline.sync.comparison import Comparison, TablePass
from dv_sync_pipeline.sync.difference import Difference, row_differences, rows_to_go
from dv_sync_pipeline.sync.feed import MODIFIED
from dv_sync_pipeline.sync.freed_keys import keys_held, waiting_for_keys
from dv_sync_pipeline.sync.guards import Removal, RemovalList
from dv_sync_pipeline.sync.ledger.waiting import WAITING_SCHEMA
from dv_sync_pipeline.sync.mapping import KEY, PRIMARY_ID, SECONDARY_ID
from dv_sync_pipeline.sync.meter import Meter
from dv_sync_pipeline.sync.pairs import apply_pairs
from dv_sync_pipeline.sync.report import (
    KEY_REASONS,
    PARKED_ROWS_SHOWN_MAX,
    ParkedRow,
    ParkedWork,
    RowDifference,
    TableReport,
)
from dv_sync_pipeline.sync.touched import Touched, compare_touched, read_touched
from dv_sync_pipeline.sync.waiting import all_there, looked_up, missing_parents
from dv_sync_pipeline.sync.writer import Written, apply

__all__ = ["RowsPass", "removals_listed"]

ROUNDS_MAX = 100
"""How often rows are looked at again; a chain of rows that wait for each other takes as many."""


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
    pairs: int = 0
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
        self.waiting += comparison.waiting + written.waiting

    def settle(self, ids: Collection[str], parked: Collection[ParkedRow]) -> None:
        """Of these rows, these are parked now."""
        for row_id in ids:
            self.parked.pop(row_id, None)
        self.parked |= {row.primary_id: row for row in parked}


class RowsPass:
    """One pass over some rows of one table."""

    def __init__(self, task: TablePass, *, dry_run: bool = False) -> None:
        self._task = task
        self._dry_run = dry_run
        self._meter = Meter(task)
        self._tally = _Tally()
        self._arrived: set[str] = set()
        self._freed_keys: set[str] = set()

    async def look_at(self, ids: Collection[str], *, is_news: bool = True) -> None:
        """Read these rows in the primary, and make them equal."""
        if ids:
            async with self._hold(len(ids)):
                self._task.turns.begin_anew()
                touched = await read_touched(self._task, ids)
                await self.apply(touched, is_news=is_news)

    async def make_pairs(self, ids: Collection[str]) -> None:
        """Make and undo the pairs of these rows as the primary shows them."""
        if not (ids and self._task.mapping.associations):
            return
        differences = await compare_pairs_of(self._task, ids)
        written = await apply_pairs(self._task, differences)
        parked = written.parked
        self._task.ledger.replace_parked(self._task.table, list(parked.values()), among=parked)
        self._tally.pairs += written.pairs
        self._tally.parked |= parked

    async def finish(self) -> None:
        """Look again at rows that were overtaken, that are in doubt, whose parent or key came."""
        for _ in range(ROUNDS_MAX):
            now = self._task.clock()
            doubtful = self._task.ledger.rows_in_doubt(self._task.table, due=now)
            overtaken = self._task.turns.forget_overtaken() | doubtful
            due = self._newly_arrived() | self._waiting_for_freed_keys()
            if self._dry_run or not overtaken | due:
                return
            await self.look_at(overtaken)
            await self.look_at(due - overtaken, is_news=False)
            if doubtful:
                self._task.ledger.settle_doubts(self._task.table, due=now)
        raise TableError(
            f"other runs keep writing the same rows of {self._task.table}",
            mend="Nothing to do: the next run looks at them again",
        )

    def _newly_arrived(self) -> set[str]:
        """Rows for which a parent has arrived, each once in this pass."""
        arrived = set(self._task.ledger.arrived(self._task.table)) - self._arrived
        self._arrived |= arrived
        return arrived

    def _waiting_for_freed_keys(self) -> set[str]:
        freed, self._freed_keys = self._freed_keys, set()
        return waiting_for_keys(self._task.ledger, self._task.table, freed)

    @asynccontextmanager
    async def _hold(self, rows: int) -> AsyncIterator[None]:
        """Few rows are read and written in one turn; more take turns for each chunk."""
        if self._dry_run or rows > self._task.rows_per_chunk:
            yield
            return
        async with self._task.turns.hold():
            yield

    async def apply(self, touched: Touched, *, is_news: bool = True) -> None:
        """Compare these rows and write what differs; of news, the lag is measured."""
        if touched.ids:
            async with self._hold(len(touched.ids)):
                await self._apply(touched, is_news=is_news)

    async def _apply(self, touched: Touched, *, is_news: bool) -> None:
        touched, comparison = await compare_touched(self._task, touched)
        self._tally.read += len(touched.ids)
        gone = rows_to_go(comparison.difference, deletes=self._task.settings.deletes)
        if self._dry_run:
            self._plan(comparison.foreseen(self._task.mapping), gone=gone.height)
            return
        held = self._keys_held(touched)
        written = await apply(comparison.difference, self._task)
        self._tally.add(comparison, written, gone=gone.height)
        async with self._task.turns.entries(touched.ids) as overtaken:
            self._settle(touched.ids - overtaken, comparison, written)
            if is_news:
                self._note_lag(comparison, written)
        self._freed_keys |= held - self._keys_held(touched)

    def _keys_held(self, touched: Touched) -> frozenset[str]:
        return keys_held(self._task.ledger, self._task.table, touched.ids)

    def _plan(self, comparison: Comparison, *, gone: int) -> None:
        difference = comparison.difference
        would_be = Written(created=difference.creates.height, updated=difference.changed.height)
        self._tally.add(comparison, would_be, gone=gone)
        self._tally.parked |= {row.primary_id: row for row in comparison.parked}
        deletes = self._task.settings.deletes
        self._tally.differences += row_differences(difference, deletes=deletes)

    def _settle(self, ids: Collection[str], comparison: Comparison, written: Written) -> None:
        """Write down what waits of these rows: for a person, for a parent, or to be removed.

        All of them are stamped, those that are parked and have no link included, so that a pass
        that began before leaves alone what is written down here.
        """
        task, table = self._task, self._task.table
        ids = set(ids) - task.turns.overtaken
        refused = {row.primary_id: row for row in comparison.parked} | written.parked
        parked = [row for row_id, row in refused.items() if row_id in ids]
        parked = task.ledger.replace_parked(table, parked, among=ids)
        if task.mapping.deferred:
            task.ledger.replace_parked(table, [], work=ParkedWork.LOOKUPS, among=ids)
        task.ledger.stamp_rows(table, [row.primary_id for row in parked], writer=task.turns.writer)
        waiting = _waiting(task, comparison).filter(pl.col(PRIMARY_ID).is_in(list(ids)))
        task.ledger.replace_waiting(table, waiting, among=ids)
        self._list_removals(comparison.difference, ids)
        self._tally.settle(ids, parked)

    def _list_removals(self, difference: Difference, ids: Collection[str]) -> None:
        """Add the rows that are gone to the list of the table, and strike off those that are not.

        How many rows the primary has is not known here: as many as are linked and not listed.
        """
        task = self._task
        listed = task.ledger.removals(task.table).removals
        removals = removals_listed(difference, task, listed=listed, among=ids)
        if removals != tuple(listed):
            links = task.ledger.count_links(task.table)
            task.ledger.replace_removals(
                RemovalList(task.table, removals, links, max(links - len(removals), 0))
            )

    def added_to(self, written: Written) -> Written:
        """What was written before and in this pass."""
        return replace(
            written,
            created=written.created + self._tally.created,
            updated=written.updated + self._tally.updated,
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
        parked_count = len(parked) if self._dry_run else ledger.count_parked(table)
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
            parked=parked_count,
            requests=traffic.requests,
            retries=traffic.retries,
            throttled_seconds=traffic.throttled_seconds,
            seconds=seconds,
            verified_through=None,
            parked_rows=parked[:PARKED_ROWS_SHOWN_MAX],
            differences=tuple(tally.differences),
            pairs=tally.pairs,
            lag_seconds=tally.lag_seconds,
            reconcile_owed=ledger.reconcile_owed(table),
            reconcile_only=ledger.is_untracked(table),
            columns=self._meter.columns,
            key_conflicts=self._key_conflicts() if parked_count else 0,
        )

    def _key_conflicts(self) -> int:
        if self._dry_run:
            return sum(row.reason in KEY_REASONS for row in self._tally.parked.values())
        return self._task.ledger.count_parked(self._task.table, reasons=KEY_REASONS)


def _waiting(task: TablePass, comparison: Comparison) -> pl.DataFrame:
    """Which of the rows wait for which parents."""
    rows, mapping = comparison.rows, task.mapping
    parents = looked_up(rows, mapping)
    written = {
        parent: task.ledger.links_of(parent.table, sorted(ids)) for parent, ids in parents.items()
    }
    # So it is with nearly every micro-batch: no parent was missing, and none has gone meanwhile.
    if not (comparison.waiting or comparison.parked) and all_there(parents, written):
        return WAITING_SCHEMA.to_frame()
    return missing_parents(rows, mapping, comparison.parent_links, written)


def _oldest_change(comparison: Comparison, *, without: Collection[str]) -> datetime | None:
    """When the first of the rows was changed that were written."""
    difference, rows = comparison.difference, comparison.rows
    if MODIFIED not in rows.columns:
        return None
    written = {*difference.creates[PRIMARY_ID], *difference.changed[PRIMARY_ID]} - set(without)
    oldest = rows.filter(pl.col(PRIMARY_ID).is_in(list(written)))[MODIFIED].min()
    return datetime.fromisoformat(str(oldest)).astimezone(UTC) if oldest else None


def removals_listed(
    difference: Difference, task: TablePass, *, listed: Sequence[Removal], among: Container[str]
) -> tuple[Removal, ...]:
    """What was listed, once it says of the rows `among` what the difference says of them."""
    if not task.settings.has_removals:
        return ()
    gone = rows_to_go(difference, deletes=task.settings.deletes)
    found = [Removal(*row) for row in gone.select(PRIMARY_ID, SECONDARY_ID, KEY).iter_rows()]
    kept = [each for each in listed if each.primary_id not in among]
    new = [each for each in found if each.primary_id in among]
    return tuple(sorted([*kept, *new], key=lambda each: (each.key, each.primary_id)))
