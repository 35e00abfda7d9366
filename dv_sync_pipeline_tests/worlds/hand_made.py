"""Hotels and rooms in two environments, made by hand through the Web API: without keys, say.

As a person makes them in the maker portal, so that everything a synchronization needs besides
columns is missing. Belongs here: the tables and their part of sync.yaml.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair, Side

TABLES_YAML = """\
tables:
  - table: contoso_hotel
    key: contoso_code
    columns: [contoso_name, contoso_code, contoso_stars]
  - table: contoso_room
    key: [contoso_hotelid, contoso_number]
    columns: [contoso_number, contoso_floor]
    lookups: {contoso_hotelid: contoso_hotel}
"""
ADLON, ROOM = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
_TYPE = "Microsoft.Dynamics.CRM."


def _attribute(kind: str, schema_name: str, **properties: Any) -> dict[str, Any]:
    return {
        "@odata.type": f"{_TYPE}{kind}AttributeMetadata",
        "SchemaName": schema_name,
        "DisplayName": {"LocalizedLabels": [{"Label": schema_name, "LanguageCode": 1033}]},
        "RequiredLevel": {"Value": "None"},
        **properties,
    }


def _table(schema_name: str, *columns: dict[str, Any]) -> dict[str, Any]:
    name = _attribute("String", "contoso_Name", MaxLength=100, IsPrimaryName=True)
    return {
        "@odata.type": f"{_TYPE}EntityMetadata",
        "SchemaName": schema_name,
        "OwnershipType": "UserOwned",
        "Attributes": [name, *columns],
    }


_HOTEL = _table(
    "contoso_Hotel",
    _attribute("String", "contoso_Code", MaxLength=20),
    _attribute("Integer", "contoso_Stars"),
)
_ROOM = _table(
    "contoso_Room",
    _attribute("String", "contoso_Number", MaxLength=20),
    _attribute("Integer", "contoso_Floor"),
)
_ROOMS_OF_HOTEL = {
    "@odata.type": f"{_TYPE}OneToManyRelationshipMetadata",
    "SchemaName": "contoso_hotel_rooms",
    "ReferencedEntity": "contoso_hotel",
    "ReferencingEntity": "contoso_room",
    "Lookup": _attribute("Lookup", "contoso_HotelId"),
}


async def make_tables(side: Side) -> None:
    """Hotels and rooms of hotels."""
    for definition in (_HOTEL, _ROOM):
        await side.send("POST", "/EntityDefinitions", json=definition)
    await side.send("POST", "/RelationshipDefinitions", json=_ROOMS_OF_HOTEL)


async def make_rows(side: Side) -> None:
    """One hotel with one room."""
    hotel = {"contoso_name": "Adlon", "contoso_code": "B-1", "contoso_stars": 5}
    await side.put("contoso_hotels", ADLON, hotel)
    room = {
        "contoso_number": "1",
        "contoso_floor": 1,
        "contoso_HotelId@odata.bind": f"/contoso_hotels({ADLON})",
    }
    await side.put("contoso_rooms", ROOM, room)


async def hand_made_pair(folder: Path, stack: ExitStack) -> EmulatedPair:
    """Both environments with the tables, rows in the primary, and sync.yaml in the folder."""
    pair = EmulatedPair.open(
        folder, stack, tables_yaml=TABLES_YAML, define=lambda _store, _name: None
    )
    for side in (pair.primary, pair.secondary):
        await make_tables(side)
    await make_rows(pair.primary)
    (folder / "sync.yaml").write_text(pair.sync_yaml, encoding="utf-8")
    return pair
