"""CreateMultiple, UpdateMultiple, UpsertMultiple (DATAVERSE 8)."""

import uuid

import pytest

TYPE = {"@odata.type": "Microsoft.Dynamics.CRM.dvc_hotel"}


@pytest.fixture
def bulk(api):
    """Send targets to a bulk message of the hotels."""

    def send(message, *targets):
        return api.post(
            f"dvc_hotels/Microsoft.Dynamics.CRM.{message}", json={"Targets": list(targets)}
        )

    return send


def test_create_multiple_answers_ids_in_order(bulk, hotels, new_id):
    """CreateMultiple answers 200 with the ids in the order of the targets (DATAVERSE 8.2)."""
    answer = bulk("CreateMultiple", TYPE | {"dvc_name": "a"}, TYPE | {"dvc_hotelid": new_id})

    ids = answer.json()["Ids"]
    assert answer.status_code == 200
    assert (hotels.read(ids[0])["dvc_name"], ids[1]) == ("a", new_id)


def test_targets_may_name_different_columns(bulk, hotels, brands):
    """What a target leaves out has its default, whatever its neighbours name (DATAVERSE 8.2)."""
    brand, hotel = brands.create(), hotels.create()

    answer = bulk(
        "CreateMultiple",
        TYPE | {"dvc_name": "a", "dvc_PartnerId_dvc_brand@odata.bind": f"/dvc_brands({brand})"},
        TYPE | {"dvc_stars": 5, "dvc_PartnerId_dvc_hotel@odata.bind": f"/dvc_hotels({hotel})"},
        TYPE | {"dvc_name": None, "statuscode": 3},
        TYPE | {"dvc_ParentId": {"dvc_name": "parent"}},
    )

    columns = ("dvc_name", "dvc_stars", "_dvc_partnerid_value", "statuscode")
    rows = [hotels.read(row_id) for row_id in answer.json()["Ids"]]
    assert [[row[name] for name in columns] for row in rows] == [
        ["a", None, brand, 1],
        [None, 5, hotel, 1],
        [None, None, None, 3],
        [None, None, None, 1],
    ]
    assert [row["_dvc_parentid_value"] is None for row in rows] == [True, True, True, False]


def test_versions_rise_in_the_order_of_the_targets(bulk, hotels):
    """Rows of one call are numbered like rows of many calls (DATAVERSE 7.5)."""
    ids = bulk("CreateMultiple", *[TYPE | {"dvc_name": name} for name in "abc"]).json()["Ids"]

    first, second, third = (hotels.read(row_id)["versionnumber"] for row_id in ids)
    assert (second, third) == (first + 1, first + 2)


def test_the_error_is_that_of_the_first_bad_target(bulk, refusal):
    """Targets are judged one after the other (DATAVERSE 8.1)."""
    bad_choice = TYPE | {"dvc_name": "a", "dvc_kind": 77}
    bad_text = TYPE | {"dvc_name": "x" * 5000}

    assert refusal(bulk("CreateMultiple", bad_choice, bad_text)) == (400, "0x8004431a")
    assert refusal(bulk("CreateMultiple", bad_text, bad_choice)) == (400, "0x80044331")


def test_create_multiple_is_all_or_nothing(bulk, hotels, mark, refusal):
    """One bad row fails the whole call, and nothing is written (DATAVERSE 8.1)."""
    good = TYPE | {"dvc_name": "good", "dvc_mark": mark}
    answer = bulk("CreateMultiple", good, TYPE | {"dvc_kind": 77})

    assert refusal(answer) == (400, "0x8004431a")
    assert hotels.find("dvc_name eq 'good'") == []


def test_create_multiple_with_a_duplicate_writes_nothing(bulk, hotels, mark, refusal):
    """A key that collides inside the call fails the whole call (DATAVERSE 8.2)."""
    twice = TYPE | {"dvc_code": mark, "dvc_mark": mark}

    assert refusal(bulk("CreateMultiple", twice, twice)) == (412, "0x80060892")
    assert hotels.find("dvc_code ne null") == []


def test_type_is_mandatory_in_every_target(bulk, refusal):
    """A target without @odata.type answers 400 (DATAVERSE 8.2)."""
    assert refusal(bulk("CreateMultiple", {"dvc_name": "a"})) == (400, "0x80048d19")


def test_update_multiple(bulk, hotels):
    """UpdateMultiple finds rows by primary key and answers 204 (DATAVERSE 8.2)."""
    row_id = hotels.create(dvc_stars=1)

    answer = bulk("UpdateMultiple", TYPE | {"dvc_hotelid": row_id, "dvc_stars": 5})

    assert (answer.status_code, answer.content) == (204, b"")
    assert hotels.read(row_id)["dvc_stars"] == 5


