"""A client brings its own schema: tables, columns, keys, relationships, choices (DATAVERSE 3)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

TYPE = "Microsoft.Dynamics.CRM."


def label(text):
    """A label in English."""
    return {"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]}


def attribute(kind, schema_name, **properties):
    """A column as clients describe it."""
    return {
        "@odata.type": f"{TYPE}{kind}AttributeMetadata",
        "SchemaName": schema_name,
        "DisplayName": label(schema_name),
        "RequiredLevel": {"Value": "None"},
        **properties,
    }


def name_column(prefix="dvc"):
    """The one column that every table needs."""
    return attribute("String", f"{prefix}_Name", MaxLength=100, IsPrimaryName=True)


def options(*labels):
    """A local choice with values from 1."""
    described = [{"Value": value, "Label": label(text)} for value, text in enumerate(labels, 1)]
    return {"IsGlobal": False, "OptionSetType": "Picklist", "Options": described}


@dataclass(frozen=True)
class Schema:
    """Tables of one test's own."""

    api: httpx.Client
    mark: str

    def create(self, name: str, *columns: Any, **properties: Any) -> str:
        """Create a table; its logical name."""
        schema_name = f"dvc_{name}{self.mark}"
        body = {
            "@odata.type": f"{TYPE}EntityMetadata",
            "SchemaName": schema_name,
            "DisplayName": label(name),
            "DisplayCollectionName": label(f"{name}s"),
            "OwnershipType": "UserOwned",
            "Attributes": [name_column(), *columns],
            **properties,
        }
        answer = self.api.post("EntityDefinitions", json=body)
        assert answer.status_code == 204, answer.text
        return schema_name.lower()

    def read(self, table: str, query: str = "") -> dict[str, Any]:
        """The definition of a table."""
        found = self.api.get(f"EntityDefinitions(LogicalName='{table}'){query}")
        assert found.status_code == 200, found.text
        content: dict[str, Any] = found.json()
        return content

    def add(self, table: str, column: Any) -> httpx.Response:
        """Ask for one more column."""
        return self.api.post(f"EntityDefinitions(LogicalName='{table}')/Attributes", json=column)

    def column(self, table: str, name: str) -> dict[str, Any]:
        """The definition of a column, with all that its type has."""
        base = f"/Attributes(LogicalName='{name}')"
        kind = self.read(table, f"{base}?$select=LogicalName")["@odata.type"].lstrip("#")
        return self.read(table, f"{base}/{kind}")


@pytest.fixture
def schema(api, mark):
    """A place for tables of this test's own."""
    return Schema(api, mark)


# ---- tables -------------------------------------------------------------------------------------


def test_new_table_can_be_used_at_once(api, schema):
    """A table is there for rows as soon as it is created."""
    table = schema.create("Villa")
    entity_set = schema.read(table)["EntitySetName"]

    assert api.post(entity_set, json={"dvc_name": "Aurora"}).status_code == 204
    assert [row["dvc_name"] for row in api.get(entity_set).json()["value"]] == ["Aurora"]


def test_address_of_a_new_table(api, mark):
    """OData-EntityId names the definition by its id."""
    body = {"SchemaName": f"dvc_A{mark}", "Attributes": [name_column()]}
    address = api.post("EntityDefinitions", json=body).headers["OData-EntityId"]

    assert api.get(address).json()["SchemaName"] == f"dvc_A{mark}"


def test_new_table_as_an_answer(api, mark):
    """With return=representation the definition itself comes back, as rows do (DATAVERSE 4.1)."""
    body = {"SchemaName": f"dvc_A{mark}", "Attributes": [name_column()]}
    answer = api.post("EntityDefinitions", json=body, headers={"Prefer": "return=representation"})

    assert (answer.status_code, answer.json()["LogicalName"]) == (201, f"dvc_a{mark}")


@pytest.mark.parametrize(
    ("name", "entity_set"),
    [("dvc_{}country", "countries"), ("dvc_{}glass", "glasses"), ("dvc_{}key", "keys")],
)
def test_entity_set_is_a_plural(api, mark, name, entity_set):
    """It is not always the name and an s (DATAVERSE 3.1)."""
    schema_name = name.format(mark)
    api.post("EntityDefinitions", json={"SchemaName": schema_name, "Attributes": [name_column()]})
    found = api.get(f"EntityDefinitions(LogicalName='{schema_name}')").json()["EntitySetName"]

    assert found == f"dvc_{mark}{entity_set}"


