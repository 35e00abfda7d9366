"""Writes: payloads, outcomes for each row, and halving."""

import asyncio
import json
import math
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest

from dv_sync_pipeline.errors import (
    AccessError,
    RequestFailedError,
    SchemaMismatchError,
    UnreachableError,
)
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, Lookup
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind, Reference, RowWrite

ROOT = "https://contoso.crm4.dynamics.com/api/data/v9.2/"
HOTEL = "00000000-0000-0000-0000-00000000abcd"
DONE, REFUSED, UNKNOWN = OutcomeKind.DONE, OutcomeKind.REFUSED, OutcomeKind.UNKNOWN


def _room_id(number):
    return f"00000000-0000-0000-0000-{number:012d}"


def _rooms_numbered(count):
    return [RowWrite(_room_id(number), {"contoso_number": str(number)}) for number in range(count)]


def _create(rooms, rows):
    return lambda client: client.create_rows(rooms, rows)


def _update(rooms, rows):
    return lambda client: client.update_rows(rooms, rows)


def _error(status, code, message=""):
    return httpx.Response(status, json={"error": {"code": code, "message": message}})


class Dataverse:
    """Accepts bulk creates and updates, all or nothing, except of rows with a bad number."""

    def __init__(self, *, bad=(), refusal=None):
        self.bad = {_room_id(number) for number in bad}
        self.refusal = refusal or _error(400, "0x80044331", "too long")
        self.calls = []
        self.stored = {}

    def __call__(self, request):
        """Write all targets or none."""
        if "EntityDefinitions" in request.url.path:
            names = {"LogicalName": "contoso_hotel", "EntitySetName": "contoso_hotels"}
            return httpx.Response(200, json=names)
        targets = json.loads(request.content, parse_float=Decimal)["Targets"]
        ids = [target["contoso_roomid"] for target in targets]
        self.calls.append(ids)
        if self.bad.intersection(ids):
            return self.refusal
        self.stored.update(zip(ids, targets, strict=True))
        if request.url.path.endswith("CreateMultiple"):
            return httpx.Response(200, json={"Ids": ids})
        return httpx.Response(204)


def test_create(talk, rooms):
    """Rows are created with our ids in one bulk message."""
    server = Dataverse()

    outcomes = talk(server, _create(rooms, _rooms_numbered(2)))

    assert [Outcome(_room_id(0), DONE), Outcome(_room_id(1), DONE)] == outcomes
    assert {
        "@odata.type": "Microsoft.Dynamics.CRM.contoso_room",
        "contoso_roomid": _room_id(1),
        "contoso_number": "1",
    } == server.stored[_room_id(1)]


def test_addresses_of_the_messages(talk, rooms):
    """Creates and updates go to their bulk messages, bound to the entity set."""
    seen = []
    store = Dataverse()

    def server(request):
        seen.append(f"{request.method} {request.url}")
        return store(request)

    async def create_and_update(client):
        await client.create_rows(rooms, _rooms_numbered(1))
        await client.update_rows(rooms, _rooms_numbered(1))

    talk(server, create_and_update)

    assert [
        f"POST {ROOT}contoso_rooms/Microsoft.Dynamics.CRM.CreateMultiple",
        f"POST {ROOT}contoso_rooms/Microsoft.Dynamics.CRM.UpdateMultiple",
    ] == seen


def test_reference(talk, rooms):
    """A lookup is bound through its navigation property, in its exact case."""
    server = Dataverse()
    row = RowWrite(_room_id(1), {"contoso_hotelid": Reference("contoso_hotel", HOTEL)})

    talk(server, _create(rooms, [row]))

    stored = server.stored[_room_id(1)]
    assert f"/contoso_hotels({HOTEL})" == stored["contoso_HotelId@odata.bind"]
    assert "contoso_hotelid" not in stored


def test_owner(talk, rooms):
    """Users and teams are bound through the one property that leads to owners (DATAVERSE 5)."""
    server = Dataverse()
    owner = Column("ownerid", ColumnKind.OWNER, targets=("systemuser", "team"))
    rooms = replace(
        rooms,
        columns={**rooms.columns, owner.name: owner},
        lookups=(*rooms.lookups, Lookup("ownerid", "owner", "ownerid")),
    )

    talk(server, _create(rooms, [RowWrite(_room_id(1), {"ownerid": Reference("team", HOTEL)})]))

    assert f"({HOTEL})" in server.stored[_room_id(1)]["ownerid@odata.bind"]


