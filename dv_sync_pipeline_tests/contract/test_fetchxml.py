"""FetchXML (DATAVERSE 6.1)."""

from decimal import Decimal
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

PAGING = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie,Microsoft.Dynamics.CRM.morerecords"


@pytest.fixture
def three(hotels, brands, rooms):
    """Adler (brand Astra, rooms 1 and 2), Bristol (no brand, room 3), Carlton (nothing)."""
    brand = brands.create(name="Astra")
    adler = hotels.create(
        name="Adler",
        dvc_code=f"A{hotels.mark}",
        dvc_stars=2,
        dvc_rate=9.5,
        dvc_opened="2020-01-01",
        dvc_isopen=True,
        dvc_kind=1,
        dvc_tags="1,2",
        **{"dvc_BrandId@odata.bind": f"/dvc_brands({brand})"},
    )
    bristol = hotels.create(
        name="Bristol", dvc_stars=4, dvc_rate=100.25, dvc_opened="2021-06-01", dvc_kind=2
    )
    hotels.create(name="Carlton", dvc_kind=2)
    for number, hotel in (("1", adler), ("2", adler), ("3", bristol)):
        rooms.create(dvc_number=number, **{"dvc_HotelId@odata.bind": f"/dvc_hotels({hotel})"})
    return {"Adler": adler, "Bristol": bristol, "brand": brand}


@pytest.fixture
def fetch(api, mark, three):  # noqa: ARG001 - there are three hotels
    """Run a query over the three hotels: what stands inside of `<entity>`, as rows."""

    def fetch(inside, *, options="", prefer=""):
        xml = (
            f"<fetch {options}><entity name='dvc_hotel'>{inside}<filter><condition "
            f"attribute='dvc_mark' operator='eq' value='{mark}'/></filter></entity></fetch>"
        )
        headers = {"Prefer": f'odata.include-annotations="{prefer}"'} if prefer else {}
        answer = api.get("dvc_hotels", params={"fetchXml": xml}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return fetch


@pytest.fixture
def names(fetch):
    """The names that a query finds, in its order."""

    def names(inside, *, options=""):
        shown = "<attribute name='dvc_name'/><order attribute='dvc_name'/>"
        return [row.get("dvc_name") for row in fetch(shown + inside, options=options)["value"]]

    return names


def condition(text):
    """A filter of one condition."""
    return f"<filter><condition {text}/></filter>"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("attribute='dvc_stars' operator='eq' value='4'", ["Bristol"]),
        ("attribute='dvc_stars' operator='ne' value='4'", ["Adler", "Carlton"]),
        ("attribute='dvc_stars' operator='gt' value='2'", ["Bristol"]),
        ("attribute='dvc_stars' operator='ge' value='2'", ["Adler", "Bristol"]),
        ("attribute='dvc_stars' operator='null'", ["Carlton"]),
        ("attribute='dvc_stars' operator='not-null'", ["Adler", "Bristol"]),
        ("attribute='dvc_rate' operator='lt' value='10.00'", ["Adler"]),
        ("attribute='dvc_rate' operator='eq' value='100.250'", ["Bristol"]),
        ("attribute='dvc_name' operator='eq' value='BRISTOL'", ["Bristol"]),
        ("attribute='dvc_name' operator='like' value='%r%l%'", ["Bristol", "Carlton"]),
        ("attribute='dvc_name' operator='not-like' value='A%'", ["Bristol", "Carlton"]),
        ("attribute='dvc_name' operator='begins-with' value='ad'", ["Adler"]),
        ("attribute='dvc_name' operator='ends-with' value='TON'", ["Carlton"]),
        ("attribute='dvc_isopen' operator='eq' value='1'", ["Adler"]),
        ("attribute='dvc_kind' operator='eq' value='2'", ["Bristol", "Carlton"]),
        ("attribute='dvc_opened' operator='on-or-after' value='2020-01-02'", ["Bristol"]),
        ("attribute='dvc_opened' operator='on' value='2020-01-01'", ["Adler"]),
        ("attribute='createdon' operator='today'", ["Adler", "Bristol", "Carlton"]),
        ("attribute='createdon' operator='last-x-days' value='2'", ["Adler", "Bristol", "Carlton"]),
        ("attribute='createdon' operator='last-year'", []),
        ("attribute='dvc_opened' operator='olderthan-x-years' value='1'", ["Adler", "Bristol"]),
        ("attribute='createdby' operator='eq-userid'", ["Adler", "Bristol", "Carlton"]),
    ],
)
def test_condition(names, text, found):
    """Every operator means what its name says; text compares without regard to case."""
    assert names(condition(text)) == found


