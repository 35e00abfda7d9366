"""Who may do what (DATAVERSE 13): roles of a user and their teams, and the privileges of roles.

Belongs here: looking privileges up, how far they reach, column security, acting on behalf of
others, and the refusals. Does not belong here: who sends a request (`identity.py`), making users
and roles (`system.py`), and changing roles through the API (`roles.py`).

A privilege is an action on a table, or on every table ("*"), to a depth. Whoever has no role at
all may only ask who they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.catalog import Table

__all__ = ["DEPTHS", "Action", "ColumnRight", "User", "acting_user", "find_user"]

DEPTHS = ("Basic", "Local", "Deep", "Global")
"""Own rows, rows of the own business unit, of it and those below, all rows (DATAVERSE 13)."""


class Action(StrEnum):
    """The rights that Dataverse distinguishes, and two that no table has."""

    CREATE = "Create"
    READ = "Read"
    WRITE = "Write"
    DELETE = "Delete"
    APPEND = "Append"
    APPEND_TO = "AppendTo"
    ASSIGN = "Assign"
    SHARE = "Share"
    ACT_ON_BEHALF = "ActOnBehalfOfAnotherUser"
    SEE_SECURED_COLUMNS = "SeeSecuredColumns"


class ColumnRight(StrEnum):
    """What a field security profile allows; its value is the column of `fieldpermission`."""

    READ = "canread"
    CREATE = "cancreate"
    UPDATE = "canupdate"


Permissions = Mapping[tuple[str, str], frozenset[ColumnRight]]
"""(table, column) → what profiles allow there."""


@dataclass(frozen=True, slots=True)
class User:
    """A user with the privileges of all their roles.

    Attributes:
        id: GUID of the `systemuser` row.
        business_unit: GUID of theirs.
        has_roles: whether they have any role.
        depths: (action, table or "*") → depth.
        permissions: on secured columns.
        behind: who really sends the request, when they act on behalf of this user; else "".

    """

    id: str
    business_unit: str
    has_roles: bool
    depths: Mapping[tuple[str, str], str]
    permissions: Permissions = field(default_factory=dict)
    behind: str = ""

    def depth(self, action: Action, table: str) -> str | None:
        """How deep the privilege reaches; None if no role has it."""
        return self.depths.get((action, table)) or self.depths.get((action, "*"))

    def require(self, action: Action, table: Table) -> None:
        """Raise the 403 unless some role has the privilege (DATAVERSE 1.2, 4.7)."""
        if self.depth(action, table.name):
            return
        if not self.has_roles:
            raise replies.no_roles(self.id)
        raise replies.access_denied(
            self.id,
            privilege=f"prv{action}{table.definition.schema_name}",
            table=table.name,
            object_type_code=table.definition.object_type_code,
        )

    def reach(self, action: Action, table: Table, *, alias: str) -> list[Condition]:
        """What must hold for the rows that the privilege covers; nothing at organisation depth.

        A shallow read privilege shows fewer rows and never an error (DATAVERSE 13).
        """
        depth = self.depth(action, table.name)
        if depth == "Global" or "ownerid" not in table.columns:
            return []
        sql, parameters = _REACHES[depth or "Basic"]
        return [Condition(sql.format(alias), parameters(self))]

    def hidden_columns(self, table: Table) -> frozenset[str]:
        """The secured columns that read as null for them (DATAVERSE 13)."""
        return frozenset(
            name for name in table.secured if not self.may(ColumnRight.READ, table, name)
        )

    def may(self, right: ColumnRight, table: Table, column: str) -> bool:
        """Whether they have this right on a secured column."""
        if (Action.SEE_SECURED_COLUMNS, "*") in self.depths:
            return True
        return right in self.permissions.get((table.name, column), ())


_OWN = (
    '({0}."ownerid" = ? OR {0}."ownerid" IN '
    '(SELECT "teamid" FROM "teammembership" WHERE "systemuserid" = ?))'
)
_UNITS = """
    WITH RECURSIVE unit (id) AS (
        VALUES (?)
        UNION SELECT "businessunitid" FROM "businessunit" JOIN unit ON "parentbusinessunitid" = id
    ) SELECT id FROM unit
