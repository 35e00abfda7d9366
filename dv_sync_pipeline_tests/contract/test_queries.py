"""Filters, order, pages and counts (DATAVERSE 6)."""

import httpx
import pytest


@pytest.fixture
def three(hotels, brands):
    """Three hotels: Adler (2 stars), Bristol (4), and Carlton without stars."""
    brand = brands.create(name="Astra")
    hotels.create(
        name="Adler",
        dvc_stars=2,
        dvc_rate=9.5,
        dvc_opened="2020-01-01",
        dvc_isopen=True,
        dvc_kind=1,
        dvc_tags="1,2",
        **{"dvc_BrandId@odata.bind": f"/dvc_brands({brand})"},
    )
    hotels.create(name="Bristol", dvc_stars=4, dvc_rate=100, dvc_opened="2021-01-01", dvc_kind=2)
    hotels.create(name="Carlton")
    return hotels


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("dvc_stars eq 4", ["Bristol"]),
        ("dvc_stars ne 4", ["Adler", "Carlton"]),
        ("dvc_stars gt 1 and dvc_stars lt 4", ["Adler"]),
        ("dvc_stars ge 4 or dvc_name eq 'CARLTON  '", ["Bristol", "Carlton"]),
        ("dvc_stars eq null", ["Carlton"]),
        ("dvc_stars ne null", ["Adler", "Bristol"]),
        ("not (dvc_stars eq 2)", ["Bristol", "Carlton"]),
        ("dvc_rate gt 9.75", ["Bristol"]),
        ("dvc_rate eq 9.50", ["Adler"]),
        ("dvc_opened ge 2021-01-01", ["Bristol"]),
        ("dvc_isopen eq true", ["Adler"]),
        ("createdon gt 2020-01-01T00:00:00Z", ["Adler", "Bristol", "Carlton"]),
        ("contains(dvc_name,'RIST')", ["Bristol"]),
        ("startswith(dvc_name,'ad')", ["Adler"]),
        ("endswith(dvc_name,'ton')", ["Carlton"]),
        ("not contains(dvc_name,'r')", []),
        ("dvc_BrandId/dvc_name eq 'astra'", ["Adler"]),
        ("dvc_BrandId/dvc_name eq null", ["Bristol", "Carlton"]),
        ("dvc_stars eq dvc_kind", []),
        (
            "Microsoft.Dynamics.CRM.In(PropertyName='dvc_stars',PropertyValues=['2','4'])",
            ["Adler", "Bristol"],
        ),
        (
            "Microsoft.Dynamics.CRM.Between(PropertyName='dvc_stars',PropertyValues=['3','5'])",
            ["Bristol"],
        ),
        (
            "Microsoft.Dynamics.CRM.ContainValues(PropertyName='dvc_tags',PropertyValues=['2'])",
            ["Adler"],
        ),
        ("Microsoft.Dynamics.CRM.Today(PropertyName='createdon')", ["Adler", "Bristol", "Carlton"]),
        (
            "Microsoft.Dynamics.CRM.LastXHours(PropertyName='createdon',PropertyValue=1)",
            ["Adler", "Bristol", "Carlton"],
        ),
        ("Microsoft.Dynamics.CRM.LastYear(PropertyName='createdon')", []),
        (
            "Microsoft.Dynamics.CRM.OlderThanXMonths(PropertyName='dvc_opened',PropertyValue=24)",
            ["Adler", "Bristol"],
        ),
    ],
)
def test_filters(three, condition, found):
    """The filter language, text compared case-insensitively (DATAVERSE 6.1)."""
    assert three.find(condition) == found


def test_filter_by_lookup(api, three, brands):
    """A lookup is compared with a GUID without quotes (DATAVERSE 6.1)."""
    brand = api.get(f"dvc_brands?$filter=dvc_mark eq '{brands.mark}'").json()["value"][0]

    assert three.find(f"_dvc_brandid_value eq {brand['dvc_brandid']}") == ["Adler"]


def test_filter_with_hundreds_of_alternatives(three):
    """Long chains of conditions are no matter (DATAVERSE 6.1)."""
    condition = " or ".join(["dvc_stars eq 4"] * 1100)

    assert three.find(condition) == ["Bristol"]


def test_quotes_in_filters_are_doubled(hotels):
    """A quote in a literal is doubled (DATAVERSE 6.1)."""
    hotels.create(name="O'Hara's")

    assert hotels.find("dvc_name eq 'o''hara''s'") == ["O'Hara's"]


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("dvc_name desc", ["Carlton", "Bristol", "Adler"]),
        ("dvc_stars asc", ["Carlton", "Adler", "Bristol"]),
        ("dvc_rate desc", ["Bristol", "Adler", "Carlton"]),
        ("dvc_kind desc", ["Adler", "Bristol", "Carlton"]),
    ],
)
def test_order(three, order, found):
    """Rows sort by a column, nulls first, choices by their labels (DATAVERSE 6.2)."""
    assert three.find("dvc_name ne null", order=order) == found