def test_platform_columns_come_by_themselves(schema):
    """Every table has an id, an owner, a state and times."""
    table = schema.create("Villa")
    found = {item["LogicalName"] for item in schema.read(table, "/Attributes")["value"]}

    assert {f"{table}id", "ownerid", "statecode", "createdon", "versionnumber"} <= found


def test_organization_owned_table_has_no_owner(schema):
    """OwnershipType decides whether rows have an owner (DATAVERSE 13)."""
    table = schema.create("Villa", OwnershipType="OrganizationOwned")
    found = {item["LogicalName"] for item in schema.read(table, "/Attributes")["value"]}

    assert "ownerid" not in found


def test_put_replaces_a_definition(api, schema):
    """Labels change by PUT of the whole definition (DATAVERSE 3.1)."""
    table = schema.create("Villa")
    definition = schema.read(table) | {"DisplayName": label("House")}
    answer = api.put(f"EntityDefinitions(LogicalName='{table}')", json=definition)

    assert answer.status_code == 204
    assert schema.read(table)["DisplayName"]["UserLocalizedLabel"]["Label"] == "House"


def test_patch_is_not_allowed(api, schema, refusal):
    """Metadata is changed by PUT, not PATCH (DATAVERSE 3.1)."""
    table = schema.create("Villa")

    assert refusal(api.patch(f"EntityDefinitions(LogicalName='{table}')", json={}))[0] == 405


def test_change_tracking_is_turned_on_and_never_off(api, schema, refusal):
    """It can be turned on, never off (DATAVERSE 3.5)."""
    table = schema.create("Villa")
    address = f"EntityDefinitions(LogicalName='{table}')"
    definition = schema.read(table)

    assert definition["ChangeTrackingEnabled"] is False
    assert api.put(address, json=definition | {"ChangeTrackingEnabled": True}).status_code == 204
    assert schema.read(table)["ChangeTrackingEnabled"] is True
    assert refusal(api.put(address, json=definition))[0] == 400


def test_deleted_table_is_gone_with_its_rows(api, schema):
    """Neither the definition nor the entity set is found any more."""
    table = schema.create("Villa")
    entity_set = schema.read(table)["EntitySetName"]

    assert api.delete(f"EntityDefinitions(LogicalName='{table}')").status_code == 204
    assert api.get(f"EntityDefinitions(LogicalName='{table}')").status_code == 404
    assert api.get(entity_set).status_code == 404


def test_several_tables_at_once(api, mark):
    """CreateEntities makes all of its tables or none."""
    good = {"SchemaName": f"dvc_Good{mark}", "Attributes": [name_column()]}
    bad = {"SchemaName": f"dvc_Bad{mark}", "Attributes": []}

    assert api.post("CreateEntities", json={"Entities": [good, bad]}).status_code == 400
    assert api.get(f"EntityDefinitions(LogicalName='dvc_good{mark}')").status_code == 404
    assert api.post("CreateEntities", json={"Entities": [good]}).status_code < 300
    assert api.get(f"EntityDefinitions(LogicalName='dvc_good{mark}')").status_code == 200


# ---- columns ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (attribute("String", "dvc_X", MaxLength=7), {"MaxLength": 7}),
        (attribute("String", "dvc_X", FormatName={"Value": "Email"}), {"Format": "Email"}),
        (attribute("Memo", "dvc_X", MaxLength=9000), {"MaxLength": 9000}),
        (attribute("Integer", "dvc_X", MinValue=-1, MaxValue=9), {"MinValue": -1, "MaxValue": 9}),
        (attribute("BigInt", "dvc_X"), {"AttributeType": "BigInt"}),
        (attribute("Decimal", "dvc_X", Precision=3, MaxValue=5.5), {"Precision": 3}),
        (attribute("Double", "dvc_X", Precision=1), {"Precision": 1}),
        (attribute("Money", "dvc_X", PrecisionSource=2), {"PrecisionSource": 2}),
        (attribute("Boolean", "dvc_X", DefaultValue=True), {"DefaultValue": True}),
        (
            attribute("DateTime", "dvc_X", DateTimeBehavior={"Value": "DateOnly"}),
            {"DateTimeBehavior": {"Value": "DateOnly"}},
        ),
        (attribute("Picklist", "dvc_X", OptionSet=options("a")), {"AttributeType": "Picklist"}),
        (
            attribute("MultiSelectPicklist", "dvc_X", OptionSet=options("a", "b")),
            {"AttributeTypeName": {"Value": "MultiSelectPicklistType"}},
        ),
        (attribute("File", "dvc_X", MaxSizeInKB=100), {"MaxSizeInKB": 100}),
        (attribute("Image", "dvc_X"), {"AttributeTypeName": {"Value": "ImageType"}}),
    ],
    ids=lambda value: value.get("@odata.type", "").removeprefix(TYPE) or "shown",
)
def test_column_of_every_type(schema, column, shown):
    """A column is shown as it was asked for (DATAVERSE 3.3)."""
    table = schema.create("Villa")

    assert schema.add(table, column).status_code == 204
    found = schema.column(table, "dvc_x")
    assert {name: found[name] for name in shown} == shown


