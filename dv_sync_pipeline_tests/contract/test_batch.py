"""$batch over HTTP (DATAVERSE 8.4); its grammar is specified in unit/emulator/test_batch.py."""

import json

import pytest

JSON = "Content-Type: application/json"
GONE = "00000000-0000-0000-0000-00000000dead"


def request(method: str, url: str, body: object = None, *headers: str) -> str:
    """One operation as it stands in a batch."""
    content = "" if body is None else json.dumps(body)
    lines = [f"{method} {url} HTTP/1.1", *([JSON] if content else []), *headers, "", content]
    return "\n".join(lines)


def part(operation: str, *headers: str) -> str:
    """An operation with the headers of its part."""
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary", *headers]
    return "\n".join([*head, "", operation, ""])


def change_set(*operations: str) -> str:
    """Operations with Content-IDs from 1, as one part."""
    members = [
        part(operation, f"Content-ID: {number}")
        for number, operation in enumerate(operations, start=1)
    ]
    inner = "".join(f"--c\n{member}" for member in members)
    return f'Content-Type: multipart/mixed; boundary="c"\n\n{inner}--c--\n'


@pytest.fixture
def send(api):
    """Send parts as a batch; the outer answer and the statuses inside it."""

    def send(*parts: str, prefer: str = "", line_end: str = "\r\n"):
        body = "".join(f"--b\n{each}" for each in parts) + "--b--\n"
        headers = {"Content-Type": "multipart/mixed; boundary=b"}
        answer = api.post(
            "$batch",
            content=body.replace("\n", line_end).encode(),
            headers={**headers, **({"Prefer": prefer} if prefer else {})},
        )
        lines = answer.text.splitlines()
        return answer, [int(line.split()[1]) for line in lines if line.startswith("HTTP/1.1 ")]

    return send


def test_operations_of_every_kind(send, brands):
    """Create, read, update and delete in one batch, answered in order."""
    row = brands.create(name="Astra")

    answer, statuses = send(
        part(request("POST", "/api/data/v9.2/dvc_brands", {"dvc_name": "Borea"})),
        part(request("GET", f"dvc_brands({row})?$select=dvc_name")),
        part(request("PATCH", f"dvc_brands({row})", {"dvc_name": "Alba"}, "If-Match: *")),
        part(request("DELETE", f"dvc_brands({row})")),
    )

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("multipart/mixed; boundary=batchresponse_")
    assert statuses == [204, 200, 204, 204]


def test_absolute_urls(api, send, brands):
    """An operation may name the whole address."""
    row = brands.create(name="Astra")

    _, statuses = send(part(request("GET", f"{api.base_url}dvc_brands({row})")))

    assert statuses == [200]


def test_created_row_is_named_by_location_and_entity_id(send):
    """A create inside of a batch answers both headers."""
    answer, _ = send(part(request("POST", "dvc_brands", {"dvc_name": "Astra"})))

    headers = dict(line.split(": ", 1) for line in answer.text.splitlines() if ": " in line)
    assert "dvc_brands(" in headers["Location"]
    assert headers["Location"] == headers["OData-EntityId"]


def test_inner_preferences_count(send, mark):
    """Prefer belongs to the operation."""
    answer, statuses = send(
        part(
            request("POST", "dvc_brands", {"dvc_mark": mark}, "Prefer: return=representation"),
        )
    )

    assert statuses == [201]
    assert mark in answer.text


def test_change_set_with_references(send, rooms, hotels, mark):
    """Later writes of a change set point to rows that earlier ones created."""
    hotel = {"dvc_name": "Adler", "dvc_mark": mark}
    room = {"dvc_name": f"room {mark}", "dvc_HotelId@odata.bind": "$1"}

    _, statuses = send(
        change_set(
            request("POST", "dvc_hotels", hotel),
            request("POST", "dvc_rooms", room),
            request("PATCH", "$1", {"dvc_stars": 5}),
        )
    )

    assert statuses == [204, 204, 204]
    assert hotels.find("dvc_stars eq 5") == ["Adler"]
    assert rooms.names(f"$filter=dvc_HotelId/dvc_mark eq '{mark}'") == [f"room {mark}"]


def test_change_set_is_undone_as_a_whole(send, brands, mark):
    """One refused write undoes the others, and one error answers for all."""
    answer, statuses = send(
        change_set(
            request("POST", "dvc_brands", {"dvc_name": "Astra", "dvc_mark": mark}),
            request("PATCH", f"dvc_brands({GONE})", {"dvc_name": "x"}, "If-Match: *"),
        )
    )

    assert (answer.status_code, statuses) == (404, [404])
    assert brands.find("dvc_name ne null") == []


def test_failure_ends_the_batch(send, brands, mark):
    """What stands before the failure is done, what stands behind it is not."""
    answer, statuses = send(
        part(request("POST", "dvc_brands", {"dvc_name": "before", "dvc_mark": mark})),
        part(request("GET", f"dvc_brands({GONE})")),
        part(request("POST", "dvc_brands", {"dvc_name": "behind", "dvc_mark": mark})),
    )

    assert (answer.status_code, statuses) == (404, [204, 404])
    assert brands.find("dvc_name ne null") == ["before"]


def test_continue_on_error(send, brands, mark):
    """With odata.continue-on-error everything runs and the whole answers 200."""
    answer, statuses = send(
        part(request("GET", f"dvc_brands({GONE})")),
        part(request("POST", "dvc_brands", {"dvc_name": "behind", "dvc_mark": mark})),
        prefer="odata.continue-on-error",
    )

    assert (answer.status_code, statuses) == (200, [404, 204])
    assert brands.find("dvc_name ne null") == ["behind"]


def test_line_feeds_are_refused(send, refusal):
    """Lines must end in CRLF."""
    answer, _ = send(part(request("GET", "dvc_brands")), line_end="\n")

    assert refusal(answer) == (400, "0x80048d19")


def test_too_many_operations_are_refused(send, refusal):
    """A batch holds 1,000 operations at most."""
    answer, _ = send(*[part(request("GET", "WhoAmI"))] * 1001)

    assert refusal(answer) == (400, "0x80048d19")


def test_delete_of_a_schema_is_undone_with_its_change_set(api, send):
    """Definitions follow the transaction they were changed in."""
    _, statuses = send(
        change_set(
            request(
                "POST",
                "EntityDefinitions(LogicalName='dvc_brand')/Attributes",
                {
                    "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata",
                    "SchemaName": "dvc_Undone",
                },
            ),
            request("DELETE", f"dvc_brands({GONE})"),
        )
    )

    assert statuses == [404]
    assert api.get("dvc_brands?$select=dvc_undone").status_code == 400
