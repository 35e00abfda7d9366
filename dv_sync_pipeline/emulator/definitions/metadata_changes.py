"""`RetrieveMetadataChanges`: metadata by a query in JSON, with a stamp (DATAVERSE 3.1).

Belongs here: conditions and projections of an `EntityQueryExpression`. Does not belong here: the
JSON of definitions (`metadata.py`).

The stamp names a state of the whole schema: who comes back with the present one gets nothing, who
comes back with another gets everything, as after an expired stamp.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias

import msgspec

from dv_sync_pipeline.emulator.definitions import metadata
from dv_sync_pipeline.emulator.definitions.metadata_values import MetadataObject
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.replies import Reply, encode_json
from dv_sync_pipeline.emulator.service.handlers import Routes
from dv_sync_pipeline.emulator.service.requests import Call

__all__ = ["ROUTES"]

Query: TypeAlias = Mapping[str, Any]
"""A JSON object: an `EntityQueryExpression` or a part of one."""

_PARTS: Mapping[str, str] = {
    "Attributes": "AttributeQuery",
    "Keys": "KeyQuery",
    "ManyToManyRelationships": "RelationshipQuery",
    "ManyToOneRelationships": "RelationshipQuery",
    "OneToManyRelationships": "RelationshipQuery",
}
"""What an entity consists of, and which part of the query is about it."""


def _retrieve(call: Call) -> Reply:
    query = _parameter(call, "Query") or {}
    stamp = _stamp(call)
    known = _parameter(call, "ClientVersionStamp")
    tables = call.catalog.tables.values() if known != stamp else ()
    entities = [metadata.entity(call.catalog, table) for table in tables]
    context = f"{call.api_url}/$metadata#Microsoft.Dynamics.CRM.RetrieveMetadataChangesResponse"
    return Reply.json(
        {
            "@odata.context": context,
            "ServerVersionStamp": stamp,
            "EntityMetadata": [
                _shown(entity, query, query) for entity in _matching(entities, query)
            ],
            "DeletedMetadata": {"Count": 0, "IsReadOnly": False, "Keys": [], "Values": []},
        }
    )


def _parameter(call: Call, name: str) -> Any:
    """A parameter of the function: a literal, or JSON behind an alias."""
    value = call.segments[0].key.get(name)
    if not isinstance(value, str) or not value.startswith("@"):
        return value
    try:
        return msgspec.json.decode(call.options.get(value, "null"))
    except msgspec.DecodeError as error:
        raise replies.malformed_json(str(error)) from None


def _stamp(call: Call) -> str:
    definitions = [table.definition for table in call.catalog.tables.values()]
    digest = hashlib.blake2b(encode_json([definitions, *call.catalog.many_to_many.values()]))
    return digest.hexdigest()[:16]


# ---- what is shown ------------------------------------------------------------------------------


def _shown(item: MetadataObject, query: Query, whole: Query) -> dict[str, Any]:
    """The properties that the query names, or all of them; the id is always there."""
    wanted = query.get("Properties") or {}
    names = None if wanted.get("AllProperties") else set(wanted.get("PropertyNames") or ())
    shown: dict[str, Any] = {"@odata.type": item.odata_type.replace("CRM.", "CRM.Complex")}
    shown |= {
        name: value for name, value in item.properties.items() if names is None or name in names
    }
    shown.setdefault("MetadataId", item.properties["MetadataId"])
    for name, find in item.navigation.items():
        if names is None or name in names:
            shown[name] = _shown_target(find(), whole.get(_PARTS.get(name, ""), {}), whole)
    return shown


def _shown_target(
    target: MetadataObject | Sequence[MetadataObject] | None, query: Query, whole: Query
) -> Any:
    if target is None:
        return None
    if isinstance(target, MetadataObject):
        return _shown(target, {"Properties": {"AllProperties": True}}, whole)
    return [_shown(item, query, whole) for item in _matching(target, query)]


# ---- conditions ---------------------------------------------------------------------------------


def _matching(items: Sequence[MetadataObject], query: Query) -> list[MetadataObject]:
    criteria = query.get("Criteria") or {}
    return [item for item in items if _holds(criteria, item)]


def _holds(criteria: Query, item: MetadataObject) -> bool:
    tests = [_is_met(condition, item) for condition in criteria.get("Conditions") or ()]
    tests += [_holds(inner, item) for inner in criteria.get("Filters") or ()]
    return any(tests) if criteria.get("FilterOperator") == "Or" and tests else all(tests)


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": eq,
    "NotEquals": ne,
    "GreaterThan": gt,
    "GreaterEqual": ge,
    "LessThan": lt,
    "LessEqual": le,
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
}


def _is_met(condition: Query, item: MetadataObject) -> bool:
    name, operator = (str(condition.get(part)) for part in ("PropertyName", "ConditionOperator"))
    if name not in item.properties:
        raise replies.unknown_query_property(item.type_name, name, code="0x80060888")
    if operator not in _OPERATORS:
        raise replies.not_implemented(f"the metadata condition operator '{operator}'")
    value, wanted = item.properties[name], condition.get("Value")
    if isinstance(value, Mapping):
        value = value.get("Value")
    if isinstance(wanted, Mapping):
        wanted = wanted.get("Value")
    return _OPERATORS[operator](value, wanted)


ROUTES: Routes = {("GET", "RetrieveMetadataChanges()"): _retrieve}
