"""Metadata writes over HTTP: addresses, actions and replies (DATAVERSE 3).

Belongs here: which request means which change, and `OData-EntityId`. Does not belong here: what the
change does (`metadata_writes.py`) and metadata reads (`metadata_read.py`).

    POST EntityDefinitions                    PUT, DELETE EntityDefinitions(x)
    POST EntityDefinitions(x)/Attributes      PUT, DELETE EntityDefinitions(x)/Attributes(y)
    POST EntityDefinitions(x)/Keys            DELETE EntityDefinitions(x)/Keys(y)
    POST RelationshipDefinitions              PUT, DELETE RelationshipDefinitions(x)
    POST GlobalOptionSetDefinitions           PUT, DELETE GlobalOptionSetDefinitions(x)

Definitions are replaced by PUT; PATCH is not allowed (DATAVERSE 3.1).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from dv_sync_pipeline.emulator.definitions import metadata_payloads as payloads
from dv_sync_pipeline.emulator.definitions import metadata_writes as writes
from dv_sync_pipeline.emulator.definitions.metadata_payloads import Payload
from dv_sync_pipeline.emulator.definitions.metadata_read import read_metadata
from dv_sync_pipeline.emulator.definitions.propagation import note_fresh
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.rows.security import Action, User
from dv_sync_pipeline.emulator.service.addresses import Segment, parse_path
from dv_sync_pipeline.emulator.service.handlers import Handler, Routes
from dv_sync_pipeline.emulator.service.requests import Call
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.tables.metadata_ids import (
    column_id,
    key_id,
    option_set_id,
    relationship_id,
    table_id,
)
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    KeyDefinition,
    ManyToManyDefinition,
    OptionDefinition,
    OptionSetDefinition,
)

__all__ = ["ROUTES"]

_NO_CONTENT = Reply(204)
_ENTITY_TYPE_CODE = 9800
_NAMESPACE = "Microsoft.Dynamics.CRM."


def _write(call: Call) -> Reply:
    """Answer a POST, PUT, PATCH or DELETE on a definition."""
    _require_customizer(call.user)
    segments = [each for each in call.segments if not each.name.startswith(_NAMESPACE)]
    handlers = _HANDLERS.get(tuple(segment.name for segment in segments))
    if handlers is None:
        raise replies.segment_not_found(segments[-1].name)
    handler = handlers.get(call.request.method)
    if handler is None or segments[-1].has_key is (call.request.method == "POST"):
        raise replies.method_not_allowed(call.request.method)
    return handler(call)


def _require_customizer(user: User) -> None:
    """Only who may create in the whole organisation may change its schema (DATAVERSE 13)."""
    if user.depth(Action.CREATE, "entity") != "Global":
        raise replies.access_denied(
            user.id,
            privilege="prvCreateEntity",
            table="entity",
            object_type_code=_ENTITY_TYPE_CODE,
        )


def _identifier(segment: Segment) -> str:
    """The id or the name in the parentheses of a definition's address."""
    return segment.row_id or str(next(iter(segment.key.values()), ""))


def _payload(call: Call) -> Payload:
    content = call.request.json()
    if not isinstance(content, dict):
        raise replies.malformed_json("An object was expected.")
    return content


def _created(call: Call, new_id: str) -> Reply:
    """The address of what was created: that of the request, with the id behind it.

    With `return=representation` the definition itself, as for rows (DATAVERSE 4.1).
    """
    path = f"{call.request.path}({new_id})"
    if call.preferences.returns_representation:
        request = replace(call.request, method="GET", path=path, query="")
        definition = read_metadata(replace(call, request=request, segments=parse_path(path)))
        return replace(definition, status=201)
    return Reply(204, {"OData-EntityId": f"{call.api_url}/{path}"})


def _table(call: Call) -> Table:
    return writes.find_table(call.catalog, _identifier(call.segments[0]))


def _finder(call: Call) -> payloads.FindOptionSet:
    return partial(writes.find_option_set, call.catalog)


