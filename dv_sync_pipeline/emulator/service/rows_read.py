"""GET on rows: many, one, one property, a count (DATAVERSE 4.2, 6).

Belongs here: HTTP in, HTTP out. Does not belong here: how rows are found (`reading.py`).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dv_sync_pipeline.emulator.queries.apply import read_apply
from dv_sync_pipeline.emulator.queries.changes import count_changes, is_tracking, read_changes
from dv_sync_pipeline.emulator.queries.query import PAGE_ROWS_MAX, parse_skip_token, parse_top
from dv_sync_pipeline.emulator.queries.reading import Reader, RowPage
from dv_sync_pipeline.emulator.rows import references, replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.navigation import Collection, find_collection
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.service import files
from dv_sync_pipeline.emulator.service.fetch_reply import read_fetch
from dv_sync_pipeline.emulator.service.handlers import Handler
from dv_sync_pipeline.emulator.service.requests import Call
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition

__all__ = ["ROUTES", "context_url", "read_list", "row_reply"]

_QUERY = ("$select", "$filter", "$orderby", "$top", "$count", "$expand", "$skiptoken")
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def _reader(call: Call) -> Reader:
    return Reader(call.environment, call.user, annotations=call.preferences.annotations)


def _read_many(call: Call) -> Reply:
    if "sql" in call.options:
        raise replies.not_implemented("queries in SQL")
    if "fetchXml" in call.options:
        return read_fetch(call)
    if "$apply" in call.options and not is_tracking(call):
        return read_apply(call)
    tracked = read_changes(call) if is_tracking(call) else None
    return tracked or read_list(call, call.table, call.table.entity_set)


def read_list(
    call: Call, table: Table, context: str, *, collection: tuple[Collection, str] | None = None
) -> Reply:
    """A page of a table, or of the collection of one row."""
    if "$skip" in call.options:
        raise replies.bad_query("Skip Clause is not supported in CRM")
    call.require_options(*_QUERY)
    reader, options = _reader(call), call.options
    selection = reader.selection(table, options, condition=_belonging(collection))
    top = parse_top(options.get("$top"))
    token = options.get("$skiptoken")
    # If a page size is asked for, $top is ignored (DATAVERSE 6.1).
    rows_max = call.preferences.page_rows or (top if top is not None else PAGE_ROWS_MAX)
    page = reader.page(
        selection, options, rows_max=rows_max, behind=parse_skip_token(token) if token else None
    )
    is_last = call.preferences.page_rows is None and top is not None
    wants_count = options.get("$count") == "true"
    count = reader.count(selection) if wants_count else None
    body = {**_list_head(call, table, context, count), "value": page.rows}
    if page.following is not None and not is_last:
        body["@odata.nextLink"] = _next_link(call, page)
    return _answer(call, body)


def _belonging(collection: tuple[Collection, str] | None) -> Any:
    if collection is None:
        return None
    rows, row_id = collection
    return lambda alias: Condition(rows.condition("?", alias), (row_id,))


def _list_head(
    call: Call, table: Table, context: str, count: tuple[int, bool] | None
) -> dict[str, Any]:
    """What stands before the rows; the totals with annotations only (DATAVERSE 6.1)."""
    body: dict[str, Any] = {"@odata.context": context_url(call, table, context)}
    number, is_limited = count or (-1, False)
    if call.preferences.annotations:
        body["@Microsoft.Dynamics.CRM.totalrecordcount"] = number
        body["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] = is_limited
    if count is not None:
        body["@odata.count"] = number
    return body


def context_url(call: Call, table: Table, context: str, *, suffix: str = "") -> str:
    """`@odata.context`: the set with the selected properties in parentheses."""
    names = [name.strip() for name in call.options.get("$select", "").split(",") if name.strip()]
    shown = f"({','.join(names)})" if names and names != ["*"] else ""
    return f"{call.api_url}/$metadata#{context or table.entity_set}{shown}{suffix}"


def _next_link(call: Call, page: RowPage) -> str:
    assert page.following is not None  # noqa: S101 - asked for when there is one
    others = [
        part
        for part in call.request.query.split("&")
        if part and not part.startswith(("$skiptoken=", "%24skiptoken="))
    ]
    token = f"$skiptoken={page.following.skip_token()}"
    return f"{call.api_url}/{call.request.path}?{'&'.join([*others, token])}"


def _answer(
    call: Call, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
) -> Reply:
    applied = call.preferences.applied()
    extra = {"Preference-Applied": applied} if applied else {}
    return Reply.json(body, headers={**extra, **(headers or {})})


def _count(call: Call) -> Reply:
    if "$deltatoken" in call.options:
        return count_changes(call)
    return _count_reply(call, call.table)


def _count_collection(call: Call) -> Reply:
    collection = find_collection(call.catalog, call.table, call.segments[1].name)
    if collection is None:
        raise replies.segment_not_found(call.segments[1].name)
    row_id = references.require_row(call.store, call.table, call.segments[0])
    return _count_reply(call, collection.target, collection=(collection, row_id))


def _count_reply(
    call: Call, table: Table, *, collection: tuple[Collection, str] | None = None
) -> Reply:
    call.require_options("$filter")
    reader = _reader(call)
    selection = reader.selection(table, call.options, condition=_belonging(collection))
    number, _ = reader.count(selection)
    text = f"{_BYTE_ORDER_MARK}{number}"
    return Reply(200, {"Content-Type": "text/plain"}, text.encode())


def _read_one(call: Call) -> Reply:
    call.require_options("$select", "$expand")
    table = call.table
    row_id = references.require_row(call.store, table, call.segments[0])
    return row_reply(call, table, row_id)


def row_reply(call: Call, table: Table, row_id: str, *, status: int = 200) -> Reply:
    """One row as a body; 304 if the client has this version (DATAVERSE 4.5)."""
    row = _reader(call).one(table, row_id, call.options)
    etag = row["@odata.etag"]
    if status == 200 and _is_known(call, etag):  # noqa: PLR2004 - a plain read
        return Reply(304, {"ETag": etag})
    context = context_url(call, table, table.entity_set, suffix="/$entity")
    applied = call.preferences.applied()
    headers = {"ETag": etag, **({"Preference-Applied": applied} if applied else {})}
    return Reply.json({"@odata.context": context, **row}, status=status, headers=headers)


def _is_known(call: Call, etag: str) -> bool:
    """Conditional reads work without `$expand` and annotations only (DATAVERSE 4.5)."""
    if call.request.method != "GET" or "$expand" in call.options or call.preferences.annotations:
        return False
    return call.if_none_match == etag


# ---- below a row --------------------------------------------------------------------------------


def _read_property(call: Call) -> Reply:
    table, name = call.table, call.segments[1].name
    row_id = references.require_row(call.store, table, call.segments[0])
    column = table.properties.get(name)
    if column is not None:
        return _property_reply(call, table, row_id, column)
    if name in table.navigation:
        return _followed_reply(call, table, row_id, name)
    collection = find_collection(call.catalog, table, name)
    if collection is None:
        raise replies.segment_not_found(name)
    return read_list(
        call, collection.target, collection.target.entity_set, collection=(collection, row_id)
    )


def _property_reply(call: Call, table: Table, row_id: str, column: ColumnDefinition) -> Reply:
    row = _reader(call).one(table, row_id, {"$select": column.property_name})
    value = row[column.property_name]
    if value is None:
        return Reply(204)
    context = f"{call.api_url}/$metadata#{table.entity_set}({row_id})/{column.property_name}"
    return Reply.json({"@odata.context": context, "value": value})


def _read_raw_property(call: Call) -> Reply:
    table = call.table
    row_id = references.require_row(call.store, table, call.segments[0])
    column = table.properties.get(call.segments[1].name)
    if column is None:
        raise replies.segment_not_found(call.segments[1].name)
    value = _reader(call).one(table, row_id, {"$select": column.property_name})[
        column.property_name
    ]
    if value is None:
        return Reply(204)
    text = value if isinstance(value, str) else replies.encode_json(value).decode()
    return Reply(200, {"Content-Type": "text/plain"}, text.encode())


def _followed_reply(call: Call, table: Table, row_id: str, name: str) -> Reply:
    found = _target(call, table, row_id, name)
    return row_reply(call, *found) if found else Reply(204)


def _target(call: Call, table: Table, row_id: str, name: str) -> tuple[Table, str] | None:
    """The row that a single-valued navigation property leads to."""
    column, lookups = table.navigation[name]
    reader = Reader(call.environment, call.user, annotations="Microsoft.Dynamics.CRM.*")
    row = reader.one(table, row_id, {"$select": column.property_name})
    target_id = row[column.property_name]
    target = row.get(f"{column.property_name}@Microsoft.Dynamics.CRM.lookuplogicalname")
    if target_id is None or target not in {lookup.target for lookup in lookups}:
        return None
    return call.catalog.table(target), target_id


def _read_references(call: Call) -> Reply:
    table, name = call.table, call.segments[1].name
    row_id = references.require_row(call.store, table, call.segments[0])
    if name in table.navigation:
        found = _target(call, table, row_id, name)
        if found is None:
            return Reply(204)
        return Reply.json({**_reference_context(call), **_reference(call, *found)})
    collection = find_collection(call.catalog, table, name)
    if collection is None:
        raise replies.segment_not_found(name)
    reader, target = _reader(call), collection.target
    selection = reader.selection(target, call.options, condition=_belonging((collection, row_id)))
    rows = reader.rows(selection, {"$select": target.primary_id})
    listed = [_reference(call, target, row[target.primary_id]) for row in rows]
    return Reply.json({**_reference_context(call, "Collection($ref)"), "value": listed})


def _reference_context(call: Call, kind: str = "$ref") -> dict[str, str]:
    return {"@odata.context": f"{call.api_url}/$metadata#{kind}"}


def _reference(call: Call, table: Table, row_id: str) -> dict[str, str]:
    return {"@odata.id": f"{call.api_url}/{table.entity_set}({quote(row_id)})"}


ROUTES: Mapping[tuple[str, str], Handler] = {
    ("GET", "{set}"): _read_many,
    ("GET", "{set}/$count"): _count,
    ("GET", "{set}()"): _read_one,
    ("GET", "{set}()/{property}"): _read_property,
    ("GET", "{set}()/{property}/$value"): files.content_or(files.download, _read_raw_property),
    ("GET", "{set}()/{property}/$count"): _count_collection,
    ("GET", "{set}()/{property}/$ref"): _read_references,
}
