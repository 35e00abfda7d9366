"""The pass that follows changes: only the rows that the feed, or somebody, speaks of.

Belongs here: the token, and what the feed says. Does not belong here: what becomes of the rows
(`rows_pass.py`); they are compared and written exactly as by a reconcile.

A delta token is saved when all that it covers is written, parked, or on the list of removals; a
crash before that lets the next pass read the same changes again, which harms nobody. Rows that are
gone, and rows that have left the filter, are put on the list; `remove_gone` removes them, children
before parents, as after a reconcile.

Of what is deleted the ledger is told before anything else, even of rows that it does not know: a
pass that has read such a row before must not create it now (`turns.py`).

Pairs of many-to-many relationships are not followed: the feed of a table does not tell of them
(DATAVERSE 7.4). They are compared for rows that somebody names, as a webhook does when a pair is
made or undone; reconciles cover the rest.
"""

from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from dv_sync_pipeline.errors import DeltaTokenLostError, DvSyncError
from dv_sync_pipeline.sync.comparison import TablePass
from dv_sync_pipeline.sync.feed import Feed
from dv_sync_pipeline.sync.mapping import PRIMARY_ID, VERSION
from dv_sync_pipeline.sync.report import TableReport
from dv_sync_pipeline.sync.rows_pass import RowsPass
from dv_sync_pipeline.sync.touched import Touched, frame_of_changes, read_touched
from dv_sync_pipeline.webapi.client import ChangePage

__all__ = ["follow_changes", "reread_rows"]


async def follow_changes(task: TablePass, feed: Feed, *, dry_run: bool = False) -> TableReport:
    """Follow the feed of one table from the saved token.

    Without a usable token nothing is done and a reconcile is owed: `TableReport.reconcile_owed`.
    """
    rows = RowsPass(task, dry_run=dry_run)
    token = feed.usable_token()
    if token is None:
        if not feed.ledger.is_untracked(task.table):
            feed.ledger.owe_reconcile(task.table, feed.why_unusable())
        return rows.report("changes")
    if not dry_run:
        await task.turns.begin()
    began = task.clock()
    try:
        async for page in feed.read(token):
            if not dry_run:
                task.ledger.stamp_rows(task.table, page.deleted, writer=task.turns.writer)
            await rows.apply(await _touched_by(page, task))
            link = page.token
    except DeltaTokenLostError as error:
        feed.ledger.owe_reconcile(task.table, _why_lost(error))
        feed.ledger.drop_delta_token(task.table, token)
        return rows.report("changes")
    await rows.finish()
    if not dry_run:
        feed.save(replace(token, link=link, taken=began), instead_of=token)
    return rows.report("changes")


def _why_lost(error: DvSyncError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what


async def _touched_by(page: ChangePage, task: TablePass) -> Touched:
    """Rows as the feed shows them; where it alone decides nothing, the primary is asked.

    That is so for tombstones, because the row may be there again (DATAVERSE 7.2), for every row of
    a table with a filter, because a feed has none (DATAVERSE 7.1), and for a row that looks older
    than what was written already.
    """
    rows = frame_of_changes(task, page.rows)
    shown, deleted = set(rows[PRIMARY_ID]), set(page.deleted)
    links = task.ledger.links_of(task.table, sorted(shown | deleted))
    parked = {row.primary_id for row in task.ledger.parked(task.table)} if deleted else set()
    doubtful = deleted & ({*links[PRIMARY_ID]} | parked | shown)
    doubtful |= shown if task.mapping.filter else _older(rows, links)
    touched = Touched(rows, frozenset(shown))
    return touched.joined_with(await read_touched(task, doubtful)) if doubtful else touched


def _older(rows: pl.DataFrame, links: pl.DataFrame) -> set[str]:
    """Rows of an older version than the one that the secondary shows."""
    if VERSION not in rows.columns:
        return set()
    both = rows.select(PRIMARY_ID, VERSION).join(links, on=PRIMARY_ID, suffix="@linked")
    return set(both.filter(pl.col(VERSION) < pl.col(f"{VERSION}@linked"))[PRIMARY_ID])


async def reread_rows(task: TablePass, ids: Iterable[str]) -> TableReport:
    """Make exactly these rows equal, their pairs, and the rows that have waited for them."""
    rows, named = RowsPass(task), {row_id.lower() for row_id in ids}
    await rows.look_at(named)
    await rows.make_pairs(named)
    await rows.finish()
    return rows.report("rows")
