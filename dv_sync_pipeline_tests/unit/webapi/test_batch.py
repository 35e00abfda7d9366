"""Deletes through `$batch`: what goes over the wire, and an outcome for each row."""

import httpx
import pytest

from dv_sync_pipeline.errors import RequestFailedError
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind

DONE, REFUSED, UNKNOWN = OutcomeKind.DONE, OutcomeKind.REFUSED, OutcomeKind.UNKNOWN


def _room_id(number):
    return f"00000000-0000-0000-0000-{number:012d}"


def _delete(rooms, *numbers):
    return lambda client: client.delete_rows(rooms, [_room_id(number) for number in numbers])


def _part(status, code="", message=""):
    error = f'{{"error":{{"code":"{code}","message":"{message}"}}}}' if code else ""
    return (
        "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"HTTP/1.1 {status} Words\r\nOData-Version: 4.0\r\n\r\n{error}\r\n"
    )


def _answer(*parts):
    body = "".join(f"--batchresponse_1\r\n{part}" for part in parts) + "--batchresponse_1--\r\n"
    return httpx.Response(
        200,
        headers={"Content-Type": "multipart/mixed; boundary=batchresponse_1"},
        content=body.encode(),
    )


def test_rows_are_deleted_in_one_batch(talk, rooms):
    """One request with a part for each row, CRLF everywhere, that goes on after an error."""
    requests = []

    def server(request):
        requests.append(request)
        return _answer(_part(204), _part(204))

    outcomes = talk(server, _delete(rooms, 1, 2))

    (request,) = requests
    assert [Outcome(_room_id(1), DONE), Outcome(_room_id(2), DONE)] == outcomes
    assert ("POST", "/api/data/v9.2/$batch") == (request.method, request.url.path)
    assert 'multipart/mixed; boundary="batch_dv_sync"' == request.headers["content-type"]
    assert "odata.continue-on-error" == request.headers["prefer"]
    assert b"\n" not in request.content.replace(b"\r\n", b"")
    assert [
        f"DELETE /api/data/v9.2/contoso_rooms({_room_id(number)}) HTTP/1.1" for number in (1, 2)
    ] == [line for line in request.content.decode().split("\r\n") if line.startswith("DELETE")]


def test_a_row_that_is_gone_is_done(talk, rooms):
    """Whoever deleted it, it is not there any more (DATAVERSE 4.4)."""
    gone = _part(404, "0x80040217", "contoso_room With Id = 1 Does Not Exist")

    assert [Outcome(_room_id(1), DONE)] == talk(lambda _: _answer(gone), _delete(rooms, 1))


def test_each_row_has_its_own_outcome(talk, rooms):
    """A refusal keeps its code and words, and stops nobody else."""
    refused = _part(405, "0x80040227", "The record is in use.")

    outcomes = talk(lambda _: _answer(_part(204), refused, _part(204)), _delete(rooms, 1, 2, 3))

    assert [
        Outcome(_room_id(1), DONE),
        Outcome(_room_id(2), REFUSED, 405, "0x80040227", "The record is in use."),
        Outcome(_room_id(3), DONE),
    ] == outcomes


@pytest.mark.parametrize(
    "answer",
    [_answer(_part(204)), httpx.Response(200, content=b"<html>"), _answer(_part(204), "nonsense")],
    ids=["one part short", "a page", "a part without status"],
)
def test_a_row_without_an_answer_is_unknown(talk, rooms, answer):
    """Nothing is concluded from what is not there."""
    outcomes = talk(lambda _: answer, _delete(rooms, 1, 2))

    assert UNKNOWN is outcomes[-1].kind


def test_a_lost_answer_leaves_all_rows_unknown(talk, rooms):
    """It may have been done."""

    def server(_request):
        raise httpx.ReadTimeout("no answer")

    assert {UNKNOWN} == {each.kind for each in talk(server, _delete(rooms, 1, 2))}


def test_a_throttled_part_is_unknown(talk, rooms):
    """It is to be sent again (DATAVERSE 8.4: a part may carry 429)."""
    throttled = _part(429, "0x80072322", "slow down")

    outcomes = talk(lambda _: _answer(_part(204), throttled), _delete(rooms, 1, 2))

    assert [DONE, UNKNOWN] == [each.kind for each in outcomes]


def test_a_batch_that_is_too_much_is_halved(talk, rooms):
    """The rows still all go."""

    def server(request):
        count = request.content.count(b"DELETE ")
        if count > 1:
            return httpx.Response(413)
        return _answer(_part(204))

    outcomes = talk(server, _delete(rooms, 1, 2, 3))

    assert [DONE] * 3 == [each.kind for each in outcomes]


def test_a_batch_holds_no_more_rows_than_a_call(talk, rooms):
    """`rows_per_call` bounds it."""
    counts = []

    def server(request):
        counts.append(request.content.count(b"DELETE "))
        return _answer(*[_part(204)] * counts[-1])

    talk(server, _delete(rooms, 1, 2, 3), rows_per_call=2)

    assert [1, 2] == sorted(counts)


def test_an_environment_that_does_nothing_is_an_error(talk, rooms):
    """When nothing at all could be sent there are no outcomes."""
    busy = httpx.Response(429, headers={"Retry-After": "1"})

    with pytest.raises(RequestFailedError):
        talk(lambda _: busy, _delete(rooms, 1))
