"""Who may do what (DATAVERSE 13): roles of a user and the privileges of roles.

Belongs here: looking privileges up and the refusals. Does not belong here: who sends a request
(`identity.py`), and making users and roles (`system.py`).

A privilege is an action on a table, or on every table ("*"), to a depth. Whoever has no role at
all may only ask who they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dv_sync_pipeline.emulator import replies
from dv_sync_pipeline.emulator.catalog import Table
from dv_sync_pipeline.emulator.conditions import Condition
from dv_sync_pipeline.emulator.store import Store

__all__ = ["Action", "User", "find_user"]


class Action(StrEnum):
    """The rights that Dataverse distinguishes."""

    CREATE = "Create"
    READ = "Read"
    WRITE = "Write"
    DELETE = "Delete"
    APPEND = "Append"
    APPEND_TO = "AppendTo"
    ASSIGN = "Assign"
    SHARE = "Share"


@dataclass(frozen=True, slots=True)
class User:
    """A user with the privileges of all their roles.

    Attributes:
        id: GUID of the `systemuser` row.
        business_unit: GUID of theirs.
        has_roles: whether they have any role.
        depths: (action, table or "*") → depth.

    """

    id: str
    business_unit: str
    has_roles: bool
    depths: Mapping[tuple[str, str], str]

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
        if depth == "Basic":
            return [Condition(f'{alias}."ownerid" = ?', (self.id,))]
        return [Condition(f'{alias}."owningbusinessunit" = ?', (self.business_unit,))]


_DEPTHS = ("Basic", "Local", "Deep", "Global")


def find_user(store: Store, user_id: str) -> User:
    """The user with the privileges that their roles have now."""
    unit = store.database.value(
        'SELECT "businessunitid" FROM "systemuser" WHERE "systemuserid" = ?', (user_id,)
    )
    roles = store.database.execute(_ROLES, (user_id,)).fetchall()
    depths: dict[tuple[str, str], str] = {}
    for action, table, depth in store.database.execute(_PRIVILEGES, (user_id,)):
        known = depths.get((action, table), depth)
        depths[action, table] = max(known, depth, key=_DEPTHS.index)
    return User(user_id, str(unit), bool(roles), depths)


_ROLES = 'SELECT "roleid" FROM "systemuserroles" WHERE "systemuserid" = ? LIMIT 1'
_PRIVILEGES = (
    "SELECT action, table_name, depth FROM _dv_role_privilege "
    'JOIN "systemuserroles" ON "roleid" = role_id WHERE "systemuserid" = ?'
)
