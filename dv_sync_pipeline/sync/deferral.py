"""Which lookups are set in a second pass, because they close a circle.

Belongs here: the choice alone, from `sync.yaml` alone, so that it is the same in every run and
known before any network is asked. Does not belong here: setting them (`second_pass.py`, and the
writer for lookups within one table).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.errors import ConfigurationError

__all__ = ["deferred_lookups", "parents_before", "self_lookups"]


@dataclass(frozen=True, slots=True, order=True)
class _Step:
    """One table looks another one up; everything that does so stands in `columns`."""

    table: str
    parent: str
    columns: tuple[str, ...]
    can_wait: bool


def self_lookups(table: TableConfiguration) -> frozenset[str]:
    """Lookups that may point to rows of the same table: set once all its rows are there."""
    return frozenset(
        column for column, lookup in table.lookups.items() if table.table in lookup.synchronized
    )


def deferred_lookups(tables: Sequence[TableConfiguration]) -> dict[str, frozenset[str]]:
    """Table → its lookups that are set once the tables they point to are done; often empty.

    Whatever the order of `tables`, the choice is the same: the first by name that breaks the
    circle and is no part of a key. Raises `ConfigurationError` that names a circle of keys.
    """
    deferred = {table.table: _asked_for(table) for table in tables}
    while circle := _find_circle(tables, deferred):
        step = _breakable_step(circle, tables, deferred)
        deferred[step.table] |= set(step.columns)
    return {table: columns for table, columns in deferred.items() if columns}


def parents_before(table: TableConfiguration, deferred: Iterable[str] = ()) -> frozenset[str]:
    """The other tables that must be synchronized before this one, when `deferred` can wait."""
    waiting = {*deferred, *self_lookups(table)}
    needed = (lookup for column, lookup in table.lookups.items() if column not in waiting)
    others = _other_parents_of_chains(table, deferred) | _associated(table)
    return frozenset(name for lookup in needed for name in lookup.synchronized) | others


def _associated(table: TableConfiguration) -> set[str]:
    """Pairs are compared at the end of the table at which they stand."""
    return {each.table for each in table.associations} - {table.table}


def _other_parents_of_chains(table: TableConfiguration, deferred: Iterable[str]) -> set[str]:
    """A lookup may point to its own table or to others: those others still go first."""
    chains = self_lookups(table) - set(deferred)
    names = {name for column in chains for name in table.lookups[column].synchronized}
    return names - {table.table}


def _asked_for(table: TableConfiguration) -> frozenset[str]:
    return frozenset(column for column, lookup in table.lookups.items() if lookup.deferred)


def _find_circle(
    tables: Sequence[TableConfiguration], deferred: Mapping[str, frozenset[str]]
) -> list[str]:
    """Tables of which each looks up the next, first and last the same; empty if there is none."""
    by_name = sorted(tables, key=lambda table: table.table)
    graph = {table.table: sorted(parents_before(table, deferred[table.table])) for table in by_name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # graphlib names each table before the one that looks it up.
        return list(reversed(error.args[1]))
    return []


def _breakable_step(
    circle: Sequence[str],
    tables: Sequence[TableConfiguration],
    deferred: Mapping[str, frozenset[str]],
) -> _Step:
    by_name = {table.table: table for table in tables}
    steps = [_step(by_name[child], parent, deferred[child]) for child, parent in pairwise(circle)]
    breakable = [step for step in steps if step.can_wait]
    if not breakable:
        raise ConfigurationError(
            f"tables go round in a circle in which no lookup can wait: {' → '.join(circle)}",
            why="each of them is part of a key, or an association",
            mend="Choose another key for one of these tables, or leave a lookup out of sync.yaml",
        )
    return min(breakable)


def _step(table: TableConfiguration, parent: str, deferred: Iterable[str]) -> _Step:
    columns = tuple(
        sorted(
            column
            for column, lookup in table.lookups.items()
            if parent in lookup.synchronized and column not in deferred
        )
    )
    can_wait = set(columns).isdisjoint(table.key) and parent not in _associated(table)
    return _Step(table.table, parent, columns, can_wait)
