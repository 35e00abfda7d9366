"""Lookups: writing, clearing, reading (DATAVERSE 5)."""

import pytest


@pytest.mark.parametrize("shape", ["/dvc_brands({})", "dvc_brands({})", "{api}dvc_brands({})"])
def test_bind_by_id(api, hotels, brands, shape):
    """@odata.bind takes an address with or without slash, or a full URL (DATAVERSE 5)."""
    brand_id = brands.create()

    reference = shape.format(brand_id, api=api.base_url)
    row_id = hotels.create(**{"dvc_BrandId@odata.bind": reference})

    assert hotels.read(row_id)["_dvc_brandid_value"] == brand_id


def test_bind_by_key(hotels, brands, mark):
    """@odata.bind takes an alternate key (DATAVERSE 5)."""
    brand_id = brands.create(dvc_code=mark)

    row_id = hotels.create(**{"dvc_BrandId@odata.bind": f"/dvc_brands(dvc_code='{mark}')"})

    assert hotels.read(row_id)["_dvc_brandid_value"] == brand_id


def test_navigation_property_is_case_sensitive(api, brands, refusal):
    """The logical name before @odata.bind answers 400 0x80048d19 (DATAVERSE 5)."""
    answer = api.post(
        "dvc_hotels", json={"dvc_brandid@odata.bind": f"/dvc_brands({brands.create()})"}
    )

    assert refusal(answer) == (400, "0x80048d19")
    assert "An undeclared property 'dvc_brandid'" in answer.json()["error"]["message"]


def test_bind_to_a_missing_id(api, new_id, refusal):
    """A bind to a GUID that names no row answers 0x80040217 about the target (DATAVERSE 5)."""
    answer = api.post("dvc_hotels", json={"dvc_BrandId@odata.bind": f"/dvc_brands({new_id})"})

    assert refusal(answer) == (404, "0x80040217")
    assert answer.json()["error"]["message"].startswith("dvc_brand With Id = ")


def test_bind_to_a_missing_key(api, mark, refusal):
    """A bind to key values that name no row answers 0x80060891 (DATAVERSE 5)."""
    answer = api.post(
        "dvc_hotels", json={"dvc_BrandId@odata.bind": f"/dvc_brands(dvc_code='{mark}')"}
    )

    assert refusal(answer) == (404, "0x80060891")


@pytest.mark.parametrize("name", ["dvc_BrandId@odata.bind", "dvc_BrandId"])
def test_null_clears_a_lookup(api, hotels, brands, name):
    """A lookup is cleared by null under its navigation property (DATAVERSE 5)."""
    row_id = hotels.create(**{"dvc_BrandId@odata.bind": f"/dvc_brands({brands.create()})"})

    assert api.patch(f"dvc_hotels({row_id})", json={name: None}).status_code == 204
    assert hotels.read(row_id)["_dvc_brandid_value"] is None


@pytest.mark.parametrize("name", ["createdby", "owninguser", "createdby@odata.bind"])
def test_platform_lookups_are_not_cleared(api, hotels, name):
    """A lookup that only the platform writes is silently left alone (DATAVERSE 3.2)."""
    row_id = hotels.create()

    assert api.patch(f"dvc_hotels({row_id})", json={name: None}).status_code == 204
    row = hotels.read(row_id)
    assert row["_createdby_value"] == row["_owninguser_value"] is not None


def test_logical_name_does_not_clear_a_lookup(api, hotels):
    """The logical name of a lookup is no property of the body (DATAVERSE 5)."""
    answer = api.patch(f"dvc_hotels({hotels.create()})", json={"dvc_brandid": None})

    assert answer.status_code == 400


def test_select_of_a_lookup_needs_the_value_name(api):
    """$select of a lookup's logical name answers 400 (DATAVERSE 5)."""
    assert api.get("dvc_hotels?$select=dvc_brandid").status_code == 400


def test_reference_is_set_by_put(api, hotels, brands):
    """PUT on /$ref sets a lookup (DATAVERSE 5)."""
    row_id, brand_id = hotels.create(), brands.create()

    answer = api.put(
        f"dvc_hotels({row_id})/dvc_BrandId/$ref",
        json={"@odata.id": f"{api.base_url}dvc_brands({brand_id})"},
    )

    assert answer.status_code == 204
    assert hotels.read(row_id)["_dvc_brandid_value"] == brand_id


