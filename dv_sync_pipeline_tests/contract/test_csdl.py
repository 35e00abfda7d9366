"""$metadata as XML (DATAVERSE 2, 3.3)."""

from xml.etree import ElementTree as ET

import pytest

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


@pytest.fixture
def document(api):
    """Read the document; its schema element."""

    def read(query=""):
        answer = api.get(f"$metadata{query}", headers={"Accept": "application/xml"})
        assert answer.headers["Content-Type"].startswith("application/xml")
        schema = ET.fromstring(answer.content).find(f".//{EDM}Schema")  # noqa: S314 - our own
        assert schema.get("Namespace") == "Microsoft.Dynamics.CRM"
        return schema

    return read


def find(schema, path):
    """The element at a path of names in CSDL's namespace."""
    return schema.find("/".join(EDM + part for part in path.split("/")))


def test_json_is_refused(api, refusal):
    """The document exists as XML only (DATAVERSE 2)."""
    answer = api.get("$metadata", headers={"Accept": "application/json"})

    assert refusal(answer) == (415, "0x80060888")


@pytest.mark.parametrize(
    ("name", "edm_type"),
    [
        ("dvc_hotelid", "Edm.Guid"),
        ("dvc_name", "Edm.String"),
        ("dvc_stars", "Edm.Int32"),
        ("dvc_rate", "Edm.Decimal"),
        ("dvc_price", "Edm.Decimal"),
        ("dvc_score", "Edm.Double"),
        ("dvc_isopen", "Edm.Boolean"),
        ("dvc_opened", "Edm.Date"),
        ("dvc_checkedon", "Edm.DateTimeOffset"),
        ("dvc_kind", "Edm.Int32"),
        ("dvc_tags", "Edm.String"),
        ("_dvc_brandid_value", "Edm.Guid"),
        ("versionnumber", "Edm.Int64"),
    ],
)
def test_properties_have_the_types_of_their_columns(document, name, edm_type):
    """Columns are mapped to EDM as documented (DATAVERSE 3.3)."""
    found = find(document(), f"EntityType[@Name='dvc_hotel']/Property[@Name='{name}']")

    assert found.get("Type") == edm_type


def test_primary_key(document):
    """The key of an entity type is its GUID."""
    found = find(document(), "EntityType[@Name='dvc_hotel']/Key/PropertyRef")

    assert found.get("Name") == "dvc_hotelid"


def test_navigation_leads_there_and_back(document):
    """A lookup is a navigation property, and its other end a collection (DATAVERSE 5)."""
    schema = document()
    there = find(schema, "EntityType[@Name='dvc_room']/NavigationProperty[@Name='dvc_HotelId']")
    back = find(
        schema, f"EntityType[@Name='dvc_hotel']/NavigationProperty[@Name='{there.get('Partner')}']"
    )

    assert there.get("Type") == "mscrm.dvc_hotel"
    assert back.get("Type") == "Collection(mscrm.dvc_room)"
    assert back.get("Partner") == "dvc_HotelId"


def test_entity_set_binds_its_navigation_properties(document):
    """A set says which sets its navigation properties lead to."""
    path = "EntityContainer/EntitySet[@Name='dvc_rooms']/NavigationPropertyBinding"
    found = find(document(), f"{path}[@Path='dvc_HotelId']")

    assert found.get("Target") == "dvc_hotels"


def test_every_binding_leads_to_a_set(document):
    """A generic client can follow every binding."""
    container = find(document(), "EntityContainer")
    sets = {element.get("Name") for element in container.findall(f"{EDM}EntitySet")}
    targets = {
        element.get("Target") for element in container.iter(f"{EDM}NavigationPropertyBinding")
    }

    assert targets <= sets


def test_functions_and_actions_can_be_called(document):
    """What can be called without a row is imported into the container."""
    schema = document()

    assert find(schema, "EntityContainer/FunctionImport[@Name='WhoAmI']") is not None
    assert find(schema, "EntityContainer/ActionImport[@Name='PublishAllXml']") is not None
    assert find(schema, "Action[@Name='CreateMultiple']").get("IsBound") == "true"


def test_alternate_keys_are_annotated(document):
    """Usable keys are told in the community's vocabulary."""
    keys = find(document(), "EntityType[@Name='dvc_room']/Annotation")
    names = [
        value.get("PropertyPath")
        for value in keys.iter(f"{EDM}PropertyValue")
        if value.get("Property") == "Name"
    ]

    assert keys.get("Term") == "OData.Community.Keys.V1.AlternateKeys"
    assert names == ["_dvc_hotelid_value", "dvc_number"]


def test_annotations_come_when_asked_for(document):
    """Computed properties and change tracking are told with annotations=true (DATAVERSE 3.3)."""
    computed = "EntityType[@Name='dvc_hotel']/Property[@Name='createdon']/Annotation"
    tracking = "EntityContainer/EntitySet[@Name='dvc_hotels']/Annotation"
    annotated = document("?annotations=true")

    assert find(document(), computed) is None
    assert find(annotated, computed).get("Term") == "Org.OData.Core.V1.Computed"
    assert find(annotated, tracking).get("Term") == "Org.OData.Capabilities.V1.ChangeTracking"
