"""Writing rows: bulk messages, single writes, and an outcome for each row.

Belongs here: how a row becomes a payload, all-or-nothing calls, and halving a refused call until
the bad rows stand alone (DATAVERSE 8). Does not belong here: reading back an unknown outcome or
parking a refused row; that is the writer of `sync/`.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from typing import TypeAlias

import msgspec

from dv_sync_pipeline.errors import DvSyncError, SchemaMismatchError
from dv_sync_pipeline.webapi import odata
from dv_sync_pipeline.webapi.metadata import Lookup, TableSchema
from dv_sync_pipeline.webapi.together import together
from dv_sync_pipeline.webapi.transport import Transport, request_failed
from dv_sync_pipeline.webapi.verdict import Decision, Verdict

__all__ = [
    "CALLS_AT_ONCE",
    "CREATE",
    "UPDATE",
    "Message",
    "Outcome",
    "OutcomeKind",
    "Reference",
    "RowWrite",
    "outcome_kind",
    "payloads",
    "referenced_tables",
    "write_rows",
]


@dataclass(frozen=True, slots=True)
class Reference:
    """The value of a lookup column in a write: the row `id` of the table `table`."""

    table: str
    id: str


@dataclass(frozen=True, slots=True)
class RowWrite:
    """One row to be created or updated.

    Attributes:
        id: GUID of the row, chosen by us for a create.
        values: logical column name → value: str, int, bool, Decimal, float, None (clears), or a
            `Reference` for a lookup column. Dates and times are text as DATAVERSE 3.3 shows them.

    """

    id: str
    values: Mapping[str, object]


class OutcomeKind(Enum):
    """The three things that can become of a write (DESIGN 4, Writing)."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row.

    Attributes:
        id: GUID of the row.
        kind: done, refused, or unknown: it must be read back before it is repeated.
        status: the HTTP status that refused it; 0 when done, or when no answer came.
        code: Dataverse's error code, or "".
        message: the server's own words, or what kept its answer from us.

    """

    id: str
    kind: OutcomeKind
    status: int = 0
    code: str = ""
    message: str = ""


Payload: TypeAlias = dict[str, object]
"""Property name → JSON value, as it is sent."""

CALLS_AT_ONCE = 2
"""Bulk calls on one table at a time: more only deadlock each other (DATAVERSE 8.2, 15.28)."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def referenced_tables(rows: Iterable[RowWrite]) -> set[str]:
    """The tables that lookups in these rows point to."""
    values = (value for row in rows for value in row.values.values())
    return {value.table for value in values if isinstance(value, Reference)}


def payloads(
    schema: TableSchema, rows: Iterable[RowWrite], *, entity_sets: Mapping[str, str]
) -> list[Payload]:
    """The columns of each row as they are sent; the id is not among them.

    Args:
        schema: the table that is written.
        rows: logical column names and values.
        entity_sets: table → entity set, for each table of `referenced_tables`.

    Raises `SchemaMismatchError` for a column or a direction of a lookup that does not exist.

    """
    plain = {name for name, column in schema.columns.items() if not column.kind.is_lookup}
    # Many rows point to few: spelling each reference once saves three quarters of the time.
    spell = cache(partial(_lookup_property, schema, entity_sets=entity_sets))
    return [
        dict(
            (column, value) if column in plain else spell(column, value)
            for column, value in row.values.items()
        )
        for row in rows
    ]


def _lookup_property(
    schema: TableSchema, column: str, value: object, *, entity_sets: Mapping[str, str]
) -> tuple[str, object]:
    """How a lookup is written."""
    if column not in schema.columns:
        raise SchemaMismatchError(f"the table {schema.name} has no column {column}")
    if not isinstance(value, Reference):
        return _bind(_any_direction(schema, column)), None
    binding = odata.binding(entity_sets[value.table], value.id)
    return _bind(_direction(schema, column, value.table)), binding


def _bind(lookup: Lookup) -> str:
    """The navigation property in its exact case, also to clear a lookup (DATAVERSE 5)."""
    return f"{lookup.navigation_property}@odata.bind"


