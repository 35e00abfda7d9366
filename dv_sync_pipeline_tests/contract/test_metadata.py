"""Reading EntityDefinitions (DATAVERSE 3)."""

import pytest

HOTEL = "EntityDefinitions(LogicalName='dvc_hotel')"


def test_table_by_name(api):
    """A table is described under its logical name (DATAVERSE 3.1)."""
    found = api.get(f"{HOTEL}?$select=EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute").json()

    assert found["EntitySetName"] == "dvc_hotels"
    assert found["PrimaryIdAttribute"] == "dvc_hotelid"
    assert found["PrimaryNameAttribute"] == "dvc_name"


def test_metadata_id_is_always_there(api):
    """MetadataId is always returned (DATAVERSE 3.1)."""
    found = api.get(f"{HOTEL}?$select=LogicalName").json()

    assert found.keys() == {"@odata.context", "LogicalName", "MetadataId"}


def test_table_by_id(api):
    """The GUID form is equivalent (DATAVERSE 3.1)."""
    metadata_id = api.get(HOTEL).json()["MetadataId"]

    assert api.get(f"EntityDefinitions({metadata_id})").json()["LogicalName"] == "dvc_hotel"


def test_unknown_table(api):
    """A table that does not exist answers 404 (DATAVERSE 3.1)."""
    assert api.get("EntityDefinitions(LogicalName='dvc_nothing')").status_code == 404


def test_tables_by_filter(api):
    """Tables are found by filter, in one complete answer (DATAVERSE 3.1)."""
    found = api.get(
        "EntityDefinitions?$filter=ChangeTrackingEnabled eq true and LogicalName eq 'dvc_room'"
        "&$select=LogicalName"
    ).json()

    assert [table["LogicalName"] for table in found["value"]] == ["dvc_room"]


def test_expanded_attributes_are_of_the_base_class(api):
    """$expand=Attributes yields only what every column has (DATAVERSE 3.1)."""
    found = api.get(f"{HOTEL}?$expand=Attributes").json()["Attributes"]

    name = next(column for column in found if column["LogicalName"] == "dvc_name")
    assert name["AttributeTypeName"] == {"Value": "StringType"}
    assert "MaxLength" not in name


@pytest.mark.parametrize(
    ("cast", "column", "property_name", "value"),
    [
        ("String", "dvc_code", "MaxLength", 20),
        ("Integer", "dvc_stars", "MaxValue", 5),
        ("Decimal", "dvc_rate", "Precision", 2),
        ("Money", "dvc_price", "PrecisionSource", 0),
        ("DateTime", "dvc_opened", "DateTimeBehavior", {"Value": "DateOnly"}),
        ("Lookup", "dvc_brandid", "Targets", ["dvc_brand"]),
        ("Lookup", "dvc_partnerid", "Targets", ["dvc_brand", "dvc_hotel"]),
        ("Memo", "dvc_note", "MaxLength", 2000),
    ],
)
def test_cast_shows_what_a_type_has(api, cast, column, property_name, value):
    """A cast shows the properties of one type of column (DATAVERSE 3.1)."""
    found = api.get(
        f"{HOTEL}/Attributes/Microsoft.Dynamics.CRM.{cast}AttributeMetadata"
        f"?$select=LogicalName,{property_name}"
    ).json()["value"]

    shown = {item["LogicalName"]: item[property_name] for item in found}
    assert shown[column] == value


def test_options_of_a_choice(api):
    """Options come by expanding OptionSet after a cast (DATAVERSE 3.4)."""
    found = api.get(
        f"{HOTEL}/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata"
        "?$select=LogicalName&$expand=OptionSet($select=Options),GlobalOptionSet($select=Options)"
    ).json()["value"]

    kind = next(column for column in found if column["LogicalName"] == "dvc_kind")
    options = kind["OptionSet"]["Options"]
    assert [option["Value"] for option in options] == [1, 2, 3]
    assert options[1]["Label"]["UserLocalizedLabel"]["Label"] == "Beach"
    assert kind["GlobalOptionSet"] is None


