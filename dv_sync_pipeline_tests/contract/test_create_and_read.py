"""Creating rows and reading one of them (DATAVERSE 4.1, 4.2)."""


def test_create_answers_204_with_the_address(api, new_id):
    """A create answers 204 and names the row in OData-EntityId (DATAVERSE 4.1)."""
    answer = api.post("dvc_hotels", json={"dvc_hotelid": new_id, "dvc_name": "Ritz"})

    assert answer.status_code == 204
    assert answer.headers["OData-EntityId"].endswith(f"/api/data/v9.2/dvc_hotels({new_id})")
    assert answer.content == b""


def test_create_returns_the_row_on_demand(api):
    """With return=representation a create answers 201 with the row (DATAVERSE 4.1)."""
    answer = api.post(
        "dvc_hotels?$select=dvc_name",
        json={"dvc_name": "Ritz"},
        headers={"Prefer": "return=representation"},
    )

    assert answer.status_code == 201
    assert answer.json()["dvc_name"] == "Ritz"
    assert answer.headers["Preference-Applied"] == "return=representation"
    assert "OData-EntityId" not in answer.headers


def test_create_with_a_known_id_is_a_duplicate(api, hotels, refusal):
    """A create with a GUID that exists answers 412 0x80040237 (DATAVERSE 4.1)."""
    row_id = hotels.create()

    answer = api.post("dvc_hotels", json={"dvc_hotelid": row_id, "dvc_name": "again"})

    assert refusal(answer) == (412, "0x80040237")


def test_create_with_a_known_key_is_a_duplicate(api, hotels, mark, refusal):
    """A create with key values that exist answers 412 0x80060892 (DATAVERSE 4.7)."""
    hotels.create(dvc_code=mark)

    answer = api.post("dvc_hotels", json={"dvc_code": mark})

    assert refusal(answer) == (412, "0x80060892")


def test_keys_collide_regardless_of_case_and_trailing_blanks(api, hotels, mark, refusal):
    """Key values compare case-insensitively, trailing blanks ignored (DATAVERSE 4.6)."""
    hotels.create(dvc_code=f"a{mark}")

    answer = api.post("dvc_hotels", json={"dvc_code": f"A{mark.upper()}  "})

    assert refusal(answer) == (412, "0x80060892")


def test_rows_with_a_null_in_the_key_do_not_collide(hotels):
    """Rows with a null in a key column are not checked for uniqueness (DATAVERSE 3.5)."""
    first, second = hotels.create(dvc_code=None), hotels.create(dvc_code=None)

    assert first != second


def test_platform_columns_in_a_body_are_ignored(hotels):
    """createdon, modifiedon and versionnumber in a body are silently dropped (DATAVERSE 4.1)."""
    row_id = hotels.create(
        createdon="2001-01-01T00:00:00Z", modifiedon="2001-01-01T00:00:00Z", versionnumber=1
    )

    row = hotels.read(row_id)
    assert not row["createdon"].startswith("2001")
    assert not row["modifiedon"].startswith("2001")
    assert row["versionnumber"] > 1


def test_overridden_creation_date_is_shown_as_createdon(hotels):
    """Overriddencreatedon backdates createdon on create (DATAVERSE 11)."""
    row_id = hotels.create(overriddencreatedon="2019-05-06T07:08:09Z")

    assert hotels.read(row_id)["createdon"] == "2019-05-06T07:08:09Z"


def test_unknown_column_in_a_body_is_refused(api, refusal):
    """A property that the table does not have answers 400 (DATAVERSE 4.7)."""
    answer = api.post("dvc_hotels", json={"dvc_nmae": "Ritz"})

    assert refusal(answer) == (400, "0x0")
    assert "Invalid property 'dvc_nmae' was found in entity" in answer.json()["error"]["message"]


def test_body_must_be_json(api, refusal):
    """A body that is no JSON answers 400 0x80048d19 (DATAVERSE 4.7)."""
    answer = api.post("dvc_hotels", content=b"{oops", headers={"Content-Type": "application/json"})

    assert refusal(answer) == (400, "0x80048d19")


