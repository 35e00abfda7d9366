"""BulkDelete as an asynchronous job (DATAVERSE 8.5)."""

import pytest


@pytest.fixture
def bulk_delete(api):
    """Delete the rows of a table for which conditions hold; the job as it is afterwards."""

    def send(table, *conditions):
        query = {
            "@odata.type": "Microsoft.Dynamics.CRM.QueryExpression",
            "EntityName": table,
            "ColumnSet": {"@odata.type": "Microsoft.Dynamics.CRM.ColumnSet", "AllColumns": False},
            "Criteria": {"FilterOperator": "And", "Conditions": list(conditions)},
        }
        body = {"JobName": "clean up", "StartDateTime": "2026-01-01T00:00:00Z", "QuerySet": [query]}
        answer = api.post("BulkDelete", json=body)
        assert answer.status_code == 200, answer.text
        job_id = answer.json()["JobId"]
        return api.get(f"asyncoperations({job_id})?$select=name,statecode,statuscode").json()

    return send


def _is(column, operator, *values):
    listed = [{"Value": value, "Type": "System.String"} for value in values]
    return {"AttributeName": column, "Operator": operator, "Values": listed}


def test_rows_named_by_id_are_deleted(bulk_delete, hotels):
    """The job deletes the rows that the query names and ends as succeeded (DATAVERSE 8.5)."""
    gone, kept = hotels.create(name="gone"), hotels.create(name="kept")

    job = bulk_delete("dvc_hotel", _is("dvc_hotelid", "In", gone))

    assert (job["name"], job["statecode"], job["statuscode"]) == ("clean up", 3, 30)
    assert hotels.find("dvc_name ne null") == ["kept"]
    assert hotels.read(kept)["dvc_name"] == "kept"


def test_rows_found_by_conditions_are_deleted(bulk_delete, hotels, mark):
    """Conditions are joined as the filter says (DATAVERSE 8.5)."""
    hotels.create(name="low", dvc_stars=1)
    hotels.create(name="high", dvc_stars=5)

    bulk_delete("dvc_hotel", _is("dvc_mark", "Equal", mark), _is("dvc_stars", "GreaterEqual", "5"))

    assert hotels.find("dvc_name ne null") == ["low"]


def test_failed_job_deletes_nothing(bulk_delete, brands, rooms, mark):
    """A job that meets a restricted row ends as failed (DATAVERSE 8.5)."""
    brand_id = brands.create()
    rooms.create(**{"dvc_StyleId@odata.bind": f"/dvc_brands({brand_id})"})

    job = bulk_delete("dvc_brand", _is("dvc_mark", "Equal", mark))

    assert (job["statecode"], job["statuscode"]) == (3, 31)
    assert brands.read(brand_id)["dvc_brandid"] == brand_id