def test_update_multiple_by_key(bulk, hotels, mark):
    """UpdateMultiple takes an alternate key in @odata.id, too (DATAVERSE 8.2)."""
    row_id = hotels.create(dvc_code=mark, dvc_stars=1)

    target = {"@odata.id": f"dvc_hotels(dvc_code='{mark}')", "dvc_stars": 5}
    answer = bulk("UpdateMultiple", TYPE | target)

    assert answer.status_code == 204
    assert hotels.read(row_id)["dvc_stars"] == 5


def test_update_multiple_by_missing_key(bulk, mark, refusal):
    """UpdateMultiple by a key that names no row answers 404 0x80060891 (DATAVERSE 4.7)."""
    target = {"@odata.id": f"dvc_hotels(dvc_code='{mark}')", "dvc_stars": 5}

    assert refusal(bulk("UpdateMultiple", TYPE | target)) == (404, "0x80060891")


def test_update_multiple_never_creates(bulk, hotels, new_id, refusal):
    """UpdateMultiple of a missing row answers 404 and changes no other row (DATAVERSE 8.2)."""
    row_id = hotels.create(dvc_stars=1)

    answer = bulk(
        "UpdateMultiple",
        TYPE | {"dvc_hotelid": row_id, "dvc_stars": 5},
        TYPE | {"dvc_hotelid": new_id, "dvc_stars": 5},
    )

    assert refusal(answer) == (404, "0x80040217")
    assert answer.json()["error"]["message"] == f"dvc_hotel With Ids = {new_id} Do Not Exist"
    assert hotels.read(row_id)["dvc_stars"] == 1


def test_upsert_multiple_by_primary_key(bulk, hotels, new_id):
    """UpsertMultiple updates the rows it finds and creates the others (DATAVERSE 8.2)."""
    row_id = hotels.create(dvc_stars=1)

    answer = bulk(
        "UpsertMultiple",
        TYPE | {"dvc_hotelid": row_id, "dvc_stars": 2},
        TYPE | {"dvc_hotelid": new_id, "dvc_stars": 3},
    )

    assert (answer.status_code, answer.content) == (204, b"")
    assert [hotels.read(each)["dvc_stars"] for each in (row_id, new_id)] == [2, 3]


def test_upsert_multiple_by_key(bulk, hotels, mark):
    """UpsertMultiple takes an alternate key in @odata.id (DATAVERSE 8.2)."""
    target = TYPE | {"@odata.id": f"dvc_hotels(dvc_code='{mark}')", "dvc_mark": mark}

    bulk("UpsertMultiple", target | {"dvc_name": "first"})
    bulk("UpsertMultiple", target | {"dvc_name": "second"})

    assert hotels.find(f"dvc_code eq '{mark}'") == ["second"]


def test_upsert_multiple_does_not_tolerate_repeated_key_columns(bulk, mark):
    """Key columns repeated in the body fail when the row must be created (DATAVERSE 8.2)."""
    answer = bulk(
        "UpsertMultiple",
        TYPE | {"@odata.id": f"dvc_hotels(dvc_code='{mark}')", "dvc_code": mark},
    )

    assert answer.status_code == 400
    assert "An unexpected error occurred" in answer.json()["error"]["message"]


def test_upsert_multiple_tolerates_repeated_key_columns_of_known_rows(bulk, hotels, mark):
    """Repeated key columns do no harm where the row exists (DATAVERSE 8.2)."""
    hotels.create(dvc_code=mark)

    answer = bulk(
        "UpsertMultiple",
        TYPE | {"@odata.id": f"dvc_hotels(dvc_code='{mark}')", "dvc_code": mark},
    )

    assert answer.status_code == 204


def test_delete_multiple_does_not_exist(bulk, hotels):
    """DeleteMultiple is not available for standard tables (DATAVERSE 8.1)."""
    answer = bulk("DeleteMultiple", TYPE | {"dvc_hotelid": hotels.create()})

    assert answer.json()["error"]["message"] == "DeleteMultiple has not yet been implemented."


def test_inactive_status_fails_the_whole_call(bulk, hotels, mark, refusal):
    """One row with an inactive status reason kills the entire call (DATAVERSE 12)."""
    answer = bulk(
        "CreateMultiple",
        TYPE | {"dvc_name": "good", "dvc_mark": mark},
        TYPE | {"dvc_name": "bad", "statuscode": 2},
    )

    assert refusal(answer) == (400, "0x80048408")
    assert hotels.find("dvc_name eq 'good'") == []


def test_a_thousand_rows_in_one_call(bulk):
    """There is no row limit for standard tables below a thousand (DATAVERSE 8.2)."""
    ids = [str(uuid.uuid4()) for _ in range(1000)]

    answer = bulk("CreateMultiple", *(TYPE | {"dvc_hotelid": row_id} for row_id in ids))

    assert answer.json()["Ids"] == ids
