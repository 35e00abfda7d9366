"""Hotels and rooms in two environments, made by hand through the Web API: without keys, say.

As a person makes them in the maker portal, so that everything a synchronization needs besides
columns is missing. Belongs here: the tables and their part of sync.yaml.
"""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.system import (
    create_application_user,
    create_role,
    find_user,
)
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
    """Both environments with the tables, rows in the primary, and sync.yaml in the folder.

    The pipeline may only read the primary, and write the secondary; the administrator may all.
    """
    pair = EmulatedPair.open(
        folder, stack, tables_yaml=TABLES_YAML, define=lambda _store, _name: None
    )
    for side in (pair.primary, pair.secondary):
        _add_pipeline(side)
        await make_tables(side)
    await make_rows(pair.primary)
    _write_sync_yaml(pair)
    return pair


async def provisioned_pair(folder: Path, stack: ExitStack) -> EmulatedPair:
    """The same with everything that a synchronization needs, made by hand."""
    pair = await hand_made_pair(folder, stack)
    for table, columns in KEYS.items():
        definition = f"/EntityDefinitions(LogicalName='{table}')"
        key = {"SchemaName": f"{table}_key", "KeyAttributes": columns}
        await pair.secondary.send("POST", f"{definition}/Keys", json=key)
        tracked = (await pair.primary.send("GET", definition)).json()
        tracked["ChangeTrackingEnabled"] = True
        await pair.primary.send("PUT", definition, json=tracked)
    return pair


KEYS = {"contoso_hotel": ["contoso_code"], "contoso_room": ["contoso_hotelid", "contoso_number"]}


def copied_pair(folder: Path, copy: Path, stack: ExitStack) -> EmulatedPair:
    """A pair like the one that was made in `folder` and is closed, in a folder of its own."""
    copytree(folder, copy, dirs_exist_ok=True)
    sides = [_reopened(copy, name, stack) for name in ("primary", "secondary")]
    return EmulatedPair(copy, TABLES_YAML, *sides)


def _reopened(folder: Path, name: str, stack: ExitStack) -> Side:
    store = Store(folder / f"{name}.db", clock=lambda: datetime.now(UTC))
    stack.callback(store.close)
    ids = {client_id: find_user(store, client_id) for client_id in (PIPELINE, ADMINISTRATOR)}
    return Side(name, store, ids[ADMINISTRATOR], users=ids)


ROLE = "Pipeline"
_ACTIONS = {
    "primary": ("Read",),
    "secondary": ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign"),
}


def _add_pipeline(side: Side) -> None:
    """A user with a role of its own, as whom the pipeline speaks."""
    create_role(side.store, ROLE, dict.fromkeys(_ACTIONS[side.name], "Global"))
    pipeline = create_application_user(
        side.store, application_id=PIPELINE, full_name="pipeline", roles=[ROLE]
    )
    side.user = create_application_user(
        side.store, application_id=ADMINISTRATOR, full_name="administrator"
    )
    side.users = {PIPELINE: pipeline, ADMINISTRATOR: side.user}


PIPELINE, ADMINISTRATOR = (f"{number * 8}-0000-4000-8000-000000000000" for number in "cd")


def _write_sync_yaml(pair: EmulatedPair) -> None:
    """As in the pair, with an administrator."""
    text = pair.sync_yaml.replace("client_id: c,", f"client_id: {PIPELINE},").replace(
        "    credentials:",
        "    administrator: {kind: client_secret, tenant_id: t, "
        f'client_id: {ADMINISTRATOR}, client_secret: "${{SECRET}}"}}\n    credentials:',
    )
    (pair.folder / "sync.yaml").write_text(text, encoding="utf-8")
