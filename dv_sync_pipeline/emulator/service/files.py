"""File and image columns: content by requests of its own (DATAVERSE 3.3).

Belongs here: uploading whole or in chunks, downloading whole or in ranges, removing. Does not
belong here: the columns beside them (`define.companions`) and images in a row's JSON (`values.py`).

A thumbnail is the image itself: scaling pictures is not what anybody tests here.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from dv_sync_pipeline.emulator.queries.reading import Reader
from dv_sync_pipeline.emulator.rows import references, replies
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.rows.writes import Writer
from dv_sync_pipeline.emulator.service.handlers import Handler, Routes
from dv_sync_pipeline.emulator.service.requests import Call
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind

__all__ = ["ROUTES", "content_or", "download", "remove", "upload"]

_CHUNK_BYTES = 4 * 1024 * 1024
_BYTES_PER_KILOBYTE = 1024
_BINARY_TYPE = "application/octet-stream"
_KINDS = (ColumnKind.FILE, ColumnKind.IMAGE)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True, slots=True)
class _Place:
    """A file or image column of one row."""

    table: Table
    row_id: str
    column: ColumnDefinition

    @property
    def key(self) -> tuple[str, str, str]:
        """By which its content is kept."""
        return self.table.name, self.row_id, self.column.name


def content_or(binary: Handler, other: Handler) -> Handler:
    """One handler for content and one for any other property."""

    def handle(call: Call) -> Reply:
        column = call.table.columns.get(call.segments[1].name)
        is_binary = column is not None and column.kind in _KINDS
        return (binary if is_binary else other)(call)

    return handle


def _place(call: Call) -> _Place:
    table = call.table
    column = table.columns.get(call.segments[1].name)
    if column is None or column.kind not in _KINDS:
        raise replies.method_not_allowed(call.request.method)
    return _Place(table, references.require_row(call.store, table, call.segments[0]), column)


# ---- upload -------------------------------------------------------------------------------------


def upload(call: Call) -> Reply:
    """PATCH or PUT: the whole content, the start of a chunked upload, or one chunk."""
    place = _place(call)
    if call.options.get("sessiontoken"):
        return _take_chunk(call, place, call.options["sessiontoken"])
    name = unquote(call.options.get("x-ms-file-name") or call.header("x-ms-file-name"))
    if call.header("x-ms-transfer-mode") == "chunked":
        return _begin_chunks(call, place, name)
    _keep(call, place, name=name, content=call.request.body)
    return Reply(204)


def _begin_chunks(call: Call, place: _Place, name: str) -> Reply:
    token = call.store.new_id()
    call.store.database.execute(
        "INSERT INTO _dv_upload VALUES (?, ?, ?, ?, ?)", (token, *place.key, name)
    )
    address = f"{call.api_url}/{place.table.entity_set}({place.row_id})/{place.column.name}"
    return Reply(
        200,
        {
            "Location": f"{address}?sessiontoken={quote(token)}",
            "x-ms-chunk-size": str(_CHUNK_BYTES),
            "Accept-Ranges": "bytes",
        },
    )


def _take_chunk(call: Call, place: _Place, token: str) -> Reply:
    """A chunk of the session; the last one ends it."""
    database = call.store.database
    name = database.value(
        "SELECT file_name FROM _dv_upload WHERE token = ? AND table_name = ? AND row_id = ?"
        " AND column_name = ?",
        (token, *place.key),
    )
    match = _CONTENT_RANGE.fullmatch(call.header("content-range"))
    if name is None or match is None:
        raise replies.bad_query("The session token or the Content-Range header is not valid.")
    first, last, total = map(int, match.groups())
    if last - first + 1 != len(call.request.body):
        raise replies.bad_query("The Content-Range header does not fit the chunk.")
    database.execute("INSERT INTO _dv_chunk VALUES (?, ?, ?)", (token, first, call.request.body))
    if last + 1 < total:
        return Reply(206)
    _keep(call, place, name=name, content=_joined(call, token, total))
    return Reply(204)


def _joined(call: Call, token: str, total: int) -> bytes:
    database = call.store.database
    sql = "SELECT content FROM _dv_chunk WHERE token = ? ORDER BY first_byte"
    content = b"".join(part for (part,) in database.execute(sql, (token,)))
    database.execute("DELETE FROM _dv_chunk WHERE token = ?", (token,))
    database.execute("DELETE FROM _dv_upload WHERE token = ?", (token,))
    if len(content) != total:
        raise replies.bad_query("Chunks are missing.")
    return content


def _keep(call: Call, place: _Place, *, name: str, content: bytes) -> None:
    if len(content) > place.column.max_kilobytes * _BYTES_PER_KILOBYTE:
        raise replies.file_too_large(place.column.name, kilobytes=place.column.max_kilobytes)
    writer = Writer(call.environment, call.user)
    if place.column.kind is ColumnKind.IMAGE:
        writer.change(place.table, place.row_id, {place.column.name: content})
        return
    file_id = call.store.new_id()
    values = {place.column.name: file_id, f"{place.column.name}_name": name}
    writer.change(place.table, place.row_id, values)
    call.store.database.execute(
        "INSERT OR REPLACE INTO _dv_file VALUES (?, ?, ?, ?)", (*place.key, content)
    )


def remove(call: Call) -> Reply:
    """DELETE: the content is gone, the column null."""
    place = _place(call)
    name = place.column.name
    values: dict[str, Any] = {name: None}
    if place.column.kind is ColumnKind.FILE:
        values[f"{name}_name"] = None
    Writer(call.environment, call.user).change(place.table, place.row_id, values)
    call.store.database.execute(
        "DELETE FROM _dv_file WHERE table_name = ? AND row_id = ? AND column_name = ?", place.key
    )
    return Reply(204)


# ---- download -----------------------------------------------------------------------------------


def download(call: Call) -> Reply:
    """GET `/$value`: the content, or the range of it that the header asks for."""
    place = _place(call)
    reader = Reader(call.environment, call.user)
    reader.one(place.table, place.row_id, {"$select": place.table.primary_id})
    content, name = _content(call, place)
    if content is None:
        return Reply(204)
    headers = {
        "Content-Type": _BINARY_TYPE,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "x-ms-file-name": quote(name),
        "x-ms-file-size": str(len(content)),
    }
    match = _RANGE.fullmatch(call.header("range"))
    if match is None:
        return Reply(200, headers, content)
    first = int(match[1])
    part = content[first : int(match[2]) + 1 if match[2] else None]
    span = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
    return Reply(206, {**headers, "Content-Range": span}, part)


def _content(call: Call, place: _Place) -> tuple[bytes | None, str]:
    """The content and its file name."""
    database, table = call.store.database, place.table
    if place.column.kind is ColumnKind.IMAGE:
        return database.value(_value_sql(table, place.column.name), (place.row_id,)), ""
    sql = "SELECT content FROM _dv_file WHERE table_name = ? AND row_id = ? AND column_name = ?"
    name = database.value(_value_sql(table, f"{place.column.name}_name"), (place.row_id,))
    return database.value(sql, place.key), name or ""


def _value_sql(table: Table, column: str) -> str:
    return f"SELECT {quoted(column)} FROM {quoted(table.name)} WHERE {quoted(table.primary_id)} = ?"


ROUTES: Routes = {("PATCH", "{set}()/{property}"): upload}
