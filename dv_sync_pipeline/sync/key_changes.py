"""Key values that changed hands: the order in which rows of a table can take their new keys.

Belongs here: who still holds a key that another row must show, which row moves first, and the
temporary value that opens a circle. Pure. Does not belong here: writing; that is `writer.py`.

A key is unique at every moment, so whoever holds it moves first. Where rows go round in a circle,
as two hotels that exchange their codes, one of them steps aside: it shows a temporary value in a
text column of its key. All these rows are linked, and links are saved before the first write; so a
run that dies in between leaves rows that the next one finds by their ids, and completes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import polars as pl

from dv_sync_pipeline.sync.difference import CHANGED, HOLDER, Difference
from dv_sync_pipeline.sync.mapping import SECONDARY_ID, TableMapping
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind

__all__ = ["STUCK", "KeyMoves", "key_moves", "without_stuck"]

STUCK = (
    "it exchanged its key with other rows, and no text column of the key can show a temporary "
    "value; give one of them a key of its own for one run"
)

_MARK = "~dv-sync-"
_SHORT_MARK = "~"
_DIGEST_CHARACTERS = 24
_LENGTH_MIN = 8
"""A shorter temporary value could be somebody's key."""

_RANK = "@rank"


@dataclass(frozen=True, slots=True)
class KeyMoves:
    """Changed rows in the order in which they can be written; frames as `Difference.changed`.

    Attributes:
        waves: rows that are in no circle, frame after frame: each holder before who waits for it.
        aside: then, one row of each circle, with a temporary value in the one column of `CHANGED`.
        turns: then the rows of all circles, frame after frame: their keys first, the rest last, so
            that no other value keeps a key from being free.
        stuck: rows of circles where no column of the key can take a temporary value.
        waiting: rows whose key is held by a row that is gone in the primary and still there.

    """

    waves: tuple[pl.DataFrame, ...]
    aside: pl.DataFrame
    turns: tuple[pl.DataFrame, ...]
    stuck: pl.DataFrame
    waiting: pl.DataFrame


def key_moves(changed: pl.DataFrame, mapping: TableMapping, *, gone: Collection[str]) -> KeyMoves:
    """Order the changed rows; `gone` are the secondary ids of rows that wait to be removed."""
    if changed[HOLDER].null_count() == changed.height:
        return _no_moves(changed)
    holders = _holders(changed)
    circles = _circles(holders)
    column = _column_for_temporary_values(mapping)
    is_waiting = pl.col(HOLDER).is_in(list(gone)).fill_null(value=False)
    turning = _rows_of(changed, [row for circle in circles for row in circle])
    others = changed.filter(~is_waiting).join(turning, on=SECONDARY_ID, how="anti")
    return KeyMoves(
        waves=_in_order(others, _ranks_in_chains(holders)),
        aside=turning.clear() if column is None else _stepping_aside(turning, circles, column),
        turns=() if column is None else _turns(turning, circles, mapping),
        stuck=turning if column is None else turning.clear(),
        waiting=changed.filter(is_waiting),
    )


def _no_moves(changed: pl.DataFrame) -> KeyMoves:
    """Every key that is needed is free."""
    none = changed.clear()
    return KeyMoves(waves=(changed,), aside=none, turns=(), stuck=none, waiting=none)


def without_stuck(difference: Difference, mapping: TableMapping) -> tuple[Difference, pl.DataFrame]:
    """What can be written of a difference, and the rows of circles that cannot be opened."""
    gone = difference.gone[SECONDARY_ID].to_list()
    stuck = key_moves(difference.changed, mapping, gone=gone).stuck
    goes = ~difference.changed[SECONDARY_ID].is_in(stuck[SECONDARY_ID].implode())
    changed, before = difference.changed.filter(goes), difference.before.filter(goes)
    return replace(difference, changed=changed, before=before), stuck


def _holders(changed: pl.DataFrame) -> dict[str, str]:
    """Each row that cannot take its key yet → the changed row that still shows it."""
    held = changed.select(SECONDARY_ID, HOLDER).drop_nulls()
    return dict(
        held.join(changed.select(pl.col(SECONDARY_ID).alias(HOLDER)), on=HOLDER).iter_rows()
    )