def test_select_keeps_etag_and_primary_key(hotels):
    """The primary key and @odata.etag are always present (DATAVERSE 4.2)."""
    row_id = hotels.create(dvc_stars=4)

    row = hotels.read(row_id, select="dvc_stars")
    assert row.keys() == {"@odata.context", "@odata.etag", "dvc_stars", "dvc_hotelid"}
    assert row["dvc_hotelid"] == row_id


def test_etag_shows_the_row_version(hotels):
    """@odata.etag is W/"<versionnumber>" (DATAVERSE 4.2)."""
    row = hotels.read(hotels.create())

    assert row["@odata.etag"] == f'W/"{row["versionnumber"]}"'


def test_read_without_select_shows_every_column(hotels):
    """No $select means all readable columns (DATAVERSE 4.2)."""
    row = hotels.read(hotels.create())

    assert {"dvc_name", "dvc_rate", "_dvc_brandid_value", "statecode", "_ownerid_value"} <= set(row)


def test_context_names_the_selected_columns(hotels):
    """@odata.context lists what was selected, and says $entity for one row (DATAVERSE 4.2)."""
    row = hotels.read(hotels.create(), select="dvc_name,dvc_stars")

    assert row["@odata.context"].endswith("/$metadata#dvc_hotels(dvc_name,dvc_stars)/$entity")


def test_missing_row_is_not_found(api, new_id, refusal):
    """A GUID that names no row answers 404 0x80040217 (DATAVERSE 4.7)."""
    answer = api.get(f"dvc_hotels({new_id})")

    assert refusal(answer) == (404, "0x80040217")
    assert answer.json()["error"]["message"] == f"dvc_hotel With Id = {new_id} Does Not Exist"


def test_unknown_entity_set_is_not_found(api, refusal):
    """A logical name in place of the entity set answers 404 0x8006088a (DATAVERSE 4.7)."""
    answer = api.get("dvc_hotel")

    assert refusal(answer) == (404, "0x8006088a")
    assert answer.json()["error"]["message"] == "Resource not found for the segment 'dvc_hotel'."


def test_one_property(api, hotels):
    """One property answers an object with `value` (DATAVERSE 4.2)."""
    row_id = hotels.create(dvc_stars=4)

    answer = api.get(f"dvc_hotels({row_id})/dvc_stars")

    assert answer.json()["value"] == 4


def test_one_property_that_is_null(api, hotels):
    """A property without a value answers 204 (DATAVERSE 4.2)."""
    assert api.get(f"dvc_hotels({hotels.create()})/dvc_stars").status_code == 204


def test_one_property_raw(api, hotels):
    """`/$value` answers the bare value (DATAVERSE 4.2)."""
    row_id = hotels.create(name="Zur Post")

    assert api.get(f"dvc_hotels({row_id})/dvc_name/$value").text == "Zur Post"


def test_conditional_read_of_the_same_version(api, hotels):
    """If-None-Match with the row's version answers 304 (DATAVERSE 4.5)."""
    row_id = hotels.create()
    etag = hotels.read(row_id)["@odata.etag"]

    answer = api.get(f"dvc_hotels({row_id})", headers={"If-None-Match": etag})

    assert answer.status_code == 304


def test_if_none_match_null_counts_as_absent(api, hotels):
    """`If-None-Match: null` means no cached answer, not a version (DATAVERSE 2)."""
    row_id = hotels.create()

    answer = api.get(f"dvc_hotels({row_id})", headers={"If-None-Match": "null"})

    assert answer.status_code == 200


def test_every_answer_names_its_odata_version(api):
    """Answers carry OData-Version and x-ms-service-request-id (DATAVERSE 2)."""
    answer = api.get("WhoAmI")

    assert answer.headers["OData-Version"] == "4.0"
    assert answer.headers["x-ms-service-request-id"]


def test_links_echo_the_called_version(api):
    """Responses echo the API version that was called in every link (DATAVERSE 2)."""
    answer = api.get(str(api.base_url).replace("v9.2", "v9.1") + "WhoAmI")

    assert "/api/data/v9.1/$metadata#" in answer.json()["@odata.context"]


def test_error_details_with_annotations(api, new_id):
    """Asking for all annotations adds details to an error (DATAVERSE 4.7)."""
    answer = api.get(f"dvc_hotels({new_id})", headers={"Prefer": 'odata.include-annotations="*"'})

    assert "@Microsoft.PowerApps.CDS.HelpLink" in answer.json()["error"]
