"""POST, PATCH, PUT and DELETE on rows, one at a time (DATAVERSE 4, 5).

Belongs here: HTTP in, HTTP out. Does not belong here: what a write does (`writes.py`). The caller
of every handler here has opened a transaction.
"""

from dv_sync_pipeline.emulator.rows import references, replies
from dv_sync_pipeline.emulator.rows.navigation import Collection, find_collection
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.rows.writes import Writer
from dv_sync_pipeline.emulator.service import files
from dv_sync_pipeline.emulator.service.addresses import Segment
from dv_sync_pipeline.emulator.service.handlers import Routes
from dv_sync_pipeline.emulator.service.requests import Call
from dv_sync_pipeline.emulator.service.rows_read import row_reply
from dv_sync_pipeline.emulator.tables.catalog import Table

__all__ = ["ROUTES"]

_CREATED, _OK, _DONE = 201, 200, 204


def _writer(call: Call) -> Writer:
    return Writer(call.environment, call.user)


def _create(call: Call) -> Reply:
    row_id = _writer(call).create(call.table, call.request.json())
    return _created(call, call.table, row_id)


def _create_in_collection(call: Call) -> Reply:
    collection = _collection(call)
    row_id = references.require_row(call.store, call.table, call.segments[0])
    child_id = _writer(call).create_in(collection, row_id, call.request.json())
    return _created(call, collection.target, child_id)


def _created(call: Call, table: Table, row_id: str) -> Reply:
    if call.preferences.returns_representation:
        return row_reply(call, table, row_id, status=_CREATED)
    url = f"{call.api_url}/{table.entity_set}({row_id})"
    return Reply(_DONE, {"Location": url, "OData-EntityId": url})


def _upsert(call: Call) -> Reply:
    """PATCH: the table of DATAVERSE 4.3."""
    table, segment, writer = call.table, call.segments[0], _writer(call)
    row_id = references.find_row(call.store, table, segment, undefined=replies.key_not_defined)
    if row_id is not None and call.if_none_match == "*":
        raise replies.row_exists()
    if row_id is None and call.if_match:
        raise references.missing_row(table, segment)
    if row_id is not None:
        writer.check_version(table, row_id, call.if_match)
    row_id, is_new = writer.upsert(table, segment, call.request.json())
    if call.preferences.returns_representation:
        return row_reply(call, table, row_id, status=_CREATED if is_new else _OK)
    # The address is echoed as it was used, so a key does not turn into a GUID.
    return Reply(_DONE, {"OData-EntityId": f"{call.api_url}/{call.request.path}"})


def _delete(call: Call) -> Reply:
    table = call.table
    row_id = references.require_row(call.store, table, call.segments[0])
    _writer(call).delete(table, row_id, if_match=call.if_match)
    return Reply(_DONE)


# ---- one property -------------------------------------------------------------------------------


def _put_property(call: Call) -> Reply:
    body = call.request.json()
    if not isinstance(body, dict) or "value" not in body:
        raise replies.malformed_json("The body must be an object with the property 'value'.")
    return _set_property(call, body["value"])


def _clear_property(call: Call) -> Reply:
    return _set_property(call, None)


def _set_property(call: Call, value: object) -> Reply:
    table, name = call.table, call.segments[1].name
    if name not in table.columns or table.columns[name].kind.is_lookup:
        raise replies.segment_not_found(name)
    row_id = references.require_row(call.store, table, call.segments[0])
    _writer(call).update(table, row_id, {name: value}, if_match=call.if_match)
    return Reply(_DONE)


# ---- references ---------------------------------------------------------------------------------


def _set_reference(call: Call) -> Reply:
    """PUT on a single-valued navigation property."""
    table, name = call.table, call.segments[1].name
    if name not in table.navigation:
        raise replies.segment_not_found(name)
    row_id = references.require_row(call.store, table, call.segments[0])
    _writer(call).update(table, row_id, {f"{name}@odata.bind": _referred(call)})
    return Reply(_DONE)


def _add_reference(call: Call) -> Reply:
    """POST to a collection; on a single-valued property the same as PUT."""
    table, name = call.table, call.segments[1].name
    if name in table.navigation:
        return _set_reference(call)
    collection = _collection(call)
    row_id = references.require_row(call.store, table, call.segments[0])
    other_id = _require_member(
        call, collection.target, references.reference_segment(_referred(call))
    )
    _writer(call).link(collection, row_id, other_id)
    return Reply(_DONE)


def _remove_reference(call: Call) -> Reply:
    """DELETE: the member stands in the path, or in `$id`; a lookup is cleared."""
    table, segment = call.table, call.segments[1]
    row_id = references.require_row(call.store, table, call.segments[0])
    if segment.name in table.navigation:
        _writer(call).update(table, row_id, {f"{segment.name}@odata.bind": None})
        return Reply(_DONE)
    collection = _collection(call)
    if not segment.has_key:
        segment = references.reference_segment(call.options.get("$id"))
    other_id = _require_member(call, collection.target, segment)
    _writer(call).unlink(collection, row_id, other_id)
    return Reply(_DONE)


def _collection(call: Call) -> Collection:
    name = call.segments[1].name
    collection = find_collection(call.catalog, call.table, name)
    if collection is None:
        raise replies.segment_not_found(name)
    return collection


def _require_member(call: Call, table: Table, segment: Segment) -> str:
    return references.require_row(call.store, table, segment)


def _referred(call: Call) -> str:
    body = call.request.json()
    reference = body.get("@odata.id") if isinstance(body, dict) else None
    if not isinstance(reference, str):
        raise replies.malformed_json("The body must be an object with '@odata.id'.")
    return reference


ROUTES: Routes = {
    ("POST", "{set}"): _create,
    ("POST", "{set}()/{property}"): _create_in_collection,
    ("PATCH", "{set}()"): _upsert,
    ("DELETE", "{set}()"): _delete,
    ("PUT", "{set}()/{property}"): files.content_or(files.upload, _put_property),
    ("DELETE", "{set}()/{property}"): files.content_or(files.remove, _clear_property),
    ("PUT", "{set}()/{property}/$ref"): _set_reference,
    ("POST", "{set}()/{property}/$ref"): _add_reference,
    ("DELETE", "{set}()/{property}/$ref"): _remove_reference,
    ("DELETE", "{set}()/{property}()/$ref"): _remove_reference,
}
