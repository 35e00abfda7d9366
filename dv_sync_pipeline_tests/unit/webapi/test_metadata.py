"""What a table looks like, read from EntityDefinitions in the shapes of DATAVERSE 3."""

import httpx
import pytest

from dv_sync_pipeline.errors import (
    AccessError,
    IncompleteReadError,
    SchemaMismatchError,
)
from dv_sync_pipeline.webapi.metadata import (
    Association,
    Column,
    ColumnKind,
    Key,
    Lookup,
    StatusOption,
)


def _attribute(name, kind, **more):
    return {
        "LogicalName": name,
        "AttributeType": "Virtual",
        "AttributeTypeName": {"Value": kind},
        "AttributeOf": None,
        "IsValidForCreate": True,
        "IsValidForUpdate": True,
        "IsValidForRead": True,
        "IsCustomAttribute": name.startswith("contoso_"),
        "RequiredLevel": {"Value": "None", "CanBeChanged": True},
        **more,
    }


def _options(*values, **more):
    return {"Options": [{"Value": value, "Label": None, **more} for value in values]}


DEFINITION = {
    "MetadataId": "1",
    "LogicalName": "contoso_room",
    "EntitySetName": "contoso_roomses",
    "PrimaryIdAttribute": "contoso_roomid",
    "PrimaryNameAttribute": "contoso_number",
    "ChangeTrackingEnabled": True,
    "Attributes": [
        _attribute("contoso_roomid", "UniqueidentifierType", IsValidForUpdate=False),
        _attribute("contoso_number", "StringType", RequiredLevel={"Value": "SystemRequired"}),
        _attribute("contoso_price", "DecimalType", RequiredLevel={"Value": "ApplicationRequired"}),
        _attribute("contoso_openedon", "DateTimeType"),
        _attribute("contoso_colour", "PicklistType"),
        _attribute("contoso_view", "PicklistType"),
        _attribute("contoso_colourname", "VirtualType", AttributeOf="contoso_colour"),
        _attribute("contoso_hotelid", "LookupType"),
        _attribute("statecode", "StateType", IsValidForCreate=False),
        _attribute("statuscode", "StatusType"),
        _attribute("contoso_odd", "HologramType"),
    ],
    "Keys": [
        {
            "LogicalName": "contoso_key",
            "KeyAttributes": ["contoso_hotelid", "contoso_number"],
            "EntityKeyIndexStatus": "Pending",
        }
    ],
    "ManyToOneRelationships": [
        {
            "ReferencingAttribute": "contoso_hotelid",
            "ReferencedEntity": "contoso_hotel",
            "ReferencingEntityNavigationPropertyName": "contoso_HotelId",
        }
    ],
    "ManyToManyRelationships": [
        {
            "SchemaName": "contoso_Amenity_Room",
            "IntersectEntityName": "contoso_amenity_room",
            "Entity1LogicalName": "contoso_amenity",
            "Entity1IntersectAttribute": "contoso_amenityid",
            "Entity1NavigationPropertyName": "contoso_AmenityRooms",
            "Entity2LogicalName": "contoso_room",
            "Entity2IntersectAttribute": "contoso_roomid",
            "Entity2NavigationPropertyName": "contoso_RoomAmenities",
        }
    ],
}

DETAILS = {
    "String": [{"LogicalName": "contoso_number", "MaxLength": 20}],
    "Decimal": [{"LogicalName": "contoso_price", "Precision": 4}],
    "DateTime": [{"LogicalName": "contoso_openedon", "DateTimeBehavior": {"Value": "DateOnly"}}],
    "Picklist": [
        {"LogicalName": "contoso_colour", "OptionSet": _options(1, 2), "GlobalOptionSet": None},
        {"LogicalName": "contoso_view", "OptionSet": None, "GlobalOptionSet": _options(7)},
    ],
    "Lookup": [{"LogicalName": "contoso_hotelid", "Targets": ["contoso_hotel"]}],
    "State": [
        {
            "LogicalName": "statecode",
            "OptionSet": {
                "Options": [{"Value": 0, "DefaultStatus": 1}, {"Value": 1, "DefaultStatus": 2}]
            },
        }
    ],
    "Status": [
        {
            "LogicalName": "statuscode",
            "OptionSet": {"Options": [{"Value": 1, "State": 0}, {"Value": 2, "State": 1}]},
        }
    ],
}