@pytest.mark.parametrize(
    ("operator", "attribute", "values", "found"),
    [
        ("in", "dvc_stars", [2, 4], ["Adler", "Bristol"]),
        ("not-in", "dvc_stars", [2], ["Bristol", "Carlton"]),
        ("between", "dvc_stars", [3, 5], ["Bristol"]),
        ("not-between", "dvc_rate", [0, 50], ["Bristol", "Carlton"]),
        ("contain-values", "dvc_tags", [2, 9], ["Adler"]),
    ],
)
def test_condition_with_several_values(names, operator, attribute, values, found):
    """Values stand in elements of their own."""
    inside = "".join(f"<value>{value}</value>" for value in values)
    text = f"<condition attribute='{attribute}' operator='{operator}'>{inside}</condition>"

    assert names(f"<filter>{text}</filter>") == found


def test_nested_filters(names):
    """`and` inside of `or` holds together."""
    filters = (
        "<filter type='or'><condition attribute='dvc_stars' operator='null'/><filter type='and'>"
        "<condition attribute='dvc_stars' operator='eq' value='2'/>"
        "<condition attribute='dvc_name' operator='eq' value='adler'/></filter></filter>"
    )

    assert names(filters) == ["Adler", "Carlton"]


def test_guid_may_stand_in_braces(three, names):
    """Values that other tools write, with braces and in capitals, are understood."""
    value = "{" + three["brand"].upper() + "}"

    assert names(condition(f"attribute='dvc_brandid' operator='eq' value='{value}'")) == ["Adler"]


def test_columns_are_named_as_in_other_reads(three, fetch):
    """Lookups show as `_x_value`; null values and other columns are left out."""
    inside = "<attribute name='dvc_brandid'/><attribute name='dvc_note'/>" + condition(
        "attribute='dvc_name' operator='eq' value='Adler'"
    )
    (row,) = fetch(inside)["value"]

    assert row.keys() == {"@odata.etag", "dvc_hotelid", "_dvc_brandid_value"}
    assert row["_dvc_brandid_value"] == three["brand"]


def test_formatted_values(fetch):
    """Labels come with annotations, as in other reads."""
    inside = "<attribute name='dvc_kind'/>" + condition(
        "attribute='dvc_name' operator='eq' value='Adler'"
    )
    (row,) = fetch(inside, prefer="*")["value"]

    assert row["dvc_kind@OData.Community.Display.V1.FormattedValue"] == "City"


def test_all_attributes(fetch):
    """Without `<attribute>` every column that has a value is shown."""
    (row,) = fetch(condition("attribute='dvc_name' operator='eq' value='Bristol'"))["value"]

    assert row["dvc_stars"] == 4
    assert "statecode" in row
    assert "dvc_note" not in row


LINK = (
    "<link-entity name='dvc_room' from='dvc_hotelid' to='dvc_hotelid' alias='r' {}>{}</link-entity>"
)


def test_inner_link(fetch):
    """Each pair is a row; linked columns are named `alias.column`."""
    link = LINK.format("", "<attribute name='dvc_number'/><order attribute='dvc_number'/>")
    rows = fetch(f"<attribute name='dvc_name'/>{link}")["value"]

    assert [(row["dvc_name"], row["r.dvc_number"]) for row in rows] == [
        ("Adler", "1"),
        ("Adler", "2"),
        ("Bristol", "3"),
    ]


