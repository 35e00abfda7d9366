"""Which lookups a delete would follow, and which rows are pointed to."""

import httpx
import pytest

from dv_sync_pipeline.errors import IncompleteReadError
from dv_sync_pipeline.webapi.dependents import DeleteRule, Dependent

ROOMS = Dependent("contoso_room", "contoso_hotelid", "contoso_rooms", DeleteRule.CASCADE)


def _hotel_id(number):
    return f"00000000-0000-0000-0000-{number:012d}"


def _relationship(table, rule):
    return {
        "ReferencingEntity": table,
        "ReferencingAttribute": "contoso_hotelid",
        "CascadeConfiguration": {"Delete": rule, "Assign": "NoCascade"},
    }


def test_lookups_that_a_delete_would_follow(talk, rooms):
    """Those that nothing happens to are left out, and Dataverse's own bookkeeping."""

    def server(request):
        if "OneToManyRelationships" in request.url.path:
            value = [
                _relationship("contoso_room", "Cascade"),
                _relationship("contoso_note", "NoCascade"),
                _relationship("asyncoperation", "Cascade"),
            ]
            return httpx.Response(200, json={"value": value})
        return httpx.Response(
            200, json={"LogicalName": "contoso_room", "EntitySetName": "contoso_rooms"}
        )

    assert (ROOMS,) == talk(server, lambda client: client.dependents_of(rooms))


class Rooms:
    """Answers with one room of any of the hotels asked for that has one."""

    def __init__(self, *hotels):
        self.hotels = hotels
        self.requests = 0

    def __call__(self, request):
        """One row at most."""
        self.requests += 1
        asked = [hotel for hotel in self.hotels if hotel in request.url.params["$filter"]]
        rows = [{"contoso_roomid": "x", "_contoso_hotelid_value": hotel} for hotel in asked[:1]]
        return httpx.Response(200, json={"value": rows})


def test_rows_that_others_point_to(talk):
    """Found one by one, without ever reading all their children."""
    server = Rooms(_hotel_id(3), _hotel_id(40))
    ids = [_hotel_id(number) for number in range(60)]

    found = talk(server, lambda client: client.ids_with_dependents(ROOMS, ids))

    assert ({_hotel_id(3), _hotel_id(40)}, 5) == (found, server.requests)


def test_an_answer_about_another_row_is_not_believed(talk):
    """It would be asked for ever."""
    stranger = {"value": [{"_contoso_hotelid_value": _hotel_id(9)}]}

    with pytest.raises(IncompleteReadError, match="not asked for"):
        talk(
            lambda _: httpx.Response(200, json=stranger),
            lambda client: client.ids_with_dependents(ROOMS, [_hotel_id(1)]),
        )