@pytest.mark.parametrize(
    "query",
    [
        "$filter=dvc_nmae eq 'x'",
        "$select=dvc_nmae",
        "$orderby=dvc_nmae",
        "$expand=dvc_brandid",
        "$filter=dvc_brandid/dvc_name eq 'x'",
    ],
)
def test_unknown_names_in_a_query(api, refusal, query):
    """A query with an unknown property answers 400 (DATAVERSE 4.7)."""
    answer = api.get(f"dvc_hotels?{query}")

    assert refusal(answer) == (400, "0x80060888")
    assert "Could not find a property named" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "$skip=5",
        "$search=x",
        "$filter=dvc_stars eq 'four'",
        "$filter=dvc_name eq 4",
        "$filter=dvc_stars eq 99999999999999999999",
        "$filter=dvc_stars eq",
        "$filter=(dvc_stars eq 4",
        "$filter=dvc_stars in (1,2)",
        "$orderby=dvc_stars up",
        "$skiptoken=nonsense",
    ],
)
def test_queries_that_are_refused(api, query):
    """What the query language does not know answers 400 (DATAVERSE 6.1)."""
    assert api.get(f"dvc_hotels?{query}").status_code == 400


def test_top(three):
    """$top limits the rows, without a next link (DATAVERSE 6.1)."""
    answer = three.api.get(f"dvc_hotels?$filter=dvc_mark eq '{three.mark}'&$top=2").json()

    assert len(answer["value"]) == 2
    assert "@odata.nextLink" not in answer


def test_top_of_none(api):
    """$top=0 asks for no rows at all (DATAVERSE 6.1)."""
    assert api.get("dvc_hotels?$top=0").json()["value"] == []


def test_pages_follow_the_next_link(api, three):
    """Pages of the wanted size follow each other by @odata.nextLink (DATAVERSE 6.2)."""
    prefer = {"Prefer": "odata.maxpagesize=2"}
    url = f"dvc_hotels?$select=dvc_name&$filter=dvc_mark eq '{three.mark}'&$orderby=dvc_stars desc"

    first = api.get(url, headers=prefer)
    second = api.get(first.json()["@odata.nextLink"], headers=prefer).json()

    names = [row["dvc_name"] for row in first.json()["value"] + second["value"]]
    assert first.headers["Preference-Applied"] == "odata.maxpagesize=2"
    assert names == ["Bristol", "Adler", "Carlton"]
    assert "@odata.nextLink" not in second


@pytest.mark.parametrize("order", ["", "&$orderby=dvc_stars", "&$orderby=dvc_kind desc,dvc_rate"])
def test_pages_of_one_row_show_each_row_once(api, three, order):
    """However they are ordered, pages show each row once, rows with nulls too (DATAVERSE 6.2)."""
    url = f"dvc_hotels?$select=dvc_name&$filter=dvc_mark eq '{three.mark}'{order}"
    names = []
    while url:
        page = api.get(url, headers={"Prefer": "odata.maxpagesize=1"}).json()
        names += [row["dvc_name"] for row in page["value"]]
        url = page.get("@odata.nextLink")

    assert sorted(names) == ["Adler", "Bristol", "Carlton"]


def test_next_link_hides_its_position(api, three):
    """The tail of a next link is a percent-encoded cookie (DATAVERSE 6.2)."""
    answer = api.get(
        f"dvc_hotels?$filter=dvc_mark eq '{three.mark}'", headers={"Prefer": "odata.maxpagesize=2"}
    )

    assert "$skiptoken=%3Ccookie%20pagenumber=%222%22" in answer.json()["@odata.nextLink"]


def test_a_full_last_page_has_no_next_link(api, three):
    """A page can be full and yet be the last (DATAVERSE 6.2)."""
    answer = api.get(
        f"dvc_hotels?$filter=dvc_mark eq '{three.mark}'", headers={"Prefer": "odata.maxpagesize=3"}
    )

    assert "@odata.nextLink" not in answer.json()


def test_top_is_ignored_when_paging(api, three):
    """With odata.maxpagesize, $top is ignored (DATAVERSE 6.1)."""
    answer = api.get(
        f"dvc_hotels?$filter=dvc_mark eq '{three.mark}'&$top=1",
        headers={"Prefer": "odata.maxpagesize=2"},
    )

    assert len(answer.json()["value"]) == 2


def test_count_stands_beside_the_rows(api, three):
    """$count=true counts all rows, whatever the page size (DATAVERSE 6.3)."""
    answer = api.get(
        f"dvc_hotels?$filter=dvc_mark eq '{three.mark}'&$count=true",
        headers={"Prefer": "odata.maxpagesize=1"},
    )

    assert answer.json()["@odata.count"] == 3


