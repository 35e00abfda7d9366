"""How third-party clients put their requests, byte for byte where it matters.

Each test stands for a client of PyPI or npm that was run against the emulator; which one, its
docstring tells.
"""

from urllib.parse import parse_qsl, urlsplit

import pytest

OPERATION = "Content-Type: application/http\r\nContent-Transfer-Encoding:binary"


@pytest.fixture
def doubled(api):
    """The root of the API for clients that add "/api" to an address with a slash at its end."""
    return str(api.base_url).replace("/api/", "//api/")


@pytest.fixture
def send(api):
    """Send the text of a batch; the statuses inside its answer."""

    def send(body: str, *, content_type: str = "multipart/mixed;boundary=batch_b1") -> list[int]:
        headers = {"Content-Type": content_type}
        answer = api.post("$batch", content=body.encode(), headers=headers)
        lines = answer.text.splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("HTTP/1.1 ")]

    return send


def follow(api, url, *, headers):
    """Rows of all pages and the last answer; links are taken apart and encoded anew."""
    rows, parameters = [], {}
    while True:
        page = api.get(url, params=parameters or None, headers=headers).json()
        rows += page["value"]
        if "@odata.nextLink" not in page:
            return rows, page
        url, parameters = url.partition("?")[0], parameters_of(page["@odata.nextLink"])


def parameters_of(link):
    """What a link asks for, decoded."""
    return dict(parse_qsl(urlsplit(link).query))


def test_doubled_slash_before_the_api(api, doubled, brands):
    """The address of the environment may end in a slash that the client adds once more."""
    row = brands.create(name="Astra")

    answer = api.get(f"{doubled}dvc_brands({row})?$select=dvc_name")

    assert (200, "Astra") == (answer.status_code, answer.json()["dvc_name"])


def test_doubled_slash_in_references(api, doubled, brands, hotels):
    """So do the references that such a client writes."""
    brand, hotel = brands.create(), hotels.create()

    bound = api.patch(
        f"dvc_hotels({hotel})", json={"dvc_BrandId@odata.bind": f"{doubled}dvc_brands({brand})"}
    )
    paired = api.post(
        f"dvc_hotels({hotel})/dvc_hotel_offers/$ref",
        json={"@odata.id": f"{doubled}dvc_brands({brand})"},
    )

    assert [204, 204] == [bound.status_code, paired.status_code]
    assert brand == hotels.read(hotel)["_dvc_brandid_value"]


def test_doubled_slash_in_a_batch(send, doubled, brands):
    """And the operations of its batches (dataverse-api joins addresses so)."""
    row = brands.create()

    statuses = send(
        f"--batch_b1\r\n{OPERATION}\r\n\r\n"
        f"GET {doubled}dvc_brands({row}) HTTP/1.1\r\n\r\n\r\n--batch_b1--\r\n"
    )

    assert [200] == statuses


def test_next_link_taken_apart(api, brands, mark):
    """Parameters of a link arrive in another encoding (airbyte-source-microsoft-dataverse)."""
    made = {brands.create() for _ in range(5)}
    url = f"dvc_brands?$select=dvc_name&$filter=dvc_mark eq '{mark}'"

    rows, _ = follow(api, url, headers={"Prefer": "odata.maxpagesize=2"})

    assert made == {row["dvc_brandid"] for row in rows}


def test_delta_link_taken_apart(api, hotels):
    """Nothing but the delta token of a link is kept (airbyte-source-microsoft-dataverse)."""
    headers = {"Prefer": "odata.track-changes,odata.maxpagesize=500"}
    _, last = follow(api, "dvc_hotels", headers=headers)
    made = hotels.create()

    token = parameters_of(last["@odata.deltaLink"])["$deltatoken"]
    answer = api.get("dvc_hotels", params={"$deltatoken": token}, headers=headers)

    assert [made] == [row["dvc_hotelid"] for row in answer.json()["value"]]


