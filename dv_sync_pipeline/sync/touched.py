"""A few rows of a table, compared without reading the others.

Belongs here: what must be read of both sides and of the ledger to compare these rows exactly as a
reconcile would. It writes nothing anywhere. Does not belong here: why these rows (`changes.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from dv_sync_pipeline.sync.comparison import (
    Comparison,
    Sides,
    TablePass,
    compare_with_contents,
    names_to_read,
)
from dv_sync_pipeline.sync.feed import columns_of_changes
from dv_sync_pipeline.sync.mapping import PRIMARY_ID, SECONDARY_ID, Parent, TableMapping
from dv_sync_pipeline.sync.projection import project
from dv_sync_pipeline.sync.values import frame_of_rows, split_reference
from dv_sync_pipeline.sync.waiting import all_there, looked_up
from dv_sync_pipeline.webapi.client import Row
from dv_sync_pipeline.webapi.together import together

__all__ = ["Touched", "compare_touched", "frame_of_changes", "read_touched"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the secondary shows of rows that were asked for.

    Attributes:
        ids: secondary ids of the rows that were asked for.
        rows: those of them that are there, as they were answered.

    """

    ids: frozenset[str] = frozenset()
    rows: tuple[Row, ...] = ()

    def joined_with(self, other: "Shown") -> "Shown":
        """Both; where a row stands in both, `other` has read it later."""
        return Shown(self.ids | other.ids, (*self.rows, *other.rows))


@dataclass(frozen=True, slots=True)
class Touched:
    """Rows of one table to which something happened.

    Attributes:
        rows: those that the primary has and that meet the filter, as they are now.
        ids: of all of them; what does not stand in `rows` is gone.
        shown: their counterparts that are known by link, where they were read at the same time.

    """

    rows: pl.DataFrame
    ids: frozenset[str]
    shown: Shown = Shown()

    def joined_with(self, other: "Touched") -> "Touched":
        """Both; where a row stands in both, `other` has read it later."""
        rows = pl.concat([self.rows.filter(~pl.col(PRIMARY_ID).is_in(other.ids)), other.rows])
        return Touched(rows, self.ids | other.ids, self.shown.joined_with(other.shown))


def frame_of_changes(task: TablePass, rows: Sequence[Row]) -> pl.DataFrame:
    """Rows of the primary as they were read, the last of each id."""
    where = f"{task.primary.name}, table {task.mapping.primary.name}"
    frame = frame_of_rows(rows, columns_of_changes(task.mapping), where=where)
    return frame.unique(PRIMARY_ID, keep="last", maintain_order=True)


async def read_touched(task: TablePass, ids: Collection[str]) -> Touched:
    """Ask the primary for these rows, and at the same time the secondary for what is linked.

    Both before anything is written, as if one after the other; but somebody waits for each answer.
    """
    columns = columns_of_changes(task.mapping)
    schema = task.mapping.primary
    linked = frozenset(task.ledger.links_of(task.table, sorted(ids))[SECONDARY_ID])
    ours, theirs = await together(
        [
            task.primary.read_rows(
                schema, sorted(ids), names_to_read(schema, columns), condition=task.mapping.filter
            ),
            _read_linked(task, linked),
        ]
    )
    return Touched(frame_of_changes(task, ours), frozenset(ids), Shown(linked, tuple(theirs)))


async def compare_touched(task: TablePass, touched: Touched) -> tuple[Touched, Comparison]:
    """Compare these rows with theirs in the secondary, found by link, by key or by id.

    A row of the secondary that a key finds may be linked to yet another row of the primary. That
    one is looked at as well, so that nothing is taken from it; it is returned with the others.
    """
    began = task.clock()
    mapping = task.mapping
    links = task.ledger.links_of(task.table, sorted(touched.ids))
    parents = await _parents(task, touched)
    strangers, keys = _strangers(touched.rows, mapping, links, parents)
    ids = {*links[SECONDARY_ID], *strangers}
    present = await _read_present(task, ids, keys, shown=touched.shown)
    others = _linked_elsewhere(task, present, ids) - touched.ids
    if others:
        more = await read_touched(task, others)
        return await compare_touched(task, touched.joined_with(more))
    sides = Sides(began, touched.rows, present, links, parents.own)
    return touched, await compare_with_contents(task, sides, parent_links=parents.links)


