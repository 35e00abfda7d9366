"""Many-to-many relationships, collections by reference, deep insert (DATAVERSE 4.1, 5)."""

import pytest

COLLECTION = "dvc_hotel_dvc_room_dvc_hotelid"


def _pair(api, hotel_id, brand_id):
    """Offer a brand in a hotel."""
    return api.post(
        f"dvc_hotels({hotel_id})/dvc_hotel_offers/$ref",
        json={"@odata.id": f"{api.base_url}dvc_brands({brand_id})"},
    )


def _offers(api, hotel_id):
    answer = api.get(f"dvc_hotels({hotel_id})/dvc_hotel_offers?$select=dvc_brandid")
    return [row["dvc_brandid"] for row in answer.json()["value"]]


@pytest.fixture
def pair(api, hotels, brands):
    """A hotel and a brand that it offers."""
    hotel_id, brand_id = hotels.create(), brands.create()
    assert _pair(api, hotel_id, brand_id).status_code == 204
    return hotel_id, brand_id


def test_rows_are_paired_by_reference(api, pair):
    """POST on a collection's /$ref pairs two rows (DATAVERSE 5)."""
    hotel_id, brand_id = pair

    assert _offers(api, hotel_id) == [brand_id]


def test_pairs_are_seen_from_both_sides(api, pair):
    """The other table has a navigation property of its own (DATAVERSE 5)."""
    hotel_id, brand_id = pair

    found = api.get(f"dvc_brands({brand_id})/dvc_brand_offered_by").json()["value"]

    assert [row["dvc_hotelid"] for row in found] == [hotel_id]


def test_a_pair_exists_once(api, pair, refusal):
    """An existing pair answers 412 0x80040237 (DATAVERSE 5)."""
    assert refusal(_pair(api, *pair)) == (412, "0x80040237")


def test_references_are_listed(api, pair):
    """GET on /$ref lists addresses (DATAVERSE 4.2)."""
    hotel_id, brand_id = pair

    found = api.get(f"dvc_hotels({hotel_id})/dvc_hotel_offers/$ref").json()["value"]

    assert found == [{"@odata.id": f"{api.base_url}dvc_brands({brand_id})"}]


@pytest.mark.parametrize(
    "shape",
    ["dvc_hotel_offers({brand})/$ref", "dvc_hotel_offers/$ref?$id={api}dvc_brands({brand})"],
)
def test_pairs_are_removed(api, pair, shape):
    """DELETE takes the member in the path or as $id (DATAVERSE 5)."""
    hotel_id, brand_id = pair

    path = shape.format(brand=brand_id, api=api.base_url)

    assert api.delete(f"dvc_hotels({hotel_id})/{path}").status_code == 204
    assert _offers(api, hotel_id) == []


def test_absent_pair_is_removed_with_success(api, hotels, brands):
    """Removing a pair that does not exist is a success (DATAVERSE 5)."""
    hotel_id, brand_id = hotels.create(), brands.create()

    answer = api.delete(f"dvc_hotels({hotel_id})/dvc_hotel_offers({brand_id})/$ref")

    assert answer.status_code == 204


def test_intersect_table_is_readable(api, pair):
    """The intersect table shows the pairs (DATAVERSE 5)."""
    hotel_id, brand_id = pair

    found = api.get(f"dvc_offers?$filter=dvc_hotelid eq {hotel_id}").json()["value"]

    assert [row["dvc_brandid"] for row in found] == [brand_id]


def test_intersect_table_has_no_create(api, pair, refusal):
    """The intersect table has no Create message (DATAVERSE 5)."""
    hotel_id, brand_id = pair

    answer = api.post("dvc_offers", json={"dvc_hotelid": hotel_id, "dvc_brandid": brand_id})

    assert refusal(answer) == (400, "0x80040800")


def test_pairs_go_with_their_rows(api, pair):
    """Deleting one side removes its pairs (DATAVERSE 5)."""
    hotel_id, brand_id = pair

    api.delete(f"dvc_brands({brand_id})")

    assert _offers(api, hotel_id) == []


