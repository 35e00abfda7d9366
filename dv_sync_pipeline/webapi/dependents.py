"""Which rows point to a row, and what deleting it would do to them.

Belongs here: the relationships in which a table is the parent, with their rule for deletes
(DATAVERSE 3.5), and finding parents that have children. Does not belong here: what follows from it
(`sync/removals.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import msgspec

from dv_sync_pipeline.errors import IncompleteReadError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.webapi.metadata import entity_set_of
from dv_sync_pipeline.webapi.odata import address, guid, literal
from dv_sync_pipeline.webapi.together import together
from dv_sync_pipeline.webapi.transport import Transport

__all__ = ["DeleteRule", "Dependent", "dependents_of", "ids_with_dependents"]


class DeleteRule(StrEnum):
    """`CascadeConfiguration.Delete`: what becomes of a child when its parent is deleted."""

    CASCADE = "Cascade"
    REMOVE_LINK = "RemoveLink"
    RESTRICT = "Restrict"
    NO_CASCADE = "NoCascade"


@dataclass(frozen=True, slots=True)
class Dependent:
    """A lookup of some table that points to the table in question.

    Attributes:
        table: whose rows point to it.
        column: the lookup, by its logical name.
        entity_set: the name of `table` in URLs.
        rule: what a delete of the parent does to them.

    """

    table: str
    column: str
    entity_set: str
    rule: DeleteRule


_IDS_MAX = 25
"""As for reads by id: `a eq x or b eq y ...` (`read.py`)."""

_BOOKKEEPING = frozenset(
    {
        "asyncoperation",
        "bulkdeletefailure",
        "duplicaterecord",
        "mailboxtrackingfolder",
        "principalobjectattributeaccess",
        "processsession",
        "syncerror",
        "userentityinstancedata",
        "workflowlog",
    }
)
"""Tables in which Dataverse keeps traces of its own work on a row; nobody misses them."""


_Shape = TypeVar("_Shape")


class _Cascade(msgspec.Struct, rename="pascal"):
    delete: str = DeleteRule.NO_CASCADE


class _Relationship(msgspec.Struct, rename="pascal"):
    referencing_entity: str
    referencing_attribute: str
    cascade_configuration: _Cascade


class _Relationships(msgspec.Struct):
    value: list[_Relationship]


class _Children(msgspec.Struct):
    value: list[dict[str, object]]


async def dependents_of(transport: Transport, table: str) -> tuple[Dependent, ...]:
    """Every lookup that a delete would follow; those it leaves alone are left out."""
    resource = address(
        f"EntityDefinitions(LogicalName={literal(table)})/OneToManyRelationships",
        select="ReferencingEntity,ReferencingAttribute,CascadeConfiguration",
    )
    body = await transport.read(resource)
    found = [
        each
        for each in _decoded(body, _Relationships, where=f"{transport.name}: {table}").value
        if each.cascade_configuration.delete != DeleteRule.NO_CASCADE
        and each.referencing_entity not in _BOOKKEEPING
    ]
    entity_sets = await together(
        entity_set_of(transport, each.referencing_entity) for each in found
    )
    return tuple(
        Dependent(
            each.referencing_entity,
            each.referencing_attribute,
            entity_set,
            DeleteRule(each.cascade_configuration.delete),
        )
        for each, entity_set in zip(found, entity_sets, strict=True)
    )


async def ids_with_dependents(
    transport: Transport, dependent: Dependent, ids: Sequence[str]
) -> set[str]:
    """Those of the rows that some row of the dependent table points to."""
    groups = [ids[start : start + _IDS_MAX] for start in range(0, len(ids), _IDS_MAX)]
    found = await together(_parents(transport, dependent, group) for group in groups)
    return set[str]().union(*found)


async def _parents(transport: Transport, dependent: Dependent, ids: Sequence[str]) -> set[str]:
    """Ask for one child at a time: a parent may have thousands, and one is enough."""
    parents: set[str] = set()
    left = list(ids)
    while left:
        parent = await _a_parent(transport, dependent, left)
        if not parent:
            break
        parents.add(parent)
        left.remove(parent)
    return parents


async def _a_parent(transport: Transport, dependent: Dependent, ids: Sequence[str]) -> str:
    """One of the rows that is pointed to; "" if none is."""
    name = f"_{dependent.column}_value"
    where = f"{transport.name}: {dependent.table}"
    condition = " or ".join(f"{name} eq {guid(row_id)}" for row_id in ids)
    body = await transport.read(
        address(dependent.entity_set, select=name, filter=condition, top="1")
    )
    found = [str(row.get(name, "")).lower() for row in _decoded(body, _Children, where=where).value]
    if found and found[0] not in ids:
        raise IncompleteReadError("a row was read that was not asked for", where=where)
    return found[0] if found else ""


def _decoded(body: bytes, shape: type[_Shape], *, where: str) -> _Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IncompleteReadError(
            "an answer about relationships cannot be read", where=where, why=redact(str(error))
        ) from None