def test_new_columns_hold_values(api, schema):
    """Rows have the columns that came with the table and those added later."""
    table = schema.create("Villa", attribute("Integer", "dvc_Stars"))
    schema.add(table, attribute("Decimal", "dvc_Rate", Precision=2))
    entity_set = schema.read(table)["EntitySetName"]
    api.post(entity_set, json={"dvc_stars": 4, "dvc_rate": 12.25})
    (row,) = api.get(f"{entity_set}?$select=dvc_stars,dvc_rate").json()["value"]

    assert (row["dvc_stars"], Decimal(str(row["dvc_rate"]))) == (4, Decimal("12.25"))


def test_amount_brings_its_currency(schema):
    """A money column adds currency, rate and base value to the table (DATAVERSE 3.3)."""
    table = schema.create("Villa")
    schema.add(table, attribute("Money", "dvc_Price"))
    found = {item["LogicalName"] for item in schema.read(table, "/Attributes")["value"]}

    assert {"dvc_price", "dvc_price_base", "transactioncurrencyid", "exchangerate"} <= found


def test_put_changes_a_column(api, schema):
    """A column is changed by PUT of its whole definition (DATAVERSE 3.1)."""
    table = schema.create("Villa", attribute("String", "dvc_Code", MaxLength=10))
    definition = schema.column(table, "dvc_code")
    body = definition | {"@odata.type": f"{TYPE}StringAttributeMetadata", "MaxLength": 50}
    address = f"EntityDefinitions(LogicalName='{table}')/Attributes(LogicalName='dvc_code')"

    assert api.put(address, json=body).status_code == 204
    assert schema.column(table, "dvc_code")["MaxLength"] == 50


def test_behavior_of_times_changes_once(api, schema, refusal):
    """From UserLocal to another behaviour, and never again (DATAVERSE 3.3)."""
    table = schema.create("Villa", attribute("DateTime", "dvc_On"))
    address = f"EntityDefinitions(LogicalName='{table}')/Attributes(LogicalName='dvc_on')"
    day = attribute("DateTime", "dvc_On", DateTimeBehavior={"Value": "DateOnly"})
    zone = attribute("DateTime", "dvc_On", DateTimeBehavior={"Value": "TimeZoneIndependent"})

    assert api.put(address, json=day).status_code == 204
    assert schema.column(table, "dvc_on")["DateTimeBehavior"] == {"Value": "DateOnly"}
    assert refusal(api.put(address, json=zone)) == (400, "0x80040203")


def test_deleted_column_is_gone(api, schema):
    """It is unknown to queries afterwards."""
    table = schema.create("Villa", attribute("String", "dvc_Code"))
    address = f"EntityDefinitions(LogicalName='{table}')/Attributes(LogicalName='dvc_code')"
    entity_set = schema.read(table)["EntitySetName"]

    assert api.delete(address).status_code == 204
    assert api.get(f"{entity_set}?$select=dvc_code").status_code == 400


