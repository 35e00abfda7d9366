"""Roles and what they allow (DATAVERSE 1.2, 11, 13)."""

import uuid
from dataclasses import dataclass

import httpx
import pytest

from dv_sync_pipeline.emulator.tables import system

pytestmark = pytest.mark.usefixtures("emulator")


@pytest.fixture
def reader():
    """The headers of a user who may only read."""
    return {"Authorization": "Bearer reader"}


@pytest.fixture
def nobody():
    """The headers of a user without any role."""
    return {"Authorization": "Bearer nobody"}


@dataclass(frozen=True, slots=True)
class Person:
    """A user made for one test."""

    id: str
    headers: dict[str, str]


@pytest.fixture
def hire(emulator):
    """Make a user with a role of their own: action → depth."""

    def make(**depths):
        name = uuid.uuid4().hex
        with emulator.store.transaction():
            system.create_role(emulator.store, name, depths)
            user_id = system.create_application_user(
                emulator.store, application_id=str(uuid.uuid4()), full_name=name, roles=(name,)
            )
        emulator.environment.identity.ids[name] = user_id
        return Person(user_id, {"Authorization": f"Bearer {name}"})

    return make


def test_who_am_i_needs_no_role(api, nobody):
    """WhoAmI works with no role at all (DATAVERSE 1.2)."""
    assert api.get("WhoAmI", headers=nobody).status_code == 200


def test_data_needs_a_role(api, nobody):
    """Every data call of a user without roles fails with text about roles (DATAVERSE 1.2)."""
    answer = api.get("dvc_hotels", headers=nobody)

    assert answer.status_code == 403
    assert "has not been assigned any roles" in answer.json()["error"]["message"]


def test_reader_reads(api, hotels, reader):
    """A read privilege at organisation depth shows the rows of others (DATAVERSE 13)."""
    row_id = hotels.create()

    assert api.get(f"dvc_hotels({row_id})", headers=reader).status_code == 200


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


def test_reader_is_refused_bulk_messages(api, reader, refusal):
    """Bulk messages need the same privileges (DATAVERSE 13)."""
    answer = api.post(
        "dvc_hotels/Microsoft.Dynamics.CRM.CreateMultiple",
        json={"Targets": [{"@odata.type": "Microsoft.Dynamics.CRM.dvc_hotel"}]},
        headers=reader,
    )

    assert refusal(answer) == (403, "0x80040220")


def test_shallow_read_shows_fewer_rows(api, hotels, hire):
    """Without organisation depth a list shows one's own rows, and no error (DATAVERSE 13)."""
    hotels.create(name="of another")
    person = hire(Create="Basic", Read="Basic")
    own = {"dvc_name": "own", "dvc_mark": hotels.mark}
    api.post("dvc_hotels", json=own, headers=person.headers)

    query = f"$filter=dvc_mark eq '{hotels.mark}'"
    assert hotels.names(query, **person.headers) == ["own"]


def test_shallow_read_refuses_rows_of_others(api, hotels, hire, refusal):
    """One row beyond the depth answers 403 0x80048306 (DATAVERSE 4.7)."""
    row_id = hotels.create()

    answer = api.get(f"dvc_hotels({row_id})", headers=hire(Read="Basic").headers)

    assert refusal(answer) == (403, "0x80048306")


def test_shallow_write_refuses_rows_of_others(api, hotels, hire, refusal):
    """A write beyond the depth answers 403 0x80048306 (DATAVERSE 13)."""
    person = hire(Read="Global", Write="Basic")

    answer = api.patch(
        f"dvc_hotels({hotels.create()})", json={"dvc_stars": 1}, headers=person.headers
    )

    assert refusal(answer) == (403, "0x80048306")


def test_change_tracking_needs_organisation_depth(api, hire, refusal):
    """Change tracking is refused without organisation-level read (DATAVERSE 7.1)."""
    headers = {"Prefer": "odata.track-changes", **hire(Read="Local").headers}

    assert refusal(api.get("dvc_hotels", headers=headers)) == (403, "0x80040220")


@pytest.mark.parametrize(
    ("missing", "named"), [("Append", "prvAppenddvc_Hotel"), ("AppendTo", "prvAppendTodvc_Brand")]
)
def test_lookups_need_append_and_append_to(api, brands, hire, missing, named):
    """Setting a lookup needs Append on the child and AppendTo on the parent (DATAVERSE 13)."""
    depths = dict.fromkeys({"Create", "Read", "Append", "AppendTo"} - {missing}, "Global")
    body = {"dvc_BrandId@odata.bind": f"/dvc_brands({brands.create()})"}

    answer = api.post("dvc_hotels", json=body, headers=hire(**depths).headers)

    assert answer.status_code == 403
    assert named in answer.json()["error"]["message"]