def test_cleared_lookup(talk, rooms):
    """None clears a lookup, again through its navigation property."""
    server = Dataverse()

    talk(server, _update(rooms, [RowWrite(_room_id(1), {"contoso_hotelid": None})]))

    assert server.stored[_room_id(1)]["contoso_HotelId@odata.bind"] is None


def test_values_are_exact(talk, rooms):
    """Decimals are sent digit by digit as JSON numbers, and None as null."""
    server = Dataverse()
    values = {"contoso_price": Decimal("0.10000000000000000001"), "contoso_number": None}

    talk(server, _update(rooms, [RowWrite(_room_id(1), values)]))

    stored = server.stored[_room_id(1)]
    assert Decimal("0.10000000000000000001") == stored["contoso_price"]
    assert stored["contoso_number"] is None


@pytest.mark.parametrize(
    "values",
    [{"contoso_colour": "red"}, {"contoso_hotelid": Reference("contoso_room", HOTEL)}],
    ids=["column", "direction of a lookup"],
)
def test_what_the_table_does_not_have(talk, rooms, values):
    """An unknown column or direction stops the write before anything is sent."""
    server = Dataverse()

    with pytest.raises(SchemaMismatchError):
        talk(server, _create(rooms, [RowWrite(_room_id(1), values)]))

    assert [] == server.calls


def test_calls_are_limited_in_size(talk, rooms):
    """No call carries more rows than configured, and outcomes keep the order of the rows."""
    server = Dataverse()

    outcomes = talk(server, _create(rooms, _rooms_numbered(25)), rows_per_call=10)

    assert [10, 10, 5] == sorted(map(len, server.calls), reverse=True)
    assert [_room_id(number) for number in range(25)] == [outcome.id for outcome in outcomes]


def test_no_rows_no_request(talk, rooms):
    """Writing nothing asks nobody."""
    assert [] == talk(lambda _: None, _create(rooms, []))


@pytest.mark.parametrize("bad", [{0}, {63}, {31, 32}, {5, 40, 41}, set(range(0, 64, 8))])
def test_halving(talk, rooms, bad):
    """Bad rows are refused alone, all others are written, in few calls."""
    server = Dataverse(bad=bad)

    outcomes = talk(server, _create(rooms, _rooms_numbered(64)))

    refused = {row for row, outcome in enumerate(outcomes) if outcome.kind is REFUSED}
    assert bad == refused
    assert 64 - len(bad) == len(server.stored)
    assert len(server.calls) <= 1 + 2 * len(bad) * math.log2(64)


def test_refused_row_carries_the_reason(talk, rooms):
    """The outcome of a refused row holds status, code and words of Dataverse."""
    [outcome] = talk(Dataverse(bad={0}), _create(rooms, _rooms_numbered(1)))

    assert Outcome(_room_id(0), REFUSED, 400, "0x80044331", "too long") == outcome


@pytest.mark.parametrize(
    "refusal",
    [
        _error(403, "0x80040220", "missing prvCreate"),
        _error(404, "0x8006088a", "Resource not found for the segment"),
        _error(501, "", "not implemented"),
    ],
    ids=["privilege", "entity set", "not implemented"],
)
def test_refusals_of_the_table_are_not_halved(talk, rooms, refusal):
    """What every row would be told is asked only once."""
    server = Dataverse(bad={3}, refusal=refusal)

    outcomes = talk(server, _create(rooms, _rooms_numbered(64)))

    assert 1 == len(server.calls)
    assert {REFUSED} == {outcome.kind for outcome in outcomes}


@pytest.mark.parametrize("refusal", [_error(500, "0x80044151"), httpx.Response(413)])
def test_calls_that_are_too_much_are_halved(talk, rooms, refusal):
    """A call that timed out in the database or was too large is tried in smaller parts."""
    server = Dataverse()

    def small_calls_only(request):
        targets = json.loads(request.content)["Targets"]
        return server(request) if len(targets) <= 16 else refusal

    outcomes = talk(small_calls_only, _create(rooms, _rooms_numbered(64)))

    assert {DONE} == {outcome.kind for outcome in outcomes}


