"""Pairs of a many-to-many relationship, made and undone with `$ref`."""

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


def answering(seen, status, code="", message=""):
    """A server that answers every write like this."""

    def server(request):
        if "EntityDefinitions" in request.url.path:
            return httpx.Response(200, json=NAMES)
        seen.append((request.method, str(request.url), request.content))
        error = {"error": {"code": code, "message": message}}
        return httpx.Response(status, json=error) if status >= 400 else httpx.Response(status)

    return server


def associate(rooms):
    """Give the room the amenity."""
    return lambda client: client.associate_rows(rooms, ASSOCIATION, [Pair(ROOM, AMENITY)])


def disassociate(rooms):
    """Take it away."""
    return lambda client: client.disassociate_rows(rooms, ASSOCIATION, [Pair(ROOM, AMENITY)])


def test_a_pair_is_made_by_the_address_of_the_other_row(talk, rooms):
    """Absolute, as the documentation shows it (DATAVERSE 5)."""
    seen = []

    (outcome,) = talk(answering(seen, 204), associate(rooms))

    ((method, url, body),) = seen
    assert ("POST", f"{ROOT}contoso_rooms({ROOM})/contoso_RoomAmenities/$ref") == (method, url)
    assert {"@odata.id": f"{ROOT}contoso_amenities({AMENITY})"} == json.loads(body)
    assert OutcomeKind.DONE is outcome.kind


def test_a_pair_is_undone_by_both_ids(talk, rooms):
    """In the address; the body is empty."""
    seen = []

    (outcome,) = talk(answering(seen, 204), disassociate(rooms))

    address = f"{ROOT}contoso_rooms({ROOM})/contoso_RoomAmenities({AMENITY})/$ref"
    assert [("DELETE", address, b"")] == seen
    assert OutcomeKind.DONE is outcome.kind


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [(associate, 412, "0x80040237"), (disassociate, 404, "0x80040217")],
)
def test_a_pair_that_is_as_it_should_be_is_done(talk, rooms, action, status, code):
    """Made before, or gone already (DATAVERSE 5)."""
    (outcome,) = talk(answering([], status, code), action(rooms))

    assert OutcomeKind.DONE is outcome.kind


@pytest.mark.parametrize("action", [associate, disassociate])
def test_a_refused_pair_carries_the_reason(talk, rooms, action):
    """Append is missing on one side, say."""
    (outcome,) = talk(answering([], 400, "0x80040265", "No pool for pets"), action(rooms))

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