def test_column_in_a_key_stays(api, schema, refusal):
    """What something else needs cannot be deleted."""
    table = schema.create("Villa", attribute("String", "dvc_Code"))
    base = f"EntityDefinitions(LogicalName='{table}')"
    api.post(f"{base}/Keys", json={"SchemaName": "dvc_k", "KeyAttributes": ["dvc_code"]})

    answer = api.delete(f"{base}/Attributes(LogicalName='dvc_code')")

    assert refusal(answer) == (400, "0x8004f01f")


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (attribute("String", "dvc_Name"), "0x80047013"),
        (attribute("Nonsense", "dvc_X"), "0x80048d19"),
        (attribute("Lookup", "dvc_X"), "0x80048d19"),
        (attribute("String", "NoPrefix"), "0x80040203"),
        (attribute("String", "dvc_X", MaxLength=4001), "0x80040203"),
        (attribute("Decimal", "dvc_X", Precision=11), "0x80040203"),
        (attribute("Picklist", "dvc_X", OptionSet={"IsGlobal": True, "Name": "none"}), None),
    ],
    ids=["taken", "type", "lookup", "prefix", "length", "precision", "choice"],
)
def test_column_that_cannot_be(schema, refusal, column, code):
    """Taken names, unknown types and impossible limits are refused."""
    status, found = refusal(schema.add(schema.create("Villa"), column))

    assert (status, found) == ((400, code) if code else (404, "0x80040217"))


def test_table_that_exists(api, refusal):
    """A name is taken once."""
    body = {"SchemaName": "dvc_Hotel", "Attributes": [name_column()]}

    assert refusal(api.post("EntityDefinitions", json=body)) == (400, "0x80044363")


def test_platform_tables_stay(api, refusal):
    """What belongs to the platform cannot be deleted."""
    assert refusal(api.delete("EntityDefinitions(LogicalName='systemuser')"))[0] == 400


def test_reader_may_not_change_the_schema(api, refusal):
    """Customizing needs a privilege of its own (DATAVERSE 13)."""
    answer = api.post("EntityDefinitions", json={}, headers={"Authorization": "Bearer reader"})

    assert refusal(answer) == (403, "0x80040220")


# ---- keys ---------------------------------------------------------------------------------------


def key_status(schema, table):
    """The status of the table's only key."""
    (key,) = schema.read(table, "/Keys")["value"]
    return key["EntityKeyIndexStatus"]


def test_new_key_addresses_rows(api, schema):
    """Once Active a key is usable in addresses (DATAVERSE 3.5)."""
    table = schema.create("Villa", attribute("String", "dvc_Code"))
    keys = f"EntityDefinitions(LogicalName='{table}')/Keys"
    entity_set = schema.read(table)["EntitySetName"]
    api.post(entity_set, json={"dvc_name": "Aurora", "dvc_code": "A"})

    answer = api.post(keys, json={"SchemaName": "dvc_k", "KeyAttributes": ["dvc_code"]})

    assert answer.status_code == 204
    assert key_status(schema, table) == "Active"
    assert api.get(f"{entity_set}(dvc_code='a')").json()["dvc_name"] == "Aurora"


def test_key_over_duplicates_fails_and_can_be_built_again(api, schema, refusal):
    """Building over duplicates ends in Failed; mended data can be tried again (DATAVERSE 3.5)."""
    table = schema.create("Villa", attribute("String", "dvc_Code"))
    base = f"EntityDefinitions(LogicalName='{table}')"
    entity_set = schema.read(table)["EntitySetName"]
    again = {"EntityLogicalName": table, "EntityKeyLogicalName": "dvc_k"}
    for _ in range(2):
        row = api.post(entity_set, json={"dvc_code": "same"}).headers["OData-EntityId"]
    api.post(f"{base}/Keys", json={"SchemaName": "dvc_k", "KeyAttributes": ["dvc_code"]})

    assert key_status(schema, table) == "Failed"
    api.delete(row)
    assert api.post("ReactivateEntityKey", json=again).status_code == 204
    assert key_status(schema, table) == "Active"
    assert refusal(api.post("ReactivateEntityKey", json=again)) == (400, "0x80060897")


def test_deleted_key_is_not_enforced_any_more(api, schema):
    """Duplicates are allowed afterwards."""
    table = schema.create("Villa", attribute("String", "dvc_Code"))
    keys = f"EntityDefinitions(LogicalName='{table}')/Keys"
    entity_set = schema.read(table)["EntitySetName"]
    api.post(keys, json={"SchemaName": "dvc_k", "KeyAttributes": ["dvc_code"]})
    api.post(entity_set, json={"dvc_code": "same"})

    assert api.post(entity_set, json={"dvc_code": "SAME"}).status_code == 412
    assert api.delete(f"{keys}(LogicalName='dvc_k')").status_code == 204
    assert api.post(entity_set, json={"dvc_code": "same"}).status_code == 204


