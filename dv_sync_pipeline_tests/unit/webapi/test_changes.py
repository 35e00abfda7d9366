"""The change feed is read completely and verbatim, or the reason why not is its own error."""

import httpx
import pytest

from dv_sync_pipeline.errors import (
    AccessError,
    ChangeTrackingOffError,
    DeltaTokenLostError,
    ForeignOriginError,
    IncompleteReadError,
    RequestFailedError,
    RequestRefusedError,
)
from dv_sync_pipeline.webapi.client import ChangePage

ROOT = "https://contoso.crm4.dynamics.com/api/data/v9.2/"
TOKEN = f"{ROOT}contoso_rooms?$select=contoso_number&$deltatoken=919042%2108%2f22%2f2017"
NEXT_TOKEN = f"{ROOT}contoso_rooms?$select=contoso_number&$deltatoken=919058%2108%2f23%2f2017"
ROW = {"@odata.etag": 'W/"7"', "contoso_roomid": "A1", "contoso_number": "101"}
TOMBSTONE = {
    "@odata.context": f"{ROOT}$metadata#contoso_rooms/$deletedEntity",
    "id": "00000000-0000-0000-0000-0000000000B2",
    "reason": "deleted",
}


def changes(schema, token=TOKEN):
    """Reads the whole feed."""

    async def read(client):
        return [page async for page in client.read_changes(schema, ["contoso_number"], token=token)]

    return read


def begin(schema):
    """Asks for a token."""
    return lambda client: client.begin_changes(schema, ["contoso_number"])


def answers(*bodies):
    """A server that gives one answer after the other, and notes the targets asked for."""
    left = list(bodies)

    def server(request):
        server.asked.append(request.url.raw_path.decode())
        server.preferences.append(request.headers.get("Prefer", ""))
        body = left.pop(0)
        return body if isinstance(body, httpx.Response) else httpx.Response(200, json=body)

    server.asked, server.preferences = [], []
    return server


def refusal(status, code="", message="no"):
    """What Dataverse answers when it will not."""
    return httpx.Response(status, json={"error": {"code": code, "message": message}})


def test_rows_and_tombstones_are_told_apart(talk, rooms):
    """The token for next time comes with the last page."""
    page = {"value": [ROW, TOMBSTONE], "@odata.deltaLink": NEXT_TOKEN}

    pages = talk(answers(page), changes(rooms))

    deleted = ["00000000-0000-0000-0000-0000000000b2"]
    assert [ChangePage([ROW], deleted, NEXT_TOKEN)] == pages


def test_the_token_is_sent_verbatim(talk, rooms):
    """Not a character is encoded anew (DATAVERSE 15.13)."""
    server = answers({"value": [], "@odata.deltaLink": NEXT_TOKEN})

    talk(server, changes(rooms))

    assert [TOKEN.removeprefix("https://contoso.crm4.dynamics.com")] == server.asked


def test_all_pages_are_read(talk, rooms):
    """Only the last one has the token; each is asked for with its size (DATAVERSE 6.2)."""
    link = f"{ROOT}contoso_rooms?$skiptoken=2"
    server = answers(
        {"value": [ROW], "@odata.nextLink": link},
        {"value": [TOMBSTONE], "@odata.deltaLink": NEXT_TOKEN},
    )

    pages = talk(server, changes(rooms))

    assert [(1, 0, ""), (0, 1, NEXT_TOKEN)] == [
        (len(page.rows), len(page.deleted), page.token) for page in pages
    ]
    assert ["odata.maxpagesize=5000"] * 2 == server.preferences


@pytest.mark.parametrize(
    "page",
    [
        {"value": []},
        {"value": [{**TOMBSTONE, "id": None}], "@odata.deltaLink": NEXT_TOKEN},
        {"value": [], "@odata.nextLink": f"{ROOT}contoso_rooms?$skiptoken=1"},
    ],
    ids=["no token", "tombstone without id", "pages that lead in a circle"],
)
def test_what_does_not_prove_itself_complete_is_an_error(talk, rooms, page):
    """A short read is never taken for all (RELIABILITY 0.8)."""
    with pytest.raises(IncompleteReadError):
        talk(answers(page, page, page, page), changes(rooms))


