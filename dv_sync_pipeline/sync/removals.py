"""Removing what is gone: secondary rows whose primary row does not exist any more.

Belongs here: the pass that follows the reconciles of all tables, children before parents (DESIGN 4,
Removals), and why a removal is parked. Does not belong here: finding the rows, which is what a
reconcile does, or when to wait for a person (`guards.py`).

Nothing goes that a person would miss. Only linked rows are on the list; the primary is asked for
each of them once more; and a row that others point to stays, whatever the relationship would do to
them: a delete must neither take along nor change rows that are not ours. Rows that point to
themselves or to each other, and are all to go, let go of each other first.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from dv_sync_pipeline.errors import RequestFailedError, SchemaMismatchError
from dv_sync_pipeline.sync.comparison import TablePass
from dv_sync_pipeline.sync.guards import HeldLists, Removal, RemovalList
from dv_sync_pipeline.sync.mapping import MappedColumn
from dv_sync_pipeline.sync.refusals import ATTEMPTS_MAX, reason_of
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow, ParkedWork
from dv_sync_pipeline.webapi.client import Row
from dv_sync_pipeline.webapi.dependents import DeleteRule, Dependent
from dv_sync_pipeline.webapi.metadata import TableSchema
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind, RowWrite

__all__ = ["Removed", "remove", "would_be_removed"]

_INACTIVE = 1

_Remove: TypeAlias = Callable[[Sequence[str]], Awaitable[list[Outcome]]]

_CONSEQUENCES: Mapping[DeleteRule, str] = {
    DeleteRule.CASCADE: "they would be deleted with it",
    DeleteRule.REMOVE_LINK: "they would lose it without a word",
    DeleteRule.RESTRICT: "they forbid it",
}


@dataclass(slots=True)
class Removed:
    """What became of a list of removals.

    Attributes:
        removed: rows that were deleted or deactivated, or were not there any more.
        held: the list, if it waits for the approval of a person.
        parked: rows that cannot go.

    """

    removed: int = 0
    held: HeldLists = field(default_factory=HeldLists)
    parked: list[ParkedRow] = field(default_factory=list)


async def remove(found: RemovalList, task: TablePass) -> Removed:
    """Remove the rows of the list, unless a person must be asked first.

    A row that another pass has written meanwhile is left alone (`turns.py`). Raises
    `RequestFailedError` when an outcome stays unknown; the next pass sends it again.
    """
    held = _held(found, task)
    if held.lists:
        return Removed(held=held)
    there = await _still_there(found.removals, task)
    task.ledger.settle_removals(task.table, sorted(there))
    return await _Remover(task).remove(_without(there, found.removals))


async def would_be_removed(found: RemovalList, task: TablePass) -> tuple[list[Removal], HeldLists]:
    """What `remove` would try to remove, and what it would hold; nothing is written anywhere.

    A row that others point to counts as well: whether they still do by then is not known now.
    """
    held = _held(found, task)
    if held.lists:
        return [], held
    return _without(await _still_there(found.removals, task), found.removals), held


def _held(found: RemovalList, task: TablePass) -> HeldLists:
    return HeldLists.of([found], max_removals=task.settings.max_removals)


async def _still_there(removals: Sequence[Removal], task: TablePass) -> set[str]:
    """Primary ids of the rows that the primary shows when asked for them by id.

    They came back since, or the long read has missed them (RELIABILITY 0.8): two proofs, not one.
    """
    ids, schema = [each.primary_id for each in removals], task.mapping.primary
    rows = await task.primary.read_rows(schema, ids, [], condition=task.mapping.filter)
    return {str(row[schema.primary_id]).lower() for row in rows}


def _without(there: Collection[str], removals: Sequence[Removal]) -> list[Removal]:
    return [each for each in removals if each.primary_id not in there]


class _Remover:
    """One list of one table."""

    def __init__(self, task: TablePass) -> None:
        self._task = task
        self._schema = task.mapping.secondary
        self._removed = Removed()

    async def remove(self, removals: Sequence[Removal]) -> Removed:
        if self._task.settings.deletes == "deactivate":
            self._check_state()  # told before there is anything to remove
            await self._in_chunks(removals, self._deactivate)
        elif removals:
            await self._delete_children_first(removals)
        return self._removed

    def _check_state(self) -> None:
        if not self._task.mapping.has_status:
            raise SchemaMismatchError(
                f"{self._schema.name} has no state, so its rows cannot be deactivated",
                where=self._task.secondary.name,
                mend="Set deletes: delete or deletes: keep in sync.yaml",
            )

    async def _delete_children_first(self, removals: Sequence[Removal]) -> None:
        """Rows of one table may point to each other: what is free goes, until nothing more is."""
        dependents = await self._task.secondary.dependents_of(self._schema)
        while removals:
            blocked = await self._blocked(removals, dependents)
            free = [each for each in removals if each.secondary_id not in blocked]
            if not free and not await self._let_go(removals):
                self._park_blocked(removals, blocked)
                return
            await self._in_chunks(free, self._delete)
            removals = [each for each in removals if each.secondary_id in blocked]

    async def _let_go(self, removals: Sequence[Removal]) -> bool:
        """Clear lookups in which these rows hold each other; False if there is nothing to clear.

        Only lookups that we own, only in rows on the list, and only where the row that they point
        to is to be removed as well. Across tables, the next run removes what is free by then.
        """
        lookups = self._task.mapping.lookups
        if not lookups:
            return False
        going = self._ids_to_go(removals)
        rows = await self._task.secondary.read_rows(
            self._schema,
            [each.secondary_id for each in removals],
            [lookup.name for lookup in lookups],
        )
        writes = [_clearing(row, lookups, self._schema, going=going) for row in rows]
        due = {write.id: write for write in writes if write.values}
        return await self._clear([each for each in removals if each.secondary_id in due], due)

    def _ids_to_go(self, removals: Sequence[Removal]) -> set[str]:
        """Secondary ids on this list, and on those of the tables that it closes a circle with."""
        parents = {parent for each in self._task.mapping.lookups for parent in each.parents}
        lists = [self._task.ledger.removals(parent.table).removals for parent in parents]
        return {each.secondary_id for each in (*removals, *chain.from_iterable(lists))}

    async def _clear(self, removals: Sequence[Removal], writes: Mapping[str, RowWrite]) -> bool:
        async def send(ids: Sequence[str]) -> list[Outcome]:
            rows = [writes[row_id] for row_id in ids]
            return await self._task.secondary.update_rows(self._schema, rows)

        outcomes: dict[str, Outcome] = {}

        async def clear(chunk: Sequence[Removal]) -> None:
            outcomes.update(await self._settle([each.secondary_id for each in chunk], send))

        await self._in_turns(removals, clear)
        return any(each.kind is OutcomeKind.DONE for each in outcomes.values())

    async def _blocked(
        self, removals: Sequence[Removal], dependents: Sequence[Dependent]
    ) -> dict[str, Dependent]:
        """Secondary ids of rows that others point to, with one lookup that does."""
        ids = [each.secondary_id for each in removals]
        blocked: dict[str, Dependent] = {}
        for dependent in dependents:
            left = [row_id for row_id in ids if row_id not in blocked]
            found = await self._task.secondary.ids_with_dependents(dependent, left)
            blocked |= dict.fromkeys(found, dependent)
        return blocked

    def _park_blocked(self, removals: Sequence[Removal], blocked: Mapping[str, Dependent]) -> None:
        for removal in removals:
            dependent = blocked[removal.secondary_id]
            consequence = _CONSEQUENCES[dependent.rule]
            message = f"rows of {dependent.table} point to it ({dependent.column}): {consequence}"
            self._park(removal, ParkedReason.HAS_CHILDREN, message)

    async def _in_chunks(self, removals: Sequence[Removal], send: _Remove) -> None:
        async def remove(chunk: Sequence[Removal]) -> None:
            await self._remove_chunk(chunk, send)

        await self._in_turns(removals, remove)

    async def _in_turns(
        self, removals: Sequence[Removal], work: Callable[[Sequence[Removal]], Awaitable[None]]
    ) -> None:
        """Chunk by chunk, without the rows that another pass has written meanwhile."""
        size = self._task.rows_per_chunk
        for start in range(0, len(removals), size):
            chunk = removals[start : start + size]
            async with self._task.turns.chunk([each.primary_id for each in chunk]) as overtaken:
                await work([each for each in chunk if each.primary_id not in overtaken])
            self._task.report("remove", done=start + len(chunk), total=len(removals))

    async def _remove_chunk(self, chunk: Sequence[Removal], send: _Remove) -> None:
        outcomes = await self._settle([each.secondary_id for each in chunk], send)
        done = [each for each in chunk if outcomes[each.secondary_id].kind is OutcomeKind.DONE]
        gone = [each.primary_id for each in done]
        if self._task.settings.deletes == "delete":
            self._task.ledger.drop_links(self._task.table, gone, writer=self._task.turns.writer)
        self._task.ledger.settle_removals(self._task.table, gone)
        self._removed.removed += len(done)
        for each in chunk:
            outcome = outcomes[each.secondary_id]
            if outcome.kind is OutcomeKind.REFUSED:
                self._park(each, reason_of(outcome), outcome.message, code=outcome.code)

    async def _settle(self, ids: Sequence[str], send: _Remove) -> dict[str, Outcome]:
        """What became of each row; what is unknown is sent again: removing twice harms nobody."""
        outcomes: dict[str, Outcome] = {}
        for _ in range(ATTEMPTS_MAX):
            outcomes |= {outcome.id: outcome for outcome in await send(ids)}
            ids = [row_id for row_id in ids if outcomes[row_id].kind is OutcomeKind.UNKNOWN]
            if not ids:
                return outcomes
        raise RequestFailedError(
            f"whether {len(ids)} rows of {self._schema.name} were removed is unknown",
            outcome_unknown=True,
            where=self._task.secondary.name,
            why=outcomes[ids[0]].message,
            mend="Run it again: it finds out and goes on from there",
        )

    async def _delete(self, ids: Sequence[str]) -> list[Outcome]:
        return await self._task.secondary.delete_rows(self._schema, ids)

    async def _deactivate(self, ids: Sequence[str]) -> list[Outcome]:
        writes = [RowWrite(row_id, self._inactive) for row_id in ids]
        return await self._task.secondary.update_rows(self._schema, writes)

    @property
    def _inactive(self) -> dict[str, object]:
        """What an inactive row shows; the secondary's automation may do its part."""
        mapping, status = self._task.mapping, self._schema.default_status[_INACTIVE]
        column = {mapping.status_column.name: status} if mapping.status_column else {}
        pair = {"statecode": _INACTIVE, "statuscode": status} if mapping.sets_status else {}
        return {**column, **pair}

    def _park(
        self, removal: Removal, reason: ParkedReason, message: str, *, code: str = ""
    ) -> None:
        self._removed.parked.append(
            ParkedRow(
                table=self._task.table,
                primary_id=removal.primary_id,
                key=removal.key,
                reason=reason,
                message=message,
                code=code,
                since=self._task.clock(),
                attempts=1,
                work=ParkedWork.REMOVAL,
            )
        )


def _clearing(
    row: Row, lookups: Sequence[MappedColumn], schema: TableSchema, *, going: Collection[str]
) -> RowWrite:
    """What the row must let go of, so that others on the list are free."""
    names = [each.name for each in lookups if row.get(each.target.property_name) in going]
    return RowWrite(str(row[schema.primary_id]), dict.fromkeys(names))
