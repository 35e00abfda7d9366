"""Applying a difference to the secondary: intent before, outcome after.

Belongs here: the order of writes, reading back what is unknown, and why a row is parked. Does not
belong here: finding the difference, or how rows travel (`webapi/write.py`).

Only mapped columns of linked or created rows are ever sent. Updates go first, so that a key value
that one row gives up is free for another; the state pair goes last, in a call of its own
(DATAVERSE 12).
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import polars as pl

from dv_sync_pipeline.errors import RequestFailedError
from dv_sync_pipeline.sync.comparison import TablePass, links_of, names_to_read
from dv_sync_pipeline.sync.contents import Contents
from dv_sync_pipeline.sync.difference import CHANGED, Difference
from dv_sync_pipeline.sync.key_changes import STUCK, key_moves
from dv_sync_pipeline.sync.mapping import (
    FOLDED_KEY,
    KEY,
    PRIMARY_ID,
    SECONDARY_ID,
    VERSION,
)
from dv_sync_pipeline.sync.projection import folded_key
from dv_sync_pipeline.sync.refusals import ATTEMPTS_MAX, reason_of, stop_without_privilege
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow
from dv_sync_pipeline.sync.states import ACTIVE, States, with_present_status
from dv_sync_pipeline.sync.values import frame_of_rows, split_reference
from dv_sync_pipeline.webapi.metadata import ColumnKind, TableSchema
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind, Reference, RowWrite

__all__ = ["Written", "apply"]

_ENTRIES_PER_TURN = 10_000

_WITH_DEFAULT = frozenset({ColumnKind.BOOLEAN, ColumnKind.CHOICE, ColumnKind.MULTI_CHOICE})
"""Kinds whose columns may have a default, which takes the place of a null that is not sent."""

_HELD_BY_GONE_ROW = (
    "a row that is gone in the primary still has this key in the secondary; this one is written "
    "as soon as that one is removed"
)

_Send: TypeAlias = Callable[[TableSchema, Sequence[RowWrite]], Awaitable[list[Outcome]]]


@dataclass(slots=True)
class Written:
    """What was written.

    Attributes:
        created, updated: rows, without those that were parked afterwards.
        waiting: rows that go without a row of their own table, because it was refused.
        parked: rows that the secondary refused, by primary id.

    """

    created: int = 0
    updated: int = 0
    waiting: int = 0
    parked: dict[str, ParkedRow] = field(default_factory=dict)


async def apply(difference: Difference, task: TablePass) -> Written:
    """Write everything that differs, chunk by chunk, each in a turn of its own (`turns.py`).

    Rows that another pass has written meanwhile are left alone: `Turns.overtaken`. Raises
    `RequestFailedError` when an outcome stays unknown: links that are only intended keep it in
    mind, and the next pass finds out.
    """
    return await _Writer(task).apply(difference)


class _Writer:
    """One application of one difference."""

    def __init__(self, task: TablePass) -> None:
        self._task = task
        self._turns = task.turns
        self._schema = task.mapping.secondary
        self._ledger = task.ledger
        self._chained = task.mapping.chained
        self._contents = Contents(task.mapping, task.primary, task.secondary, task.ledger)
        self._later = (*self._chained, *self._contents.names)
        self._columns = task.mapping.without(self._later).compared
        self._lookups = {column.name: column for column in task.mapping.lookups}
        self._refused_creates: set[str] = set()
        self._defaults = {
            column.name for column in task.mapping.columns if column.target.kind in _WITH_DEFAULT
        }
        self._written = Written()
        self._states = States(task, self._update_rows)

    async def apply(self, difference: Difference) -> Written:
        difference = with_present_status(difference, self._task.mapping)
        await self._in_turns(self._surely_dead(difference), self._drop_links)
        await self._in_turns(difference.fresh_links, self._save_links)
        await self._update(difference)
        await self._create(difference.creates)
        await self._chain(difference)
        await self._copy_contents(difference)
        await self._set_states(difference)
        await self._settle(difference)
        return self._written

    def _surely_dead(self, difference: Difference) -> pl.DataFrame:
        """Links that lead nowhere, unless their row may still arrive."""
        dead_links = difference.dead_links.alias(PRIMARY_ID).to_frame()
        if dead_links.is_empty():
            return dead_links
        return _without(dead_links, self._ledger.rows_in_doubt(self._task.table))

    def _save_links(self, links: pl.DataFrame) -> None:
        self._ledger.save_links(self._task.table, links, writer=self._turns.writer)

    def _drop_links(self, rows: pl.DataFrame) -> None:
        self._ledger.drop_links(self._task.table, rows[PRIMARY_ID], writer=self._turns.writer)

    async def _in_turns(self, rows: pl.DataFrame, note: Callable[[pl.DataFrame], None]) -> None:
        """Entries of the ledger alone: many at once, but no more than others can wait for."""
        for chunk in rows.iter_slices(_ENTRIES_PER_TURN):
            async with self._turns.entries(chunk[PRIMARY_ID].to_list()) as overtaken:
                note(_without(chunk, overtaken))

    async def _update(self, difference: Difference) -> None:
        if difference.changed.is_empty():
            return
        changed = difference.changed.with_columns(
            pl.col(CHANGED).list.set_difference(_texts(self._later))
        )
        with_data = changed.filter(pl.col(CHANGED).list.len() > 0)
        moves = key_moves(
            with_data, self._task.mapping, gone=difference.gone[SECONDARY_ID].to_list()
        )
        self._park(moves.stuck, ParkedReason.KEYS_EXCHANGED, STUCK)
        self._park(moves.waiting, ParkedReason.DUPLICATE_KEY, _HELD_BY_GONE_ROW)
        await self._in_waves(moves.waves)
        if moves.turns:
            await self._in_chunks("update", moves.aside, self._set_keys)
            await self._in_waves(moves.turns)
            await self._put_back(moves.aside, difference.before)

    async def _in_waves(self, waves: Iterable[pl.DataFrame]) -> None:
        for wave in waves:
            await self._in_chunks("update", self._still_welcome(wave), self._update_chunk)

    async def _put_back(self, aside: pl.DataFrame, before: pl.DataFrame) -> None:
        """A row that stepped aside in vain shows its old key again, if that is still free."""
        in_vain = aside.filter(pl.col(PRIMARY_ID).is_in(list(self._written.parked)))
        if in_vain.is_empty():
            return
        (name,) = in_vain.item(0, CHANGED)
        old = before.select(SECONDARY_ID, name)
        rows = in_vain.drop(name).join(old, on=SECONDARY_ID, maintain_order="left")
        await self._in_chunks("update", rows, self._set_keys)

    async def _set_keys(self, chunk: pl.DataFrame) -> None:
        """The one column of `CHANGED`, which is part of the key."""
        (name,) = chunk.item(0, CHANGED)
        writes = [
            RowWrite(row_id, {name: value})
            for row_id, value in chunk.select(SECONDARY_ID, name).iter_rows()
        ]
        self._park_refused(chunk, await self._states.change(writes, chunk, proof=(name,)))

    async def _create(self, creates: pl.DataFrame) -> None:
        if creates.is_empty():
            return
        creates = creates.with_columns(pl.col(PRIMARY_ID).alias(SECONDARY_ID))
        await self._in_chunks("create", creates, self._create_chunk, is_new=True)

    async def _chain(self, difference: Difference) -> None:
        """Lookups to rows of the same table, once all of them are there (DATAVERSE 5)."""
        if not self._chained:
            return
        self._refused_creates = self._written.parked.keys() & set(difference.creates[PRIMARY_ID])
        rows = self._with_changes_in(self._chained, difference)
        await self._in_chunks("chain", rows, self._chain_chunk)

    def _with_changes_in(self, names: Sequence[str], difference: Difference) -> pl.DataFrame:
        """New and changed rows with something to write in these columns, which `CHANGED` lists."""
        created = difference.creates.with_columns(
            pl.col(PRIMARY_ID).alias(SECONDARY_ID), _names_of_values(names).alias(CHANGED)
        )
        changed = difference.changed.with_columns(
            pl.col(CHANGED).list.set_intersection(_texts(names))
        )
        rows = pl.concat([changed, created], how="diagonal").filter(pl.col(CHANGED).list.len() > 0)
        return self._still_welcome(rows)

    async def _copy_contents(self, difference: Difference) -> None:
        """Images and files, once their rows are there."""
        if self._contents.names:
            rows = self._with_changes_in(self._contents.names, difference)
            await self._in_chunks("copy files", rows, self._copy_chunk)

    async def _copy_chunk(self, chunk: pl.DataFrame) -> None:
        self._park_refused(chunk, await self._states.write_awake(chunk, self._contents.copy))

    async def _chain_chunk(self, chunk: pl.DataFrame) -> None:
        """A row whose parent was refused in this very pass waits for it."""
        rows = {row[SECONDARY_ID]: row for row in chunk.iter_rows(named=True)}
        reachable = {row_id: self._reachable(row) for row_id, row in rows.items()}
        self._written.waiting += sum(
            len(values) < len(rows[row_id][CHANGED]) for row_id, values in reachable.items()
        )
        writes = [RowWrite(row_id, values) for row_id, values in reachable.items() if values]
        sent = chunk.filter(pl.col(SECONDARY_ID).is_in([write.id for write in writes]))
        self._park_refused(sent, await self._states.change(writes, sent, proof=self._chained))

    def _reachable(self, row: Mapping[str, Any]) -> dict[str, object]:
        """The chained lookups of a row, without those to rows that could not be created."""
        return {
            name: value
            for name, value in self._values(row, row[CHANGED]).items()
            if not (isinstance(value, Reference) and value.id in self._refused_creates)
        }

    async def _set_states(self, difference: Difference) -> None:
        due = self._states.due(difference, parked=self._written.parked)
        await self._in_chunks("status", due, self._set_states_of)

    async def _set_states_of(self, chunk: pl.DataFrame) -> None:
        self._park_refused(chunk, await self._states.set_states(chunk))

    async def _settle(self, difference: Difference) -> None:
        """Count what was written in the end, and link changed rows to the version they show."""
        changed = self._still_welcome(difference.changed)
        self._written.updated = changed.height
        self._written.created = self._still_welcome(difference.creates).height
        if changed.is_empty():
            return
        origins = difference.links.select(PRIMARY_ID, "@origin")
        proven = changed.join(origins, on=PRIMARY_ID)
        await self._in_turns(_proven_links(proven), self._save_links)

    async def _in_chunks(
        self,
        stage: str,
        rows: pl.DataFrame,
        write: Callable[[pl.DataFrame], Awaitable[None]],
        *,
        is_new: bool = False,
    ) -> None:
        done = 0
        for chunk in rows.iter_slices(self._task.rows_per_chunk):
            ids = chunk[PRIMARY_ID].to_list()
            intended = links_of(chunk, intended=True) if is_new else None
            async with self._turns.chunk(ids, intended=intended) as overtaken:
                ours = _without(chunk, overtaken)
                if not ours.is_empty():
                    await write(ours)
            done += chunk.height
            self._task.report(stage, done=done, total=rows.height)

    async def _update_chunk(self, chunk: pl.DataFrame) -> None:
        writes = [
            RowWrite(row[SECONDARY_ID], self._values(row, row[CHANGED]))
            for row in chunk.iter_rows(named=True)
        ]
        self._park_refused(chunk, await self._states.change(writes, chunk, proof=self._columns))

    async def _create_chunk(self, chunk: pl.DataFrame) -> None:
        """Rows that are written down as intended already, so that they are ours after a crash."""
        writes = [self._creation(row) for row in chunk.iter_rows(named=True)]
        outcomes = await self._send(
            self._task.secondary.create_rows, writes, chunk, proof=(FOLDED_KEY,)
        )
        outcomes = await self._pardon_repeated(outcomes, chunk)
        refused = self._park_refused(chunk, outcomes)
        created = chunk.filter(~pl.col(PRIMARY_ID).is_in(refused))
        self._save_links(links_of(created))
        self._drop_links(chunk.filter(pl.col(PRIMARY_ID).is_in(refused)))

    async def _update_rows(
        self, writes: Sequence[RowWrite], expected: pl.DataFrame, *, proof: Sequence[str]
    ) -> list[Outcome]:
        return await self._send(self._task.secondary.update_rows, writes, expected, proof=proof)

    def _creation(self, row: Mapping[str, Any]) -> RowWrite:
        values = self._values(
            row, (name for name in self._columns if row[name] is not None or name in self._defaults)
        )
        if self._may_carry_status(row):
            values["statuscode"] = row["statuscode"]
        return RowWrite(row[SECONDARY_ID], values)

    def _may_carry_status(self, row: Mapping[str, Any]) -> bool:
        """An active reason goes with the create; any other would refuse it (DATAVERSE 12)."""
        return (
            self._task.mapping.sets_status
            and row["statecode"] == ACTIVE
            and row["statuscode"] != self._schema.default_status.get(ACTIVE)
        )

    def _values(self, row: Mapping[str, Any], columns: Iterable[str]) -> dict[str, object]:
        return {name: self._value(name, row[name]) for name in columns}

    def _value(self, name: str, value: Any) -> object:
        lookup = self._lookups.get(name)
        if lookup is None or value is None:
            return value
        table, row_id = split_reference(lookup.target, value, only_table=lookup.parents[0].target)
        return Reference(table, row_id)

    async def _send(
        self,
        send: _Send,
        writes: Sequence[RowWrite],
        expected: pl.DataFrame,
        *,
        proof: Sequence[str],
    ) -> list[Outcome]:
        """Send, and read back what is unknown before it is sent again.

        A row counts as written when the secondary shows the columns `proof` as `expected`.
        """
        settled: list[Outcome] = []
        for _ in range(ATTEMPTS_MAX):
            outcomes = await send(self._schema, writes)
            unknown = {outcome.id for outcome in outcomes if outcome.kind is OutcomeKind.UNKNOWN}
            settled += [outcome for outcome in outcomes if outcome.id not in unknown]
            if not unknown:
                return settled
            landed = await self._shown(expected, unknown, proof)
            settled += [Outcome(id=row_id, kind=OutcomeKind.DONE) for row_id in landed]
            writes = [write for write in writes if write.id in unknown - landed]
            if not writes:
                return settled
        raise RequestFailedError(
            f"whether {len(writes)} rows of {self._schema.name} were written is unknown",
            outcome_unknown=True,
            where=self._task.secondary.name,
            why=next(outcome.message for outcome in outcomes if outcome.id in unknown),
            mend="Run it again: it finds out and goes on from there",
        )

    async def _pardon_repeated(
        self, outcomes: Sequence[Outcome], expected: pl.DataFrame
    ) -> list[Outcome]:
        """A create refused as a duplicate is done if the row there is the very one we sent."""
        suspects = {
            outcome.id for outcome in outcomes if reason_of(outcome) is ParkedReason.DUPLICATE_KEY
        }
        ours = await self._shown(expected, suspects, (FOLDED_KEY,)) if suspects else set()
        return [
            Outcome(id=outcome.id, kind=OutcomeKind.DONE) if outcome.id in ours else outcome
            for outcome in outcomes
        ]

    async def _shown(
        self, expected: pl.DataFrame, ids: Collection[str], proof: Sequence[str]
    ) -> set[str]:
        """Those of the rows that the secondary shows as expected in the columns `proof`."""
        mapping = self._task.mapping
        columns = mapping.secondary_columns
        rows = await self._task.secondary.read_rows(
            self._schema, sorted(ids), names_to_read(self._schema, columns)
        )
        present = frame_of_rows(rows, columns, where=self._task.secondary.name)
        present = present.with_columns(folded_key(present, mapping, id_name=SECONDARY_ID))
        both = expected.join(present, on=SECONDARY_ID, suffix="@there")
        same = [pl.col(name).eq_missing(pl.col(f"{name}@there")) for name in proof]
        return set(both.filter(pl.all_horizontal(pl.lit(True), *same))[SECONDARY_ID])

    def _park_refused(self, chunk: pl.DataFrame, outcomes: Sequence[Outcome]) -> list[str]:
        """Park what was refused; returns the primary ids."""
        refused = {
            outcome.id: outcome for outcome in outcomes if outcome.kind is OutcomeKind.REFUSED
        }
        if not refused:
            return []
        stop_without_privilege(
            refused.values(),
            sent=len(outcomes),
            table=self._schema.name,
            where=self._task.secondary.name,
        )
        for row_id, outcome in refused.items():
            row = chunk.filter(pl.col(SECONDARY_ID) == row_id)
            self._park(row, reason_of(outcome), outcome.message, code=outcome.code)
        return chunk.filter(pl.col(SECONDARY_ID).is_in(list(refused)))[PRIMARY_ID].to_list()

    def _park(
        self, rows: pl.DataFrame, reason: ParkedReason, message: str, *, code: str = ""
    ) -> None:
        for primary_id, key in zip(rows[PRIMARY_ID], rows[KEY], strict=True):
            self._written.parked[primary_id] = ParkedRow(
                table=self._task.table,
                primary_id=primary_id,
                key=key,
                reason=reason,
                message=message,
                code=code,
                since=self._task.clock(),
                attempts=1,
            )

    def _still_welcome(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that were neither parked nor overtaken so far."""
        return _without(rows, self._written.parked.keys() | self._turns.overtaken)


def _without(rows: pl.DataFrame, primary_ids: Collection[str]) -> pl.DataFrame:
    return rows.filter(~pl.col(PRIMARY_ID).is_in(list(primary_ids))) if primary_ids else rows


def _texts(names: Sequence[str]) -> pl.Expr:
    return pl.lit(list(names), pl.List(pl.String))


def _names_of_values(names: Sequence[str]) -> pl.Expr:
    """Those of the columns that are not null, as a list."""
    texts = [pl.when(pl.col(name).is_not_null()).then(pl.lit(name)) for name in names]
    return pl.concat_list(texts).list.drop_nulls()


def _proven_links(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        PRIMARY_ID,
        SECONDARY_ID,
        VERSION,
        KEY,
        "@origin",
        pl.lit(False).alias("@intended"),
    )
