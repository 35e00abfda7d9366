"""account and contact, as their clients know them (DATAVERSE 5)."""


def test_contact_belongs_to_an_account(api, mark):
    """A customer column has a navigation property for each of its tables (DATAVERSE 5)."""
    account = api.post("accounts", json={"name": mark}).headers["OData-EntityId"]
    contact = api.post(
        "contacts",
        json={
            "firstname": "Ada",
            "lastname": mark,
            "parentcustomerid_account@odata.bind": account,
        },
    ).headers["OData-EntityId"]

    row = api.get(contact, headers={"Prefer": 'odata.include-annotations="*"'}).json()

    assert row["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert row["_parentcustomerid_value@OData.Community.Display.V1.FormattedValue"] == mark
    assert row["fullname"] == f"Ada {mark}"


def test_contacts_of_an_account(api, mark):
    """The collection of an account's contacts is contact_customer_accounts (DATAVERSE 5)."""
    contacts = [{"lastname": "b"}, {"lastname": "a"}]
    body = {"name": mark, "contact_customer_accounts": contacts}
    account = api.post("accounts", json=body).headers["OData-EntityId"]

    found = api.get(f"{account}/contact_customer_accounts?$select=lastname&$orderby=lastname")

    assert [contact["lastname"] for contact in found.json()["value"]] == ["a", "b"]


def test_contact_and_account_are_created_together(api, mark):
    """Deep insert nests a contact in an account (DATAVERSE 4.1)."""
    body = {"name": mark, "primarycontactid": {"firstname": "Grace", "lastname": mark}}
    account = api.post("accounts", json=body).headers["OData-EntityId"]

    found = api.get(f"{account}?$select=name&$expand=primarycontactid($select=fullname)").json()

    assert found["primarycontactid"]["fullname"] == f"Grace {mark}"


def test_computed_columns_are_not_written(api, mark):
    """A calculated column in a body is silently ignored (DATAVERSE 3.3)."""
    contact = api.post("contacts", json={"lastname": mark, "fullname": "other"})

    assert contact.status_code == 204
    assert api.get(contact.headers["OData-EntityId"]).json()["fullname"] == mark


def test_preferences_in_several_headers(api, mark):
    """Preferences may be split over several headers (DATAVERSE 2)."""
    prefer = [("Prefer", "return=representation"), ("Prefer", 'odata.include-annotations="*"')]

    answer = api.post("accounts", json={"name": mark}, headers=prefer)

    assert answer.status_code == 201
    assert "statecode@OData.Community.Display.V1.FormattedValue" in answer.json()
