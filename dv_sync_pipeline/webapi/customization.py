"""Changing a table itself, as far as a synchronization needs it (DATAVERSE 3.5, 7).

Belongs here: alternate keys and their indexes, change tracking, one more column, publishing. Does
not belong here: which of these a table lacks (`sync/provisioning.py`).

Metadata is replaced by PUT of the whole definition, not changed by PATCH (DATAVERSE 3.1).
"""

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from dv_sync_pipeline.errors import RequestFailedError, SchemaMismatchError
from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.metadata import Key
from dv_sync_pipeline.webapi.odata import address, literal
from dv_sync_pipeline.webapi.transport import Transport

__all__ = [
    "create_integer_column",
    "create_key",
    "key_name",
    "rebuild_key",
    "track_changes",
    "wait_for_key",
]

_LANGUAGE = 1033
_NAME_CHARACTERS_MAX = 100
_POLL_SECONDS = 5.0
_NO_PREFIX = "new"
"""The prefix of Dataverse's own default publisher."""

_NAMESPACE = "Microsoft.Dynamics.CRM."


def key_name(table: str, columns: Sequence[str]) -> str:
    """A schema name for a key; its prefix is that of a column or table of a customer's."""
    prefixes = (name.partition("_")[0] for name in (*columns, table) if "_" in name)
    prefix = next(prefixes, _NO_PREFIX)
    words = (name.removeprefix(f"{prefix}_") for name in columns)
    return f"{prefix}_{'_'.join(words)}_key"[:_NAME_CHARACTERS_MAX]


async def create_key(transport: Transport, table: str, columns: Sequence[str]) -> None:
    """Create an alternate key; Dataverse builds its index in the background."""
    name = key_name(table, columns)
    key = {"SchemaName": name, "DisplayName": _label(name), "KeyAttributes": list(columns)}
    await _send(transport, "POST", f"{_definition(table)}/Keys", key)


async def rebuild_key(transport: Transport, table: str, key: str) -> None:
    """Let Dataverse build the index of a failed key again."""
    names = {"EntityLogicalName": table, "EntityKeyLogicalName": key}
    await _send(transport, "POST", "ReactivateEntityKey", names)


async def wait_for_key(
    transport: Transport, table: str, columns: Sequence[str], *, seconds_max: float
) -> None:
    """Return once the index of the key on these columns is built.

    Raises `SchemaMismatchError` when that failed, `RequestFailedError` when it takes longer.
    """
    key = await _find_key(transport, table, columns)
    waited_seconds = 0.0
    while not key.is_active:
        if key.index_status == "Failed":
            raise _key_failed(transport, table, key)
        if waited_seconds >= seconds_max:
            raise _key_takes_long(transport, table, key)
        await transport.let_pass(_POLL_SECONDS)
        waited_seconds += _POLL_SECONDS
        key = await _find_key(transport, table, columns)


async def _find_key(transport: Transport, table: str, columns: Sequence[str]) -> Key:
    resource = address(
        f"{_definition(table)}/Keys", select="LogicalName,KeyAttributes,EntityKeyIndexStatus"
    )
    answer = await read_decoded(
        partial(transport.read, resource),
        msgspec.json.Decoder(_Keys).decode,
        where=f"{transport.name}: {table}",
    )
    for each in answer.value:
        if set(each.key_attributes) == set(columns):
            return Key(each.logical_name, tuple(each.key_attributes), each.entity_key_index_status)
    raise SchemaMismatchError(
        f"the table {table} has no alternate key on {', '.join(columns)}", where=transport.name
    )


def _key_failed(transport: Transport, table: str, key: Key) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"Dataverse could not build the index of the key {key.name} of {table}",
        where=transport.name,
        why=f"two rows have the same values in {', '.join(key.columns)}, most likely",
        mend="Remove the duplicates, then run dv-sync provision --apply again",
    )


def _key_takes_long(transport: Transport, table: str, key: Key) -> RequestFailedError:
    return RequestFailedError(
        f"the index of the key {key.name} of {table} is not built yet",
        outcome_unknown=False,
        where=transport.name,
        why=f"it is {key.index_status}",
        mend="Run dv-sync provision again later; a large table takes its time",
    )


async def track_changes(transport: Transport, table: str) -> None:
    """Turn on change tracking; it can never be turned off again (DATAVERSE 3.5)."""
    definition = await read_decoded(
        partial(transport.read, _definition(table)),
        msgspec.json.Decoder(dict[str, object]).decode,
        where=f"{transport.name}: {table}",
    )
    changed = {
        **{name: value for name, value in definition.items() if name != "@odata.context"},
        "ChangeTrackingEnabled": True,
    }
    # Without this header every label in another language would be lost.
    await _send(transport, "PUT", _definition(table), changed, **{"MSCRM.MergeLabels": "true"})
    await _publish(transport, table)


async def create_integer_column(
    transport: Transport, table: str, name: str, *, title: str, description: str
) -> None:
    """Add a column for whole numbers that may be empty."""
    column = {
        "@odata.type": f"{_NAMESPACE}IntegerAttributeMetadata",
        "SchemaName": name,
        "DisplayName": _label(title),
        "Description": _label(description),
        "RequiredLevel": {"Value": "None"},
        "Format": "None",
        "MinValue": 0,
        "MaxValue": 2**31 - 1,
    }
    await _send(transport, "POST", f"{_definition(table)}/Attributes", column)
    await _publish(transport, table)


async def _publish(transport: Transport, table: str) -> None:
    entities = f"<entities><entity>{table}</entity></entities>"
    parameters = {"ParameterXml": f"<importexportxml>{entities}</importexportxml>"}
    await _send(transport, "POST", "PublishXml", parameters)


def _definition(table: str) -> str:
    return f"EntityDefinitions(LogicalName={literal(table)})"


def _label(text: str) -> dict[str, object]:
    return {"LocalizedLabels": [{"Label": text, "LanguageCode": _LANGUAGE}]}


async def _send(
    transport: Transport,
    method: str,
    resource: str,
    content: Mapping[str, object],
    **headers: str,
) -> None:
    body = msgspec.json.encode(content)
    await transport.perform(method, resource, body=body, headers=headers)


class _KeyRow(msgspec.Struct, rename="pascal"):
    logical_name: str
    key_attributes: list[str]
    entity_key_index_status: str


class _Keys(msgspec.Struct):
    value: list[_KeyRow]
