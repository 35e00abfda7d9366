"""The change feed of one table: what changed since a token, all of it or an error.

Belongs here: the pages of the feed, its closing link, and which answers mean that a token is lost
(DATAVERSE 7). A delta token is the whole delta link that the server gave; it is sent back verbatim.
Does not belong here: what follows from a change, or where tokens are kept.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from dv_sync_pipeline.errors import (
    ChangeTrackingOffError,
    DeltaTokenLostError,
    RequestRefusedError,
)
from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.metadata import TableSchema
from dv_sync_pipeline.webapi.odata import max_page_size
from dv_sync_pipeline.webapi.read import incomplete, preferences, rows_address
from dv_sync_pipeline.webapi.transport import Transport

__all__ = ["ChangePage", "begin_changes", "read_changes"]

_TRACK_CHANGES = "odata.track-changes"
_NOT_ENABLED = frozenset({"0x80072491", "0x80072492"})
_TOKEN_REFUSED = frozenset({400, 404, 410})
"""Statuses that tell of the link itself; what concerns rights or load does not (DATAVERSE 7.5)."""
_DELETED_ENTITY = "/$deletedEntity"


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A part of the changes of one table.

    Attributes:
        rows: created or changed rows as they are now, with the columns asked for and the id.
        deleted: ids of rows that are gone, in lower case; some may never have been seen, and some
            may be there again.
        token: where to go on next time, on the last page; "" on all others.

    """

    rows: Sequence[dict[str, Any]]
    deleted: Sequence[str]
    token: str


class _Page(msgspec.Struct):
    value: list[dict[str, Any]]
    next_link: str | None = msgspec.field(default=None, name="@odata.nextLink")
    delta_link: str | None = msgspec.field(default=None, name="@odata.deltaLink")


_PAGE = msgspec.json.Decoder(_Page, float_hook=Decimal)


async def begin_changes(
    transport: Transport, schema: TableSchema, columns: Sequence[str], *, rows_per_page: int
) -> str:
    """A token for what changes from now on, and for these columns.

    Dataverse gives one only behind a read of every row (DATAVERSE 7.1); the rows are let go. Raises
    `ChangeTrackingOffError` when the table does not track changes.
    """
    prefer = ",".join([_TRACK_CHANGES, max_page_size(rows_per_page), *preferences(schema, columns)])
    feed = _Feed(transport, schema, prefer)
    link: str | None = None
    first = await feed.first_page(f"{transport.root}{rows_address(schema, columns)}")
    async for page in feed.pages(first):
        link = page.delta_link
    if link is None:
        raise feed.tracking_off(why="the answer has no delta link")
    return link


async def read_changes(
    transport: Transport,
    schema: TableSchema,
    columns: Sequence[str],
    *,
    token: str,
    rows_per_page: int,
) -> AsyncIterator[ChangePage]:
    """What changed since the token, page by page; only a last page with a token is the end.

    Raises `DeltaTokenLostError` when the token leads nowhere any more, `IncompleteReadError` when
    the pages do not prove themselves complete: those yielded before may be applied all the same.
    """
    prefer = ",".join([max_page_size(rows_per_page), *preferences(schema, columns)])
    feed = _Feed(transport, schema, prefer)
    try:
        first = await feed.first_page(token)
    except RequestRefusedError as error:
        if error.status in _TOKEN_REFUSED:
            raise feed.token_lost(why=error.why) from None
        raise
    async for page in feed.pages(first):
        is_last = page.next_link is None
        if is_last and page.delta_link is None:
            raise incomplete(feed.where, why="the last page of changes has no delta link")
        yield _change_page(page, token=(page.delta_link or "") if is_last else "", where=feed.where)


class _Feed:
    """The pages of one answer."""

    def __init__(self, transport: Transport, schema: TableSchema, prefer: str) -> None:
        self._transport = transport
        self._table = schema.name
        self._prefer = prefer
        self.where = f"{transport.name}: changes of {schema.name}"

    async def first_page(self, link: str) -> _Page:
        try:
            return await self._page(link)
        except RequestRefusedError as error:
            if error.code in _NOT_ENABLED:
                raise self.tracking_off(why=error.why) from None
            raise

    async def _page(self, link: str) -> _Page:
        fetch = partial(self._transport.follow, link, prefer=self._prefer)
        return await read_decoded(fetch, _PAGE.decode, where=self.where)

    async def pages(self, page: _Page) -> AsyncIterator[_Page]:
        """The page and all that follow it; a link that comes twice is an error."""
        followed: set[str] = set()
        yield page
        while page.next_link is not None:
            if page.next_link in followed:
                raise incomplete(self.where, why="the link to the next page leads back")
            followed.add(page.next_link)
            page = await self._page(page.next_link)
            yield page

    def token_lost(self, *, why: str) -> DeltaTokenLostError:
        return DeltaTokenLostError(
            f"the delta token of {self._table} is not accepted any more",
            where=self._transport.name,
            why=why,
            mend=f"Reconcile {self._table}: that also finds what was deleted meanwhile",
        )

    def tracking_off(self, *, why: str) -> ChangeTrackingOffError:
        return ChangeTrackingOffError(
            f"the table {self._table} does not track changes",
            where=self._transport.name,
            why=why,
            mend="Switch change tracking on for it; until then only reconciles cover it",
        )


def _change_page(page: _Page, *, token: str, where: str) -> ChangePage:
    rows, deleted = [], []
    for entry in page.value:
        if _is_deleted(entry):
            deleted.append(_deleted_id(entry, where=where))
        else:
            rows.append(entry)
    return ChangePage(rows, deleted, token)


def _is_deleted(entry: dict[str, Any]) -> bool:
    return str(entry.get("@odata.context", "")).endswith(_DELETED_ENTITY) or "reason" in entry


def _deleted_id(entry: dict[str, Any], *, where: str) -> str:
    row_id = entry.get("id")
    if not isinstance(row_id, str):
        raise incomplete(where, why="a deleted row comes without its id")
    return row_id.lower()
