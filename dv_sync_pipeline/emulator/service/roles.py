"""Changing and showing the privileges of roles through the Web API (DATAVERSE 13).

Belongs here: the actions and functions on roles and users. Does not belong here: what a privilege
allows (`security.py`). Their shapes are from memory.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dv_sync_pipeline.emulator.rows import references, replies
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.rows.security import DEPTHS, Action, find_user
from dv_sync_pipeline.emulator.service.handlers import Routes
from dv_sync_pipeline.emulator.service.requests import Call

__all__ = ["ROUTES"]

_PREFIX = "Microsoft.Dynamics.CRM."


def _bound(call: Call) -> Reply:
    """An action or function on one row."""
    name = call.segments[1].name.removeprefix(_PREFIX)
    handle = _BOUND.get((call.table.name, name))
    if handle is None:
        raise replies.not_implemented(f"{name} on {call.table.name}")
    return handle(call, references.require_row(call.store, call.table, call.segments[0]))


def _add(call: Call, role_id: str) -> Reply:
    call.user.require(Action.WRITE, call.table)
    call.store.database.executemany(_INSERT, list(_given(call, role_id)))
    return Reply(204)


def _replace(call: Call, role_id: str) -> Reply:
    call.user.require(Action.WRITE, call.table)
    given = list(_given(call, role_id))
    call.store.database.execute("DELETE FROM _dv_role_privilege WHERE role_id = ?", (role_id,))
    call.store.database.executemany(_INSERT, given)
    return Reply(204)


def _remove(call: Call, role_id: str) -> Reply:
    call.user.require(Action.WRITE, call.table)
    body = call.request.json()
    action, table = _privilege(call, body.get("PrivilegeId") if isinstance(body, dict) else None)
    call.store.database.execute(
        "DELETE FROM _dv_role_privilege WHERE role_id = ? AND action = ? AND table_name = ?",
        (role_id, action, table),
    )
    return Reply(204)


_INSERT = "INSERT OR REPLACE INTO _dv_role_privilege VALUES (?, ?, ?, ?)"


def _given(call: Call, role_id: str) -> Iterable[tuple[str, str, str, str]]:
    body = call.request.json()
    for privilege in body.get("Privileges") or () if isinstance(body, dict) else ():
        depth = privilege.get("Depth")
        if depth not in DEPTHS:
            raise replies.invalid_argument(f"'{depth}' is not a depth of a privilege.")
        yield role_id, *_privilege(call, privilege.get("PrivilegeId")), depth


def _privilege(call: Call, privilege_id: Any) -> tuple[str, str]:
    """Action and table of a row of `privilege`."""
    found = call.store.database.execute(
        'SELECT "action", "entityname" FROM "privilege" WHERE "privilegeid" = ?', (privilege_id,)
    ).fetchone()
    if found is None:
        raise replies.row_not_found("privilege", str(privilege_id))
    return found[0], found[1]


# ---- showing ------------------------------------------------------------------------------------


def _retrieve_user(call: Call, user_id: str) -> Reply:
    depths = find_user(call.store, user_id).depths
    return _shown(call, "RetrieveUserPrivilegesResponse", depths)


def _retrieve_role(call: Call) -> Reply:
    role_id = str(call.segments[0].key.get("RoleId", ""))
    rows = call.store.database.execute(
        "SELECT action, table_name, depth FROM _dv_role_privilege WHERE role_id = ?", (role_id,)
    )
    depths = {(action, table): depth for action, table, depth in rows}
    return _shown(call, "RetrieveRolePrivilegesRoleResponse", depths)


def _shown(call: Call, type_name: str, depths: Mapping[tuple[str, str], str]) -> Reply:
    privileges = [
        {
            "Depth": depths.get((action, table)) or depths[action, "*"],
            "PrivilegeId": privilege_id,
            "PrivilegeName": name,
            "BusinessUnitId": call.user.business_unit,
        }
        for privilege_id, name, action, table in call.store.database.execute(_ALL)
        if (action, table) in depths or (action, "*") in depths
    ]
    context = f"{call.api_url}/$metadata#{_PREFIX}{type_name}"
    return Reply.json({"@odata.context": context, "RolePrivileges": privileges})


_ALL = 'SELECT "privilegeid", "name", "action", "entityname" FROM "privilege" ORDER BY "name"'

_BOUND: Mapping[tuple[str, str], Callable[[Call, str], Reply]] = {
    ("role", "AddPrivilegesRole"): _add,
    ("role", "ReplacePrivilegesRole"): _replace,
    ("role", "RemovePrivilegeRole"): _remove,
    ("systemuser", "RetrieveUserPrivileges"): _retrieve_user,
}

ROUTES: Routes = {
    ("POST", "{set}()/{action}"): _bound,
    ("GET", "{set}()/{action}()"): _bound,
    ("GET", "{set}()/{action}"): _bound,
    ("GET", "RetrieveRolePrivilegesRole()"): _retrieve_role,
}
