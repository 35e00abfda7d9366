"""How a column's JSON values become exact, comparable polars values.

Belongs here: the one table from `ColumnKind` to polars type and canonical form, pages of rows
turned into frames, and the fold by which key values are matched. Does not belong here: what the
secondary must show; that is `projection.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, TypeAlias

import polars as pl

from dv_sync_pipeline.errors import IncompleteReadError
from dv_sync_pipeline.webapi.client import Row
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind

__all__ = [
    "MAPPABLE_KINDS",
    "VALUE_TYPES",
    "Canonical",
    "ValueType",
    "empty_frame",
    "fold_keys",
    "frame_of_rows",
    "map_choices",
    "reference",
    "reference_prefix",
    "share_texts",
    "split_reference",
]

Canonical: TypeAlias = Callable[[pl.Expr], pl.Expr]
"""Turns a wire value into the one form in which equal values are equal."""

_KEY_SEPARATOR = "\x1f"
_TABLE_SEPARATOR = ":"

_TEXTS_PER_ROW_MAX = 0.5
"""Where there are more different texts than that, hardly any room is saved by sharing them."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """How the values of a column kind are held and compared.

    Attributes:
        family: kinds of one family can be compared and copied into each other.
        wire: the polars type that the JSON values fit without loss.
        to_wire: brings one JSON value, never None, to what `wire` accepts; None if it fits as is.
        canonical: expression from `wire` to the compared value.

    """

    family: str
    wire: type[pl.DataType]
    canonical: Canonical
    to_wire: Callable[[Any], Any] | None = None


def _as_it_is(value: pl.Expr) -> pl.Expr:
    return value


def _empty_text_is_null(value: pl.Expr) -> pl.Expr:
    """Dataverse stores "" as null (DATAVERSE 3.3)."""
    return pl.when(value != "").then(value)


def _exact_decimal(value: pl.Expr) -> pl.Expr:
    """Dataverse keeps at most ten digits after the point (DATAVERSE 3.3)."""
    return value.cast(pl.Decimal(38, 10))


def _whole_seconds(value: pl.Expr) -> pl.Expr:
    """UTC with `Z` and without fractions, as Dataverse shows moments; plain dates stay."""
    return value.str.replace(r"(?:\.\d+)?(?:Z|\+00:00)$", "Z")


def _ascending_choices(value: pl.Expr) -> pl.Expr:
    """`"9, 1"` → `"1,9"` (DATAVERSE 3.3: blanks tolerated); no choice at all is null."""
    texts = _empty_text_is_null(value).str.split(",")
    numbers = texts.list.eval(pl.element().str.strip_chars().cast(pl.Int64))
    return numbers.list.unique().list.sort().cast(pl.List(pl.String)).list.join(",")


def _lower_case(value: pl.Expr) -> pl.Expr:
    return value.str.to_lowercase()


_TEXT = ValueType("text", pl.String, _empty_text_is_null)
_INTEGER = ValueType("whole number", pl.Int64, _as_it_is)
_DECIMAL = ValueType("decimal number", pl.String, _exact_decimal, to_wire=str)
_CHOICE = ValueType("choice", pl.Int64, _as_it_is)
_ROW = ValueType("lookup", pl.String, _lower_case)

VALUE_TYPES: Mapping[ColumnKind, ValueType] = {
    ColumnKind.STRING: _TEXT,
    ColumnKind.MEMO: _TEXT,
    ColumnKind.INTEGER: _INTEGER,
    ColumnKind.BIG_INTEGER: _INTEGER,
    ColumnKind.DECIMAL: _DECIMAL,
    ColumnKind.MONEY: _DECIMAL,
    ColumnKind.DOUBLE: ValueType("floating number", pl.Float64, _as_it_is, to_wire=float),
    ColumnKind.BOOLEAN: ValueType("yes or no", pl.Boolean, _as_it_is),
    ColumnKind.DATE_TIME: ValueType("date", pl.String, _whole_seconds),
    ColumnKind.CHOICE: _CHOICE,
    ColumnKind.STATE: _CHOICE,
    ColumnKind.STATUS: _CHOICE,
    ColumnKind.MULTI_CHOICE: ValueType("choices", pl.String, _ascending_choices),
    ColumnKind.LOOKUP: _ROW,
    ColumnKind.CUSTOMER: _ROW,
    ColumnKind.OWNER: _ROW,
    ColumnKind.UNIQUE_IDENTIFIER: ValueType("identifier", pl.String, _lower_case),
    # Content itself is never in a frame: only what changes whenever it does.
    ColumnKind.IMAGE: ValueType("image", pl.String, _as_it_is, to_wire=str),
    ColumnKind.FILE: ValueType("file", pl.String, _lower_case),
}
"""Every kind that can be synchronized; the others are refused when the mapping is checked."""


def frame_of_rows(
    rows: Sequence[Row], columns: Mapping[str, Column], *, where: str = ""
) -> pl.DataFrame:
    """A page as a frame: `columns` is name in the frame → column of the rows.

    Raises `IncompleteReadError` when a property is missing (null would look like a cleared value)
    or when a value does not fit its column's type; `where` names the read in that message.
    """
    if not rows:
        return empty_frame(columns)
    try:
        wire = pl.DataFrame(_wire_series(rows, columns))
        return wire.select(_canonical(columns))
    except KeyError as error:
        raise IncompleteReadError(
            f"the answer leaves out {error.args[0]}", where=where, mend="Run it again"
        ) from None
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise IncompleteReadError(
            "a value does not fit the type of its column",
            where=where,
            why=str(error).partition("\n")[0],
        ) from error


def share_texts(page: pl.DataFrame) -> pl.DataFrame:
    """The same page; a text that stands in many of its rows stands in memory once.

    Lookups and dates are such texts: of a million rows, each of them takes 52 bytes otherwise and
    16 so.
    """
    return page.with_columns(_shared(page[name]) for name in page.select(pl.col(pl.String)).columns)


def _shared(texts: pl.Series) -> pl.Series:
    different = texts.drop_nulls().unique()
    if len(different) > len(texts) * _TEXTS_PER_ROW_MAX:
        return texts
    # By way of a list: what `unique` returns holds on to the memory of all texts.
    once = pl.Series(texts.name, different.to_list(), dtype=pl.String)
    return once.gather(texts.cast(pl.Enum(once)).to_physical())


def empty_frame(columns: Mapping[str, Column]) -> pl.DataFrame:
    """A frame without rows, typed as `frame_of_rows` would type it."""
    wire = {name: VALUE_TYPES[column.kind].wire() for name, column in columns.items()}
    return pl.DataFrame(schema=wire).select(_canonical(columns))


def _wire_series(rows: Sequence[Row], columns: Mapping[str, Column]) -> list[pl.Series]:
    properties = [column.property_name for column in columns.values()]
    # A lone property would come as a bare value, so the first is asked for twice.
    transposed = zip(*map(itemgetter(*properties, properties[0]), rows), strict=True)
    return [
        _wire_one(
            name,
            VALUE_TYPES[column.kind],
            _references(rows, column) if column.is_polymorphic else values,
        )
        for (name, column), values in zip(columns.items(), transposed, strict=False)
    ]


def _references(rows: Sequence[Row], column: Column) -> list[str | None]:
    """Table and id: the id alone does not tell to which table it belongs (DATAVERSE 5)."""
    name, table = column.property_name, column.table_annotation
    return [row[name] and f"{row[table]}{_TABLE_SEPARATOR}{row[name]}" for row in rows]


def reference(column: Column, table: str, row_id: pl.Expr) -> pl.Expr:
    """How a frame shows that a lookup points to a row: its id, with the table if it has several."""
    prefix = reference_prefix(column, table)
    return pl.concat_str(pl.lit(prefix), row_id) if prefix else row_id


def reference_prefix(column: Column, table: str) -> str:
    """What stands before the id: the table, if the lookup has several."""
    return f"{table}{_TABLE_SEPARATOR}" if column.is_polymorphic else ""


def split_reference(column: Column, value: str, *, only_table: str) -> tuple[str, str]:
    """Table and id of what `reference` shows."""
    table, _, row_id = value.rpartition(_TABLE_SEPARATOR)
    return (table if column.is_polymorphic else only_table), row_id


def _wire_one(name: str, value_type: ValueType, values: Sequence[Any]) -> pl.Series:
    convert = value_type.to_wire
    if convert is not None:
        values = [None if value is None else convert(value) for value in values]
    return pl.Series(name, values, dtype=value_type.wire())


def _canonical(columns: Mapping[str, Column]) -> list[pl.Expr]:
    return [_canonical_column(name, column.kind) for name, column in columns.items()]


@cache
def _canonical_column(name: str, kind: ColumnKind) -> pl.Expr:
    """Kept, as there are few columns and many small frames."""
    return VALUE_TYPES[kind].canonical(pl.col(name)).alias(name)


MAPPABLE_KINDS = frozenset({ColumnKind.CHOICE, ColumnKind.MULTI_CHOICE})
"""Kinds whose values may have other numbers on the other side."""


def map_choices(value: pl.Expr, choices: Mapping[int, int], *, kind: ColumnKind) -> pl.Expr:
    """Each choice by its number on the other side; choices without another number keep theirs."""
    if kind is ColumnKind.CHOICE:
        return value.replace(choices)
    texts = {str(ours): str(theirs) for ours, theirs in choices.items()}
    mapped = value.str.split(",").list.eval(pl.element().replace(texts)).list.join(",")
    return _ascending_choices(mapped)


def fold_keys(frame: pl.DataFrame, key: Sequence[str]) -> pl.Expr:
    """The key columns as one text by which Dataverse would find two rows alike; null if one is.

    Text is compared case-insensitively and without trailing blanks (DATAVERSE 4.6). For matching
    only: values themselves are compared exactly.
    """
    return pl.concat_str(
        [_fold(pl.col(name), frame.schema[name]) for name in key], separator=_KEY_SEPARATOR
    )


def _fold(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        # Upper case, since it also joins the two small sigmas and sharp s, as collations do.
        return value.str.to_uppercase().str.strip_chars_end(" ")
    return value.cast(pl.String)