async def _parents(task: TablePass, touched: Touched) -> "_Parents":
    """With those that are on their way, if any of these rows needs one."""
    parents = _Parents.of(task, touched)
    if parents.are_there:
        return parents
    await task.parents_come()
    return _Parents.of(task, touched)


@dataclass(frozen=True, slots=True)
class _Parents:
    """Links of the rows that are looked up: of other tables, and of the table itself."""

    links: Mapping[Parent, pl.DataFrame]
    own: pl.DataFrame
    are_there: bool

    @classmethod
    def of(cls, task: TablePass, touched: Touched) -> "_Parents":
        ids = looked_up(touched.rows, task.mapping)
        known = {
            parent: task.ledger.links_of(parent.table, sorted(ids.get(parent, ())))
            for parent in task.mapping.parents
            if not parent.by
        }
        own = sorted(ids.get(task.mapping.own, set()) - touched.ids)
        others = {parent: some for parent, some in ids.items() if parent in known}
        return cls(
            {**task.parent_links, **known},
            task.ledger.links_of(task.table, own),
            are_there=all_there(others, known),
        )


def _strangers(
    rows: pl.DataFrame, mapping: TableMapping, links: pl.DataFrame, parents: _Parents
) -> tuple[list[str], list[dict[str, object]]]:
    """Rows without a link, by their ids, and the keys under which the secondary may have them."""
    linked = set(links[PRIMARY_ID])
    if linked.issuperset(rows[PRIMARY_ID]):
        return [], []  # As most micro-batches are: they are projected once, not twice.
    keyed = mapping.without(mapping.chained)
    wanted = project(rows, keyed, links=links, parent_links=parents.links).wanted
    unlinked = wanted.filter(~pl.col(PRIMARY_ID).is_in(list(linked)))
    return unlinked[PRIMARY_ID].to_list(), _keys(unlinked, mapping)


def _keys(wanted: pl.DataFrame, mapping: TableMapping) -> list[dict[str, object]]:
    """Under which keys the secondary may have the rows already."""
    lookups = {column.name: column for column in mapping.lookups}
    keys = wanted.select(mapping.key).to_dicts()
    for name in lookups.keys() & set(mapping.key):
        target = lookups[name].target
        for key in keys:
            key[name] = split_reference(target, key[name], only_table="")[1]
    return keys


async def _read_present(
    task: TablePass, ids: Collection[str], keys: Sequence[Mapping[str, object]], *, shown: Shown
) -> pl.DataFrame:
    """What the secondary shows under these ids and keys; what it has shown is not asked again."""
    schema, columns = task.mapping.secondary, task.mapping.secondary_columns
    by_id, by_key = await together(
        [
            _read_linked(task, {*ids} - shown.ids),
            task.secondary.read_rows_by_key(schema, keys, names_to_read(schema, columns)),
        ]
    )
    where = f"{task.secondary.name}, table {schema.name}"
    rows = frame_of_rows([*shown.rows, *by_id, *by_key], columns, where=where)
    return rows.unique(SECONDARY_ID, keep="last", maintain_order=True)


async def _read_linked(task: TablePass, ids: Collection[str]) -> list[Row]:
    schema, columns = task.mapping.secondary, task.mapping.secondary_columns
    return await task.secondary.read_rows(schema, sorted(ids), names_to_read(schema, columns))


def _linked_elsewhere(task: TablePass, present: pl.DataFrame, ids: Collection[str]) -> set[str]:
    """Primary ids of the rows to which those rows are linked that a key alone has found."""
    by_key = present.filter(~pl.col(SECONDARY_ID).is_in(list(ids)))[SECONDARY_ID]
    return set(task.ledger.links_to(task.table, by_key)[PRIMARY_ID])