def test_local_options_are_not_global(api):
    """The option set of a column says that it is the column's own (DATAVERSE 3.4)."""
    found = api.get(
        f"{HOTEL}/Attributes(LogicalName='dvc_kind')"
        "/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$expand=OptionSet"
    ).json()

    assert found["OptionSet"]["IsGlobal"] is False
    assert found["OptionSet"]["Name"] == "dvc_hotel_dvc_kind"


def test_labels_of_a_boolean(api):
    """A boolean has a TrueOption and a FalseOption (DATAVERSE 3.3)."""
    found = api.get(
        f"{HOTEL}/Attributes(LogicalName='dvc_isopen')"
        "/Microsoft.Dynamics.CRM.BooleanAttributeMetadata?$expand=OptionSet"
    ).json()

    options = found["OptionSet"]
    assert options["TrueOption"]["Label"]["UserLocalizedLabel"]["Label"] == "Open"
    assert options["FalseOption"]["Value"] == 0


def test_status_reasons_name_their_state(api):
    """Status options add State, state options DefaultStatus (DATAVERSE 3.4)."""
    path = f"{HOTEL}/Attributes/Microsoft.Dynamics.CRM.{{}}AttributeMetadata?$expand=OptionSet"
    states = api.get(path.format("State")).json()["value"][0]["OptionSet"]["Options"]
    statuses = api.get(path.format("Status")).json()["value"][0]["OptionSet"]["Options"]

    assert {state["Value"]: state["DefaultStatus"] for state in states} == {0: 1, 1: 2}
    assert {s["Value"]: s["State"] for s in statuses} == {1: 0, 3: 0, 2: 1, 4: 1}


def test_abstract_cast_is_refused(api):
    """A cast to the abstract EnumAttributeMetadata is not possible (DATAVERSE 3.1)."""
    answer = api.get(f"{HOTEL}/Attributes/Microsoft.Dynamics.CRM.EnumAttributeMetadata")

    assert answer.status_code == 400


def test_enums_compare_with_their_qualified_literal(api):
    """An enum is compared with its qualified literal (DATAVERSE 3.1)."""
    literal = "Microsoft.Dynamics.CRM.AttributeTypeCode'Picklist'"
    found = api.get(f"{HOTEL}/Attributes?$filter=AttributeType eq {literal}&$select=LogicalName")

    assert [column["LogicalName"] for column in found.json()["value"]] == ["dvc_kind"]


def test_managed_properties_filter_through_value(api):
    """A managed property is compared through /Value (DATAVERSE 3.1)."""
    found = api.get(
        "EntityDefinitions?$filter=CanChangeTrackingBeEnabled/Value eq true&$select=LogicalName"
    ).json()["value"]

    assert "dvc_hotel" in {table["LogicalName"] for table in found}


def test_keys(api):
    """Keys name their columns and the status of their index (DATAVERSE 3.5)."""
    found = api.get("EntityDefinitions(LogicalName='dvc_room')/Keys").json()["value"]

    assert [(key["KeyAttributes"], key["EntityKeyIndexStatus"]) for key in found] == [
        (["dvc_hotelid", "dvc_number"], "Active")
    ]


def test_lookup_relationships(api):
    """A relationship names the navigation property on both sides (DATAVERSE 3.5)."""
    found = api.get(
        f"{HOTEL}?$select=LogicalName&$expand=ManyToOneRelationships,OneToManyRelationships"
    ).json()

    names = {
        relation["ReferencingAttribute"]: relation["ReferencingEntityNavigationPropertyName"]
        for relation in found["ManyToOneRelationships"]
    }
    children = {relation["ReferencingEntity"] for relation in found["OneToManyRelationships"]}
    assert names["dvc_brandid"] == "dvc_BrandId"
    assert names["ownerid"] == "ownerid"
    assert "dvc_room" in children


def test_read_only_columns_say_so(api):
    """IsValidForCreate and IsValidForUpdate tell which values are ignored (DATAVERSE 3.2)."""
    found = api.get(
        f"{HOTEL}/Attributes?$select=LogicalName,IsValidForCreate,IsValidForUpdate"
    ).json()["value"]

    flags = {c["LogicalName"]: (c["IsValidForCreate"], c["IsValidForUpdate"]) for c in found}
    assert flags["statecode"] == (False, True)
    assert flags["modifiedon"] == (False, False)
    assert flags["dvc_hotelid"] == (True, False)