# ---- tables -------------------------------------------------------------------------------------


def _create_table(call: Call) -> Reply:
    definition = payloads.parse_table(_payload(call), find_option_set=_finder(call))
    writes.create_table(call.store, definition)
    note_fresh(call, definition.name)
    return _created(call, table_id(definition.name))


def _put_table(call: Call) -> Reply:
    definition = _table(call).definition
    call.store.redefine_table(payloads.update_table(definition, _payload(call)))
    return _NO_CONTENT


def _delete_table(call: Call) -> Reply:
    writes.delete_table(call.store, _table(call))
    return _NO_CONTENT


def _create_tables(call: Call) -> Reply:
    """`CreateEntities`: several tables, all or none; what it answers is not documented."""
    finder = _finder(call)
    with writes.schema_transaction(call.store):
        for payload in _payload(call).get("Entities") or ():
            definition = payloads.parse_table(payload, find_option_set=finder)
            writes.create_table(call.store, definition)
            note_fresh(call, definition.name)
    return _NO_CONTENT


# ---- columns ------------------------------------------------------------------------------------


def _column(call: Call) -> ColumnDefinition:
    return writes.find_column(_table(call), _identifier(call.segments[1]))


def _create_column(call: Call) -> Reply:
    table = _table(call)
    column = payloads.parse_column(_payload(call), find_option_set=_finder(call))
    writes.add_column(call.store, table, column)
    note_fresh(call, table.name, column.name)
    return _created(call, column_id(table.name, column.name))


def _put_column(call: Call) -> Reply:
    changed = payloads.update_column(_column(call), _payload(call))
    writes.put_column(call.store, _table(call), changed)
    return _NO_CONTENT


def _delete_column(call: Call) -> Reply:
    writes.delete_column(call.store, _table(call), _column(call))
    return _NO_CONTENT


# ---- keys ---------------------------------------------------------------------------------------


def _create_key(call: Call) -> Reply:
    table = _table(call)
    key = payloads.parse_key(_payload(call), table=table.definition)
    writes.create_key(call.store, table, key)
    _schedule_key(call, table, key)
    return _created(call, key_id(table.name, key.name))


def _delete_key(call: Call) -> Reply:
    table = _table(call)
    writes.delete_key(call.store, table, writes.find_key(table, _identifier(call.segments[1])))
    return _NO_CONTENT


def _reactivate_key(call: Call) -> Reply:
    payload = _payload(call)
    table = writes.find_table(call.catalog, str(payload.get("EntityLogicalName")))
    key = writes.find_key(table, str(payload.get("EntityKeyLogicalName")))
    _schedule_key(call, table, writes.reactivate_key(call.store, table, key))
    return _NO_CONTENT


def _schedule_key(call: Call, table: Table, key: KeyDefinition) -> None:
    delay_seconds = call.environment.switches.key_index_delay_seconds
    writes.schedule_key(call.store, table.name, key, delay_seconds=delay_seconds)


# ---- relationships ------------------------------------------------------------------------------


def _relationship(call: Call) -> writes.Relationship:
    return writes.find_relationship(call.catalog, _identifier(call.segments[0]))


def _create_relationship(call: Call) -> Reply:
    payload = _payload(call)
    create = _RELATIONSHIPS.get(payloads.metadata_type(payload))
    if create is None:
        text = f"The type '{payload.get('@odata.type')}' is no relationship."
        raise replies.bad_payload("relationships", text)
    return _created(call, relationship_id(create(call, payload)))


def _create_one_to_many(call: Call, payload: Payload) -> str:
    table = writes.find_table(call.catalog, str(payload.get("ReferencingEntity")))
    column = payloads.parse_lookup(payload.get("Lookup") or {}, [payload])
    writes.add_column(call.store, table, column)
    note_fresh(call, table.name, column.name)
    return column.lookups[0].schema_name