def test_table_has_ten_keys_at_most(api, schema, refusal):
    """The eleventh key is refused (DATAVERSE 3.5)."""
    columns = [attribute("String", f"dvc_C{number}") for number in range(11)]
    keys = f"EntityDefinitions(LogicalName='{schema.create('Villa', *columns)}')/Keys"
    *ten, eleventh = (
        api.post(keys, json={"SchemaName": f"dvc_k{number}", "KeyAttributes": [f"dvc_c{number}"]})
        for number in range(11)
    )

    assert {answer.status_code for answer in ten} == {204}
    assert refusal(eleventh) == (400, "0x80040203")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"SchemaName": "dvc_HotelCode", "KeyAttributes": ["dvc_name"]}, "0x80060893"),
        ({"SchemaName": "dvc_k", "KeyAttributes": ["dvc_nothing"]}, "0x80041103"),
        ({"SchemaName": "dvc_k", "KeyAttributes": ["dvc_note"]}, "0x80040203"),
        ({"SchemaName": "dvc_k", "KeyAttributes": []}, "0x80040203"),
    ],
    ids=["taken", "column", "memo", "empty"],
)
def test_key_that_cannot_be(api, refusal, body, code):
    """Keys have names of their own and columns of certain types (DATAVERSE 3.5)."""
    answer = api.post("EntityDefinitions(LogicalName='dvc_hotel')/Keys", json=body)

    assert refusal(answer) == (400, code)


# ---- relationships ------------------------------------------------------------------------------


def one_to_many(name, parent, child, **properties):
    """A relationship with its lookup column `dvc_ParentId`."""
    return {
        "@odata.type": f"{TYPE}OneToManyRelationshipMetadata",
        "SchemaName": name,
        "ReferencedEntity": parent,
        "ReferencedAttribute": f"{parent}id",
        "ReferencingEntity": child,
        "Lookup": attribute("Lookup", "dvc_ParentId"),
        **properties,
    }


def test_lookup_with_its_relationship(api, schema, mark):
    """The lookup's navigation property is its schema name (DATAVERSE 5)."""
    parent, child = schema.create("Parent"), schema.create("Child")
    name = f"dvc_rel{mark}"
    cascade = {"CascadeConfiguration": {"Delete": "Cascade"}}
    answer = api.post("RelationshipDefinitions", json=one_to_many(name, parent, child, **cascade))
    parents, children = (schema.read(table)["EntitySetName"] for table in (parent, child))
    row = api.post(parents, json={"dvc_name": "P"}).headers["OData-EntityId"].rpartition("/")[2]

    assert answer.status_code == 204
    assert api.get(answer.headers["OData-EntityId"]).json()["SchemaName"] == name
    body = {"dvc_name": "C", "dvc_ParentId@odata.bind": f"/{row}"}
    assert api.post(children, json=body).status_code == 204
    assert len(api.get(f"{row}/{name}").json()["value"]) == 1
    api.delete(row)
    assert api.get(children).json()["value"] == []


def test_deleted_relationship_takes_its_lookup_along(api, schema, mark):
    """The lookup column goes with it."""
    parent, child = schema.create("Parent"), schema.create("Child")
    name = f"dvc_rel{mark}"
    api.post("RelationshipDefinitions", json=one_to_many(name, parent, child))

    assert api.delete(f"RelationshipDefinitions(SchemaName='{name}')").status_code == 204
    columns = {item["LogicalName"] for item in schema.read(child, "/Attributes")["value"]}
    assert "dvc_parentid" not in columns


def test_table_that_others_point_to_stays(api, schema, mark, refusal):
    """First the lookup goes, then the table."""
    parent, child = schema.create("Parent"), schema.create("Child")
    api.post("RelationshipDefinitions", json=one_to_many(f"dvc_rel{mark}", parent, child))

    answer = api.delete(f"EntityDefinitions(LogicalName='{parent}')")

    assert refusal(answer) == (400, "0x8004f01f")


