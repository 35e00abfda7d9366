"""Who the application user is in an environment, and what it may do there (DATAVERSE 13).

Belongs here: reading the user, its roles and its privileges. Does not belong here: which of them a
synchronization needs (`sync/examination/`).

A privilege is a right on a table to a depth; other than in its refusals, Dataverse speaks of
privileges by id, so the ids of a table's privileges are read from its definition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import partial
from typing import TypeVar

import msgspec

from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.odata import address, literal, row
from dv_sync_pipeline.webapi.transport import Transport

__all__ = ["ApplicationUserRow", "Depth", "Right", "find_user", "privileges_of", "rights_on"]


class Right(StrEnum):
    """What may be done to rows of a table, as `PrivilegeType` names it."""

    READ = "Read"
    CREATE = "Create"
    WRITE = "Write"
    DELETE = "Delete"
    APPEND = "Append"
    APPEND_TO = "AppendTo"
    ASSIGN = "Assign"


class Depth(IntEnum):
    """To which rows a privilege extends."""

    NONE = 0
    BASIC = 1
    LOCAL = 2
    DEEP = 3
    GLOBAL = 4

    @property
    def words(self) -> str:
        """For people."""
        return _DEPTH_WORDS[self]


_DEPTH_WORDS = {
    Depth.NONE: "not at all",
    Depth.BASIC: "its own rows",
    Depth.LOCAL: "rows of its business unit",
    Depth.DEEP: "rows of its business unit and those below",
    Depth.GLOBAL: "all rows",
}
_DEPTHS = {depth.name.capitalize(): depth for depth in Depth}


@dataclass(frozen=True, slots=True)
class ApplicationUserRow:
    """An application user as the environment knows it.

    Attributes:
        name: full name.
        is_disabled: may do nothing.
        roles: names of the security roles that it holds itself.

    """

    name: str
    is_disabled: bool
    roles: tuple[str, ...]


async def find_user(transport: Transport, user_id: str) -> ApplicationUserRow:
    """The user with its own roles; those of its teams count too, but are not listed."""
    resource = address(
        row("systemusers", user_id),
        select="fullname,isdisabled",
        expand="systemuserroles_association($select=name)",
    )
    found = await _read(transport, resource, _User)
    return ApplicationUserRow(
        name=found.fullname or "",
        is_disabled=bool(found.isdisabled),
        roles=tuple(sorted(role.name for role in found.systemuserroles_association)),
    )


async def privileges_of(transport: Transport, user_id: str) -> dict[str, Depth]:
    """Privilege id → depth, of all roles of the user and of its teams."""
    function = f"{row('systemusers', user_id)}/Microsoft.Dynamics.CRM.RetrieveUserPrivileges"
    answer = await _read(transport, function, _UserPrivileges)
    privileges: dict[str, Depth] = {}
    for each in answer.role_privileges:
        depth = _DEPTHS.get(each.depth, Depth.NONE)
        privileges[each.privilege_id] = max(depth, privileges.get(each.privilege_id, Depth.NONE))
    return privileges


async def rights_on(
    transport: Transport, table: str, privileges: Mapping[str, Depth]
) -> dict[Right, Depth]:
    """How deep each right on the table reaches; rights that the table does not know are left out.

    Organisation-owned tables know no assigning, for example.
    """
    resource = address(f"EntityDefinitions(LogicalName={literal(table)})", select="Privileges")
    definition = await _read(transport, resource, _Definition)
    known = {each.privilege_type: each.privilege_id for each in definition.privileges}
    return {right: privileges.get(known[right], Depth.NONE) for right in Right if right in known}


_Shape = TypeVar("_Shape")


async def _read(transport: Transport, resource: str, shape: type[_Shape]) -> _Shape:
    return await read_decoded(
        partial(transport.read, resource),
        msgspec.json.Decoder(shape).decode,
        where=f"{transport.name}: {resource.partition('?')[0]}",
    )


class _Role(msgspec.Struct):
    name: str


class _User(msgspec.Struct):
    systemuserroles_association: list[_Role]
    fullname: str | None = None
    isdisabled: bool | None = None


class _Privilege(msgspec.Struct, rename="pascal"):
    privilege_id: str
    depth: str


class _UserPrivileges(msgspec.Struct, rename="pascal"):
    role_privileges: list[_Privilege]


class _TablePrivilege(msgspec.Struct, rename="pascal"):
    privilege_id: str
    privilege_type: str


class _Definition(msgspec.Struct, rename="pascal"):
    privileges: list[_TablePrivilege]
