"""Lookups to tables that are not synchronized, and lookups to several tables."""

import asyncio

import pytest

from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline.webapi.write import Reference
from dv_sync_pipeline_tests.worlds.memory import row_id, table
from dv_sync_pipeline_tests.worlds.memory_pair import Pair

TABLES = """\
tables:
  - {table: account, key: code, columns: [code]}
  - {table: contact, target: person, key: code, columns: [code]}
  - table: booking
    key: code
    columns: [code, price]
    lookups:
      customerid: [account, contact]
      agentid: {table: systemuser, by: domainname}
      ownerid: [{table: systemuser, by: domainname}, {table: team, by: name}]
"""
ACCOUNT, CONTACT, BOOKING = (row_id(number) for number in (1, 2, 3))
ANNA, ANNA_THERE, SALES, SALES_THERE = (row_id(number) for number in (11, 12, 13, 14))
EURO, EURO_THERE = row_id(21), row_id(22)
CODE = Column("code", ColumnKind.STRING)
OWNERS = ("systemuser", "team")


def simple(name, column):
    """A table with one column of text, and no key."""
    return table(name, [Column(column, ColumnKind.STRING)], status=False)


def schemas(contact, **traits_of_agent):
    """What both sides have; `contact` is what people are called there."""
    return [
        table("account", [CODE], key=["code"]),
        table(contact, [CODE], key=["code"]),
        simple("systemuser", "domainname"),
        simple("team", "name"),
        simple("transactioncurrency", "isocurrencycode"),
        table(
            "booking",
            [
                CODE,
                Column("price", ColumnKind.MONEY),
                Column("customerid", ColumnKind.CUSTOMER, targets=("account", contact)),
                Column("agentid", ColumnKind.LOOKUP, targets=("systemuser",), **traits_of_agent),
                Column("ownerid", ColumnKind.OWNER, targets=OWNERS, required=True),
                Column(
                    "transactioncurrencyid", ColumnKind.LOOKUP, targets=("transactioncurrency",)
                ),
            ],
            key=["code"],
        ),
    ]


@pytest.fixture
def pair(tmp_path) -> Pair:
    """A booking of a contact; Anna, Sales and the euro have other GUIDs on the other side."""
    pair = Pair(tmp_path, TABLES, schemas("contact"), schemas("person"))
    for side, anna, sales, euro in (
        (pair.primary, ANNA, SALES, EURO),
        (pair.secondary, ANNA_THERE, SALES_THERE, EURO_THERE),
    ):
        side.put("systemuser", anna, domainname="anna@contoso.example")
        side.put("team", sales, name="Sales")
        side.put("transactioncurrency", euro, isocurrencycode="EUR")
    pair.primary.put("account", ACCOUNT, code="A")
    pair.primary.put("contact", CONTACT, code="C")
    pair.primary.put(
        "booking",
        BOOKING,
        code="B",
        customerid=Reference("contact", CONTACT),
        ownerid=Reference("systemuser", ANNA),
    )
    return pair


def sync(pair):
    """Everything in order; reports by title."""
    return asyncio.run(pair.sync())


def shown(pair, column):
    """What the booking shows in the secondary."""
    return pair.shown("booking", column)[BOOKING]


def test_a_lookup_to_several_tables_keeps_its_type(pair):
    """Under the name that the table has in the secondary."""
    sync(pair)

    assert Reference("person", CONTACT) == shown(pair, "customerid")


def test_the_same_id_in_two_tables_is_told_apart(pair):
    """A GUID alone does not say which table is meant (DATAVERSE 5)."""
    pair.primary.put("account", CONTACT, code="An account with the GUID of a contact")

    sync(pair)

    assert Reference("person", CONTACT) == shown(pair, "customerid")


def test_a_lookup_moves_from_one_table_to_another(pair):
    """And back to nothing."""
    sync(pair)
    pair.primary.put("booking", BOOKING, customerid=Reference("account", ACCOUNT))
    sync(pair)
    moved = shown(pair, "customerid")
    pair.primary.put("booking", BOOKING, customerid=None)

    sync(pair)

    assert Reference("account", ACCOUNT) == moved
    assert shown(pair, "customerid") is None


def test_owners_are_matched_by_name(pair):
    """Users by one column, teams by another."""
    sync(pair)
    user = shown(pair, "ownerid")
    pair.primary.put("booking", BOOKING, ownerid=Reference("team", SALES))

    sync(pair)

    assert Reference("systemuser", ANNA_THERE) == user
    assert Reference("team", SALES_THERE) == shown(pair, "ownerid")


def test_matched_values_compare_as_keys_do(pair):
    """Without regard to case and trailing blanks."""
    pair.secondary.put("systemuser", ANNA_THERE, domainname="ANNA@Contoso.example ")
    pair.primary.put("booking", BOOKING, agentid=ANNA)

    sync(pair)

    assert ANNA_THERE == shown(pair, "agentid")


@pytest.mark.parametrize("name", ["somebody@else.example", None])
def test_an_optional_row_that_is_not_there_is_waited_for(pair, name):
    """The booking goes without, is counted, and is completed once the user exists."""
    pair.primary.put("systemuser", row_id(15), domainname="boris@contoso.example")
    pair.secondary.put("systemuser", row_id(16), domainname=name)
    pair.primary.put("booking", BOOKING, agentid=row_id(15))
    first = sync(pair)["booking"]
    pair.secondary.put("systemuser", row_id(16), domainname="boris@contoso.example")

    second = sync(pair)["booking"]

    assert (1, 1, 0) == (first.created, first.waiting, first.parked)
    assert (1, 0, 0) == (second.updated, second.waiting, second.parked)
    assert row_id(16) == shown(pair, "agentid")