def _create_many_to_many(call: Call, payload: Payload) -> str:
    pairs = payloads.parse_many_to_many(payload)
    writes.create_many_to_many(call.store, pairs)
    return pairs.schema_name


_RELATIONSHIPS: Mapping[str, Callable[[Call, Payload], str]] = {
    "OneToManyRelationshipMetadata": _create_one_to_many,
    "ManyToManyRelationshipMetadata": _create_many_to_many,
}


def _put_relationship(call: Call) -> Reply:
    relationship = _relationship(call)
    if isinstance(relationship, ManyToManyDefinition):
        return _NO_CONTENT
    table, column, lookup = relationship
    changed = payloads.update_lookup(lookup, _payload(call))
    lookups = tuple(changed if known is lookup else known for known in column.lookups)
    writes.put_column(call.store, table, replace(column, lookups=lookups))
    return _NO_CONTENT


def _delete_relationship(call: Call) -> Reply:
    writes.delete_relationship(call.store, _relationship(call))
    return _NO_CONTENT


def _create_lookup(kind: ColumnKind, response: str) -> Handler:
    """An action that makes a lookup with several targets, and a relationship for each."""

    def create(call: Call) -> Reply:
        payload = _payload(call)
        relationships = payload.get("OneToManyRelationships") or ()
        if not relationships:
            raise replies.invalid_argument("OneToManyRelationships must not be empty.")
        table = writes.find_table(call.catalog, str(relationships[0].get("ReferencingEntity")))
        column = payloads.parse_lookup(payload.get("Lookup") or {}, relationships, kind=kind)
        writes.add_column(call.store, table, column)
        note_fresh(call, table.name, column.name)
        ids = [relationship_id(lookup.schema_name) for lookup in column.lookups]
        content = {"RelationshipIds": ids, "AttributeId": column_id(table.name, column.name)}
        return _answered(call, response, content)

    return create


def _answered(call: Call, response: str, content: Payload) -> Reply:
    context = f"{call.api_url}/$metadata#{_NAMESPACE}{response}"
    return Reply.json({"@odata.context": context, **content})


# ---- option sets --------------------------------------------------------------------------------


def _option_set(call: Call) -> OptionSetDefinition:
    return writes.find_option_set(call.catalog, _identifier(call.segments[0]))


def _create_option_set(call: Call) -> Reply:
    option_set = payloads.parse_option_set(_payload(call))
    writes.create_option_set(call.store, option_set)
    return _created(call, option_set_id(option_set.name))


def _put_option_set(call: Call) -> Reply:
    """Its display name; options are changed by actions of their own."""
    known = _option_set(call)
    display_name = payloads.parse_label(_payload(call).get("DisplayName")) or known.display_name
    writes.put_options(call.store, replace(known, display_name=display_name))
    return _NO_CONTENT


def _delete_option_set(call: Call) -> Reply:
    writes.delete_option_set(call.store, _option_set(call))
    return _NO_CONTENT


Options: TypeAlias = tuple[OptionDefinition, ...]


def _change_options(call: Call, change: Callable[[Options, Payload], Options]) -> Payload:
    """Apply the change to the options that the action's parameters name; the parameters."""
    payload = _payload(call)
    name = payload.get("OptionSetName")
    if name:
        option_set = writes.find_option_set(call.catalog, str(name))
        changed = change(option_set.options, payload)
        writes.put_options(call.store, replace(option_set, options=changed))
        return payload
    table = writes.find_table(call.catalog, str(payload.get("EntityLogicalName")))
    column = writes.find_column(table, str(payload.get("AttributeLogicalName")))
    if not column.kind.has_options or column.option_set:
        raise replies.invalid_argument(f"The column {column.name} has no options of its own.")
    changed = change(column.options, payload)
    writes.put_column(call.store, table, replace(column, options=changed))
    return payload