def test_count_alone_begins_with_a_byte_order_mark(api, three):
    """/$count answers plain text behind a byte order mark (DATAVERSE 6.3)."""
    answer = api.get(f"dvc_hotels/$count?$filter=dvc_mark eq '{three.mark}'")

    assert answer.content == b"\xef\xbb\xbf3"


def test_counts_stop_at_5000(emulator, api):
    """Both counts never exceed 5,000 (DATAVERSE 6.3)."""
    emulator.store.load_rows("dvc_room", ({"dvc_floor": 777} for _ in range(5001)))

    assert api.get("dvc_rooms/$count?$filter=dvc_floor eq 777").text == "\ufeff5000"
    answer = api.get(
        "dvc_rooms?$filter=dvc_floor eq 777&$count=true&$top=1",
        headers={"Prefer": 'odata.include-annotations="*"'},
    ).json()
    assert answer["@odata.count"] == 5000
    assert answer["@Microsoft.Dynamics.CRM.totalrecordcount"] == 5000
    assert answer["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is True


def test_expand_of_a_lookup(api, three):
    """$expand puts the row a lookup points to into the row (DATAVERSE 6.1)."""
    rows = api.get(
        f"dvc_hotels?$select=dvc_name&$filter=dvc_mark eq '{three.mark}'&$orderby=dvc_name"
        "&$expand=dvc_BrandId($select=dvc_name)"
    ).json()["value"]

    assert [row["dvc_BrandId"] and row["dvc_BrandId"]["dvc_name"] for row in rows] == [
        "Astra",
        None,
        None,
    ]


def test_expand_of_a_collection(api, hotels, rooms):
    """$expand of a collection takes options of its own (DATAVERSE 6.1)."""
    hotel_id = hotels.create()
    for number in ("1", "2", "3"):
        rooms.create(dvc_number=number, **{"dvc_HotelId@odata.bind": f"/dvc_hotels({hotel_id})"})

    options = "$select=dvc_number;$filter=dvc_number ne '2';$orderby=dvc_number desc"
    row = api.get(
        f"dvc_hotels({hotel_id})?$expand=dvc_hotel_dvc_room_dvc_hotelid({options})"
    ).json()
    assert [room["dvc_number"] for room in row["dvc_hotel_dvc_room_dvc_hotelid"]] == ["3", "1"]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("dvc_hotel_dvc_room_dvc_hotelid/any(r:r/dvc_floor eq 1)", ["mixed"]),
        ("dvc_hotel_dvc_room_dvc_hotelid/any()", ["high", "mixed"]),
        ("dvc_hotel_dvc_room_dvc_hotelid/all(r:r/dvc_floor ge 5)", ["empty", "high"]),
        ("not dvc_hotel_dvc_room_dvc_hotelid/any()", ["empty"]),
    ],
)
def test_lambdas(hotels, rooms, condition, found):
    """Any and all look into a collection (DATAVERSE 6.1)."""
    floors = {"high": (5, 9), "mixed": (1, 9), "empty": ()}
    for name, numbers in floors.items():
        hotel_id = hotels.create(name=name)
        for floor in numbers:
            rooms.create(dvc_floor=floor, **{"dvc_HotelId@odata.bind": f"/dvc_hotels({hotel_id})"})

    assert hotels.find(condition) == found


def test_collection_below_a_row(api, hotels, rooms):
    """A collection below a row is a list like any other (DATAVERSE 5)."""
    hotel_id = hotels.create()
    room_id = rooms.create(**{"dvc_HotelId@odata.bind": f"/dvc_hotels({hotel_id})"})

    answer = api.get(f"dvc_hotels({hotel_id})/dvc_hotel_dvc_room_dvc_hotelid?$select=dvc_roomid")

    assert [row["dvc_roomid"] for row in answer.json()["value"]] == [room_id]


def test_count_of_a_collection(api, hotels, rooms):
    """/$count counts a collection below a row, too (DATAVERSE 6.3)."""
    hotel_id = hotels.create()
    rooms.create(**{"dvc_HotelId@odata.bind": f"/dvc_hotels({hotel_id})"})

    answer = api.get(f"dvc_hotels({hotel_id})/dvc_hotel_dvc_room_dvc_hotelid/$count")

    assert answer.text == "\ufeff1"


def test_annotated_lists_carry_totals(api):
    """Annotated lists carry Microsoft.Dynamics.CRM.totalrecordcount (DATAVERSE 6.1)."""
    answer = api.get("dvc_hotels?$top=1", headers={"Prefer": 'odata.include-annotations="*"'})

    assert answer.json()["@Microsoft.Dynamics.CRM.totalrecordcount"] == -1


def test_filter_in_a_percent_encoded_query(api, three):
    """Query options arrive percent-encoded, blanks as %20 or plus (DATAVERSE 6.1)."""
    query = str(httpx.QueryParams({"$filter": f"dvc_mark eq '{three.mark}' and dvc_stars eq 4"}))

    assert len(api.get(f"dvc_hotels?{query}").json()["value"]) == 1