def test_many_to_many(api, schema, mark):
    """Pairs are made through the navigation property that has the relationship's name."""
    first, second = schema.create("First"), schema.create("Second")
    name = f"dvc_pair{mark}"
    body = {
        "@odata.type": f"{TYPE}ManyToManyRelationshipMetadata",
        "SchemaName": name,
        "Entity1LogicalName": first,
        "Entity2LogicalName": second,
        "IntersectEntityName": name,
    }
    answer = api.post("RelationshipDefinitions", json=body)
    one, other = (
        api.post(schema.read(table)["EntitySetName"], json={"dvc_name": "x"}).headers[
            "OData-EntityId"
        ]
        for table in (first, second)
    )

    assert answer.status_code == 204
    assert api.post(f"{one}/{name}/$ref", json={"@odata.id": other}).status_code == 204
    assert [row["dvc_name"] for row in api.get(f"{one}/{name}").json()["value"]] == ["x"]


@pytest.mark.parametrize(
    ("action", "targets"),
    [
        ("CreatePolymorphicLookupAttribute", ["dvc_brand", "dvc_hotel"]),
        ("CreateCustomerRelationships", ["dvc_brand", "dvc_room"]),
    ],
)
def test_lookup_with_several_targets(api, schema, mark, action, targets):
    """One column, one navigation property and one relationship per target (DATAVERSE 5)."""
    table = schema.create("Villa")
    relationships = [one_to_many(f"dvc_{n}{mark}", to, table) for n, to in enumerate(targets)]
    lookup = attribute("Lookup", "dvc_PartnerId")
    body = {"OneToManyRelationships": relationships, "Lookup": lookup}
    answer = api.post(action, json=body).json()

    assert len(answer["RelationshipIds"]) == 2
    found = schema.column(table, "dvc_partnerid")
    assert (found["MetadataId"], found["Targets"]) == (answer["AttributeId"], targets)


def test_relationship_that_exists(api, schema, refusal, mark):
    """A name is taken once."""
    parent, child = schema.create("Parent"), schema.create("Child")
    body = one_to_many(f"dvc_rel{mark}", parent, child)
    api.post("RelationshipDefinitions", json=body)
    again = body | {"Lookup": attribute("Lookup", "dvc_OtherId")}

    assert refusal(api.post("RelationshipDefinitions", json=again)) == (400, "0x80044363")


# ---- choices ------------------------------------------------------------------------------------


@pytest.fixture
def colours(api, mark):
    """A global choice: 1 Red, 2 Green."""
    name = f"dvc_colours{mark}"
    body = {
        "@odata.type": f"{TYPE}OptionSetMetadata",
        "Name": name,
        "DisplayName": label("Colours"),
        **options("Red", "Green"),
    }
    assert api.post("GlobalOptionSetDefinitions", json=body).status_code == 204
    return name


def labels_of(schema, table):
    """Value and label of each option of the table's column `dvc_colour`."""
    cast = f"/Attributes(LogicalName='dvc_colour')/{TYPE}PicklistAttributeMetadata"
    found = schema.read(table, f"{cast}?$expand=OptionSet,GlobalOptionSet")
    described = (found["OptionSet"] or found["GlobalOptionSet"])["Options"]
    return {option["Value"]: option["Label"]["UserLocalizedLabel"]["Label"] for option in described}


@pytest.mark.parametrize("style", ["by id", "by name", "inside"])
def test_column_with_a_global_choice(api, schema, colours, style):
    """The choice is named by reference or inside of the column."""
    choice_id = api.get(f"GlobalOptionSetDefinitions(Name='{colours}')").json()["MetadataId"]
    reference = {
        "by id": {"GlobalOptionSet@odata.bind": f"/GlobalOptionSetDefinitions({choice_id})"},
        "by name": {"GlobalOptionSet@odata.bind": f"/GlobalOptionSetDefinitions(Name='{colours}')"},
        "inside": {"OptionSet": {"IsGlobal": True, "Name": colours}},
    }[style]
    table = schema.create("Villa")

    assert schema.add(table, attribute("Picklist", "dvc_Colour", **reference)).status_code == 204
    assert labels_of(schema, table) == {1: "Red", 2: "Green"}


