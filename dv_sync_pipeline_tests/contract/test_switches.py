"""The switches of DATAVERSE 16: what could not be verified can be turned the other way."""

import pytest


@pytest.fixture
def turn(emulator, monkeypatch):
    """Turn a switch until the end of the test."""

    def turn_one(name, value):
        monkeypatch.setattr(emulator.environment.switches, name, value)

    return turn_one


def test_missing_bind_target_may_be_a_bad_request(turn, api, new_id, refusal):
    """The status for a bind to a missing row is 404 or 400 (DATAVERSE 16)."""
    turn("missing_bind_target_status", 400)

    answer = api.post("dvc_hotels", json={"dvc_BrandId@odata.bind": f"/dvc_brands({new_id})"})

    assert refusal(answer) == (400, "0x80040217")


def test_duplicate_id_may_have_the_code_of_keys(turn, api, hotels, refusal):
    """The code for a GUID that exists is 0x80040237 or 0x80060892 (DATAVERSE 16)."""
    row_id = hotels.create()
    turn("duplicate_id_code", "0x80060892")

    answer = api.post("dvc_hotels", json={"dvc_hotelid": row_id})

    assert refusal(answer) == (412, "0x80060892")


def test_query_errors_may_have_no_code(turn, api, refusal):
    """The code for an unknown property in a query is 0x80060888 or 0x0 (DATAVERSE 16)."""
    turn("query_error_code", "0x0")

    assert refusal(api.get("dvc_hotels?$select=dvc_nmae")) == (400, "0x0")


def test_codes_may_be_empty(turn, api, new_id, refusal):
    """The code of an error may be the empty text (DATAVERSE 0, 16)."""
    turn("error_codes_empty", value=True)

    assert refusal(api.get(f"dvc_hotels({new_id})")) == (404, "")


def test_not_equal_may_exclude_null(turn, hotels):
    """`ne` holds for rows without a value, or not (DATAVERSE 16)."""
    hotels.create(name="without")
    hotels.create(name="with", dvc_stars=5)
    turn("not_equal_includes_null", value=False)

    assert hotels.find("dvc_stars ne 4") == ["with"]


def test_inactive_rows_may_be_read_only(turn, api, hotels, refusal):
    """An inactive row refuses changes, except of its state (DATAVERSE 16)."""
    row_id = hotels.create()
    api.patch(f"dvc_hotels({row_id})", json={"statecode": 1})
    turn("inactive_rows_updatable", value=False)

    refused = api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": 1})
    allowed = api.patch(f"dvc_hotels({row_id})", json={"statecode": 0})

    assert refusal(refused) == (400, "0x80040230")
    assert allowed.status_code == 204


def test_restricted_delete_may_be_a_wrong_method(turn, api, brands, rooms, refusal):
    """The status for a row that children restrict is 400 or 405 (DATAVERSE 4.4)."""
    brand_id = brands.create()
    rooms.create(**{"dvc_StyleId@odata.bind": f"/dvc_brands({brand_id})"})
    turn("restricted_delete_status", 405)

    assert refusal(api.delete(f"dvc_brands({brand_id})")) == (405, "0x80048d21")


@pytest.mark.parametrize("status", [410, 500])
def test_expired_token_may_have_another_status(turn, api, refusal, status):
    """The status for an expired delta token is 400, 410 or 500 (DATAVERSE 16)."""
    turn("expired_token_status", status)

    answer = api.get("dvc_hotels?$deltatoken=1!01/01/2020 00:00:00")

    assert refusal(answer) == (status, "0x80044352")


def test_recreated_rows_may_hide_their_delete(turn, api, hotels):
    """A delta lists the delete of a row that is there again, or not (DATAVERSE 16)."""
    start = api.get("dvc_hotels?$select=dvc_name", headers={"Prefer": "odata.track-changes"}).json()
    while "@odata.nextLink" in start:
        start = api.get(start["@odata.nextLink"]).json()
    row_id = hotels.create()
    api.delete(f"dvc_hotels({row_id})")
    hotels.create(dvc_hotelid=row_id)
    turn("recreated_rows_listed_as_deleted", value=False)

    entries = api.get(start["@odata.deltaLink"]).json()["value"]

    assert [entry.get("reason") for entry in entries] == [None]


def test_deletes_may_come_first(turn, api, brands):
    """A delta lists deletes behind rows or before them, on pages, too (DATAVERSE 16)."""
    turn("deletes_listed_first", value=True)
    gone = [brands.create(), brands.create()]
    start = api.get("dvc_brands?$select=dvc_name", headers={"Prefer": "odata.track-changes"}).json()
    for row_id in gone:
        api.delete(f"dvc_brands({row_id})")
    new = brands.create()

    link, found = start["@odata.deltaLink"], []
    while link:
        page = api.get(link, headers={"Prefer": "odata.maxpagesize=1"}).json()
        found += [entry.get("id") or entry["dvc_brandid"] for entry in page["value"]]
        link = page.get("@odata.nextLink")

    assert found == [*gone, new]


def test_keys_with_a_null_may_collide(turn, api, rooms, hotels, refusal):
    """Rows with a null in a key are checked for uniqueness, or not (DATAVERSE 16)."""
    hotel = {"dvc_HotelId@odata.bind": f"/dvc_hotels({hotels.create(dvc_code=hotels.mark)})"}
    rooms.create(**hotel)
    turn("null_keys_collide", value=True)

    created = api.post("dvc_rooms", json=hotel)
    room_id = rooms.create(dvc_number="1", **hotel)
    updated = api.patch(f"dvc_rooms({room_id})", json={"dvc_number": None})

    assert refusal(created) == refusal(updated) == (412, "0x80060892")


def test_tracking_of_an_untracked_table_may_be_ignored(turn, api):
    """track-changes on a table without tracking is refused or ignored (DATAVERSE 16)."""
    turn("tracking_of_untracked_ignored", value=True)

    answer = api.get("sdkmessages?$select=name", headers={"Prefer": "odata.track-changes"})

    assert answer.status_code == 200
    assert "@odata.deltaLink" not in answer.json()
