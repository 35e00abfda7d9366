"""Webhooks registered through the Web API (DATAVERSE 10.1): found, made as they should be, removed.

Belongs here: the requests. Does not belong here: what is compared, and with what (`steps.py`).

All of it may be repeated. Only what bears our name is changed or removed: steps that others have
put on our endpoint stay, and the endpoint with them.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Generic, TypeVar
from xml.sax.saxutils import quoteattr

import msgspec

from dv_sync_pipeline.config.gateway import KEY_HEADER
from dv_sync_pipeline.errors import RequestRefusedError, SchemaMismatchError
from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.odata import address, binding, guid, literal, row
from dv_sync_pipeline.webapi.steps import (
    Endpoint,
    FoundEndpoint,
    FoundStep,
    Message,
    RegistrationChange,
    RegistrationChangeKind,
    Step,
    differences,
    key_digest,
)
from dv_sync_pipeline.webapi.transport import Transport

__all__ = ["find_endpoint", "register_webhooks", "remove_webhooks"]

_HEADER_AUTHENTICATION = 5
_AFTER_THE_OPERATION = 40
_ASYNCHRONOUS = 1
_ENABLED, _ENABLED_REASON = 0, 1
_KEY_NOTE = re.compile(r"\bkey ([0-9a-f]{8})\b")
_ENDPOINTS, _STEPS = "serviceendpoints", "sdkmessageprocessingsteps"


# ---- found --------------------------------------------------------------------------------------


async def find_endpoint(transport: Transport, name: str) -> FoundEndpoint | None:
    """The registration of that name, with its steps; None if there is none."""
    rows = await _rows(
        transport,
        _ENDPOINTS,
        _Rows[_EndpointRow],
        select="serviceendpointid,url,description,authtype",
        filter=f"name eq {literal(name)}",
    )
    return await _with_steps(transport, rows[0], name=name) if rows else None


async def _with_steps(transport: Transport, found: "_EndpointRow", *, name: str) -> FoundEndpoint:
    rows = await _rows(
        transport,
        _STEPS,
        _Rows[_StepRow],
        select="sdkmessageprocessingstepid,name,mode,stage,statecode,asyncautodelete,"
        "filteringattributes",
        filter=f"_eventhandler_value eq {guid(found.serviceendpointid)}",
        expand="sdkmessageid($select=name),sdkmessagefilterid($select=primaryobjecttypecode)",
    )
    ours = [each for each in rows if _is_ours(each, name)]
    note = _KEY_NOTE.search(found.description or "")
    return FoundEndpoint(
        found.serviceendpointid,
        found.url or "",
        key_digest=note[1] if note else "",
        carries_header=found.authtype == _HEADER_AUTHENTICATION,
        steps=tuple(_found_step(each) for each in ours),
        has_other_steps=len(ours) < len(rows),
    )


def _is_ours(found: "_StepRow", endpoint_name: str) -> bool:
    return found.name.startswith(_step_name(endpoint_name, "")) and (
        found.sdkmessageid.name in _MESSAGES
    )


_MESSAGES = frozenset(Message)


def _found_step(found: "_StepRow") -> FoundStep:
    table = found.sdkmessagefilterid.primaryobjecttypecode if found.sdkmessagefilterid else ""
    columns = (part.strip() for part in (found.filteringattributes or "").split(","))
    pipeline = (found.statecode, found.mode, found.stage, found.asyncautodelete)
    return FoundStep(
        found.sdkmessageprocessingstepid,
        Step(Message(found.sdkmessageid.name), table, frozenset(filter(None, columns))),
        is_sound=pipeline == (_ENABLED, _ASYNCHRONOUS, _AFTER_THE_OPERATION, True),
    )


def _step_name(endpoint_name: str, title: str) -> str:
    return f"{endpoint_name}: {title}"


# ---- made so ------------------------------------------------------------------------------------


async def register_webhooks(
    transport: Transport, wanted: Endpoint
) -> tuple[RegistrationChange, ...]:
    """Make the registration as it should be; what was changed, nothing the second time.

    Needs prvCreateServiceEndpoint and prvCreateSdkMessageProcessingStep (DATAVERSE 13). Raises
    `SchemaMismatchError` for a table that knows no such message.
    """
    found = await find_endpoint(transport, wanted.name)
    changes = differences(wanted, found)
    endpoint_id = found.id if found else ""
    for change in changes:
        if change.step is None:
            endpoint_id = await _write_endpoint(transport, wanted, endpoint_id)
        else:
            await _CHANGE_STEP[change.kind](
                transport, change.step, change.id or endpoint_id, wanted.name
            )
    return changes


async def remove_webhooks(transport: Transport, name: str) -> tuple[RegistrationChange, ...]:
    """Remove our steps, and the endpoint unless steps of others use it; what was removed."""
    found = await find_endpoint(transport, name)
    if found is None:
        return ()
    kind = RegistrationChangeKind.REMOVE
    removed = [RegistrationChange(kind, each.step, id=each.id) for each in found.steps]
    for each in found.steps:
        await _delete(transport, row(_STEPS, each.id))
    if not found.has_other_steps:
        await _delete(transport, row(_ENDPOINTS, found.id))
        removed.append(RegistrationChange(kind, None, id=found.id))
    return tuple(removed)


async def _write_endpoint(transport: Transport, wanted: Endpoint, endpoint_id: str) -> str:
    """Create it, or update the one of that id; the id."""
    values: dict[str, object] = {
        "name": wanted.name,
        "url": wanted.url,
        "description": f"Wakes dv-sync; key {key_digest(wanted.key)}",
        "contract": 8,
        "messageformat": 2,
        "authtype": _HEADER_AUTHENTICATION,
        "authvalue": _header_settings(wanted.key),
    }
    if endpoint_id:
        await _update(transport, row(_ENDPOINTS, endpoint_id), values)
        return endpoint_id
    return await _create(transport, _ENDPOINTS, values, id_column="serviceendpointid")


def _header_settings(key: str) -> str:
    """Headers as Dataverse stores them (DATAVERSE 10.1; from memory)."""
    setting = f"<setting name={quoteattr(KEY_HEADER)} value={quoteattr(key)} />"
    return f"<settings>{setting}</settings>"


async def _create_step(
    transport: Transport, step: Step, endpoint_id: str, endpoint_name: str
) -> None:
    values = {
        **_step_values(step),
        "name": _step_name(endpoint_name, step.title),
        "eventhandler_serviceendpoint@odata.bind": binding(_ENDPOINTS, endpoint_id),
        "sdkmessageid@odata.bind": binding(
            "sdkmessages", await _message_id(transport, step.message)
        ),
    }
    if step.table:
        filter_id = await _filter_id(transport, step)
        values["sdkmessagefilterid@odata.bind"] = binding("sdkmessagefilters", filter_id)
    await _create(transport, _STEPS, values, id_column="sdkmessageprocessingstepid")


async def _update_step(transport: Transport, step: Step, step_id: str, _name: str) -> None:
    values = {**_step_values(step), "statecode": _ENABLED, "statuscode": _ENABLED_REASON}
    await _update(transport, row(_STEPS, step_id), values)


async def _remove_step(transport: Transport, _step: Step, step_id: str, _name: str) -> None:
    await _delete(transport, row(_STEPS, step_id))


_CHANGE_STEP = {
    RegistrationChangeKind.CREATE: _create_step,
    RegistrationChangeKind.UPDATE: _update_step,
    RegistrationChangeKind.REMOVE: _remove_step,
}
"""Each is given the step, the id of what is there or else of the endpoint, and our name."""


def _step_values(step: Step) -> dict[str, object]:
    return {
        "stage": _AFTER_THE_OPERATION,
        "mode": _ASYNCHRONOUS,
        "rank": 1,
        "supporteddeployment": 0,
        "asyncautodelete": True,
        "filteringattributes": ",".join(sorted(step.columns)) or None,
    }


async def _message_id(transport: Transport, message: Message) -> str:
    condition = f"name eq {literal(message)}"
    rows = await _rows(
        transport, "sdkmessages", _Rows[_MessageRow], select="sdkmessageid", filter=condition
    )
    if not rows:
        raise _unknown_message(transport, message)
    return rows[0].sdkmessageid


async def _filter_id(transport: Transport, step: Step) -> str:
    """What stands for the message on this very table."""
    rows = await _rows(
        transport,
        "sdkmessagefilters",
        _Rows[_FilterRow],
        select="sdkmessagefilterid",
        filter=f"primaryobjecttypecode eq {literal(step.table)} "
        f"and sdkmessageid/name eq {literal(step.message)}",
    )
    if not rows:
        raise _unknown_message(transport, step.title)
    return rows[0].sdkmessagefilterid


def _unknown_message(transport: Transport, title: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"no webhook can be registered for {title}",
        where=transport.name,
        why="Dataverse has no such message",
        mend="Leave this table to the change feed and the nightly reconcile",
    )


# ---- requests -----------------------------------------------------------------------------------

_Row = TypeVar("_Row")


class _Rows(msgspec.Struct, Generic[_Row]):
    value: list[_Row]


class _EndpointRow(msgspec.Struct):
    serviceendpointid: str
    url: str | None = None
    description: str | None = None
    authtype: int | None = None


class _MessageName(msgspec.Struct):
    name: str


class _FilterTable(msgspec.Struct):
    primaryobjecttypecode: str


class _StepRow(msgspec.Struct):
    sdkmessageprocessingstepid: str
    name: str
    mode: int
    stage: int
    statecode: int
    sdkmessageid: _MessageName
    asyncautodelete: bool = False
    sdkmessagefilterid: _FilterTable | None = None
    filteringattributes: str | None = None


class _MessageRow(msgspec.Struct):
    sdkmessageid: str


class _FilterRow(msgspec.Struct):
    sdkmessagefilterid: str


async def _rows(
    transport: Transport, entity_set: str, shape: type[_Rows[_Row]], **options: str
) -> list[_Row]:
    answer = await read_decoded(
        partial(transport.read, address(entity_set, **options)),
        msgspec.json.Decoder(shape).decode,
        where=f"{transport.name}: {entity_set}",
    )
    return answer.value


async def _create(
    transport: Transport, entity_set: str, values: Mapping[str, object], *, id_column: str
) -> str:
    """The id of the new row."""
    body = await transport.perform(
        "POST",
        address(entity_set, select=id_column),
        body=msgspec.json.encode(values),
        headers={"Prefer": "return=representation"},
    )
    return str(msgspec.json.decode(body, type=dict[str, object])[id_column])


async def _update(transport: Transport, resource: str, values: Mapping[str, object]) -> None:
    # Without If-Match a PATCH would create what somebody deleted meanwhile (DATAVERSE 15.2).
    body = msgspec.json.encode(values)
    await transport.perform("PATCH", resource, body=body, headers={"If-Match": "*"})


async def _delete(transport: Transport, resource: str) -> None:
    try:
        await transport.perform("DELETE", resource, body=b"")
    except RequestRefusedError as error:
        if error.status != 404:  # noqa: PLR2004 - gone is what we want
            raise
