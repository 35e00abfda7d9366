"""`?fetchXml=` over HTTP (DATAVERSE 6.1): pages, cookies and counts.

Belongs here: what stands around the rows. Does not belong here: the rows (`fetch_sql.py`).
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from dv_sync_pipeline.emulator.queries.fetch_sql import FetchQuery, FetchTranslator
from dv_sync_pipeline.emulator.queries.fetchxml import Fetch, parse_fetch
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.service.requests import Call

__all__ = ["read_fetch"]

COUNT_MAX = 5000
AGGREGATED_ROWS_MAX = 50_000
SIMPLE_PAGING_ROWS_MAX = 50_000
_PREFIX = "@Microsoft.Dynamics.CRM."


def read_fetch(call: Call) -> Reply:
    """One page of a query whose table must be that of the address."""
    fetch = parse_fetch(call.options["fetchXml"])
    if fetch.entity.name != call.table.name:
        text = f"The entity '{fetch.entity.name}' is not that of the set '{call.table.entity_set}'."
        raise replies.bad_query(text)
    _check_limits(fetch)
    query = _translate(call, fetch)
    if fetch.is_aggregate and _count(call, query, AGGREGATED_ROWS_MAX) > AGGREGATED_ROWS_MAX:
        raise replies.too_many_aggregated_rows()
    records = _run(call, query.page_sql(rows_max=fetch.rows_max, page=fetch.page))
    rows = query.projection.rows(records[: fetch.rows_max])
    has_more = len(records) > fetch.rows_max and not fetch.is_top
    return _reply(call, fetch, query, rows, has_more=has_more)


def _check_limits(fetch: Fetch) -> None:
    """Without a cookie only so many rows can be paged through (DATAVERSE 6.1)."""
    if not fetch.cookie:
        if fetch.page * fetch.rows_max > SIMPLE_PAGING_ROWS_MAX:
            text = f"Without a paging cookie only {SIMPLE_PAGING_ROWS_MAX} rows can be read."
            raise replies.bad_query(text)
        return
    try:
        ET.fromstring(fetch.cookie)  # noqa: S314 - read by our own parser before, as an attribute
    except ET.ParseError:
        raise replies.bad_query("The paging cookie is malformed.") from None


def _translate(call: Call, fetch: Fetch) -> FetchQuery:
    translator = FetchTranslator(
        call.catalog,
        call.environment.switches,
        user=call.user,
        now=call.store.now(),
        annotations=call.preferences.annotations,
    )
    return translator.translate(fetch)


def _run(call: Call, statement: Condition) -> list[Any]:
    return call.store.database.execute(statement.sql, statement.parameters).fetchall()


def _count(call: Call, query: FetchQuery, rows_max: int) -> int:
    statement = query.count_sql(rows_max=rows_max)
    return int(call.store.database.value(statement.sql, statement.parameters))


def _reply(
    call: Call, fetch: Fetch, query: FetchQuery, rows: list[dict[str, Any]], *, has_more: bool
) -> Reply:
    names = ",".join(attribute.name for attribute in fetch.entity.attributes)
    shown = f"({names})" if names and not fetch.is_aggregate else ""
    body: dict[str, Any] = {
        "@odata.context": f"{call.api_url}/$metadata#{call.table.entity_set}{shown}"
    }
    body |= _annotations(call, _totals(call, fetch, query))
    if has_more:
        body |= _annotations(call, {"morerecords": True})
        if _has_cookie(fetch):
            cookie = _cookie(call.table.primary_id, rows, page=fetch.page)
            body |= _annotations(call, {"fetchxmlpagingcookie": cookie})
    elif not fetch.is_top:
        body |= _annotations(call, {"morerecords": False})
    applied = call.preferences.applied()
    headers = {"Preference-Applied": applied} if applied else {}
    return Reply.json({**body, "value": rows}, headers=headers)


def _totals(call: Call, fetch: Fetch, query: FetchQuery) -> dict[str, Any]:
    total = _count(call, query, COUNT_MAX) if fetch.wants_total else -1
    return {
        "totalrecordcount": min(total, COUNT_MAX),
        "totalrecordcountlimitexceeded": total > COUNT_MAX,
    }


def _annotations(call: Call, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts whose annotations the client asked for."""
    patterns = [pattern.strip() for pattern in call.preferences.annotations.split(",")]
    return {
        f"{_PREFIX}{name}": value
        for name, value in facts.items()
        if any(fnmatchcase(f"{_PREFIX[1:]}{name}", pattern) for pattern in patterns)
    }


def _has_cookie(fetch: Fetch) -> bool:
    """Queries in the order of a linked table's column have none, nor have aggregates."""
    linked = any(link.entity.orders for link in fetch.entity.links)
    return not (fetch.is_aggregate or linked or any(order.link for order in fetch.entity.orders))


def _cookie(primary_id: str, rows: list[dict[str, Any]], *, page: int) -> str:
    """Where the next page begins; its inner value is encoded twice (DATAVERSE 6.1)."""
    first, last = (str(rows[place].get(primary_id, "")).upper() for place in (0, -1))
    inner = (
        f'<cookie page="{page}"><{primary_id} last={quoteattr("{" + last + "}")} '
        f"first={quoteattr('{' + first + '}')} /></cookie>"
    )
    twice = quote(quote(inner, safe=""), safe="")
    return f'<cookie pagenumber="{page + 1}" pagingcookie="{twice}" istracking="False" />'