def _insert_option(call: Call) -> Reply:
    added: list[OptionDefinition] = []

    def insert(options: Options, payload: Payload) -> Options:
        added.append(payloads.parse_option(payload, taken=[each.value for each in options]))
        return (*options, *added)

    _change_options(call, insert)
    return _answered(call, "InsertOptionValueResponse", {"NewOptionValue": added[0].value})


def _update_option(call: Call) -> Reply:
    def update(options: Options, payload: Payload) -> Options:
        label = payloads.parse_label(payload.get("Label"))
        wanted = _present(options, payload)
        return tuple(
            replace(each, label=label) if each.value == wanted else each for each in options
        )

    _change_options(call, update)
    return _NO_CONTENT


def _delete_option(call: Call) -> Reply:
    def delete(options: Options, payload: Payload) -> Options:
        unwanted = _present(options, payload)
        return tuple(each for each in options if each.value != unwanted)

    _change_options(call, delete)
    return _NO_CONTENT


def _order_options(call: Call) -> Reply:
    def order(options: Options, payload: Payload) -> Options:
        by_value = {each.value: each for each in options}
        values = payload.get("Values") or ()
        if set(values) != set(by_value):
            raise replies.invalid_argument("Values must name every option once.")
        return tuple(by_value[value] for value in values)

    _change_options(call, order)
    return _NO_CONTENT


def _present(options: Options, payload: Payload) -> int:
    value: Any = payload.get("Value")
    if value not in [each.value for each in options]:
        raise replies.invalid_argument(f"There is no option with the value {value}.")
    return int(value)


# ---- the tables ---------------------------------------------------------------------------------


def _accept(_call: Call) -> Reply:
    """Publishing: every change is visible at once, so there is nothing to do."""
    return _NO_CONTENT


_HANDLERS: Mapping[tuple[str, ...], Mapping[str, Handler]] = {
    ("EntityDefinitions",): {
        "POST": _create_table,
        "PUT": _put_table,
        "DELETE": _delete_table,
    },
    ("EntityDefinitions", "Attributes"): {
        "POST": _create_column,
        "PUT": _put_column,
        "DELETE": _delete_column,
    },
    ("EntityDefinitions", "Keys"): {"POST": _create_key, "DELETE": _delete_key},
    ("RelationshipDefinitions",): {
        "POST": _create_relationship,
        "PUT": _put_relationship,
        "DELETE": _delete_relationship,
    },
    ("GlobalOptionSetDefinitions",): {
        "POST": _create_option_set,
        "PUT": _put_option_set,
        "DELETE": _delete_option_set,
    },
}


def _guarded(action: Handler) -> Handler:
    def perform(call: Call) -> Reply:
        _require_customizer(call.user)
        return action(call)

    return perform


_ACTIONS: Mapping[str, Handler] = {
    name: _guarded(action)
    for name, action in {
        "CreateEntities": _create_tables,
        "CreateCustomerRelationships": _create_lookup(
            ColumnKind.CUSTOMER, "CreateCustomerRelationshipsResponse"
        ),
        "CreatePolymorphicLookupAttribute": _create_lookup(
            ColumnKind.LOOKUP, "CreatePolymorphicLookupAttributeResponse"
        ),
        "DeleteOptionValue": _delete_option,
        "InsertOptionValue": _insert_option,
        "InsertStatusValue": _insert_option,
        "OrderOption": _order_options,
        "PublishAllXml": _accept,
        "PublishXml": _accept,
        "ReactivateEntityKey": _reactivate_key,
        "UpdateOptionValue": _update_option,
    }.items()
}
"""The unbound actions that change metadata."""

ROUTES: Routes = {
    **{
        (method, f"{root}{rest}"): _write
        for root in ("EntityDefinitions", "GlobalOptionSetDefinitions", "RelationshipDefinitions")
        for rest in (
            "",
            "()",
            "()/{action}",
            "()/{property}",
            "()/{property}()",
            "()/{property}()/{action}",
        )
        for method in ("POST", "PUT", "PATCH", "DELETE")
    },
    **{("POST", name): action for name, action in _ACTIONS.items()},
}