def _circles(holders: Mapping[str, str]) -> list[list[str]]:
    """Rows that wait for each other in a circle, each before its holder, the smallest id first."""
    circles: list[list[str]] = []
    seen: set[str] = set()
    for start in sorted(holders):
        path: dict[str, None] = {}
        row = start
        while row in holders and row not in seen:
            seen.add(row)
            path[row] = None
            row = holders[row]
        if row in path:
            # Every key has one holder and one that waits for it, so the whole path is the circle.
            circles.append(list(path))
    return circles


def _ranks_in_chains(holders: Mapping[str, str]) -> dict[str, int]:
    """How many rows must move before a row, of rows for which any must."""
    followers = {holder: row for row, holder in holders.items()}
    ranks: dict[str, int] = {}
    for head in followers.keys() - holders.keys():
        row, rank = head, 0
        while row in followers:
            row, rank = followers[row], rank + 1
            ranks[row] = rank
    return ranks


def _in_order(rows: pl.DataFrame, ranks: Mapping[str, int]) -> tuple[pl.DataFrame, ...]:
    """The rows by rank, those without one first."""
    if not ranks:
        return (rows,)
    rank = pl.col(SECONDARY_ID).replace_strict(ranks or {"": 0}, default=0, return_dtype=pl.Int64())
    waves = rows.with_columns(rank.alias(_RANK)).partition_by(_RANK, maintain_order=True)
    waves.sort(key=lambda wave: wave.item(0, _RANK))
    return tuple(wave.drop(_RANK) for wave in waves)


def _turns(
    rows: pl.DataFrame, circles: Iterable[Sequence[str]], mapping: TableMapping
) -> tuple[pl.DataFrame, ...]:
    """Whoever waits for the row that stepped aside moves first, and that row last."""
    ranks = {row: rank for circle in circles for rank, row in enumerate(reversed(circle))}
    key = pl.lit(list(mapping.key), pl.List(pl.String))
    keys = rows.with_columns(pl.col(CHANGED).list.set_intersection(key))
    rest = rows.with_columns(pl.col(CHANGED).list.set_difference(key))
    return (*_in_order(keys, ranks), rest.filter(pl.col(CHANGED).list.len() > 0))


def _stepping_aside(
    rows: pl.DataFrame, circles: Iterable[Sequence[str]], column: Column
) -> pl.DataFrame:
    values = {circle[0]: _temporary_value(circle[0], column) for circle in circles}
    chosen = _rows_of(rows, values)
    value = pl.Series(column.name, [values[row] for row in chosen[SECONDARY_ID]], pl.String())
    name = pl.lit([column.name], pl.List(pl.String))
    return chosen.with_columns(value, name.alias(CHANGED))


def _rows_of(rows: pl.DataFrame, ids: Iterable[str]) -> pl.DataFrame:
    wanted = pl.DataFrame({SECONDARY_ID: list(ids)}, schema={SECONDARY_ID: pl.String()})
    return rows.join(wanted, on=SECONDARY_ID, how="semi")


def _column_for_temporary_values(mapping: TableMapping) -> Column | None:
    """A text column of the key that is long enough; other types have no value to spare."""
    columns = (column.target for column in mapping.columns if column.name in mapping.key)
    return next((column for column in columns if _takes_temporary_values(column)), None)


def _takes_temporary_values(column: Column) -> bool:
    is_long = column.max_length is None or column.max_length >= _LENGTH_MIN
    return column.kind is ColumnKind.STRING and is_long


def _temporary_value(row_id: str, column: Column) -> str:
    """Unique, the same in every run, and marked as ours where there is room."""
    length = column.max_length or len(_MARK) + _DIGEST_CHARACTERS
    mark = _MARK if length >= len(_MARK) + _LENGTH_MIN else _SHORT_MARK
    return (mark + sha256(row_id.encode()).hexdigest()[:_DIGEST_CHARACTERS])[:length]
