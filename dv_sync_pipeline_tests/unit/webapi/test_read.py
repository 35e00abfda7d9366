"""Reads are complete or an error."""

import re
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest

from dv_sync_pipeline.errors import IncompleteReadError, SchemaMismatchError
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind

ROOT = "https://contoso.crm4.dynamics.com/api/data/v9.2/"
IDS = [f"00000000-0000-0000-0000-{number:012d}" for number in range(320)]


async def _all_pages(client, schema, columns=()):
    return [page async for page in client.read_pages(schema, columns)]


def _pages(*contents):
    """A server of pages, each linking to the next."""

    def server(request):
        number = int(request.url.params.get("$skiptoken", "0"))
        link = {"@odata.nextLink": f"{ROOT}contoso_rooms?$skiptoken={number + 1}"}
        last = number == len(contents) - 1
        return httpx.Response(200, json={"value": contents[number], **({} if last else link)})

    return server


def test_all_pages(talk, rooms):
    """Links are followed until a page has none."""
    server = _pages([{"a": 1}], [{"a": 2}], [])

    assert [[{"a": 1}], [{"a": 2}], []] == talk(server, lambda client: _all_pages(client, rooms))


def test_query_of_pages(talk, rooms):
    """Only the columns asked for are read, lookups by their property, and the id first."""
    seen = []

    def server(request):
        seen.append(request.url.query.decode())
        return httpx.Response(200, json={"value": []})

    talk(server, lambda client: _all_pages(client, rooms, ["contoso_number", "contoso_hotelid"]))

    assert ["$select=contoso_roomid,contoso_number,_contoso_hotelid_value"] == seen


def test_page_size_is_asked_for_on_each_page(talk, rooms):
    """The preferred page size goes with links too, else the server falls back to its own."""
    seen = []
    serve = _pages([], [], [])

    def server(request):
        seen.append(request.headers["Prefer"])
        return serve(request)

    talk(server, lambda client: _all_pages(client, rooms), rows_per_page=100)

    assert ["odata.maxpagesize=100"] * 3 == seen


def test_a_lookup_to_several_tables_is_read_with_its_table(talk, rooms):
    """Its id alone would not tell (DATAVERSE 5); other reads stay small."""
    customer = Column("contoso_customerid", ColumnKind.CUSTOMER, targets=("account", "contact"))
    rooms = replace(rooms, columns={**rooms.columns, customer.name: customer})
    seen = []

    def server(request):
        seen.append(request.headers.get("Prefer"))
        return httpx.Response(200, json={"value": []})

    for columns in (["contoso_number"], ["contoso_customerid"]):
        talk(server, lambda client, names=columns: _all_pages(client, rooms, names))
        talk(server, lambda client, names=columns: client.read_rows(rooms, IDS[:1], names))

    annotation = 'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'
    assert ["odata.maxpagesize=5000", None] == seen[:2]
    assert [f"odata.maxpagesize=5000,{annotation}", annotation] == seen[2:]


def test_numbers_stay_exact(talk, rooms):
    """Numbers with a decimal point become Decimal digit by digit, whole ones stay int."""
    body = b'{"value": [{"price": 12.3400000000, "stars": 5, "version": 9007199254740993}]}'

    [[row]] = talk(
        lambda _: httpx.Response(200, content=body), lambda client: _all_pages(client, rooms)
    )

    assert ("12.3400000000", 5, 9007199254740993) == (
        str(row["price"]),
        row["stars"],
        row["version"],
    )
    assert isinstance(row["price"], Decimal)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"value": null}',
        b'{"value": {}}',
        b'{"value": ["row"]}',
        b'{"value": [], "@odata.nextLink": 5}',
        b"[]",
        b'{"value": [{"a": 1}, {"a"',
        b"<html>Sign in</html>",
        b"",
        b"\xff",
    ],
)
def test_no_page_no_rows(talk, rooms, body):
    """An answer that is not a page ends the read; part of it is never used."""
    with pytest.raises(IncompleteReadError):
        talk(
            lambda _: httpx.Response(200, content=body),
            lambda client: _all_pages(client, rooms),
        )