@pytest.mark.parametrize("status", [400, 404, 410])
@pytest.mark.parametrize("code", ["0x80044352", "0x80060888", ""])
def test_a_token_that_leads_nowhere_is_lost(talk, rooms, status, code):
    """Expired or malformed: what changed since, only a reconcile can tell (DATAVERSE 7.3)."""
    with pytest.raises(DeltaTokenLostError, match="Reconcile contoso_room"):
        talk(answers(refusal(status, code)), changes(rooms))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(403, "0x80040220"), RequestRefusedError),
        (refusal(403, "", "has not been assigned any roles"), AccessError),
        (httpx.Response(503), RequestFailedError),
    ],
)
def test_trouble_that_is_not_the_tokens_keeps_it(talk, rooms, answer, error):
    """Rights and load come and go (DATAVERSE 7.5)."""
    with pytest.raises(error):
        talk(lambda _request: answer, changes(rooms))


def test_a_token_of_another_host_is_not_sent(talk, rooms):
    """One that was tampered with in the ledger (RELIABILITY 4, 48)."""
    server = answers()

    with pytest.raises(ForeignOriginError):
        talk(server, changes(rooms, token=TOKEN.replace("contoso.crm4", "evil.crm4")))

    assert [] == server.asked


def test_a_feed_begins_behind_a_read_of_everything(talk, rooms):
    """Tracking is asked for, with exactly the columns that later changes shall show."""
    link = f"{ROOT}contoso_rooms?$skiptoken=2"
    server = answers(
        {"value": [ROW], "@odata.nextLink": link},
        {"value": [ROW], "@odata.deltaLink": NEXT_TOKEN},
    )

    assert NEXT_TOKEN == talk(server, begin(rooms))
    assert server.asked[0].endswith("contoso_rooms?$select=contoso_roomid,contoso_number")
    assert server.preferences[0] == "odata.track-changes,odata.maxpagesize=5000"


@pytest.mark.parametrize("code", ["0x80072491", "0x80072492"])
def test_a_table_that_does_not_track_changes(talk, rooms, code):
    """It says so (DATAVERSE 7.1)."""
    with pytest.raises(ChangeTrackingOffError, match="only reconciles cover it"):
        talk(answers(refusal(400, code)), begin(rooms))


def test_a_table_that_does_not_say_that_it_does_not_track(talk, rooms):
    """It ignores what was asked for: no link comes back (DATAVERSE 15.11)."""
    with pytest.raises(ChangeTrackingOffError, match="no delta link"):
        talk(answers({"value": [ROW]}), begin(rooms))


def test_tracking_that_was_switched_off_meanwhile(talk, rooms):
    """The token is not to blame."""
    with pytest.raises(ChangeTrackingOffError):
        talk(answers(refusal(400, "0x80072491")), changes(rooms))


def test_rows_are_found_by_their_keys(talk, rooms):
    """Text in quotes that are doubled within, lookups bare; one request for many keys."""
    server = answers({"value": [ROW]})
    hotel = "00000000-0000-0000-0000-00000000000a"
    keys = [{"contoso_hotelid": hotel, "contoso_number": text} for text in ("1", "it's")]

    found = talk(server, lambda client: client.read_rows_by_key(rooms, keys, ["contoso_number"]))

    assert [ROW] == found
    (asked,) = server.asked
    assert asked.endswith(
        f"&$filter=(_contoso_hotelid_value%20eq%20{hotel}%20and%20contoso_number%20eq%20'1')"
        f"%20or%20(_contoso_hotelid_value%20eq%20{hotel}%20and%20contoso_number%20eq%20'it''s')"
    )


def test_many_keys_take_several_requests(talk, rooms):
    """A filter may not have too many conditions; none at all asks nothing."""
    keys = [{"contoso_number": str(number)} for number in range(60)]
    server = answers(*({"value": []} for _ in range(3)))

    talk(server, lambda client: client.read_rows_by_key(rooms, keys, []))
    talk(server, lambda client: client.read_rows_by_key(rooms, [], []))

    assert 3 == len(server.asked)
