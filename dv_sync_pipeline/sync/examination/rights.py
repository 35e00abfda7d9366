"""Checks of what the application users may do to the rows of a table (DATAVERSE 13).

Belongs here: which rights a table needs, and what follows when one is missing or does not reach far
enough. Does not belong here: reading privileges (`webapi/rights.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.sync.examination.findings import Remark, ok, problem, warning
from dv_sync_pipeline.sync.examination.subjects import (
    AdmittedUser,
    ExaminedEnvironment,
    ExaminedTable,
)
from dv_sync_pipeline.webapi.rights import Depth, Right

__all__ = ["check_read_only", "check_reading", "check_writing"]

_WRITING = (Right.CREATE, Right.WRITE, Right.DELETE)
_ALL_ROWS = "at organisation level"
_OWNER = "ownerid"


@dataclass(frozen=True, slots=True)
class _Need:
    """A right that a table needs.

    Attributes:
        right: which.
        table: on which table, by its name in that environment.

    """

    right: Right
    table: str


async def check_reading(table: ExaminedTable) -> list[Remark]:
    """Every row of the primary can be read: rows that are hidden would be taken for deleted."""
    needs = [_Need(Right.READ, name) for name in (table.settings.table, *_matched(table.settings))]
    return await _check(table.pipeline.primary, needs)


async def check_writing(table: ExaminedTable) -> list[Remark]:
    """The secondary lets us read everything and write what `sync.yaml` asks for."""
    return await _check(table.pipeline.secondary, list(_needs_of_writing(table)))


async def check_read_only(table: ExaminedTable) -> list[Remark]:
    """The primary does not let us write: what we cannot do, no mistake of ours can do."""
    environment = table.pipeline.primary
    return [
        await _too_much(environment, user, table.settings.table) for user in environment.admitted
    ]


async def _too_much(environment: ExaminedEnvironment, user: AdmittedUser, table: str) -> Remark:
    rights = await environment.rights(user, table)
    able = [right for right in _WRITING if rights.get(right, Depth.NONE) > Depth.NONE]
    if not able:
        return ok(f"{user.name} cannot change rows")
    return warning(
        f"{user.name} may {_listed(able)} rows of {table}",
        why="the primary is only read; a right that nobody needs is a right that can be abused",
        mend="Give it a role that can only read there",
    )


def _needs_of_writing(table: ExaminedTable) -> Iterator[_Need]:
    """As DATAVERSE 13 has them: a lookup needs Append here and AppendTo there."""
    settings, own = table.settings, table.settings.target
    yield from (_Need(right, own) for right in (Right.READ, Right.CREATE, Right.WRITE))
    if settings.deletes == "delete":
        yield _Need(Right.DELETE, own)
    if _OWNER in settings.target_columns.values():
        yield _Need(Right.ASSIGN, own)
    parents = [table.targets[each.table] for each in settings.associations]
    parents += [table.targets[name] for name in _synchronized(settings)]
    parents += _matched(settings)
    if parents:
        yield _Need(Right.APPEND, own)
    yield from (_Need(Right.APPEND_TO, name) for name in dict.fromkeys(parents))
    yield from (_Need(Right.READ, name) for name in _matched(settings))


def _synchronized(settings: TableConfiguration) -> list[str]:
    return [name for lookup in settings.lookups.values() for name in lookup.synchronized]


def _matched(settings: TableConfiguration) -> list[str]:
    """Tables that are only looked at, to find the rows that lookups point to."""
    lookups = settings.lookups.values()
    names = (target.table for lookup in lookups for target in lookup.tables if target.by)
    return list(dict.fromkeys(names))


async def _check(environment: ExaminedEnvironment, needs: Iterable[_Need]) -> list[Remark]:
    needs = list(needs)
    remarks: list[Remark] = []
    for user in environment.admitted:
        depths = {need: await _depth(environment, user, need) for need in needs}
        found = list(_shortcomings(user, depths))
        remarks += found or [ok(f"{user.name} has every right that is needed")]
    return remarks


async def _depth(environment: ExaminedEnvironment, user: AdmittedUser, need: _Need) -> Depth | None:
    """None where the table does not know the right, as a lookup target may know no assigning."""
    return (await environment.rights(user, need.table)).get(need.right)


def _shortcomings(user: AdmittedUser, depths: Mapping[_Need, Depth | None]) -> Iterator[Remark]:
    missing = [need for need, depth in depths.items() if depth is Depth.NONE]
    if missing:
        yield problem(
            f"{user.name} lacks {_described(missing)}",
            why="Dataverse would refuse it",
            mend=f"Add {_described(missing)} to its security role, {_ALL_ROWS}",
        )
    shallow = [need for need, depth in depths.items() if depth and depth < Depth.GLOBAL]
    hidden = [need for need in shallow if need.right is Right.READ]
    if hidden:
        yield problem(
            f"{user.name} does not see every row: {_reach(hidden, depths)}",
            why="rows that are hidden from it would be taken for deleted, without any error",
            mend=f"Raise {_described(hidden)} in its security role to organisation level",
        )
    limited = [need for need in shallow if need.right not in (Right.READ, Right.CREATE)]
    if limited:
        yield warning(
            f"{user.name} reaches only a part of the rows: {_reach(limited, depths)}",
            why="the other rows would be refused and parked",
            mend=f"Raise {_described(limited)} in its security role to organisation level",
        )


def _described(needs: Iterable[_Need]) -> str:
    """Such as `Create, Write on contoso_hotel; AppendTo on contoso_brand`."""
    by_table: dict[str, list[str]] = {}
    for need in needs:
        by_table.setdefault(need.table, []).append(need.right)
    return "; ".join(f"{', '.join(rights)} on {table}" for table, rights in by_table.items())


def _reach(needs: Iterable[_Need], depths: Mapping[_Need, Depth | None]) -> str:
    """Such as `Read on contoso_hotel: its own rows`."""
    return "; ".join(
        f"{need.right} on {need.table}: {(depths[need] or Depth.NONE).words}" for need in needs
    )


def _listed(rights: Sequence[Right]) -> str:
    """Such as `create, write and delete`."""
    *others, last = (right.lower() for right in rights)
    return f"{', '.join(others)} and {last}" if others else last