@pytest.mark.parametrize(
    "ending", [httpx.ReadError("reset"), httpx.Response(502), httpx.Response(504)]
)
def test_lost_answer_makes_its_rows_unknown(talk, rooms, ending):
    """Only the rows of the call whose answer was lost are unknown; it is not repeated."""
    server = Dataverse()

    def lose_the_first(request):
        answer = server(request)
        if _room_id(0) not in server.calls[-1]:
            return answer
        if isinstance(ending, Exception):
            raise ending
        return ending

    outcomes = talk(lose_the_first, _create(rooms, _rooms_numbered(20)), rows_per_call=10)

    assert [UNKNOWN] * 10 + [DONE] * 10 == [outcome.kind for outcome in outcomes]
    assert 2 == len(server.calls)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"Ids": []}),
        httpx.Response(200, json={"Ids": [_room_id(1), _room_id(0)]}),
        httpx.Response(200, text="<html>Sign in</html>"),
        httpx.Response(204),
    ],
    ids=["no ids", "other ids", "a page", "nothing"],
)
def test_create_that_is_not_confirmed(talk, rooms, answer):
    """A success that does not name our rows is not believed (RELIABILITY 4, 8)."""
    outcomes = talk(lambda _: answer, _create(rooms, _rooms_numbered(2)))

    assert [UNKNOWN, UNKNOWN] == [outcome.kind for outcome in outcomes]


def test_update_that_is_not_confirmed(talk, rooms):
    """An update answered by a page of somebody else is not believed."""
    page = httpx.Response(200, text="<html>Sign in</html>")

    [outcome] = talk(lambda _: page, _update(rooms, _rooms_numbered(1)))

    assert UNKNOWN is outcome.kind


class WithoutBulk:
    """A table that knows single creates and updates only."""

    def __init__(self):
        self.seen = []

    def __call__(self, request):
        """Refuse the bulk messages."""
        if "Multiple" in request.url.path:
            return _error(400, "0x80040800", "does not support provided entity type")
        self.seen.append(request)
        return httpx.Response(204)


def test_creates_without_bulk_messages(talk, rooms):
    """Where a table has no CreateMultiple, each row is posted with its id."""
    server = WithoutBulk()

    outcomes = talk(server, _create(rooms, _rooms_numbered(3)))

    assert [DONE] * 3 == [outcome.kind for outcome in outcomes]
    assert {("POST", f"{ROOT}contoso_rooms")} == {(r.method, str(r.url)) for r in server.seen}
    assert {_room_id(n) for n in range(3)} == {
        json.loads(request.content)["contoso_roomid"] for request in server.seen
    }


def test_updates_without_bulk_messages(talk, rooms):
    """Where a table has no UpdateMultiple, each row is patched and never created."""
    server = WithoutBulk()

    talk(server, _update(rooms, _rooms_numbered(1)))

    [request] = server.seen
    assert ("PATCH", f"{ROOT}contoso_rooms({_room_id(0)})", "*") == (
        request.method,
        str(request.url),
        request.headers["If-Match"],
    )


def test_environment_out_of_reach(talk, rooms):
    """When nothing could be sent at all, that is an error and not an outcome."""

    def server(_request):
        raise httpx.ConnectError("refused")

    with pytest.raises(UnreachableError):
        talk(server, _create(rooms, _rooms_numbered(4)))


def test_user_without_access(talk, rooms):
    """When the environment does not admit us, that is an error and not an outcome."""
    with pytest.raises(AccessError):
        talk(lambda _: httpx.Response(401), _create(rooms, _rooms_numbered(4)))


def test_absurd_pause_before_anything_was_written(talk, rooms):
    """When the only call is put off for a day, that is an error and not an outcome."""
    put_off = httpx.Response(429, headers={"Retry-After": "86400"})

    with pytest.raises(RequestFailedError) as raised:
        talk(lambda _: put_off, _create(rooms, _rooms_numbered(4)))

    assert not raised.value.outcome_unknown


def test_outcomes_survive_a_later_error(talk, rooms):
    """Rows written before the environment closed its doors are told as done."""
    server = Dataverse()

    def closes_its_doors(request):
        is_first = b"000000000000" in request.content
        return server(request) if is_first else httpx.Response(401)

    outcomes = talk(closes_its_doors, _create(rooms, _rooms_numbered(2)), rows_per_call=1)

    assert [DONE, UNKNOWN] == [outcome.kind for outcome in outcomes]


def test_two_calls_at_once(talk, rooms):
    """No more than two bulk calls on one table are open at a time (DATAVERSE 15.28)."""
    server = Dataverse()
    open_now, most = [], []

    async def slow(request):
        open_now.append(request)
        most.append(len(open_now))
        await _several_turns()
        open_now.remove(request)
        return server(request)

    talk(slow, _create(rooms, _rooms_numbered(12)), rows_per_call=1, requests_in_flight=8)

    assert 2 == max(most)


async def _several_turns():
    for _ in range(50):
        await asyncio.sleep(0)