def test_giving_a_row_away(api, hotels, hire):
    """ownerid@odata.bind makes another user the owner (DATAVERSE 13)."""
    person = hire(Read="Basic")
    row_id = hotels.create()

    answer = api.patch(
        f"dvc_hotels({row_id})", json={"ownerid@odata.bind": f"/systemusers({person.id})"}
    )

    assert answer.status_code == 204
    assert hotels.read(row_id)["_owninguser_value"] == person.id


def test_owner_must_be_able_to_read(api, hotels, hire, refusal):
    """An owner without read privilege answers 0x80040231 (DATAVERSE 13)."""
    person = hire(Create="Basic")

    answer = api.patch(
        f"dvc_hotels({hotels.create()})", json={"ownerid@odata.bind": f"/systemusers({person.id})"}
    )

    assert refusal(answer) == (403, "0x80040231")


def test_rows_of_a_team_are_own_rows(api, hotels, hire, mark):
    """A team owns rows, and its members count as owners (DATAVERSE 13)."""
    person = hire(Read="Basic")
    unit = api.get("WhoAmI").json()["BusinessUnitId"]
    team = {"name": mark, "businessunitid@odata.bind": f"/businessunits({unit})"}
    team_url = api.post("teams", json=team).headers["OData-EntityId"]
    row_id = hotels.create(**{"ownerid@odata.bind": team_url})

    before = api.get(f"dvc_hotels({row_id})", headers=person.headers)
    member = {"@odata.id": f"{api.base_url}systemusers({person.id})"}
    api.post(f"{team_url}/teammembership_association/$ref", json=member)
    after = api.get(f"dvc_hotels({row_id})", headers=person.headers)

    assert (before.status_code, after.status_code) == (403, 200)
    assert after.json()["_owningteam_value"] in team_url


def test_role_is_given_by_reference(api, hire, hotels):
    """POST to systemuserroles_association/$ref assigns a role (DATAVERSE 13)."""
    row_id, person = hotels.create(), hire()
    reader = api.get("roles?$filter=name eq 'Reader'&$select=roleid").json()["value"][0]

    role = {"@odata.id": f"{api.base_url}roles({reader['roleid']})"}
    given = api.post(f"systemusers({person.id})/systemuserroles_association/$ref", json=role)

    assert given.status_code == 204
    assert api.get(f"dvc_hotels({row_id})", headers=person.headers).status_code == 200


def test_role_is_given_once(api, hire, refusal):
    """A pair that exists answers 412 0x80040237 (DATAVERSE 5)."""
    person = hire()
    reader = api.get("roles?$filter=name eq 'Reader'&$select=roleid").json()["value"][0]
    role = {"@odata.id": f"{api.base_url}roles({reader['roleid']})"}
    url = f"systemusers({person.id})/systemuserroles_association/$ref"
    api.post(url, json=role)

    assert refusal(api.post(url, json=role)) == (412, "0x80040237")


def test_privileges_of_a_role_are_changed_by_actions(api, hire, hotels, mark):
    """AddPrivilegesRole gives a role privileges, by id and depth (DATAVERSE 13)."""
    role_url = api.post("roles", json={"name": mark}).headers["OData-EntityId"]
    found = api.get("privileges?$filter=name eq 'prvReaddvc_Hotel'&$select=privilegeid").json()
    privilege = {"PrivilegeId": found["value"][0]["privilegeid"], "Depth": "Global"}
    api.post(
        f"{role_url}/Microsoft.Dynamics.CRM.AddPrivilegesRole", json={"Privileges": [privilege]}
    )
    person = hire()
    api.post(
        f"systemusers({person.id})/systemuserroles_association/$ref", json={"@odata.id": role_url}
    )

    answer = api.get(f"dvc_hotels({hotels.create()})", headers=person.headers)

    assert answer.status_code == 200


def test_impersonation(api, hire):
    """MSCRMCallerID acts as another user; createdonbehalfby keeps the sender (DATAVERSE 11)."""
    person = hire(Create="Global", Read="Global")
    sender = api.get("WhoAmI").json()["UserId"]

    answer = api.post("dvc_hotels", json={"dvc_name": "x"}, headers={"MSCRMCallerID": person.id})

    row = api.get(answer.headers["OData-EntityId"]).json()
    assert row["_createdby_value"] == person.id
    assert row["_createdonbehalfby_value"] == sender