def _direction(schema: TableSchema, column: str, target: str) -> Lookup:
    try:
        return schema.lookup(column, target)
    except KeyError:
        raise _no_direction(schema, column, target) from None


def _any_direction(schema: TableSchema, column: str) -> Lookup:
    """Clearing any direction clears the column (DATAVERSE 5)."""
    for lookup in schema.lookups:
        if lookup.column == column:
            return lookup
    raise _no_direction(schema, column, "any table")


def _no_direction(schema: TableSchema, column: str, target: str) -> SchemaMismatchError:
    return SchemaMismatchError(f"the lookup {schema.name}.{column} does not point to {target}")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A row ready to be sent."""

    id: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class _Single:
    """A write of one row without the bulk messages."""

    method: str
    resource: str
    headers: Mapping[str, str]
    payload: Payload


@dataclass(frozen=True, slots=True)
class Message:
    """What is done to the rows.

    Attributes:
        name: the bulk message (DATAVERSE 8.2).
        confirms: whether an accepted answer says that these rows were written.
        single: the same for one row, where the table has no bulk messages.

    """

    name: str
    confirms: Callable[[Verdict, Sequence[_Prepared]], bool]
    single: Callable[[TableSchema, _Prepared], _Single]


class _CreatedIds(msgspec.Struct, rename="pascal"):
    ids: list[str]


def _created_all(verdict: Verdict, rows: Sequence[_Prepared]) -> bool:
    """CreateMultiple answers with the ids in the order of the rows; they must be ours."""
    try:
        answer = msgspec.json.decode(verdict.body, type=_CreatedIds)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return [each.lower() for each in answer.ids] == [row.id.lower() for row in rows]


def _says_nothing(verdict: Verdict, _: Sequence[_Prepared]) -> bool:
    """UpdateMultiple answers 204: a body would be somebody else's."""
    return verdict.body == b""


def _post(schema: TableSchema, row: _Prepared) -> _Single:
    return _Single("POST", schema.entity_set, {}, {**row.payload, schema.primary_id: row.id})


def _patch(schema: TableSchema, row: _Prepared) -> _Single:
    """Without If-Match a PATCH would create a row that is gone (DATAVERSE 15.2)."""
    resource = odata.row(schema.entity_set, row.id)
    return _Single("PATCH", resource, {"If-Match": "*"}, row.payload)


CREATE = Message("CreateMultiple", confirms=_created_all, single=_post)
UPDATE = Message("UpdateMultiple", confirms=_says_nothing, single=_patch)


async def write_rows(
    transport: Transport,
    schema: TableSchema,
    rows: Sequence[RowWrite],
    *,
    message: Message,
    entity_sets: Mapping[str, str],
    rows_per_call: int,
) -> list[Outcome]:
    """Write rows and tell what became of each, in the order given.

    Raises only when nothing could be sent at all: the first error of the transport.
    """
    spelled = payloads(schema, rows, entity_sets=entity_sets)
    prepared = [_Prepared(row.id, each) for row, each in zip(rows, spelled, strict=True)]
    chunks = [prepared[at : at + rows_per_call] for at in range(0, len(prepared), rows_per_call)]
    job = _Job(transport, schema, message)
    outcomes = [each for chunk in await job.run(chunks) for each in chunk]
    if job.first_error is not None and not job.was_answered:
        raise job.first_error
    return outcomes


