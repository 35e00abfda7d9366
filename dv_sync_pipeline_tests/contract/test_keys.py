"""Addressing rows by alternate key (DATAVERSE 4.3, 4.6)."""

import pytest


def test_read_by_key(api, hotels, mark):
    """A row is addressed by the values of an alternate key (DATAVERSE 4.6)."""
    row_id = hotels.create(dvc_code=mark)

    assert api.get(f"dvc_hotels(dvc_code='{mark}')").json()["dvc_hotelid"] == row_id


def test_read_by_key_ignores_case(api, hotels, mark):
    """String key values compare case-insensitively (DATAVERSE 4.6)."""
    row_id = hotels.create(dvc_code=f"x{mark}")

    assert api.get(f"dvc_hotels(dvc_code='X{mark.upper()}')").json()["dvc_hotelid"] == row_id


def test_read_by_named_primary_key(api, hotels):
    """The primary key may be named in the parentheses (DATAVERSE 4.6)."""
    row_id = hotels.create()

    assert api.get(f"dvc_hotels(dvc_hotelid={row_id})").status_code == 200


@pytest.mark.parametrize("shape", ["'{}'", "{{{}}}"])
def test_ids_are_bare(api, hotels, shape):
    """A GUID stands in an address without quotes or braces (DATAVERSE 4.6)."""
    assert api.get(f"dvc_hotels({shape.format(hotels.create())})").status_code == 400


def test_quotes_in_key_values_are_doubled(api, hotels, mark):
    """A quote in a key value is doubled (DATAVERSE 4.6)."""
    row_id = hotels.create(dvc_code=f"O'H{mark}")

    assert api.get(f"dvc_hotels(dvc_code='O''H{mark}')").json()["dvc_hotelid"] == row_id


def test_key_values_are_percent_decoded(api, hotels, mark):
    """Blanks and letters beyond ASCII in a key value are percent-encoded UTF-8 (DATAVERSE 4.6)."""
    row_id = hotels.create(dvc_code=f"é {mark}")

    assert api.get(f"dvc_hotels(dvc_code='%C3%A9%20{mark}')").json()["dvc_hotelid"] == row_id


@pytest.mark.parametrize(
    "character", ["%2F", "%3C", "%2A", "%25", "%26", "%3A", "%5C", "%3F", "%2B"]
)
def test_forbidden_characters_in_key_values(api, mark, character):
    """Some characters make a key unusable in URLs, even encoded (DATAVERSE 4.6)."""
    answer = api.get(f"dvc_hotels(dvc_code='{character}{mark}')")

    assert answer.status_code == 400


def test_composite_key_with_a_lookup(api, hotels, rooms):
    """A lookup stands in a key as _column_value without quotes, in any order (DATAVERSE 4.6)."""
    hotel_id = hotels.create()
    room_id = rooms.create(
        dvc_number="12", **{"dvc_HotelId@odata.bind": f"/dvc_hotels({hotel_id})"}
    )

    answer = api.get(f"dvc_rooms(dvc_number='12',_dvc_hotelid_value={hotel_id})")

    assert answer.json()["dvc_roomid"] == room_id


def test_no_row_with_these_key_values(api, mark, refusal):
    """A key that names no row answers 404 0x80060891 (DATAVERSE 4.6)."""
    answer = api.get(f"dvc_hotels(dvc_code='{mark}')")

    assert refusal(answer) == (404, "0x80060891")


def test_columns_that_are_no_key(api):
    """Columns that are no declared key answer 400 (DATAVERSE 4.6)."""
    answer = api.get("dvc_hotels(dvc_stars=4)")

    assert answer.status_code == 400
    assert "The key in the request URI is not valid" in answer.json()["error"]["message"]


def test_incomplete_composite_key(api):
    """The complete set of key columns must be given (DATAVERSE 4.6)."""
    assert api.get("dvc_rooms(dvc_number='12')").status_code == 400


def test_patch_by_columns_that_are_no_key(api, refusal):
    """PATCH on a key that is not defined answers 400 0x80060890 (DATAVERSE 4.3)."""
    answer = api.patch("dvc_hotels(dvc_stars=4)", json={"dvc_name": "x"})

    assert refusal(answer) == (400, "0x80060890")


def test_upsert_by_key_updates(api, hotels, mark):
    """PATCH by key updates the row that has the key (DATAVERSE 4.3)."""
    row_id = hotels.create(dvc_code=mark)

    answer = api.patch(f"dvc_hotels(dvc_code='{mark}')", json={"dvc_stars": 4})

    assert answer.status_code == 204
    assert hotels.read(row_id)["dvc_stars"] == 4


def test_upsert_by_key_creates_with_the_key_values(api, mark):
    """PATCH by key creates the row with the key values of the URL (DATAVERSE 4.3)."""
    answer = api.patch(
        f"dvc_hotels(dvc_code='{mark}')",
        json={"dvc_stars": 4},
        headers={"Prefer": "return=representation"},
    )

    assert answer.status_code == 201
    assert answer.json()["dvc_code"] == mark


def test_upsert_by_key_echoes_the_address(api, mark):
    """OData-EntityId of a PATCH by key is the key that was used (DATAVERSE 4.3)."""
    answer = api.patch(f"dvc_hotels(dvc_code='{mark}')", json={"dvc_stars": 4})

    assert answer.headers["OData-EntityId"].endswith(f"dvc_hotels(dvc_code='{mark}')")


def test_upsert_by_key_cannot_alter_its_key(api, hotels, mark):
    """A keyed PATCH drops its own key columns from the body of an update (DATAVERSE 4.3)."""
    row_id = hotels.create(dvc_code=mark)

    api.patch(f"dvc_hotels(dvc_code='{mark}')", json={"dvc_code": "other", "dvc_stars": 2})

    row = hotels.read(row_id)
    assert (row["dvc_code"], row["dvc_stars"]) == (mark, 2)


def test_body_wins_over_the_key_when_a_row_is_created(api, mark):
    """A keyed PATCH that creates takes a differing key value from the body (DATAVERSE 4.3)."""
    answer = api.patch(
        f"dvc_hotels(dvc_code='{mark}')",
        json={"dvc_code": f"{mark}b"},
        headers={"Prefer": "return=representation"},
    )

    assert answer.json()["dvc_code"] == f"{mark}b"


def test_if_match_by_key_does_not_create(api, mark, refusal):
    """PATCH by key with If-Match and no row answers 404 0x80060891 (DATAVERSE 4.3)."""
    answer = api.patch(
        f"dvc_hotels(dvc_code='{mark}')", json={"dvc_stars": 1}, headers={"If-Match": "*"}
    )

    assert refusal(answer) == (404, "0x80060891")


def test_delete_by_key(api, hotels, mark, refusal):
    """DELETE works by key, and answers 0x80060891 once the row is gone (DATAVERSE 4.4)."""
    hotels.create(dvc_code=mark)
    address = f"dvc_hotels(dvc_code='{mark}')"

    assert api.delete(address).status_code == 204
    assert refusal(api.delete(address)) == (404, "0x80060891")
