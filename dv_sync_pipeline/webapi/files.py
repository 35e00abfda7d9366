"""Content of file and image columns: by requests of its own, piece by piece (DATAVERSE 3.3).

Belongs here: downloading by ranges, uploading whole or in chunks, removing. Never more than one
piece of a file is in memory; an image comes whole, because it has at most 30 MB. Does not belong
here: whether content has changed (`sync/contents.py`).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

from dv_sync_pipeline.errors import IncompleteReadError
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, TableSchema
from dv_sync_pipeline.webapi.transport import Transport
from dv_sync_pipeline.webapi.verdict import Decision, Verdict
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind, outcome_kind

__all__ = ["PIECE_BYTES", "Piece", "clear_content", "read_content", "write_content"]

PIECE_BYTES = 4 * 1024 * 1024

_BINARY = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file, in order.

    Attributes:
        content: the bytes.
        first: the place of its first byte in the file.
        total: bytes of the whole file.
        file_name: as people see it; "" for an image.

    """

    content: bytes
    first: int
    total: int
    file_name: str

    @property
    def is_last(self) -> bool:
        """Whether the file ends with it."""
        return self.first + len(self.content) >= self.total


def _resource(schema: TableSchema, row_id: str, column: Column) -> str:
    return f"{schema.entity_set}({row_id})/{column.name}"


async def read_content(
    transport: Transport, schema: TableSchema, row_id: str, column: Column
) -> AsyncGenerator[Piece, None]:
    """The pieces of a file; none if the column is empty.

    Raises `IncompleteReadError` when the file changes meanwhile.
    """
    first, total = 0, None
    while total is None or first < total:
        piece = await _read_piece(transport, schema, row_id, column, first=first)
        if piece is None:
            return
        if total not in (None, piece.total) or (piece.total and not piece.content):
            raise _changed(transport, schema, column)
        yield piece
        first, total = first + len(piece.content), piece.total


async def _read_piece(
    transport: Transport, schema: TableSchema, row_id: str, column: Column, *, first: int
) -> Piece | None:
    resource = f"{_resource(schema, row_id, column)}/$value"
    if column.kind is ColumnKind.IMAGE:
        verdict = await transport.fetch(f"{resource}?size=full", headers={})
        total = len(verdict.body)
    else:
        span = {"Range": f"bytes={first}-{first + PIECE_BYTES - 1}"}
        verdict = await transport.fetch(resource, headers=span)
        total = _total_of(verdict)
    if verdict.status == _NO_CONTENT:
        return None
    return Piece(verdict.body, first, total, unquote(verdict.headers.get("x-ms-file-name", "")))


_NO_CONTENT = 204


def _total_of(verdict: Verdict) -> int:
    """The size of the whole file; an answer that names none is the whole."""
    _, _, total = verdict.headers.get("content-range", "").rpartition("/")
    return int(total) if total.isdigit() else len(verdict.body)


def _changed(transport: Transport, schema: TableSchema, column: Column) -> IncompleteReadError:
    return IncompleteReadError(
        "a file changed while it was read",
        where=f"{transport.name}: {schema.name}.{column.name}",
        mend="Run it again",
    )


async def write_content(
    transport: Transport,
    schema: TableSchema,
    row_id: str,
    column: Column,
    pieces: AsyncIterator[Piece],
) -> Outcome:
    """Put content in place of what is there; to repeat it harms nobody."""
    upload = _Upload(transport, _resource(schema, row_id, column), column.name)
    verdict = Verdict(Decision.ACCEPTED)
    async for piece in pieces:
        verdict = await upload.send(piece)
        if verdict.decision is not Decision.ACCEPTED:
            break
    return _outcome(row_id, verdict)


class _Upload:
    """One file on its way: in one request, or in a session of several."""

    def __init__(self, transport: Transport, resource: str, default_name: str) -> None:
        self._transport = transport
        self._resource = resource
        self._default_name = default_name
        self._session = ""

    async def send(self, piece: Piece) -> Verdict:
        if piece.first > 0:
            return await self._continue(piece)
        if piece.is_last:
            return await self._send_whole(piece)
        verdict = await self._begin(piece)
        if verdict.decision is not Decision.ACCEPTED:
            return verdict
        self._session = verdict.headers.get("location", "")
        return await self._continue(piece)

    def _name(self, piece: Piece) -> dict[str, str]:
        return {"x-ms-file-name": quote(piece.file_name or self._default_name)}

    async def _send_whole(self, piece: Piece) -> Verdict:
        headers = {**_BINARY, **self._name(piece)}
        return await self._transport.write(
            "PATCH", self._resource, body=piece.content, headers=headers
        )

    async def _begin(self, piece: Piece) -> Verdict:
        headers = {**self._name(piece), "x-ms-transfer-mode": "chunked"}
        return await self._transport.write("PATCH", self._resource, body=b"", headers=headers)

    async def _continue(self, piece: Piece) -> Verdict:
        last = piece.first + len(piece.content) - 1
        span = {"Content-Range": f"bytes {piece.first}-{last}/{piece.total}"}
        headers = {**_BINARY, **self._name(piece), **span}
        return await self._transport.write_to(
            "PATCH", self._session, body=piece.content, headers=headers
        )


async def clear_content(
    transport: Transport, schema: TableSchema, row_id: str, column: Column
) -> Outcome:
    """Remove the content; an empty column counts as done."""
    verdict = await transport.write("DELETE", _resource(schema, row_id, column), body=b"")
    return _outcome(row_id, verdict)


def _outcome(row_id: str, verdict: Verdict) -> Outcome:
    kind = outcome_kind(verdict)
    if kind is OutcomeKind.DONE:
        return Outcome(row_id, kind)
    return Outcome(row_id, kind, verdict.status, verdict.code, verdict.message)