def test_impersonation_needs_a_privilege(api, reader, hire, refusal):
    """Acting as another user without the privilege answers 403 (DATAVERSE 11)."""
    headers = {**reader, "MSCRMCallerID": hire(Read="Global").id}

    assert refusal(api.get("dvc_hotels?$top=1", headers=headers)) == (403, "0x80040220")


def test_impersonation_never_adds_rights(api, hotels, hire, refusal):
    """The rights are those that both users have (DATAVERSE 11)."""
    headers = {"MSCRMCallerID": hire(Read="Global").id}

    answer = api.patch(f"dvc_hotels({hotels.create()})", json={"dvc_stars": 1}, headers=headers)

    assert refusal(answer) == (403, "0x80040220")


def test_impersonation_does_not_lend_rights(api, hotels, hire, refusal):
    """Who acts as an administrator may still do no more than they may (DATAVERSE 11)."""
    person = hire(Read="Global", ActOnBehalfOfAnotherUser="Global")
    administrator = api.get("WhoAmI").json()["UserId"]
    headers = {**person.headers, "MSCRMCallerID": administrator}

    answer = api.patch(f"dvc_hotels({hotels.create()})", json={"dvc_stars": 1}, headers=headers)

    assert refusal(answer) == (403, "0x80040220")


def test_business_unit_follows_the_owner(api, hotels, mark):
    """Owningbusinessunit is that of the owner (DATAVERSE 13)."""
    root = api.get("WhoAmI").json()["BusinessUnitId"]
    unit = {"name": mark, "parentbusinessunitid@odata.bind": f"/businessunits({root})"}
    unit_url = api.post("businessunits", json=unit).headers["OData-EntityId"]
    team = {"name": mark, "businessunitid@odata.bind": unit_url}
    team_url = api.post("teams", json=team).headers["OData-EntityId"]
    row_id = hotels.create()

    api.patch(f"dvc_hotels({row_id})", json={"ownerid@odata.bind": team_url})

    assert hotels.read(row_id)["_owningbusinessunit_value"] in unit_url


def _secret_of(api: httpx.Client, row_id: str, headers: dict[str, str]) -> object:
    row = api.get(f"dvc_hotels({row_id})?$select=dvc_secret", headers=headers).json()
    return row["dvc_secret"]


def test_secured_columns_read_as_null(api, hotels, reader):
    """A secured column comes back null without a profile (DATAVERSE 13)."""
    row_id = hotels.create(dvc_secret="the combination")

    assert _secret_of(api, row_id, {}) == "the combination"
    assert _secret_of(api, row_id, reader) is None


def test_profile_shows_a_secured_column(api, hotels, hire, mark):
    """A field security profile lets its users read the column (DATAVERSE 13)."""
    row_id, person = hotels.create(dvc_secret="the combination"), hire(Read="Global")
    profile = api.post("fieldsecurityprofiles", json={"name": mark}).headers["OData-EntityId"]
    permission = {
        "entityname": "dvc_hotel",
        "attributelogicalname": "dvc_secret",
        "canread": 4,
        "fieldsecurityprofileid@odata.bind": profile,
    }
    api.post("fieldpermissions", json=permission)
    user = {"@odata.id": f"{api.base_url}systemusers({person.id})"}
    api.post(f"{profile}/systemuserprofiles_association/$ref", json=user)

    assert _secret_of(api, row_id, person.headers) == "the combination"


def test_secured_columns_are_null_in_fetchxml(api, hotels, reader):
    """FetchXML shows no more than other reads (DATAVERSE 13)."""
    row_id = hotels.create(dvc_secret="the combination")

    xml = (
        "<fetch><entity name='dvc_hotel'><attribute name='dvc_secret'/><filter>"
        f"<condition attribute='dvc_hotelid' operator='eq' value='{row_id}'/>"
        "</filter></entity></fetch>"
    )
    found = api.get("dvc_hotels", params={"fetchXml": xml}, headers=reader).json()["value"]

    assert [row.get("dvc_secret") for row in found] == [None]


def test_secured_columns_refuse_writes(api, hire):
    """A write to a secured column without a profile answers 403 (DATAVERSE 13)."""
    answer = api.post("dvc_hotels", json={"dvc_secret": "x"}, headers=hire(Create="Global").headers)

    assert answer.status_code == 403


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
