"""Functions that belong to no table (DATAVERSE 2, 6.3)."""

import pytest


@pytest.mark.parametrize("spelling", ["WhoAmI", "WhoAmI()"])
def test_who_am_i(api, spelling):
    """WhoAmI works with and without parentheses (DATAVERSE 2)."""
    found = api.get(spelling).json()

    assert found.keys() == {"@odata.context", "BusinessUnitId", "UserId", "OrganizationId"}


def test_retrieve_version(api):
    """RetrieveVersion answers a version of the platform (DATAVERSE 2)."""
    assert api.get("RetrieveVersion").json()["Version"].startswith("9.")


def test_function_called_by_post_is_not_found(api, refusal):
    """POSTing a function answers 404 with an empty code (DATAVERSE 2)."""
    answer = api.post("WhoAmI")

    assert refusal(answer) == (404, "")
    assert answer.json()["error"]["message"].startswith("No HTTP resource was found")


@pytest.mark.parametrize(
    "call", ["(EntityNames=['dvc_brand'])", "(EntityNames=@names)?@names=['dvc_brand']"]
)
def test_total_record_count(api, brands, call):
    """RetrieveTotalRecordCount counts whole tables by logical name (DATAVERSE 6.3)."""
    brands.create()

    found = api.get(f"RetrieveTotalRecordCount{call}").json()
    collection = found["EntityRecordCountCollection"]
    assert collection["Keys"] == ["dvc_brand"]
    assert collection["Values"][0] >= 1


@pytest.mark.usefixtures("emulator")
def test_what_is_not_implemented_says_so(api, hotels):
    """The emulator answers 501 to what it was not taught, and names it."""
    hotels.create()

    answer = api.get("dvc_hotels?$filter=Microsoft.Dynamics.CRM.ThisFiscalYear(PropertyName='x')")

    assert answer.status_code == 501
    assert "ThisFiscalYear" in answer.json()["error"]["message"]