def test_spoilt_page_is_read_again(talk, rooms):
    """A page cut short is asked for again as a whole."""
    answers = iter([b'{"value": [{"a": 1}, {"a', b'{"value": [{"a": 1}, {"a": 2}]}'])

    read = talk(
        lambda _: httpx.Response(200, content=next(answers)),
        lambda client: _all_pages(client, rooms),
    )

    assert [[{"a": 1}, {"a": 2}]] == read


@pytest.mark.parametrize("length", [1, 2, 3])
def test_links_in_a_circle(talk, rooms, length):
    """A link that was followed before ends the read (RELIABILITY 4, 18)."""

    def server(request):
        number = int(request.url.params.get("$skiptoken", "0"))
        link = f"{ROOT}contoso_rooms?$skiptoken={number % length + 1}"
        return httpx.Response(200, json={"value": [], "@odata.nextLink": link})

    with pytest.raises(IncompleteReadError, match="leads back"):
        talk(server, lambda client: _all_pages(client, rooms))


def test_unknown_column(talk, rooms):
    """A column that the table does not have is named before anything is sent."""
    with pytest.raises(SchemaMismatchError, match="contoso_room has no column contoso_colour"):
        talk(lambda _: None, lambda client: _all_pages(client, rooms, ["contoso_colour"]))


def test_few_rows_by_id(talk, rooms):
    """Few rows are asked for by comparisons, which everybody understands."""
    seen = []

    def server(request):
        seen.append(request.url.params["$filter"])
        return httpx.Response(200, json={"value": []})

    talk(server, lambda client: client.read_rows(rooms, IDS[:2], []))

    assert [f"contoso_roomid eq {IDS[0]} or contoso_roomid eq {IDS[1]}"] == seen


def test_rows_by_id(talk, rooms):
    """Many rows are asked for by id, 150 at a time, and come back together."""
    seen = []

    def server(request):
        condition = request.url.params["$filter"]
        ids = re.findall(r"[0-9a-f-]{36}", condition)
        seen.append((len(ids), condition.partition("(")[0], len(str(request.url)) < 8_000))
        return httpx.Response(200, json={"value": [{"contoso_roomid": ids[0]}]})

    rows = talk(server, lambda client: client.read_rows(rooms, IDS, []))

    function = "Microsoft.Dynamics.CRM.In"
    assert [(150, function, True), (150, function, True)] == sorted(seen, reverse=True)[:2]
    assert {IDS[0], IDS[150], IDS[300]} == {row["contoso_roomid"] for row in rows}


def test_no_ids_no_request(talk, rooms):
    """Asking for no rows asks nobody."""
    assert [] == talk(lambda _: None, lambda client: client.read_rows(rooms, [], []))


def test_rows_by_id_in_two_pages(talk, rooms):
    """An answer that promises more than was asked for is not believed."""
    link = {"@odata.nextLink": f"{ROOT}contoso_rooms?$skiptoken=1"}

    with pytest.raises(IncompleteReadError):
        talk(
            lambda _: httpx.Response(200, json={"value": [], **link}),
            lambda client: client.read_rows(rooms, IDS[:1], []),
        )


@pytest.mark.parametrize(("told", "expected"), [(0, 0), (4999, 4999), (5000, None)])
def test_count(talk, rooms, told, expected):
    """Counting stops at 5,000, which then means that many or more (DATAVERSE 6.3)."""
    server_says = {"@odata.count": told, "value": []}

    counted = talk(
        lambda _: httpx.Response(200, json=server_says), lambda client: client.count(rooms)
    )

    assert expected == counted


def test_count_that_is_missing(talk, rooms):
    """An answer without the count proves nothing."""
    with pytest.raises(IncompleteReadError, match="count"):
        talk(
            lambda _: httpx.Response(200, json={"value": []}),
            lambda client: client.count(rooms),
        )