def test_outer_link_finds_what_is_not_linked(names):
    """A condition on the alias of an outer link finds rows without a partner."""
    link = LINK.format("link-type='outer'", "")
    lonely = condition("entityname='r' attribute='dvc_roomid' operator='null'")

    assert names(link + lonely) == ["Carlton"]


def test_filter_inside_of_an_outer_link_does_not_drop_rows(fetch):
    """It narrows what is joined, not what is found."""
    inside = "<attribute name='dvc_number'/>" + condition(
        "attribute='dvc_number' operator='eq' value='3'"
    )
    link = LINK.format("link-type='outer'", inside)
    rows = fetch(f"<attribute name='dvc_name'/><order attribute='dvc_name'/>{link}")["value"]

    assert [(row["dvc_name"], row.get("r.dvc_number")) for row in rows] == [
        ("Adler", None),
        ("Bristol", "3"),
        ("Carlton", None),
    ]


def test_nested_links(three, api):
    """From a room through its hotel to the brand."""
    xml = (
        "<fetch><entity name='dvc_room'><attribute name='dvc_number'/>"
        "<order attribute='dvc_number'/><link-entity name='dvc_hotel' from='dvc_hotelid' "
        "to='dvc_hotelid'><link-entity name='dvc_brand' from='dvc_brandid' to='dvc_brandid' "
        "alias='b'><attribute name='dvc_name' alias='brand'/>"
        + condition(f"attribute='dvc_brandid' operator='eq' value='{three['brand']}'")
        + "</link-entity></link-entity></entity></fetch>"
    )
    rows = api.get("dvc_rooms", params={"fetchXml": xml}).json()["value"]

    assert [(row["dvc_number"], row["brand"]) for row in rows] == [("1", "Astra"), ("2", "Astra")]


@pytest.mark.parametrize(
    ("kind", "found"), [("any", ["Adler", "Bristol"]), ("not any", ["Carlton"])]
)
def test_link_that_only_asks(names, kind, found):
    """`any` finds each row once, whatever the number of partners."""
    assert names(LINK.format(f"link-type='{kind}'", "")) == found


def test_distinct(fetch):
    """The same values count once, and no id comes along."""
    inside = "<attribute name='dvc_kind'/><order attribute='dvc_kind'/>"
    rows = fetch(inside, options="distinct='true'")["value"]

    assert sorted(row["dvc_kind"] for row in rows) == [1, 2]


def test_top(names):
    """Only so many rows."""
    assert names("", options="top='2'") == ["Adler", "Bristol"]


def test_aggregates(fetch):
    """Numbers over groups, exact where the column is."""
    inside = (
        "<attribute name='dvc_kind' groupby='true' alias='kind'/>"
        "<attribute name='dvc_hotelid' aggregate='count' alias='rows'/>"
        "<attribute name='dvc_stars' aggregate='countcolumn' alias='rated'/>"
        "<attribute name='dvc_rate' aggregate='sum' alias='total'/>"
        "<attribute name='dvc_rate' aggregate='max' alias='highest'/>"
        "<attribute name='dvc_stars' aggregate='avg' alias='stars'/>"
        "<order alias='rows' descending='true'/>"
    )
    first, second = fetch(inside, options="aggregate='true'")["value"]

    assert (first["kind"], first["rows"], first["rated"]) == (2, 2, 1)
    assert Decimal(str(first["total"])) == Decimal("100.25")
    assert Decimal(str(second["highest"])) == Decimal("9.5")
    assert second["stars"] == 2


def test_date_grouping(fetch):
    """Dates group by year."""
    inside = (
        "<attribute name='dvc_opened' groupby='true' dategrouping='year' alias='year'/>"
        "<attribute name='dvc_hotelid' aggregate='count' alias='rows'/>"
        + condition("attribute='dvc_opened' operator='not-null'")
        + "<order alias='year'/>"
    )
    rows = fetch(inside, options="aggregate='true'")["value"]

    assert rows == [{"year": 2020, "rows": 1}, {"year": 2021, "rows": 1}]


