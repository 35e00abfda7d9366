"""State and status reason (DATAVERSE 12), written down rule by rule.

Belongs here: which pairs are allowed, and what a state brings along. Does not belong here: storing
them (`writes.py`).
"""

from collections.abc import Mapping
from typing import Any

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.tables.schema import OptionDefinition

__all__ = ["check_new_state", "check_state_change", "require_active"]


def check_new_state(table: Table, values: dict[str, Any]) -> None:
    """A create may choose a status reason of the first state only; the state itself is ignored."""
    first = table.columns["statecode"].options[0]
    status = values.get("statuscode")
    if status is None:
        values["statuscode"] = first.default_status
    elif _status(table, status).state != first.value:
        raise _mismatch(table, status, first.value)


def check_state_change(store: Store, table: Table, row_id: str, values: dict[str, Any]) -> None:
    """Complete and check the pair that an update leads to; raises the 404 and the 400."""
    state, status = _present(store, table, row_id)
    new_state = values.get("statecode", state)
    if "statuscode" not in values:
        values["statuscode"] = _default_status(table, new_state) if new_state != state else status
    new_status = values["statuscode"]
    if new_status is None:
        new_status = values["statuscode"] = _default_status(table, new_state)
    if _status(table, new_status).state != new_state:
        raise _mismatch(table, new_status, new_state, row_id=row_id)
    if new_state != state:
        _check_transition(table, status, new_status)


def require_active(store: Store, table: Table, row_id: str, values: Mapping[str, Any]) -> None:
    """Refuse changes to an inactive row, unless they are about its state (a switch)."""
    if not table.has_state or not {"statecode", "statuscode"}.isdisjoint(values):
        return
    state, _ = _present(store, table, row_id)
    if state != table.columns["statecode"].options[0].value:
        raise replies.inactive_row(table.name, row_id)


def _present(store: Store, table: Table, row_id: str) -> tuple[int, int]:
    found = store.database.execute(
        f'SELECT "statecode", "statuscode" FROM {quoted(table.name)} '
        f"WHERE {quoted(table.primary_id)} = ?",
        (row_id,),
    ).fetchone()
    if found is None:
        raise replies.row_not_found(table.name, row_id)
    return found[0], found[1]


def _check_transition(table: Table, before: int, after: int) -> None:
    """Enforced only when the state changes, as seen on a live environment (DATAVERSE 12)."""
    allowed = _status(table, before).next_statuses
    if table.definition.enforce_state_transitions and allowed is not None and after not in allowed:
        raise replies.transition_not_allowed()


def _status(table: Table, value: int) -> OptionDefinition:
    options: Mapping[int, OptionDefinition] = {
        option.value: option for option in table.columns["statuscode"].options
    }
    return options[value]


def _state(table: Table, value: int) -> OptionDefinition:
    return next(o for o in table.columns["statecode"].options if o.value == value)


def _default_status(table: Table, state: int) -> int | None:
    return _state(table, state).default_status


def _mismatch(table: Table, status: int, state: int, *, row_id: str = "") -> replies.DataverseError:
    return replies.bad_status(
        status, state=_state(table, state).label, table=table.definition.schema_name, row_id=row_id
    )