def test_batch_of_definitions(send):
    """The column definitions of many tables come in one batch (the same connector)."""
    column = "Microsoft.Dynamics.CRM.DateTimeAttributeMetadata?$select=LogicalName,DateTimeBehavior"
    operations = "".join(
        f"--batch_b1\r\n{OPERATION}\r\n\r\n"
        f"GET /api/data/v9.2/EntityDefinitions(LogicalName='{table}')/Attributes/{column} HTTP/1.1"
        "\r\nAccept: application/json\r\n\r\n"
        for table in ("dvc_hotel", "dvc_room")
    )

    statuses = send(
        f"{operations}--batch_b1--\r\n", content_type='multipart/mixed; boundary="batch_b1"'
    )

    assert [200, 200] == statuses


def test_batch_without_needless_blanks(send, brands):
    """Blanks in headers and empty lines before boundaries may be missing (dataverse-webapi)."""
    row = brands.create()

    statuses = send(
        "--batch_b1\r\nContent-Type: multipart/mixed;boundary=changeset_c1\r\n\r\n"
        f"--changeset_c1\r\n{OPERATION}\r\nContent-ID: 1\r\n\r\n"
        f"PATCH /api/data/v9.2/dvc_brands({row}) HTTP/1.1\r\n"
        'Content-Type: application/json;type=entry\r\n\r\n{"dvc_name":"Borea"}\r\n'
        "--changeset_c1--\r\n\r\n"
        f"--batch_b1\r\n{OPERATION}\r\n\r\n"
        f"GET /api/data/v9.2/dvc_brands({row})?$select=dvc_name HTTP/1.1\r\n"
        "Accept: application/json\r\n\r\n\r\n--batch_b1--"
    )

    assert [204, 200] == statuses
    assert "Borea" == brands.read(row)["dvc_name"]


def test_change_set_pairs_the_rows_that_it_creates(send, hotels, mark):
    """Content-IDs stand in the URL and in the body of an association (dynamics-web-api)."""
    operations = [
        ("POST /api/data/v9.2/dvc_hotels", f'{{"dvc_name":"Adler","dvc_mark":"{mark}"}}'),
        ("POST /api/data/v9.2/dvc_brands", f'{{"dvc_name":"Astra","dvc_mark":"{mark}"}}'),
        ("POST $1/dvc_hotel_offers/$ref", '{"@odata.id":"$2"}'),
    ]
    members = "".join(
        f"--changeset_c1\r\n{OPERATION}\r\nContent-ID: {number}\r\n\r\n{line} HTTP/1.1\r\n"
        f"Content-Type: application/json\r\n\r\n{body}\r\n"
        for number, (line, body) in enumerate(operations, start=1)
    )

    statuses = send(
        "--batch_b1\r\nContent-Type: multipart/mixed;boundary=changeset_c1\r\n\r\n"
        f"{members}--changeset_c1--\r\n--batch_b1--\r\n"
    )

    assert [204, 204, 204] == statuses
    assert ["Adler"] == hotels.find("dvc_hotel_offers/any(brand:brand/dvc_name eq 'Astra')")


def test_minimal_answers(api, brands, mark):
    """No representation is what `return=minimal` asks for (crmadminbrasil-dataverse-sdk)."""
    answer = api.post("dvc_brands", json={"dvc_mark": mark}, headers={"Prefer": "return=minimal"})

    assert (204, b"") == (answer.status_code, answer.content)
    assert [None] == brands.names(f"$filter=dvc_mark eq '{mark}'")


def test_file_that_is_announced_first(api, hotels):
    """A change without columns describes the file, its upload follows (surfdataverse)."""
    row = hotels.create()
    announcement = {
        "dvc_plan@odata.type": "#Microsoft.Dynamics.CRM.File",
        "dvc_plan@odata.mediaName": "plan.txt",
    }

    announced = api.patch(f"dvc_hotels({row})", json=announcement)
    uploaded = api.patch(
        f"dvc_hotels({row})/dvc_plan",
        content=b"the plan",
        headers={"Content-Type": "application/octet-stream", "x-ms-file-name": "plan.txt"},
    )

    assert [204, 204] == [announced.status_code, uploaded.status_code]
    assert b"the plan" == api.get(f"dvc_hotels({row})/dvc_plan/$value").content