def test_a_required_row_that_is_not_there_parks(pair):
    """With a message that names the column, the tables and how they are matched."""
    pair.secondary.delete("systemuser", ANNA_THERE)

    report = sync(pair)["booking"]

    (row,) = report.parked_rows
    assert ParkedReason.MISSING_PARENT is row.reason
    assert "ownerid points to a row of systemuser or team" in row.message
    assert "matched by domainname or name" in row.message


@pytest.mark.parametrize("side", ["primary", "secondary"])
def test_an_ambiguous_match_is_no_match(pair, side):
    """Two users of one name: nothing is guessed."""
    getattr(pair, side).put("systemuser", row_id(17), domainname="anna@contoso.example")

    report = sync(pair)["booking"]

    assert [ParkedReason.MISSING_PARENT] == [row.reason for row in report.parked_rows]


def test_matched_tables_are_never_written(pair):
    """They belong to the other environment's administrators."""
    sync(pair)

    assert {"account", "person", "booking"} == {name for _, name, _, _ in pair.secondary.writes}


def test_an_amount_takes_its_currency_along(pair):
    """Found by its ISO code, without being asked for."""
    pair.primary.put("booking", BOOKING, price=100, transactioncurrencyid=EURO)

    sync(pair)

    assert EURO_THERE == shown(pair, "transactioncurrencyid")


def test_an_amount_in_an_unknown_currency_is_not_written(pair):
    """A hundred euros would become a hundred dollars."""
    pair.secondary.delete("transactioncurrency", EURO_THERE)
    pair.primary.put("booking", BOOKING, price=100, transactioncurrencyid=EURO)

    report = sync(pair)["booking"]

    assert ["transactioncurrencyid"] == [row.message.split()[0] for row in report.parked_rows]
    assert {} == pair.shown("booking", "price")


def test_both_sides_agree(pair):
    """Verify compares references by table and row; a second sync writes nothing."""
    pair.primary.put("booking", BOOKING, agentid=ANNA, price=1, transactioncurrencyid=EURO)
    sync(pair)
    pair.secondary.writes.clear()

    verdicts = asyncio.run(pair.verify())
    sync(pair)

    assert {True} == {verdict.agrees for verdict in verdicts.values()}
    assert [] == pair.secondary.writes


def test_a_column_to_match_by_must_exist(pair):
    """Nothing is written to the table then."""
    pair.tables_yaml = TABLES.replace("by: name}", "by: title}")

    with pytest.raises(
        SchemaMismatchError, match=r"rows of team cannot be matched by title.*no su"
    ):
        sync(pair)


ROOMS = """\
tables:
  - {table: hotel, key: code, columns: [code]}
  - {table: room, key: [hotelid, number], columns: [number], lookups: {hotelid: hotel}}
"""
HOTEL, ROOM = row_id(31), row_id(32)


@pytest.fixture
def rooms(tmp_path) -> Pair:
    """Hotels, and rooms whose key holds their hotel."""
    hotel = table("hotel", [CODE], key=["code"])
    belongs_to = Column("hotelid", ColumnKind.LOOKUP, targets=("hotel",))
    room = table(
        "room", [Column("number", ColumnKind.STRING), belongs_to], key=["hotelid", "number"]
    )
    return Pair(tmp_path, ROOMS, [hotel, room])


def test_a_parked_row_goes_by_itself_once_its_parent_arrives(rooms):
    """Its hotel had no code; nobody asks for the room."""
    rooms.primary.put("hotel", HOTEL, code=None)
    rooms.primary.put("room", ROOM, number="7", hotelid=HOTEL)
    first = sync(rooms)["room"]
    rooms.primary.put("hotel", HOTEL, code="H")

    second = sync(rooms)["room"]

    assert (0, 1) == (first.created, first.parked)
    assert "hotelid points to a row of hotel" in first.parked_rows[0].message
    assert (1, 0) == (second.created, second.parked)
    assert {ROOM: HOTEL} == rooms.shown("room", "hotelid")


def test_a_parent_that_does_not_exist_at_all_parks_its_row(rooms):
    """The primary points to a row that was never read, such as one outside the filter."""
    rooms.primary.put("room", ROOM, number="7", hotelid=row_id(99))

    report = sync(rooms)["room"]

    assert [ParkedReason.MISSING_PARENT] == [row.reason for row in report.parked_rows]
    assert {} == rooms.shown("room", "hotelid")


def test_an_inactive_parent_is_a_parent(rooms):
    """A room can belong to a hotel that is closed (DATAVERSE 12)."""
    rooms.primary.put("hotel", HOTEL, code="H", statecode=1, statuscode=2)
    rooms.primary.put("room", ROOM, number="7", hotelid=HOTEL)

    report = sync(rooms)["room"]

    assert (1, 0, 0) == (report.created, report.parked, report.waiting)
    assert {ROOM: HOTEL} == rooms.shown("room", "hotelid")
    assert {HOTEL: 1} == rooms.shown("hotel", "statecode")


def test_a_room_moves_to_another_hotel(rooms):
    """The lookup in its key changes; it stays the same row."""
    rooms.primary.put("hotel", HOTEL, code="H")
    rooms.primary.put("hotel", row_id(33), code="I")
    rooms.primary.put("room", ROOM, number="7", hotelid=HOTEL)
    sync(rooms)
    rooms.primary.put("room", ROOM, hotelid=row_id(33))

    report = sync(rooms)["room"]

    assert (0, 1) == (report.created, report.updated)
    assert {ROOM: row_id(33)} == rooms.shown("room", "hotelid")