def test_reference_is_cleared_by_delete(api, hotels, brands):
    """DELETE on /$ref clears a lookup (DATAVERSE 5)."""
    row_id = hotels.create(**{"dvc_BrandId@odata.bind": f"/dvc_brands({brands.create()})"})

    assert api.delete(f"dvc_hotels({row_id})/dvc_BrandId/$ref").status_code == 204
    assert hotels.read(row_id)["_dvc_brandid_value"] is None


def test_lookup_is_followed(api, hotels, brands):
    """A navigation property below a row leads to the row it points to (DATAVERSE 4.2)."""
    row_id = hotels.create(
        **{"dvc_BrandId@odata.bind": f"/dvc_brands({brands.create(name='Astra')})"}
    )

    answer = api.get(f"dvc_hotels({row_id})/dvc_BrandId?$select=dvc_name")

    assert answer.json()["dvc_name"] == "Astra"


def test_lookup_annotations(api, hotels, brands):
    """Annotations name the navigation property, the table and the row of a lookup (DATAVERSE 5)."""
    row_id = hotels.create(
        **{"dvc_BrandId@odata.bind": f"/dvc_brands({brands.create(name='Astra')})"}
    )

    row = api.get(
        f"dvc_hotels({row_id})?$select=_dvc_brandid_value",
        headers={"Prefer": 'odata.include-annotations="*"'},
    ).json()
    prefix = "_dvc_brandid_value@"
    assert row[f"{prefix}Microsoft.Dynamics.CRM.associatednavigationproperty"] == "dvc_BrandId"
    assert row[f"{prefix}Microsoft.Dynamics.CRM.lookuplogicalname"] == "dvc_brand"
    assert row[f"{prefix}OData.Community.Display.V1.FormattedValue"] == "Astra"


def test_only_the_wanted_annotations_come(api, hotels, brands):
    """A name in odata.include-annotations brings that annotation alone (DATAVERSE 5)."""
    row_id = hotels.create(**{"dvc_BrandId@odata.bind": f"/dvc_brands({brands.create()})"})

    row = api.get(
        f"dvc_hotels({row_id})?$select=_dvc_brandid_value",
        headers={"Prefer": 'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'},
    ).json()
    assert [name for name in row if "@Microsoft" in name or "@OData" in name] == [
        "_dvc_brandid_value@Microsoft.Dynamics.CRM.lookuplogicalname"
    ]


def test_null_lookup_has_no_annotations(api, hotels):
    """With a null lookup no annotations appear (DATAVERSE 5)."""
    row = api.get(
        f"dvc_hotels({hotels.create()})?$select=_dvc_brandid_value",
        headers={"Prefer": 'odata.include-annotations="*"'},
    ).json()

    assert row["_dvc_brandid_value"] is None
    assert not [name for name in row if name.startswith("_dvc_brandid_value@")]


def test_polymorphic_lookup_names_its_table(api, hotels, brands):
    """A lookup to one of several tables has a navigation property for each (DATAVERSE 5)."""
    brand_id = brands.create()
    row_id = hotels.create(**{"dvc_PartnerId_dvc_brand@odata.bind": f"/dvc_brands({brand_id})"})

    row = api.get(
        f"dvc_hotels({row_id})?$select=_dvc_partnerid_value",
        headers={"Prefer": 'odata.include-annotations="*"'},
    ).json()
    assert row["_dvc_partnerid_value"] == brand_id
    assert row["_dvc_partnerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "dvc_brand"


def test_owner_is_the_caller(api, hotels):
    """Without an owner in the body the caller owns the row (DATAVERSE 13)."""
    caller = api.get("WhoAmI").json()["UserId"]

    row = hotels.read(hotels.create())
    assert row["_ownerid_value"] == row["_owninguser_value"] == caller
    assert row["_owningteam_value"] is None


def test_deep_insert_of_a_parent(api, hotels, mark):
    """A nested object creates the parent in the same transaction (DATAVERSE 4.1)."""
    row_id = hotels.create(dvc_BrandId={"dvc_name": "Nested", "dvc_mark": mark})

    found = api.get(f"dvc_hotels({row_id})?$expand=dvc_BrandId($select=dvc_name)").json()
    assert found["dvc_BrandId"]["dvc_name"] == "Nested"
