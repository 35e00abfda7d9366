"""Roles and what they allow (DATAVERSE 1.2, 13)."""

import pytest


@pytest.fixture
def reader():
    """The headers of a user who may only read."""
    return {"Authorization": "Bearer reader"}


@pytest.fixture
def nobody():
    """The headers of a user without any role."""
    return {"Authorization": "Bearer nobody"}


@pytest.mark.usefixtures("emulator")
def test_who_am_i_needs_no_role(api, nobody):
    """WhoAmI works with no role at all (DATAVERSE 1.2)."""
    assert api.get("WhoAmI", headers=nobody).status_code == 200


@pytest.mark.usefixtures("emulator")
def test_data_needs_a_role(api, nobody):
    """Every data call of a user without roles fails with text about roles (DATAVERSE 1.2)."""
    answer = api.get("dvc_hotels", headers=nobody)

    assert answer.status_code == 403
    assert "has not been assigned any roles" in answer.json()["error"]["message"]


@pytest.mark.usefixtures("emulator")
def test_reader_reads(api, hotels, reader):
    """A read privilege at organisation depth shows the rows of others (DATAVERSE 13)."""
    row_id = hotels.create()

    assert api.get(f"dvc_hotels({row_id})", headers=reader).status_code == 200


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize(
    ("method", "privilege"), [("post", "prvCreate"), ("patch", "prvWrite"), ("delete", "prvDelete")]
)
def test_reader_is_refused_writes(api, hotels, reader, refusal, method, privilege):
    """A missing privilege answers 403 0x80040220 and names itself (DATAVERSE 4.7)."""
    url = "dvc_hotels" if method == "post" else f"dvc_hotels({hotels.create()})"
    body = {} if method == "delete" else {"json": {"dvc_name": "x"}}

    answer = api.request(method, url, headers=reader, **body)

    assert refusal(answer) == (403, "0x80040220")
    assert f"{privilege}dvc_Hotel" in answer.json()["error"]["message"]


@pytest.mark.usefixtures("emulator")
def test_reader_is_refused_bulk_messages(api, reader, refusal):
    """Bulk messages need the same privileges (DATAVERSE 13)."""
    answer = api.post(
        "dvc_hotels/Microsoft.Dynamics.CRM.CreateMultiple",
        json={"Targets": [{"@odata.type": "Microsoft.Dynamics.CRM.dvc_hotel"}]},
        headers=reader,
    )

    assert refusal(answer) == (403, "0x80040220")


@pytest.mark.usefixtures("emulator")
def test_application_users_are_rows(api):
    """An application user is a systemuser row with an applicationid (DATAVERSE 1.2)."""
    found = api.get(
        "systemusers?$select=fullname,applicationid&$filter=fullname eq 'reader'"
    ).json()["value"]

    assert [bool(user["applicationid"]) for user in found] == [True]


def test_retention_of_deletes_can_be_read(api):
    """organization.expirechangetrackingindays tells how long deletes are kept (DATAVERSE 7.3)."""
    found = api.get("organizations?$select=expirechangetrackingindays").json()["value"]

    assert [row["expirechangetrackingindays"] for row in found] == [7]
