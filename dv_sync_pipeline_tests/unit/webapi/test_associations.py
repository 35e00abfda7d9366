"""Pairs of a many-to-many relationship, made and undone with `$ref` in a batch."""

import json

import httpx
import pytest

from dv_sync_pipeline.webapi.associations import Pair
from dv_sync_pipeline.webapi.metadata import Association
from dv_sync_pipeline.webapi.write import OutcomeKind

ROOT = "https://contoso.crm4.dynamics.com/api/data/v9.2/"
ROOM, AMENITY = (f"00000000-0000-0000-0000-{number:012d}" for number in (1, 2))
ASSOCIATION = Association(
    name="contoso_amenity_room",
    intersect="contoso_amenity_room",
    column="contoso_roomid",
    other="contoso_amenity",
    other_column="contoso_amenityid",
    navigation_property="contoso_RoomAmenities",
)
NAMES = {"LogicalName": "contoso_amenity", "EntitySetName": "contoso_amenities"}


def answering(seen, *parts):
    """A server that answers a batch with these parts: status, code and message of each."""

    def server(request):
        if "EntityDefinitions" in request.url.path:
            return httpx.Response(200, json=NAMES)
        seen.append(request.content.decode())
        body = "".join(f"--answer\r\n{_part(*part)}\r\n" for part in parts) + "--answer--\r\n"
        return httpx.Response(200, content=body.encode())

    return server


def _part(status, code="", message=""):
    error = json.dumps({"error": {"code": code, "message": message}}) if code else ""
    return f"Content-Type: application/http\r\n\r\nHTTP/1.1 {status} Words\r\n\r\n{error}"


def associate(rooms):
    """Give the room the amenity."""
    return lambda client: client.associate_rows(rooms, ASSOCIATION, [Pair(ROOM, AMENITY)])


def disassociate(rooms):
    """Take it away."""
    return lambda client: client.disassociate_rows(rooms, ASSOCIATION, [Pair(ROOM, AMENITY)])


def test_a_pair_is_made_by_the_address_of_the_other_row(talk, rooms):
    """Absolute, as the documentation shows it (DATAVERSE 5), in a part of a batch."""
    seen = []

    (outcome,) = talk(answering(seen, (204,)), associate(rooms))

    ((head, body),) = (batch.split("\r\n\r\n")[1:3] for batch in seen)
    request, content_type = head.split("\r\n")
    path = f"/api/data/v9.2/contoso_rooms({ROOM})/contoso_RoomAmenities/$ref"
    assert (f"POST {path} HTTP/1.1", "Content-Type: application/json") == (request, content_type)
    other = {"@odata.id": f"{ROOT}contoso_amenities({AMENITY})"}
    assert other == json.loads(body.partition("\r\n")[0])
    assert OutcomeKind.DONE is outcome.kind


def test_a_pair_is_undone_by_both_ids(talk, rooms):
    """In the address; the part has no body."""
    seen = []

    (outcome,) = talk(answering(seen, (204,)), disassociate(rooms))

    path = f"/api/data/v9.2/contoso_rooms({ROOM})/contoso_RoomAmenities({AMENITY})/$ref"
    assert f"\r\n\r\nDELETE {path} HTTP/1.1\r\n\r\n\r\n--batch_dv_sync--" in seen[0]
    assert OutcomeKind.DONE is outcome.kind


def test_many_pairs_travel_in_one_batch_and_each_has_its_outcome(talk, rooms):
    """A refusal stops nobody else."""
    seen = []
    pairs = [Pair(ROOM, AMENITY), Pair(AMENITY, AMENITY), Pair(ROOM, ROOM)]
    server = answering(seen, (204,), (400, "0x80040265", "No pool for pets"), (204,))

    outcomes = talk(server, lambda client: client.associate_rows(rooms, ASSOCIATION, pairs))

    assert 1 == len(seen)
    assert [OutcomeKind.DONE, OutcomeKind.REFUSED, OutcomeKind.DONE] == [
        outcome.kind for outcome in outcomes
    ]


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [(associate, 412, "0x80040237"), (disassociate, 404, "0x80040217")],
)
def test_a_pair_that_is_as_it_should_be_is_done(talk, rooms, action, status, code):
    """Made before, or gone already (DATAVERSE 5)."""
    (outcome,) = talk(answering([], (status, code)), action(rooms))

    assert OutcomeKind.DONE is outcome.kind


def test_a_batch_that_is_not_found_says_nothing_of_its_pairs(talk, rooms):
    """Only an answer to the pair itself can tell that it is gone."""

    def server(_request):
        return httpx.Response(404, json={"error": {"code": "0x80040217", "message": "no batch"}})

    (outcome,) = talk(server, disassociate(rooms))

    assert OutcomeKind.DONE is not outcome.kind


@pytest.mark.parametrize("action", [associate, disassociate])
def test_a_refused_pair_carries_the_reason(talk, rooms, action):
    """Append is missing on one side, say."""
    (outcome,) = talk(answering([], (400, "0x80040265", "No pool for pets")), action(rooms))

    assert OutcomeKind.REFUSED is outcome.kind
    assert ("0x80040265", "No pool for pets") == (outcome.code, outcome.message)


def test_pairs_are_looked_for_by_both_ids(talk):
    """A dozen in one question, however they are spelled in the answer."""
    others = [f"00000000-0000-0000-0000-{number:012d}" for number in range(100, 113)]
    asked = []

    def server(request):
        if "EntityDefinitions" in request.url.path:
            return httpx.Response(200, json={**NAMES, "EntitySetName": "contoso_amenity_rooms"})
        asked.append(request.url.params["$filter"])
        there = [] if others[0] in asked[-1] else [others[12].upper()]
        rows = [{"contoso_roomid": ROOM, "contoso_amenityid": other} for other in there]
        return httpx.Response(200, json={"value": rows})

    pairs = [Pair(ROOM, other) for other in others]
    found = talk(server, lambda client: client.find_pairs(ASSOCIATION, pairs))

    assert {pairs[12]} == found
    assert [1, 12] == sorted(text.count("contoso_amenityid eq") for text in asked)
    assert f"(contoso_roomid eq {ROOM} and contoso_amenityid eq {others[12]})" in asked
