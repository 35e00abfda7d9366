"""PATCH, PUT and DELETE on one row (DATAVERSE 4.3 to 4.5)."""


def test_patch_changes_only_what_it_sends(api, hotels):
    """PATCH leaves other columns alone and answers 204 (DATAVERSE 4.3)."""
    row_id = hotels.create(dvc_stars=3, dvc_note="old")

    answer = api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": 4})

    assert answer.status_code == 204
    row = hotels.read(row_id, select="dvc_stars,dvc_note")
    assert (row["dvc_stars"], row["dvc_note"]) == (4, "old")


def test_patch_of_a_missing_row_creates_it(api, hotels, new_id):
    """PATCH without a condition creates a missing row with that GUID (DATAVERSE 4.3)."""
    answer = api.patch(f"dvc_hotels({new_id})", json={"dvc_name": "risen"})

    assert answer.status_code == 204
    assert hotels.read(new_id)["dvc_name"] == "risen"


def test_patch_with_if_match_does_not_create(api, new_id, refusal):
    """PATCH with If-Match: * of a missing row answers 404 (DATAVERSE 4.3)."""
    answer = api.patch(f"dvc_hotels({new_id})", json={}, headers={"If-Match": "*"})

    assert refusal(answer) == (404, "0x80040217")


def test_patch_with_if_none_match_does_not_update(api, hotels, refusal):
    """PATCH with If-None-Match: * of a row that exists answers 412 (DATAVERSE 4.3)."""
    row_id = hotels.create()

    answer = api.patch(
        f"dvc_hotels({row_id})", json={"dvc_name": "x"}, headers={"If-None-Match": "*"}
    )

    assert refusal(answer) == (412, "0x80040237")


def test_patch_with_the_present_version(api, hotels):
    """PATCH with If-Match of the row's version updates (DATAVERSE 4.3)."""
    row_id = hotels.create()
    etag = hotels.read(row_id)["@odata.etag"]

    answer = api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": 2}, headers={"If-Match": etag})

    assert answer.status_code == 204


def test_patch_with_a_stale_version(api, hotels, refusal):
    """PATCH with If-Match of an older version answers 412 0x80060882 (DATAVERSE 4.5)."""
    row_id = hotels.create()
    etag = hotels.read(row_id)["@odata.etag"]
    api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": 2})

    answer = api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": 3}, headers={"If-Match": etag})

    assert refusal(answer) == (412, "0x80060882")
    assert hotels.read(row_id)["dvc_stars"] == 2


def test_representation_tells_update_from_create(api, hotels, new_id):
    """With return=representation an update answers 200, a create 201 (DATAVERSE 4.3)."""
    prefer = {"Prefer": "return=representation"}
    row_id = hotels.create()

    updated = api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": 1}, headers=prefer)
    created = api.patch(f"dvc_hotels({new_id})", json={"dvc_stars": 1}, headers=prefer)

    assert (updated.status_code, created.status_code) == (200, 201)


def test_an_update_raises_the_version(api, hotels):
    """Every write gives the row a higher versionnumber (DATAVERSE 4.5)."""
    row_id = hotels.create(dvc_stars=2)
    before = hotels.read(row_id)["versionnumber"]

    api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": 2})

    assert hotels.read(row_id)["versionnumber"] > before


def test_primary_key_never_changes(api, hotels, new_id):
    """A primary key in an update is silently ignored (DATAVERSE 3.3)."""
    row_id = hotels.create()

    answer = api.patch(f"dvc_hotels({row_id})", json={"dvc_hotelid": new_id})

    assert answer.status_code == 204
    assert hotels.read(row_id)["dvc_hotelid"] == row_id


def test_null_clears(api, hotels):
    """A null in an update clears the column (DATAVERSE 4.3)."""
    row_id = hotels.create(dvc_stars=3)

    api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": None})

    assert hotels.read(row_id)["dvc_stars"] is None


def test_put_sets_one_property(api, hotels):
    """PUT on a property takes an object with `value` (DATAVERSE 4.3)."""
    row_id = hotels.create()

    answer = api.put(f"dvc_hotels({row_id})/dvc_stars", json={"value": 5})

    assert answer.status_code == 204
    assert hotels.read(row_id)["dvc_stars"] == 5


def test_delete_clears_one_property(api, hotels):
    """DELETE on a property sets it to null (DATAVERSE 4.3)."""
    row_id = hotels.create(dvc_stars=5)

    answer = api.delete(f"dvc_hotels({row_id})/dvc_stars")

    assert answer.status_code == 204
    assert hotels.read(row_id)["dvc_stars"] is None


def test_delete_removes_the_row(api, hotels):
    """DELETE answers 204 and the row is gone (DATAVERSE 4.4)."""
    row_id = hotels.create()

    assert api.delete(f"dvc_hotels({row_id})").status_code == 204
    assert api.get(f"dvc_hotels({row_id})").status_code == 404


def test_delete_of_a_missing_row(api, new_id, refusal):
    """DELETE of a missing GUID answers 404 0x80040217 (DATAVERSE 4.4)."""
    assert refusal(api.delete(f"dvc_hotels({new_id})")) == (404, "0x80040217")


def test_delete_of_a_stale_version(api, hotels, refusal):
    """DELETE with If-Match of another version answers 412 (DATAVERSE 4.4)."""
    row_id = hotels.create()

    answer = api.delete(f"dvc_hotels({row_id})", headers={"If-Match": 'W/"1"'})

    assert refusal(answer) == (412, "0x80060882")


def test_delete_takes_cascading_children_along(api, hotels, rooms):
    """Deleting a parent deletes the children whose relationship says Cascade (DATAVERSE 4.4)."""
    hotel_id = hotels.create()
    room_id = rooms.create(**{"dvc_HotelId@odata.bind": f"/dvc_hotels({hotel_id})"})

    api.delete(f"dvc_hotels({hotel_id})")

    assert api.get(f"dvc_rooms({room_id})").status_code == 404


def test_delete_clears_links_that_say_so(api, hotels, brands):
    """Deleting a parent clears the lookups whose relationship says RemoveLink (DATAVERSE 3.5)."""
    brand_id = brands.create()
    hotel_id = hotels.create(**{"dvc_BrandId@odata.bind": f"/dvc_brands({brand_id})"})

    api.delete(f"dvc_brands({brand_id})")

    assert hotels.read(hotel_id)["_dvc_brandid_value"] is None


def test_delete_is_refused_by_restricting_children(api, brands, rooms, refusal):
    """A child whose relationship says Restrict keeps its parent from being deleted (4.4)."""
    brand_id = brands.create()
    rooms.create(**{"dvc_StyleId@odata.bind": f"/dvc_brands({brand_id})"})

    answer = api.delete(f"dvc_brands({brand_id})")

    assert refusal(answer) == (400, "0x80048d21")
    assert api.get(f"dvc_brands({brand_id})").status_code == 200
