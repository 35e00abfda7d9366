"""What a delivery says, reduced to wake-ups: which rows of which tables to look at (pure).

Belongs here: the shapes that are understood: Dataverse's RemoteExecutionContext (DATAVERSE 10.3), a
plain `{"table": ..., "id": ..., "kind": ...}`, or a list of either. Does not belong here: values of
rows. They are never even parsed, as a delivery may come late, twice or never.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from dv_sync_pipeline.gateway.refusals import Refusal
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind

__all__ = ["IgnoredReason", "Payload", "read_payload"]

_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NO_ID = "00000000-0000-0000-0000-000000000000"

_KINDS = {
    "create": WakeUpKind.CREATE,
    "update": WakeUpKind.UPDATE,
    "upsert": WakeUpKind.UPDATE,
    "delete": WakeUpKind.DELETE,
    "pairs": WakeUpKind.PAIRS,
    "associate": WakeUpKind.PAIRS,
    "disassociate": WakeUpKind.PAIRS,
    "createmultiple": WakeUpKind.CREATE,
    "updatemultiple": WakeUpKind.UPDATE,
    "upsertmultiple": WakeUpKind.UPDATE,
    "deletemultiple": WakeUpKind.DELETE,
}
"""Names of Dataverse's messages, and ours, in lower case."""


class IgnoredReason(StrEnum):
    """Why something that was understood wakes nobody."""

    TABLE = "table"
    """The table is not in sync.yaml."""
    MESSAGE = "message"
    """The message does not change rows in a way that concerns us, such as Retrieve."""
    NO_ROWS = "no_rows"
    """A bulk message over 256 KB comes without its rows; the change feed has them."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What a delivery comes to.

    Attributes:
        wake_ups: one for each row, in the order of the delivery.
        ignored: why the others wake nobody, one for each.

    """

    wake_ups: tuple[WakeUp, ...]
    ignored: tuple[IgnoredReason, ...]


def read_payload(body: bytes, *, tables: frozenset[str], received: datetime) -> Payload | Refusal:
    """Reduce a body to wake-ups of these tables; `MALFORMED` for anything that is no delivery."""
    try:
        found = list(_read(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, _MalformedError):
        return Refusal.MALFORMED
    return Payload(
        tuple(
            WakeUp(row.table, row.id, row.kind, received)
            for row in found
            if isinstance(row, _Row) and row.table in tables
        ),
        tuple(
            row if isinstance(row, IgnoredReason) else IgnoredReason.TABLE
            for row in found
            if isinstance(row, IgnoredReason) or row.table not in tables
        ),
    )


# ---- shapes -------------------------------------------------------------------------------------


class _Reference(msgspec.Struct, rename="pascal"):
    """An Entity or an EntityReference."""

    id: str = _NO_ID
    logical_name: str = ""


class _Collection(msgspec.Struct, rename="pascal"):
    """An EntityCollection or an EntityReferenceCollection; which member is used varies."""

    entities: list[_Reference] = []
    entity_references: list[_Reference] = []


class _Parameter(msgspec.Struct):
    """One of the InputParameters; most of them do not concern us."""

    key: str
    value: msgspec.Raw = msgspec.Raw(b"null")


class _Delivery(msgspec.Struct):
    """Either shape: `message` is there in Dataverse's own, `table` in the plain one."""

    message: str | None = msgspec.field(name="MessageName", default=None)
    primary_table: str = msgspec.field(name="PrimaryEntityName", default="")
    primary_id: str = msgspec.field(name="PrimaryEntityId", default=_NO_ID)
    parameters: list[_Parameter] | None = msgspec.field(name="InputParameters", default=None)
    table: str | None = None
    id: str = ""
    kind: str = WakeUpKind.UPDATE.value


_decode = msgspec.json.Decoder(_Delivery | list[_Delivery]).decode
_decode_reference = msgspec.json.Decoder(_Reference).decode
_decode_references = msgspec.json.Decoder(_Collection | list[_Reference]).decode


# ---- reading ------------------------------------------------------------------------------------


class _MalformedError(Exception):
    """Well-formed JSON that is no delivery."""


@dataclass(frozen=True, slots=True)
class _Row:
    table: str
    id: str
    kind: WakeUpKind


_Found = _Row | IgnoredReason


def _read(body: bytes) -> Iterator[_Found]:
    decoded = _decode(body)
    for delivery in decoded if isinstance(decoded, list) else [decoded]:
        if delivery.message is not None:
            yield from _read_context(delivery, delivery.message.lower())
        elif delivery.table is not None:
            yield _row(delivery.table, delivery.id, _plain_kind(delivery.kind))
        else:
            raise _MalformedError


def _plain_kind(kind: str) -> WakeUpKind:
    try:
        return _KINDS[kind.lower()]
    except KeyError:
        raise _MalformedError from None


def _read_context(delivery: _Delivery, message: str) -> Iterator[_Found]:
    kind = _KINDS.get(message)
    parameters = {parameter.key: parameter.value for parameter in delivery.parameters or ()}
    if kind is None:
        yield IgnoredReason.MESSAGE
    elif message.endswith("multiple"):
        yield from _read_bulk(delivery, kind, parameters)
    elif kind is WakeUpKind.PAIRS:
        yield from _read_ends(delivery, parameters)
    else:
        yield _row(delivery.primary_table, delivery.primary_id, kind)


def _read_bulk(
    delivery: _Delivery, kind: WakeUpKind, parameters: dict[str, msgspec.Raw]
) -> Iterator[_Found]:
    """A row that was given no id of its own is told by its Create message, and by the feed."""
    targets = _references(parameters.get("Targets"))
    known = [target for target in targets if target.id != _NO_ID]
    for target in known:
        yield _row(target.logical_name or delivery.primary_table, target.id, kind)
    if not known:
        yield IgnoredReason.NO_ROWS


def _read_ends(delivery: _Delivery, parameters: dict[str, msgspec.Raw]) -> Iterator[_Found]:
    """A pair concerns the rows at both of its ends."""
    if "Target" in parameters:
        target = _decode_reference(parameters["Target"])
        yield _row(target.logical_name, target.id, WakeUpKind.PAIRS)
    else:
        yield _row(delivery.primary_table, delivery.primary_id, WakeUpKind.PAIRS)
    for related in _references(parameters.get("RelatedEntities")):
        yield _row(related.logical_name, related.id, WakeUpKind.PAIRS)


def _references(value: msgspec.Raw | None) -> list[_Reference]:
    if value is None:
        return []
    decoded = _decode_references(value)
    if isinstance(decoded, list):
        return decoded
    return [*decoded.entities, *decoded.entity_references]


def _row(table: str, row_id: str, kind: WakeUpKind) -> _Row:
    row_id = row_id.lower()
    if not table or row_id == _NO_ID or not _GUID.fullmatch(row_id):
        raise _MalformedError
    return _Row(table.lower(), row_id, kind)