def test_pages_by_cookie(fetch):
    """The cookie's inner value, decoded twice, leads to the next page (DATAVERSE 6.1)."""
    inside = "<attribute name='dvc_name'/><order attribute='dvc_name'/>"
    first = fetch(inside, options="count='2'", prefer=PAGING)
    cookie = ET.fromstring(first["@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"])  # noqa: S314
    once = unquote(cookie.get("pagingcookie"))
    decoded = unquote(once)
    ET.fromstring(decoded)  # noqa: S314 - our own
    escaped = decoded.replace("<", "&lt;").replace('"', "&quot;")
    page = cookie.get("pagenumber")
    second = fetch(
        inside, options=f"count='2' page='{page}' paging-cookie=\"{escaped}\"", prefer=PAGING
    )

    assert once.startswith("%3Ccookie")
    assert first["@Microsoft.Dynamics.CRM.morerecords"] is True
    assert [row["dvc_name"] for row in first["value"] + second["value"]] == [
        "Adler",
        "Bristol",
        "Carlton",
    ]
    assert second["@Microsoft.Dynamics.CRM.morerecords"] is False


def test_order_by_a_linked_column_has_no_cookie(fetch):
    """Such a query can be paged by number only."""
    link = LINK.format("", "<order attribute='dvc_number'/>")
    first = fetch(f"<attribute name='dvc_name'/>{link}", options="count='1'", prefer=PAGING)

    assert first["@Microsoft.Dynamics.CRM.morerecords"] is True
    assert "@Microsoft.Dynamics.CRM.fetchxmlpagingcookie" not in first


def test_total_record_count(fetch):
    """A total counts all rows, not those of the page."""
    found = fetch("", options="count='1' returntotalrecordcount='true'", prefer="*")

    assert found["@Microsoft.Dynamics.CRM.totalrecordcount"] == 3


BAD_CONDITION = "<fetch><entity name='dvc_hotel'><filter><condition {}/></filter></entity></fetch>"
BAD_LINK = "<fetch><entity name='dvc_hotel'><link-entity name='dvc_none'/></entity></fetch>"


@pytest.mark.parametrize(
    ("xml", "status", "code"),
    [
        (
            "<fetch><entity name='dvc_hotel'><attribute name='x'/></entity></fetch>",
            400,
            "0x80041103",
        ),
        (BAD_CONDITION.format("attribute='x' operator='null'"), 400, "0x80041103"),
        ("<fetch><entity name='dvc_room'/></fetch>", 400, "0x80060888"),
        (BAD_LINK, 400, "0x80041102"),
        ("<fetch><entity name='dvc_hotel'>", 400, "0x80040201"),
        ("<!DOCTYPE x><fetch><entity name='dvc_hotel'/></fetch>", 400, "0x80040201"),
        ("<fetch top='1' page='2'><entity name='dvc_hotel'/></fetch>", 400, "0x80040201"),
        ("<fetch page='11'><entity name='dvc_hotel'/></fetch>", 400, "0x80060888"),
        (BAD_CONDITION.format("attribute='dvc_name' operator='above'"), 501, "0x80048d1a"),
    ],
    ids=[
        "column",
        "condition",
        "set",
        "table",
        "xml",
        "doctype",
        "top and page",
        "simple",
        "unknown",
    ],
)
def test_refusals(api, refusal, xml, status, code):
    """What is wrong or not implemented is said, not guessed (DATAVERSE 4.7)."""
    assert refusal(api.get("dvc_hotels", params={"fetchXml": xml})) == (status, code)


def test_sql_is_not_implemented(api, refusal):
    """`?sql=` answers 501 instead of all rows."""
    assert refusal(api.get("dvc_hotels", params={"sql": "select 1"})) == (501, "0x80048d1a")


def test_links_ask_for_privileges_too(api, refusal):
    """Who may not read a table may not join it either (DATAVERSE 13)."""
    xml = "<fetch><entity name='dvc_hotel'>" + LINK.format("", "") + "</entity></fetch>"
    answer = api.get(
        "dvc_hotels", params={"fetchXml": xml}, headers={"Authorization": "Bearer nobody"}
    )

    assert refusal(answer)[0] == 403
