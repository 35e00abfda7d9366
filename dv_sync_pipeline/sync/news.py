"""Whether the change feed of a table tells of anything that was not applied yet.

Belongs here: a look that writes nothing to the secondary and stops at the first news. Does not
belong here: applying them (`changes.py`), or what a sensor makes of them.
"""

import hashlib
from dataclasses import replace

import polars as pl

from dv_sync_pipeline.errors import DeltaTokenLostError
from dv_sync_pipeline.sync.comparison import TablePass
from dv_sync_pipeline.sync.feed import Feed
from dv_sync_pipeline.sync.mapping import PRIMARY_ID, VERSION
from dv_sync_pipeline.sync.touched import frame_of_changes
from dv_sync_pipeline.webapi.client import ChangePage

__all__ = ["news_of"]

_DIGEST_CHARACTERS = 16


async def news_of(task: TablePass, feed: Feed) -> str:
    """What tells these news from earlier ones; "" when there are none.

    A feed without news is behind us: its next token is saved, so that the age of the token tells
    how long ago the feed was followed to its end. A token that cannot be used is news as well: the
    pass that follows finds out what to do. So are rows in doubt that are to be looked at again.
    """
    began = task.clock()
    token = feed.usable_token()
    if token is None:
        return "" if feed.ledger.is_untracked(feed.table) else feed.why_unusable()
    link, doubtful = token.link, task.ledger.rows_in_doubt(task.table, due=began)
    if doubtful:
        return _digest(token.link, *sorted(doubtful))
    try:
        async for page in feed.read(token):
            if not _is_applied(page, task):
                return _digest(token.link)
            link = page.token
    except DeltaTokenLostError:
        return _digest(token.link)
    feed.save(replace(token, link=link, taken=began), instead_of=token)
    return ""


def _is_applied(page: ChangePage, task: TablePass) -> bool:
    """Whether each row was written in this version or a later one, and what is gone has no link.

    Stamped before it is looked for: another pass may be about to create it (`turns.py`).
    """
    task.ledger.stamp_rows(task.table, page.deleted, writer=task.turns.writer)
    rows = frame_of_changes(task, page.rows)
    if VERSION not in rows.columns:
        return rows.is_empty() and not page.deleted
    links = task.ledger.links_of(task.table, [*rows[PRIMARY_ID], *page.deleted])
    if set(page.deleted) & set(links[PRIMARY_ID]):
        return False
    newer = rows.join(links, on=PRIMARY_ID, how="left").filter(
        (pl.col(VERSION) > pl.col(f"{VERSION}_right")).fill_null(value=True)
    )
    return newer.is_empty()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGEST_CHARACTERS]