@pytest.mark.usefixtures("pair")
def test_pairs_are_found_by_lambdas(hotels, brands):
    """any() looks through a many-to-many relationship (DATAVERSE 6.1)."""
    hotels.create(name="without")

    assert len(hotels.find(f"dvc_hotel_offers/any(o:o/dvc_mark eq '{brands.mark}')")) == 1


def test_pairs_are_expanded(api, pair):
    """$expand shows the rows on the other side (DATAVERSE 6.1)."""
    hotel_id, brand_id = pair

    row = api.get(f"dvc_hotels({hotel_id})?$expand=dvc_hotel_offers($select=dvc_name)").json()

    assert [offer["dvc_brandid"] for offer in row["dvc_hotel_offers"]] == [brand_id]


def test_relationship_is_described(api):
    """ManyToManyRelationships name both sides (DATAVERSE 3.5)."""
    found = api.get("EntityDefinitions(LogicalName='dvc_hotel')/ManyToManyRelationships").json()

    (relationship,) = found["value"]
    assert relationship["IntersectEntityName"] == "dvc_offer"
    assert relationship["Entity1NavigationPropertyName"] == "dvc_hotel_offers"
    assert relationship["Entity2IntersectAttribute"] == "dvc_brandid"


def test_child_is_added_by_reference(api, hotels, rooms):
    """POST on a one-to-many collection sets the child's lookup (DATAVERSE 5)."""
    hotel_id, room_id = hotels.create(), rooms.create()

    answer = api.post(
        f"dvc_hotels({hotel_id})/{COLLECTION}/$ref",
        json={"@odata.id": f"{api.base_url}dvc_rooms({room_id})"},
    )

    assert answer.status_code == 204
    assert rooms.read(room_id)["_dvc_hotelid_value"] == hotel_id


def test_child_is_removed_by_reference(api, hotels, rooms):
    """DELETE on a one-to-many collection clears the child's lookup (DATAVERSE 5)."""
    hotel_id = hotels.create()
    room_id = rooms.create(**{"dvc_HotelId@odata.bind": f"/dvc_hotels({hotel_id})"})

    answer = api.delete(f"dvc_hotels({hotel_id})/{COLLECTION}({room_id})/$ref")

    assert answer.status_code == 204
    assert rooms.read(room_id)["_dvc_hotelid_value"] is None


def test_deep_insert_of_children(api, hotels):
    """An array under a collection's name creates the children, too (DATAVERSE 4.1)."""
    hotel_id = hotels.create(**{COLLECTION: [{"dvc_number": "1"}, {"dvc_number": "2"}]})

    found = api.get(f"dvc_hotels({hotel_id})/{COLLECTION}?$orderby=dvc_number").json()["value"]

    assert [room["dvc_number"] for room in found] == ["1", "2"]


def test_deep_insert_is_one_transaction(api, mark, hotels):
    """A child that cannot be created takes its parent along (DATAVERSE 4.1)."""
    body = {"dvc_name": "parent", "dvc_mark": mark, COLLECTION: [{"dvc_number": "x" * 11}]}

    answer = api.post("dvc_hotels", json=body)

    assert answer.status_code == 400
    assert hotels.find("dvc_name eq 'parent'") == []


def test_child_is_created_in_a_collection(api, hotels, rooms):
    """POST to a collection below a row creates a row in it (DATAVERSE 5)."""
    hotel_id = hotels.create()

    answer = api.post(f"dvc_hotels({hotel_id})/{COLLECTION}", json={"dvc_number": "7"})

    room_id = answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")
    assert answer.status_code == 204
    assert rooms.read(room_id)["_dvc_hotelid_value"] == hotel_id


def test_collection_is_bound_on_create(hotels, rooms):
    """A collection is bound to rows that exist by an array of addresses (DATAVERSE 5)."""
    room_id = rooms.create()

    hotel_id = hotels.create(**{f"{COLLECTION}@odata.bind": [f"/dvc_rooms({room_id})"]})

    assert rooms.read(room_id)["_dvc_hotelid_value"] == hotel_id
