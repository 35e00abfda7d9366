"""GET on metadata: EntityDefinitions and what hangs below (DATAVERSE 3.1).

Belongs here: URLs, `$select`, `$filter` and `$expand` on metadata; every answer is complete. Does
not belong here: the JSON itself (`metadata.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from dv_sync_pipeline.emulator.definitions import metadata
from dv_sync_pipeline.emulator.definitions.metadata_columns import option_set
from dv_sync_pipeline.emulator.definitions.metadata_values import MetadataObject
from dv_sync_pipeline.emulator.queries.expand import parse_expand
from dv_sync_pipeline.emulator.queries.filters import (
    Comparison,
    Function,
    Lambda,
    Literal,
    Logical,
    Node,
    Not,
    Path,
    parse_filter,
)
from dv_sync_pipeline.emulator.queries.projection import selected_names
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.service.addresses import Segment
from dv_sync_pipeline.emulator.service.handlers import Routes
from dv_sync_pipeline.emulator.service.requests import Call

__all__ = ["ROUTES", "read_metadata"]

_OPTIONS = ("$select", "$filter", "$expand", "$count", "$top", "$orderby")
_PREFIX = "Microsoft.Dynamics.CRM."
_ROOTS: Mapping[str, Callable[[Call], list[MetadataObject]]] = {
    "EntityDefinitions": lambda call: [
        metadata.entity(call.catalog, table) for table in call.catalog.tables.values()
    ],
    "GlobalOptionSetDefinitions": lambda call: [
        option_set(definition) for definition in call.catalog.option_sets.values()
    ],
    "RelationshipDefinitions": lambda call: metadata.relationships(call.catalog),
}


def read_metadata(call: Call) -> Reply:
    """Walk the path from the root; each segment narrows what is found."""
    call.require_options(*_OPTIONS)
    found: MetadataObject | Sequence[MetadataObject] = _ROOTS[call.segments[0].name](call)
    for place, segment in enumerate(call.segments):
        if segment.name.startswith(_PREFIX):
            found = _cast(found, segment.name.removeprefix(_PREFIX))
        elif place > 0:
            found = _follow(found, segment.name)
        if segment.has_key:
            found = _pick(found, segment)
    context = f"{call.api_url}/$metadata#{call.request.path}"
    if isinstance(found, MetadataObject):
        body = render(found, call.options)
        return Reply.json({"@odata.context": f"{context}/$entity", **body})
    matching = _matching(found, call.options.get("$filter"))
    rendered = [render(item, call.options) for item in matching]
    count = {"@odata.count": len(rendered)} if call.options.get("$count") == "true" else {}
    return Reply.json({"@odata.context": context, **count, "value": rendered})


def _follow(
    found: MetadataObject | Sequence[MetadataObject], name: str
) -> MetadataObject | Sequence[MetadataObject]:
    if not isinstance(found, MetadataObject) or name not in found.navigation:
        raise replies.segment_not_found(name)
    target = found.navigation[name]()
    if target is None:
        raise replies.segment_not_found(name)
    return target


def _cast(
    found: MetadataObject | Sequence[MetadataObject], type_name: str
) -> MetadataObject | list[MetadataObject]:
    if isinstance(found, MetadataObject):
        if found.type_name != type_name:
            raise replies.segment_not_found(f"{_PREFIX}{type_name}")
        return found
    if type_name == "EnumAttributeMetadata":
        raise replies.bad_query(
            "A cast to the abstract type EnumAttributeMetadata is not possible."
        )
    return [item for item in found if item.type_name == type_name]


_KEY_NAMES = ("LogicalName", "SchemaName", "Name", "MetadataId")


def _pick(found: MetadataObject | Sequence[MetadataObject], segment: Segment) -> MetadataObject:
    if isinstance(found, MetadataObject):
        raise replies.segment_not_found(segment.name)
    wanted = {"MetadataId": segment.row_id} if segment.row_id else dict(segment.key)
    if len(wanted) != 1 or not wanted.keys() <= set(_KEY_NAMES):
        raise replies.key_not_valid(segment.name)
    ((name, value),) = wanted.items()
    for item in found:
        if item.properties.get(name) == value:
            return item
    raise replies.metadata_not_found(segment.name, str(value))


# ---- $select and $expand ------------------------------------------------------------------------


def render(
    item: MetadataObject, options: Mapping[str, str], *, base_only: bool = False
) -> dict[str, Any]:
    """The JSON of an object; `MetadataId` is always in it."""
    names = selected_names(options.get("$select"))
    known = item.base_names if base_only and item.base_names else item.properties.keys()
    if names is None:
        names = tuple(name for name in item.properties if name in known)
    for name in names:
        if name not in item.properties:
            raise _unknown_property(item, name)
    body: dict[str, Any] = {"@odata.type": item.odata_type} if item.is_typed else {}
    body |= {name: item.properties[name] for name in names}
    body.setdefault("MetadataId", item.properties["MetadataId"])
    for expansion in parse_expand(options["$expand"]) if "$expand" in options else ():
        if expansion.name not in item.navigation:
            raise _unknown_property(item, expansion.name)
        body[expansion.name] = _render_target(item.navigation[expansion.name](), expansion.options)
    return body


def _render_target(
    target: MetadataObject | Sequence[MetadataObject] | None, options: Mapping[str, str]
) -> Any:
    if target is None:
        return None
    if isinstance(target, MetadataObject):
        return render(target, options)
    matching = _matching(target, options.get("$filter"))
    return [render(item, options, base_only=True) for item in matching]


def _unknown_property(item: MetadataObject, name: str) -> replies.DataverseError:
    return replies.unknown_query_property(item.type_name, name, code="0x80060888")


# ---- $filter ------------------------------------------------------------------------------------


def _matching(items: Sequence[MetadataObject], text: str | None) -> list[MetadataObject]:
    if not text:
        return list(items)
    tree = parse_filter(text)
    return [item for item in items if _holds(tree, item)]


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": eq,
    "ne": ne,
    "gt": gt,
    "ge": ge,
    "lt": lt,
    "le": le,
}


def _holds(node: Node, item: MetadataObject) -> bool:
    match node:
        case Logical():
            quantifier = all if node.operator == "and" else any
            return quantifier(_holds(each, item) for each in node.operands)
        case Not():
            return not _holds(node.operand, item)
        case Comparison(left=Path() as path, right=Literal() as literal):
            return _compares(node.operator, path, literal, item)
        case Path():
            return bool(_property(node, item))
        case Function() | Lambda() | Literal() | Comparison():
            raise replies.not_implemented(f"{type(node).__name__} in a filter on metadata")


def _compares(operator: str, path: Path, literal: Literal, item: MetadataObject) -> bool:
    """Whether the comparison holds; enumerations compare with plain text too.

    The documentation wants the qualified literal (DATAVERSE 3.1), but Microsoft's own Python client
    sends `AttributeType ne 'Virtual'`.
    """
    value = _property(path, item)
    if value is None or literal.value is None:
        return (value is literal.value) == (operator == "eq")
    return _OPERATORS[operator](value, literal.value)


def _property(path: Path, item: MetadataObject) -> Any:
    value: Any = item.properties
    for name in path.names:
        if not isinstance(value, Mapping):
            return None
        if name not in value:
            raise _unknown_property(item, str(path))
        value = value[name]
    return value


ROUTES: Routes = {
    ("GET", f"{root}{rest}"): read_metadata
    for root in _ROOTS
    for rest in (
        "",
        "()",
        "()/{property}",
        "()/{property}()",
        "()/{property}/{action}",
        "()/{property}()/{action}",
        "()/{property}()/{action}/{property}",
        "()/{action}",
        "/{action}",
    )
}