class _Job:
    """The calls of one `write_rows`."""

    def __init__(self, transport: Transport, schema: TableSchema, message: Message) -> None:
        self.was_answered = False
        self.first_error: DvSyncError | None = None
        self._transport = transport
        self._schema = schema
        self._message = message
        self._has_bulk = True
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)

    async def run(self, chunks: Iterable[Sequence[_Prepared]]) -> list[list[Outcome]]:
        return await together(self._run_chunk(chunk) for chunk in chunks)

    async def _run_chunk(self, rows: Sequence[_Prepared]) -> list[Outcome]:
        async with self._slots:
            return await self._settle(rows)

    async def _settle(self, rows: Sequence[_Prepared]) -> list[Outcome]:
        """Send the rows in one call; halve a refused call until the bad rows stand alone.

        For b bad rows among n that takes no more than 1 + 2 b log2(n) calls.
        """
        if not self._has_bulk:
            return await self._settle_singly(rows)
        verdict = await self._send_bulk(rows)
        if verdict.decision is Decision.MESSAGE_MISSING:
            self._has_bulk = False
            return await self._settle_singly(rows)
        if verdict.decision in _HALVED and len(rows) > 1:
            middle = len(rows) // 2
            return await self._settle(rows[:middle]) + await self._settle(rows[middle:])
        if verdict.decision is Decision.ACCEPTED and not self._message.confirms(verdict, rows):
            return [_unconfirmed(row) for row in rows]
        return [_outcome(row, verdict) for row in rows]

    async def _settle_singly(self, rows: Sequence[_Prepared]) -> list[Outcome]:
        verdicts = await together(self._send_single(row) for row in rows)
        return [_outcome(row, verdict) for row, verdict in zip(rows, verdicts, strict=True)]

    async def _send_bulk(self, rows: Sequence[_Prepared]) -> Verdict:
        targets = [_target(self._schema, row) for row in rows]
        resource = f"{self._schema.entity_set}/{odata.type_name(self._message.name)}"
        return await self._send("POST", resource, {"Targets": targets}, headers={})

    async def _send_single(self, row: _Prepared) -> Verdict:
        single = self._message.single(self._schema, row)
        return await self._send(
            single.method, single.resource, single.payload, headers=single.headers
        )

    async def _send(
        self, method: str, resource: str, content: Payload, *, headers: Mapping[str, str]
    ) -> Verdict:
        """Send once; an error is kept, because outcomes of other calls must not be lost by it."""
        try:
            body = _ENCODER.encode(content)
            verdict = await self._transport.write(method, resource, body=body, headers=headers)
        except DvSyncError as error:
            self.first_error = self.first_error or error
            return Verdict(Decision.NOT_REACHED, message=str(error))
        if verdict.decision in _NEVER_DONE:
            where = f"{self._transport.name}: {method} {resource}"
            self.first_error = self.first_error or request_failed(
                verdict, where=where, is_read=False
            )
        else:
            self.was_answered = True
        return verdict


_HALVED = frozenset({Decision.ROW_REFUSED, Decision.TOO_MUCH})
_NEVER_DONE = frozenset({Decision.THROTTLED, Decision.NOT_DONE, Decision.NOT_REACHED})

_OUTCOMES: Mapping[Decision, OutcomeKind] = {
    Decision.ACCEPTED: OutcomeKind.DONE,
    Decision.ROW_REFUSED: OutcomeKind.REFUSED,
    Decision.TABLE_REFUSED: OutcomeKind.REFUSED,
    Decision.MESSAGE_MISSING: OutcomeKind.REFUSED,
    Decision.TOO_MUCH: OutcomeKind.REFUSED,
    Decision.UNSURE: OutcomeKind.UNKNOWN,
    # Not done for certain, but neither refused: the caller reads back and finds it so.
    Decision.THROTTLED: OutcomeKind.UNKNOWN,
    Decision.NOT_DONE: OutcomeKind.UNKNOWN,
    Decision.NOT_REACHED: OutcomeKind.UNKNOWN,
}
"""What a verdict on one row comes to."""


def outcome_kind(verdict: Verdict) -> OutcomeKind:
    """What an answer means for the row that was written."""
    return _OUTCOMES[verdict.decision]


def _target(schema: TableSchema, row: _Prepared) -> Payload:
    return {
        "@odata.type": odata.type_name(schema.name),
        schema.primary_id: row.id,
        **row.payload,
    }


def _outcome(row: _Prepared, verdict: Verdict) -> Outcome:
    kind = outcome_kind(verdict)
    if kind is OutcomeKind.DONE:
        return Outcome(row.id, kind)
    return Outcome(row.id, kind, verdict.status, verdict.code, verdict.message)


def _unconfirmed(row: _Prepared) -> Outcome:
    why = "the answer does not name the rows that were sent"
    return Outcome(row.id, OutcomeKind.UNKNOWN, message=why)