"""
_REACHES: Mapping[str, tuple[str, Callable[[User], tuple[str, ...]]]] = {
    "Basic": (_OWN, lambda user: (user.id, user.id)),
    "Local": ('{0}."owningbusinessunit" = ?', lambda user: (user.business_unit,)),
    "Deep": (f'{{0}}."owningbusinessunit" IN ({_UNITS})', lambda user: (user.business_unit,)),
}


def find_user(store: Store, user_id: str) -> User:
    """The user with the privileges that their roles have now."""
    database = store.database
    unit = database.value(_UNIT, (user_id,))
    roles = database.execute(_ROLES, (user_id, user_id)).fetchall()
    depths: dict[tuple[str, str], str] = {}
    for action, table, depth in database.execute(_PRIVILEGES, (user_id, user_id)):
        known = depths.get((action, table), depth)
        depths[action, table] = max(known, depth, key=DEPTHS.index)
    return User(user_id, str(unit), bool(roles), depths, _permissions(store, user_id))


_UNIT = 'SELECT "businessunitid" FROM "systemuser" WHERE "systemuserid" = ?'
_ROLES = """
    SELECT "roleid" FROM "systemuserroles" WHERE "systemuserid" = ?
    UNION SELECT "roleid" FROM "teamroles" JOIN "teammembership" USING ("teamid")
    WHERE "systemuserid" = ?
"""
_PRIVILEGES = (
    f"SELECT action, table_name, depth FROM _dv_role_privilege WHERE role_id IN ({_ROLES})"
)


def _permissions(store: Store, user_id: str) -> Permissions:
    found: dict[tuple[str, str], frozenset[ColumnRight]] = {}
    for table, column, *granted in store.database.execute(_PERMISSIONS, (user_id,)):
        rights = {right for right, value in zip(ColumnRight, granted, strict=True) if value}
        found[table, column] = found.get((table, column), frozenset()) | rights
    return found


_PERMISSIONS = """
    SELECT "entityname", "attributelogicalname", "canread", "cancreate", "canupdate"
    FROM "fieldpermission" JOIN "systemuserprofiles" USING ("fieldsecurityprofileid")
    WHERE "systemuserid" = ?
"""


# ---- on behalf of others ------------------------------------------------------------------------


def acting_user(store: Store, user_id: str, headers: Mapping[str, str]) -> User:
    """Who a request counts as: the sender, or whom they act on behalf of (DATAVERSE 11).

    The rights are those that both have. Raises the 403 if the sender may not.
    """
    sender = find_user(store, user_id)
    other_id = _impersonated(store, headers)
    if other_id is None:
        return sender
    if sender.depth(Action.ACT_ON_BEHALF, "*") is None:
        raise replies.no_impersonation(sender.id)
    other = find_user(store, other_id)
    return replace(other, depths=_common(sender, other), behind=sender.id)


def _impersonated(store: Store, headers: Mapping[str, str]) -> str | None:
    for header, column in _CALLER_HEADERS.items():
        value = headers.get(header)
        if value:
            sql = f'SELECT "systemuserid" FROM "systemuser" WHERE "{column}" = ?'
            found = store.database.value(sql, (value.strip("{} ").lower(),))
            if found is None:
                raise replies.row_not_found("systemuser", value)
            return str(found)
    return None


_CALLER_HEADERS = {
    "callerobjectid": "azureactivedirectoryobjectid",
    "mscrmcallerid": "systemuserid",
}


def _common(first: User, second: User) -> dict[tuple[str, str], str]:
    depths: dict[tuple[str, str], str] = {}
    for action, table in {*first.depths, *second.depths}:
        both = (first.depth(Action(action), table), second.depth(Action(action), table))
        if both[0] and both[1]:
            depths[action, table] = min(both[0], both[1], key=DEPTHS.index)
    return depths
