"""Content of file and image columns on the wire (DATAVERSE 3.3)."""

from urllib.parse import unquote

import httpx
import pytest

from dv_sync_pipeline.errors import ForeignOriginError, IncompleteReadError
from dv_sync_pipeline.webapi.files import PIECE_BYTES, Piece
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline.webapi.write import OutcomeKind

ROOT = "https://contoso.crm4.dynamics.com/api/data/v9.2/"
ROOM = "00000000-0000-0000-0000-000000000001"
PLAN = Column("contoso_plan", ColumnKind.FILE)
PHOTO = Column("contoso_photo", ColumnKind.IMAGE)
LARGE = bytes(range(256)) * (PIECE_BYTES // 128) + b"the end"


def serving(content, *, seen=None):
    """A server that has this file, and answers ranges of it."""

    def server(request):
        if seen is not None:
            seen.append(request)
        span = request.headers.get("range")
        if span is None:
            return httpx.Response(200, content=content)
        first = int(span.removeprefix("bytes=").partition("-")[0])
        part = content[first : first + PIECE_BYTES]
        headers = {
            "Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}",
            "x-ms-file-name": "Pl%C3%A4ne.pdf",
        }
        return httpx.Response(206, content=part, headers=headers)

    return server


def reading(rooms, column=PLAN):
    """All pieces of the column."""

    async def work(client):
        return [piece async for piece in client.read_content(rooms, ROOM, column)]

    return work


def writing(rooms, *pieces, column=PLAN):
    """An upload of these pieces."""

    async def given():
        for piece in pieces:
            yield piece

    return lambda client: client.write_content(rooms, ROOM, column, given())


def test_a_file_comes_in_pieces(talk, rooms):
    """By ranges, in order, with its name."""
    pieces = talk(serving(LARGE), reading(rooms))

    assert LARGE == b"".join(piece.content for piece in pieces)
    assert [0, PIECE_BYTES, 2 * PIECE_BYTES] == [piece.first for piece in pieces]
    assert {"Pläne.pdf"} == {piece.file_name for piece in pieces}
    assert PIECE_BYTES == max(len(piece.content) for piece in pieces)


def test_an_image_comes_whole_and_in_full_size(talk, rooms):
    """What is read otherwise is a thumbnail."""
    seen = []
    (piece,) = talk(serving(b"picture", seen=seen), reading(rooms, PHOTO))

    assert (b"picture", True) == (piece.content, piece.is_last)
    assert [f"{ROOT}contoso_rooms({ROOM})/contoso_photo/$value?size=full"] == [
        str(request.url) for request in seen
    ]


@pytest.mark.parametrize("column", [PLAN, PHOTO])
def test_an_empty_column_has_no_pieces(talk, rooms, column):
    """Dataverse answers 204."""
    assert [] == talk(lambda _request: httpx.Response(204), reading(rooms, column))


def test_a_file_that_changes_while_it_is_read_is_none(talk, rooms):
    """Its pieces would be of two files."""
    answers = [serving(LARGE), serving(LARGE + b"more")]

    def server(request):
        return (answers.pop(0) if len(answers) > 1 else answers[0])(request)

    with pytest.raises(IncompleteReadError, match="a file changed while it was read"):
        talk(server, reading(rooms))


def test_a_small_file_goes_in_one_request(talk, rooms):
    """With its name, percent-encoded."""
    seen = []

    def server(request):
        seen.append(request)
        return httpx.Response(204)

    outcome = talk(server, writing(rooms, Piece(b"plan", 0, 4, "Pläne.pdf")))
    (request,) = seen

    assert OutcomeKind.DONE is outcome.kind
    assert ("PATCH", b"plan") == (request.method, request.content)
    assert "Pläne.pdf" == unquote(request.headers["x-ms-file-name"])


def chunked(seen, *, location, refused_at=None):
    """A server that takes a file in chunks, and may refuse one of them."""

    def server(request):
        if request.headers.get("x-ms-transfer-mode") == "chunked":
            return httpx.Response(200, headers={"Location": location})
        seen.append((request.headers["content-range"], request.content))
        if len(seen) == refused_at:
            error = {"error": {"code": "0x80044a02", "message": "too large"}}
            return httpx.Response(400, json=error)
        return httpx.Response(206 if request.headers["content-range"] != "bytes 3-3/4" else 204)

    return server


SESSION = f"{ROOT}contoso_rooms({ROOM})/contoso_plan?sessiontoken=abc"
PIECES = Piece(b"pla", 0, 4, "p"), Piece(b"n", 3, 4, "p")


def test_a_large_file_goes_in_a_session(talk, rooms):
    """Each piece to the address that the server gave, with its place."""
    seen = []
    outcome = talk(chunked(seen, location=SESSION), writing(rooms, *PIECES))

    assert OutcomeKind.DONE is outcome.kind
    assert [("bytes 0-2/4", b"pla"), ("bytes 3-3/4", b"n")] == seen


def test_a_refused_piece_ends_the_upload(talk, rooms):
    """No more of it is sent."""
    seen = []
    server = chunked(seen, location=SESSION, refused_at=1)
    outcome = talk(server, writing(rooms, *PIECES))

    assert (OutcomeKind.REFUSED, "0x80044a02") == (outcome.kind, outcome.code)
    assert 1 == len(seen)


def test_a_session_elsewhere_is_not_followed(talk, rooms):
    """The token would go to a stranger."""
    server = chunked([], location="https://evil.example/upload")

    with pytest.raises(ForeignOriginError):
        talk(server, writing(rooms, *PIECES))


def test_content_is_cleared(talk, rooms):
    """By DELETE on the column."""
    seen = []

    def server(request):
        seen.append(f"{request.method} {request.url}")
        return httpx.Response(204)

    outcome = talk(server, lambda client: client.clear_content(rooms, ROOM, PLAN))

    assert OutcomeKind.DONE is outcome.kind
    assert [f"DELETE {ROOT}contoso_rooms({ROOM})/contoso_plan"] == seen
