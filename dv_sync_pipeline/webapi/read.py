"""Reading rows: all of what was asked for, or an error.

Belongs here: pages, rows by id, counts, and the proof that a read is complete (RELIABILITY 0.8).
Does not belong here: what follows from a row that is not there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from dv_sync_pipeline.errors import IncompleteReadError, SchemaMismatchError
from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.metadata import LOOKUP_TABLE, Column, ColumnKind, TableSchema
from dv_sync_pipeline.webapi.odata import (
    address,
    guid,
    include_annotations,
    literal,
    max_page_size,
)
from dv_sync_pipeline.webapi.together import together
from dv_sync_pipeline.webapi.transport import Transport

__all__ = [
    "count",
    "incomplete",
    "preferences",
    "read_pages",
    "read_rows",
    "read_rows_by_key",
    "rows_address",
]

COUNT_MAX = 5000
"""Where counting stops: that many, or more (DATAVERSE 6.3)."""

_COMPARISONS_MAX = 25
"""`a eq x or b eq y ...` is 4n - 1 nodes of a filter; OData libraries stop at 100 by default."""

_IDS_MAX = 150
"""Of one request: so its address stays below the 8 KB that proxies are content with."""

_KEYS_CHARACTERS_MAX = 6000
"""Of a filter with key values, before it is encoded, so that addresses stay below 32,768."""


class _Page(msgspec.Struct):
    value: list[dict[str, Any]]
    next_link: str | None = msgspec.field(default=None, name="@odata.nextLink")
    count: int | None = msgspec.field(default=None, name="@odata.count")


_PAGE = msgspec.json.Decoder(_Page, float_hook=Decimal)

_QUOTED = frozenset({ColumnKind.STRING, ColumnKind.MEMO, ColumnKind.MULTI_CHOICE})
"""Kinds whose values stand in quotes in a filter; dates and ids do not (DATAVERSE 6.1)."""


async def read_pages(
    transport: Transport,
    schema: TableSchema,
    columns: Sequence[str],
    *,
    rows_per_page: int,
    condition: str = "",
) -> AsyncIterator[list[dict[str, Any]]]:
    """All rows, page by page, in the default order, which is that of the id (DATAVERSE 6.2).

    `condition` is an OData filter, if only some of them are wanted.

    Raises `IncompleteReadError` when a page cannot be read as one or a link repeats; the pages
    yielded before are then worth nothing as a whole.
    """
    prefer = ",".join([max_page_size(rows_per_page), *preferences(schema, columns)])
    where = f"{transport.name}: {schema.name}"
    resource = rows_address(schema, columns, **_filter(condition))
    page = await _page(transport.read, resource, prefer=prefer, where=where)
    yield page.value
    followed: set[str] = set()
    while page.next_link is not None:
        if page.next_link in followed:
            raise incomplete(where, why="the link to the next page leads back to an earlier one")
        followed.add(page.next_link)
        page = await _page(transport.follow, page.next_link, prefer=prefer, where=where)
        yield page.value


async def read_rows(
    transport: Transport,
    schema: TableSchema,
    ids: Sequence[str],
    columns: Sequence[str],
    *,
    condition: str = "",
) -> list[dict[str, Any]]:
    """Those of the rows that exist, and meet the condition if one is given, in no order."""
    groups = (
        _one_of(schema.primary_id, ids[start : start + _IDS_MAX])
        for start in range(0, len(ids), _IDS_MAX)
    )
    addresses = [
        rows_address(schema, columns, filter=f"({condition}) and ({group})" if condition else group)
        for group in groups
    ]
    prefer = ",".join(preferences(schema, columns))
    pages = await together(_only_page(transport, each, prefer=prefer) for each in addresses)
    return [row for page in pages for row in page.value]


async def read_rows_by_key(
    transport: Transport,
    schema: TableSchema,
    keys: Sequence[Mapping[str, object]],
    columns: Sequence[str],
) -> list[dict[str, Any]]:
    """The rows that Dataverse finds under these keys (column → value), in no order.

    It compares as its database does: case-insensitively, without trailing blanks (DATAVERSE 4.6).
    """
    prefer = ",".join(preferences(schema, columns))
    addresses = (
        [
            rows_address(schema, columns, filter=" or ".join(group))
            for group in _grouped([_has_key(schema, key) for key in keys], columns=len(keys[0]))
        ]
        if keys
        else []
    )
    pages = await together(_only_page(transport, each, prefer=prefer) for each in addresses)
    return [row for page in pages for row in page.value]


def _has_key(schema: TableSchema, key: Mapping[str, object]) -> str:
    parts = (_equals(schema.columns[name], value) for name, value in key.items())
    return f"({' and '.join(parts)})"


def _equals(column: Column, value: object) -> str:
    match value:
        case str() if column.kind in _QUOTED:
            shown = literal(value)
        case bool():
            shown = literal(value)
        case _:
            shown = str(value)
    return f"{column.property_name} eq {shown}"


def _grouped(conditions: Sequence[str], *, columns: int) -> Iterator[list[str]]:
    """The conditions in groups that make a filter of allowed length."""
    group: list[str] = []
    for condition in conditions:
        is_long = sum(map(len, group)) + len(condition) > _KEYS_CHARACTERS_MAX
        if group and (is_long or len(group) * columns >= _COMPARISONS_MAX):
            yield group
            group = []
        group.append(condition)
    if group:
        yield group


async def count(transport: Transport, schema: TableSchema, *, condition: str = "") -> int | None:
    """How many rows there are, or None at the limit of counting."""
    resource = rows_address(schema, (), top="1", count="true", **_filter(condition))
    page = await _only_page(transport, resource)
    if page.count is None:
        raise incomplete(f"{transport.name}: {schema.name}", why="@odata.count is missing")
    return page.count if page.count < COUNT_MAX else None


def _filter(condition: str) -> dict[str, str]:
    return {"filter": condition} if condition else {}


def rows_address(schema: TableSchema, columns: Sequence[str], **options: str) -> str:
    """Where the rows are read, with these columns and the id."""
    names = dict.fromkeys([schema.primary_id, *(_property(schema, name) for name in columns)])
    return address(schema.entity_set, select=",".join(names), **options)


def _property(schema: TableSchema, column: str) -> str:
    try:
        return schema.columns[column].property_name
    except KeyError:
        raise SchemaMismatchError(
            f"the table {schema.name} has no column {column}",
            mend="Check columns and lookups of this table in sync.yaml",
        ) from None


def _one_of(column: str, ids: Sequence[str]) -> str:
    """Comparisons, as everybody writes them; of many ids, the function made for it (DATAVERSE 6.1).

    It takes ids as text, like all values.
    """
    if len(ids) <= _COMPARISONS_MAX:
        return " or ".join(f"{column} eq {guid(row_id)}" for row_id in ids)
    values = ",".join(literal(guid(row_id)) for row_id in ids)
    return f"Microsoft.Dynamics.CRM.In(PropertyName={literal(column)},PropertyValues=[{values}])"


def preferences(schema: TableSchema, columns: Sequence[str]) -> list[str]:
    """What lookups to several tables need; its absence keeps pages small."""
    needed = any(schema.columns[name].is_polymorphic for name in columns if name in schema.columns)
    return [include_annotations(LOOKUP_TABLE)] if needed else []


async def _only_page(transport: Transport, resource: str, *, prefer: str = "") -> _Page:
    """The answer to a question that fits on one page."""
    where = f"{transport.name}: {resource.partition('?')[0]}"
    page = await _page(transport.read, resource, prefer=prefer, where=where)
    if page.next_link is not None and "$top=" not in resource:
        raise incomplete(where, why="rows asked for by id came in more than one page")
    return page


async def _page(
    fetch: Callable[..., Awaitable[bytes]], resource: str, *, prefer: str, where: str
) -> _Page:
    return await read_decoded(partial(fetch, resource, prefer=prefer), _PAGE.decode, where=where)


def incomplete(where: str, *, why: str) -> IncompleteReadError:
    """The error of a read from which nothing may be concluded."""
    return IncompleteReadError(
        "a read did not prove itself complete",
        where=where,
        why=why,
        mend="Run it again; nothing was concluded from this read",
    )
