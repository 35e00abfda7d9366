"""CreateMultiple, UpdateMultiple, UpsertMultiple (DATAVERSE 8.2): all of the rows or none.

Belongs here: their bodies and answers. Does not belong here: what a write does (`writes.py`). The
caller of every handler here has opened a transaction.
"""

from collections.abc import Callable, Mapping
from typing import Any

from dv_sync_pipeline.emulator.rows import references, replies
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.rows.values import guid
from dv_sync_pipeline.emulator.rows.writes import Writer
from dv_sync_pipeline.emulator.service.addresses import Segment
from dv_sync_pipeline.emulator.service.handlers import Routes
from dv_sync_pipeline.emulator.service.requests import Call
from dv_sync_pipeline.emulator.tables.catalog import Table

__all__ = ["ROUTES"]

_PREFIX = "Microsoft.Dynamics.CRM."


def _bulk(call: Call) -> Reply:
    message = call.segments[1].name.removeprefix(_PREFIX)
    run = _MESSAGES.get(message)
    if run is None:
        raise replies.not_implemented(f"the action {message}")
    table = call.table
    if not table.definition.supports_bulk:
        raise replies.unsupported_message()
    return run(call, table, _targets(call, table))


def _targets(call: Call, table: Table) -> list[Any]:
    body = call.request.json()
    targets = body.get("Targets") if isinstance(body, dict) else None
    if not isinstance(targets, list) or not targets:
        raise replies.invalid_argument("Required field 'Targets' is missing or empty.")
    accepted = {f"{sign}{_PREFIX}{table.name}" for sign in ("", "#")}
    for target in targets:
        if not isinstance(target, dict) or str(target.get("@odata.type")) not in accepted:
            raise _wrong_type(table)
    return targets


def _wrong_type(table: Table) -> replies.DataverseError:
    detail = (
        "An '@odata.type' annotation must stand in every target; here it must be "
        f"'{_PREFIX}{table.name}'."
    )
    return replies.bad_payload(table.entity_set, detail)


def _create_multiple(call: Call, table: Table, targets: list[Any]) -> Reply:
    ids = Writer(call.environment, call.user).create_many(table, targets)
    context = f"{call.api_url}/$metadata#{_PREFIX}CreateMultipleResponse"
    return Reply.json({"@odata.context": context, "Ids": ids})


def _update_multiple(call: Call, table: Table, targets: list[Any]) -> Reply:
    writer = Writer(call.environment, call.user)
    addressed = [_address(table, target) for target in targets]
    found = [references.find_row(call.store, table, segment) for segment in addressed]
    missing = [segment for segment, row_id in zip(addressed, found, strict=True) if row_id is None]
    if missing:
        raise _missing(table, missing)
    for target, row_id in zip(targets, found, strict=True):
        writer.update(table, str(row_id), target)
    return Reply(204)


def _missing(table: Table, segments: list[Segment]) -> replies.DataverseError:
    ids = [segment.row_id for segment in segments if segment.row_id]
    return replies.rows_not_found(table.name, ids) if ids else replies.key_not_found(table.name)


def _upsert_multiple(call: Call, table: Table, targets: list[Any]) -> Reply:
    """In order; the columns of an `@odata.id` must not stand in the body of a row that is new."""
    writer = Writer(call.environment, call.user)
    for target in targets:
        segment = _address(table, target)
        _, is_new = writer.upsert(table, segment, target)
        if is_new and not target.keys().isdisjoint(segment.key):
            raise replies.unexpected()
    return Reply(204)


def _address(table: Table, target: Mapping[str, Any]) -> Segment:
    """Which row a target is about: `@odata.id`, or the primary key in the body."""
    reference = target.get("@odata.id")
    if reference is not None:
        return references.reference_segment(reference)
    row_id = guid(target.get(table.primary_id))
    if row_id is None:
        raise replies.invalid_argument(
            f"A target has neither '@odata.id' nor '{table.primary_id}'."
        )
    return Segment(table.entity_set, has_key=True, row_id=row_id)


def _delete_multiple(_call: Call, _table: Table, _targets: list[Any]) -> Reply:
    raise replies.DataverseError(400, "0x80040800", "DeleteMultiple has not yet been implemented.")


_MESSAGES: Mapping[str, Callable[[Call, Table, list[Any]], Reply]] = {
    "CreateMultiple": _create_multiple,
    "UpdateMultiple": _update_multiple,
    "UpsertMultiple": _upsert_multiple,
    "DeleteMultiple": _delete_multiple,
}

ROUTES: Routes = {("POST", "{set}/{action}"): _bulk}
