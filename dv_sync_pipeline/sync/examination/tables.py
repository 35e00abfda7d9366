"""Checks of one table: is it there on both sides, and do they fit together.

Belongs here: one small function for each check; which are made stands in `checks.py`. Does not
belong here: rights (`rights.py`), and rules on columns (`sync/drift_rules.py`).
"""

from collections.abc import Awaitable, Collection

from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.drift import DriftKind, Effect, SchemaDifference
from dv_sync_pipeline.sync.drift_rules import Schemas
from dv_sync_pipeline.sync.examination.environments import as_problem
from dv_sync_pipeline.sync.examination.findings import Level, Remark, ok, warning
from dv_sync_pipeline.sync.examination.subjects import ExaminedTable
from dv_sync_pipeline.sync.mapping import agree, find_drift
from dv_sync_pipeline.webapi.metadata import TableSchema

__all__ = ["check_change_tracking", "check_columns", "check_primary", "check_secondary"]


async def check_primary(table: ExaminedTable) -> list[Remark]:
    """The table exists in the primary."""
    return await _existence(table.primary_schema())


async def check_secondary(table: ExaminedTable) -> list[Remark]:
    """The table exists in the secondary."""
    return await _existence(table.secondary_schema())


async def _existence(asked: Awaitable[TableSchema]) -> list[Remark]:
    try:
        schema = await asked
    except SchemaMismatchError as error:
        return [as_problem(error)]
    return [ok(f"the table {schema.name} exists")]


async def check_change_tracking(table: ExaminedTable) -> list[Remark]:
    """The primary keeps track of changes (DATAVERSE 7)."""
    schema = await table.primary_schema()
    if schema.change_tracking_enabled:
        return [ok("changes are tracked")]
    return [
        warning(
            f"change tracking of {schema.name} is off",
            why="its changes are found by the nightly reconcile alone",
            mend="Turn it on: dv-sync provision --apply",
        )
    ]


_KEY_KINDS = (DriftKind.KEY_MISSING, DriftKind.KEY_NOT_ACTIVE)
_PROVISION = "Let dv-sync provision --apply create it, or name another one in sync.yaml"
_LEVELS = {Effect.STOPS: Level.PROBLEM, Effect.WARNS: Level.WARNING, Effect.TELLS: Level.OK}


async def check_columns(table: ExaminedTable) -> list[Remark]:
    """Columns, types, keys, choices and status reasons of both sides fit together."""
    schemas = Schemas(await table.primary_schema(), await table.secondary_schema())
    drift = find_drift(table.settings, schemas=schemas, targets=table.targets)
    provided = {f"{table.settings.target}.{name}" for name in table.settings.status_columns}
    remarks = [_remark(difference, provided=provided) for difference in drift]
    if all(difference.effect is not Effect.STOPS for difference in drift):
        remarks += _other_disagreements(table, schemas)
    if all(remark.level is Level.OK for remark in remarks):
        remarks.append(ok("columns, types, key and choices fit together"))
    return remarks


def _remark(difference: SchemaDifference, *, provided: Collection[str]) -> Remark:
    """`provided` are the columns, each with its table, that `dv-sync provision` can create."""
    can_be_provided = difference.kind in _KEY_KINDS or (
        difference.kind is DriftKind.COLUMN_GONE and difference.part in provided
    )
    mend = _PROVISION if can_be_provided else difference.mend
    place = f"{difference.environment}: {difference.what}"
    return Remark(_LEVELS[difference.effect], place, difference.why, mend)


def _other_disagreements(table: ExaminedTable, schemas: Schemas) -> list[Remark]:
    """What is no difference between two schemas: relationships, constants, lookups as columns."""
    try:
        agree(table.settings, schemas=schemas, targets=table.targets)
    except SchemaMismatchError as error:
        return [as_problem(error)]
    return []