class Metadata:
    """EntityDefinitions of one table."""

    def __init__(self, definition=None):
        self.definition = definition or DEFINITION
        self.asked = []

    def __call__(self, request):
        """Answer as EntityDefinitions do."""
        path = request.url.path.removeprefix("/api/data/v9.2/")
        self.asked.append(path.rpartition(".")[2])
        if "(LogicalName='contoso_room')" not in path:
            refusal = {"error": {"code": "0x80060888", "message": "Could not find an entity"}}
            return httpx.Response(404, json=refusal)
        if path.endswith("')"):
            return httpx.Response(200, json=self.definition)
        cast = path.rpartition(".")[2].removesuffix("AttributeMetadata")
        return httpx.Response(200, json={"value": DETAILS[cast]})


def _describe(client):
    return client.describe("contoso_room")


@pytest.fixture
def schema(talk):
    """The table above, described."""
    return talk(Metadata(), _describe)


def test_names(schema):
    """The entity set is read, never guessed."""
    assert ("contoso_room", "contoso_roomses", "contoso_roomid", "contoso_number", True) == (
        schema.name,
        schema.entity_set,
        schema.primary_id,
        schema.primary_name,
        schema.change_tracking_enabled,
    )


@pytest.mark.parametrize(
    "column",
    [
        Column("contoso_roomid", ColumnKind.UNIQUE_IDENTIFIER, valid_for_update=False),
        Column("contoso_number", ColumnKind.STRING, required=True, max_length=20),
        Column("contoso_price", ColumnKind.DECIMAL, precision=4),
        Column("contoso_openedon", ColumnKind.DATE_TIME, date_time_behavior="DateOnly"),
        Column("contoso_colour", ColumnKind.CHOICE, options=frozenset({1, 2})),
        Column("contoso_view", ColumnKind.CHOICE, options=frozenset({7})),
        Column("contoso_hotelid", ColumnKind.LOOKUP, targets=("contoso_hotel",)),
        Column(
            "statecode",
            ColumnKind.STATE,
            valid_for_create=False,
            options=frozenset({0, 1}),
            is_custom=False,
        ),
        Column("contoso_odd", ColumnKind.UNKNOWN),
    ],
    ids=lambda column: column.name,
)
def test_columns(schema, column):
    """A column has the type, rights and details that the metadata state."""
    assert column == schema.columns[column.name]


def test_shadow_columns_are_left_out(schema):
    """The label of a choice is no column of its own."""
    assert "contoso_colourname" not in schema.columns


def test_keys(schema):
    """A key whose index is not built is described, and not active."""
    assert (Key("contoso_key", ("contoso_hotelid", "contoso_number"), "Pending"),) == schema.keys
    assert not schema.keys[0].is_active


def test_lookups(schema):
    """A lookup is described with its navigation property in its exact case."""
    assert (Lookup("contoso_hotelid", "contoso_hotel", "contoso_HotelId"),) == schema.lookups


def test_states(schema):
    """Status reasons belong to states, and each state has a default."""
    assert (StatusOption(1, 0), StatusOption(2, 1)) == schema.status_options
    assert {0: 1, 1: 2} == schema.default_status


def test_one_request_for_each_kind_of_detail(talk):
    """Details are asked for only where the table has columns with such."""
    server = Metadata()

    talk(server, _describe)

    assert 1 + len(DETAILS) == len(server.asked)


def test_missing_table(talk):
    """A table that does not exist is a mismatch, not a refusal."""
    with pytest.raises(SchemaMismatchError, match="the table contoso_rom does not exist"):
        talk(Metadata(), lambda client: client.describe("contoso_rom"))


def test_refused_metadata(talk):
    """Every role may read definitions: who may not has none, and that is told (DATAVERSE 13)."""
    with pytest.raises(AccessError, match=r"no security role.*Give it a role"):
        talk(lambda _: httpx.Response(403), _describe)


def test_garbled_metadata(talk):
    """An answer that lacks what a schema needs is not guessed at."""
    incomplete = {name: value for name, value in DEFINITION.items() if name != "Keys"}

    with pytest.raises(IncompleteReadError, match="Keys"):
        talk(Metadata(incomplete), _describe)


def test_associations_are_seen_from_the_table(schema):
    """Whichever side of the relationship it is on."""
    expected = Association(
        name="contoso_Amenity_Room",
        intersect="contoso_amenity_room",
        column="contoso_roomid",
        other="contoso_amenity",
        other_column="contoso_amenityid",
        navigation_property="contoso_RoomAmenities",
    )

    assert (expected,) == schema.associations