def test_option_is_added_to_every_column_of_a_global_choice(api, schema, colours):
    """A value without a number gets one, and can be used at once."""
    inside = {"OptionSet": {"IsGlobal": True, "Name": colours}}
    table = schema.create("Villa", attribute("Picklist", "dvc_Colour", **inside))
    body = {"OptionSetName": colours, "Label": label("Blue")}
    value = api.post("InsertOptionValue", json=body).json()["NewOptionValue"]
    entity_set = schema.read(table)["EntitySetName"]

    assert value == 100_000_000
    assert labels_of(schema, table)[value] == "Blue"
    assert api.post(entity_set, json={"dvc_colour": value}).status_code == 204


def test_options_of_a_column_of_its_own(api, schema):
    """Options are renamed, ordered and deleted by actions."""
    table = schema.create("Villa", attribute("Picklist", "dvc_Colour", OptionSet=options("a", "b")))
    column = {"EntityLogicalName": table, "AttributeLogicalName": "dvc_colour"}

    assert api.post("OrderOption", json=column | {"Values": [2, 1]}).status_code == 204
    assert list(labels_of(schema, table)) == [2, 1]
    renamed = column | {"Value": 1, "Label": label("A")}
    assert api.post("UpdateOptionValue", json=renamed).status_code == 204
    assert api.post("DeleteOptionValue", json=column | {"Value": 2}).status_code == 204
    assert labels_of(schema, table) == {1: "A"}


def test_status_reason_is_added(api, schema):
    """A new status reason belongs to a state and can be set (DATAVERSE 12)."""
    table = schema.create("Villa")
    body = {
        "EntityLogicalName": table,
        "AttributeLogicalName": "statuscode",
        "Label": label("Renovating"),
        "StateCode": 0,
    }
    value = api.post("InsertStatusValue", json=body).json()["NewOptionValue"]
    entity_set = schema.read(table)["EntitySetName"]

    assert api.post(entity_set, json={"statuscode": value}).status_code == 204


def test_used_choice_stays(api, schema, colours, refusal):
    """A global choice goes when no column shows it any more."""
    inside = {"OptionSet": {"IsGlobal": True, "Name": colours}}
    table = schema.create("Villa", attribute("Picklist", "dvc_Colour", **inside))
    address = f"GlobalOptionSetDefinitions(Name='{colours}')"

    assert refusal(api.delete(address)) == (400, "0x8004f01f")
    api.delete(f"EntityDefinitions(LogicalName='{table}')/Attributes(LogicalName='dvc_colour')")
    assert api.delete(address).status_code == 204


# ---- the rest -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["PublishXml", "PublishAllXml"])
def test_publishing_is_accepted(api, action):
    """Clients publish after a change; here every change is visible at once."""
    body = {"ParameterXml": "<importexportxml/>"} if action == "PublishXml" else {}

    assert api.post(action, json=body).status_code == 204


def test_metadata_by_query(api):
    """RetrieveMetadataChanges shows what a query in JSON asks for (DATAVERSE 3.1)."""
    name = {
        "PropertyName": "LogicalName",
        "ConditionOperator": "Equals",
        "Value": {"Type": "System.String", "Value": "dvc_hotel"},
    }
    stars = name | {"Value": {"Type": "System.String", "Value": "dvc_stars"}}
    query = {
        "Criteria": {"Conditions": [name]},
        "Properties": {"PropertyNames": ["LogicalName", "Attributes"]},
        "AttributeQuery": {
            "Criteria": {"Conditions": [stars]},
            "Properties": {"PropertyNames": ["LogicalName", "MaxValue"]},
        },
    }
    answer = api.get(
        "RetrieveMetadataChanges(Query=@p)", params={"@p": httpx.Response(200, json=query).text}
    )
    (table,) = answer.json()["EntityMetadata"]
    (column,) = table["Attributes"]

    assert (table["LogicalName"], column["LogicalName"]) == ("dvc_hotel", "dvc_stars")
    assert column["MaxValue"] == 5


def test_stamp_of_metadata(api, schema):
    """Who has the present stamp gets nothing; after a change everything comes (DATAVERSE 3.1)."""
    address = "RetrieveMetadataChanges(Query=@q,ClientVersionStamp=@s)"
    stamp = api.get(address, params={"@q": "{}"}).json()["ServerVersionStamp"]
    parameters = {"@q": "{}", "@s": f'"{stamp}"'}

    assert api.get(address, params=parameters).json()["EntityMetadata"] == []
    schema.create("Villa")
    assert api.get(address, params=parameters).json()["EntityMetadata"] != []
