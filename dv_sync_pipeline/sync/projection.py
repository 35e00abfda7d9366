"""Primary rows turned into what their secondary rows must show.

Belongs here: lookups translated through links, the key in both its forms, and the rows that cannot
be projected, each with its reason. Pure: frames in, frames out. Does not belong here: how single
values compare (`values.py`), or what the secondary shows now (`difference.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from dv_sync_pipeline.sync.mapping import (
    FOLDED_KEY,
    KEY,
    PRIMARY_ID,
    SECONDARY_ID,
    STATUS_COLUMNS,
    VERSION,
    MappedColumn,
    Parent,
    TableMapping,
)
from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline.sync.status import in_numbers_of_the_secondary
from dv_sync_pipeline.sync.values import fold_keys, map_choices, reference

__all__ = [
    "COLUMN",
    "CONTENTS_SCHEMA",
    "HERE",
    "LINKS_SCHEMA",
    "MESSAGE",
    "NEW_CONTENT",
    "REASON",
    "THERE",
    "Projection",
    "folded_key",
    "project",
]

LINKS_SCHEMA = pl.Schema(
    {
        PRIMARY_ID: pl.String(),
        SECONDARY_ID: pl.String(),
        VERSION: pl.Int64(),
        KEY: pl.String(),
        "@origin": pl.String(),
        "@intended": pl.Boolean(),
    }
)
"""A frame of links: one row for each primary row whose secondary row is known or intended."""

COLUMN, HERE, THERE = "@column", "@here", "@there"

CONTENTS_SCHEMA = pl.Schema(
    {PRIMARY_ID: pl.String(), COLUMN: pl.String(), HERE: pl.String(), THERE: pl.String()}
)
"""A frame of contents known to be equal: what the primary shows of one, and what the secondary."""

NEW_CONTENT = "new: "
"""Before what the primary shows of content that the secondary does not have."""

REASON = "@reason"
MESSAGE = "@message"
_WAITING = "@waiting"

_MESSAGES: Mapping[ParkedReason, str] = {
    ParkedReason.MISSING_KEY: "a column of its key is empty",
    ParkedReason.DUPLICATE_KEY: "another row of the primary has the same key",
}


@dataclass(frozen=True, slots=True)
class Projection:
    """What the secondary must show.

    Attributes:
        wanted: the rows to compare: id, version, key, and every mapped column under its name in
            the secondary. Not the folded key: few rows need it later, and it is long.
        parked: primary id, key, reason and message of rows that are not compared.
        primary_ids: ids of every row of the primary, parked ones included.
        waiting: how many wanted rows go without an optional parent.

    """

    wanted: pl.DataFrame
    parked: pl.DataFrame
    primary_ids: pl.Series
    waiting: int


def project(
    rows: pl.DataFrame,
    mapping: TableMapping,
    *,
    links: pl.DataFrame,
    parent_links: Mapping[Parent, pl.DataFrame],
    contents: pl.DataFrame | None = None,
) -> Projection:
    """Project every row of the primary.

    `rows` has the columns of `mapping.primary_columns`; `links` are the table's own, `parent_links`
    those of the tables that it looks up; all as `LINKS_SCHEMA`. `contents` are known to be equal,
    as `CONTENTS_SCHEMA`.
    """
    if VERSION not in rows.columns:
        rows = rows.with_columns(pl.lit(0, pl.Int64).alias(VERSION))
    frame = _with_parents(rows, mapping, parent_links)
    frame = _with_constants(_with_choices(frame, mapping), mapping)
    frame = _with_status(frame, mapping)
    frame = _with_contents(frame, mapping, contents)
    frame = _with_keys(frame, mapping)
    frame = frame.with_columns(_reason(mapping, links).alias(REASON))
    is_parked = pl.col(REASON).is_not_null()
    is_whole = frame[REASON].null_count() == frame.height
    wanted = frame if is_whole else frame.filter(~is_parked)
    return Projection(
        wanted=wanted.select(PRIMARY_ID, VERSION, KEY, *mapping.compared, *_status(mapping)),
        parked=frame.filter(is_parked).select(
            PRIMARY_ID, KEY, REASON, _message(mapping).alias(MESSAGE)
        ),
        primary_ids=rows[PRIMARY_ID],
        waiting=wanted.select(_any(_missing_flags(mapping)).sum()).item(),
    )


def _status(mapping: TableMapping) -> list[str]:
    return list(STATUS_COLUMNS) if mapping.has_status else []


def _with_contents(
    frame: pl.DataFrame, mapping: TableMapping, contents: pl.DataFrame | None
) -> pl.DataFrame:
    """What the secondary must show of each content; it cannot yet if that is new."""
    contents = CONTENTS_SCHEMA.to_frame() if contents is None else contents
    for column in mapping.contents:
        name = pl.col(column.name)
        known = contents.filter(pl.col(COLUMN) == column.name).select(
            PRIMARY_ID, pl.col(HERE).alias(column.name), THERE
        )
        frame = frame.join(
            known, on=[PRIMARY_ID, column.name], how="left", maintain_order="left"
        ).with_columns(pl.coalesce(THERE, pl.lit(NEW_CONTENT) + name).alias(column.name))
        frame = frame.drop(THERE)
    return frame


def _with_status(frame: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    """State and status reason as the secondary counts them, and the column that holds them."""
    if not mapping.has_status:
        return frame
    state, status = in_numbers_of_the_secondary(
        pl.col("statuscode"),
        pl.col("statecode"),
        values=mapping.status_values,
        schema=mapping.secondary,
    )
    frame = frame.with_columns(state.alias("statecode"), status.alias("statuscode"))
    if mapping.status_column is None:
        return frame
    return frame.with_columns(pl.col("statuscode").alias(mapping.status_column.name))


def _missing(column: MappedColumn) -> str:
    return f"@missing_{column.name}"


def _missing_flags(mapping: TableMapping) -> list[str]:
    return [_missing(column) for column in mapping.lookups]


def _any(flags: list[str]) -> pl.Expr:
    return pl.any_horizontal(pl.lit(False), *flags)


def _parent_key(column: MappedColumn) -> str:
    return f"@key_{column.name}"


def _with_parents(
    frame: pl.DataFrame, mapping: TableMapping, parent_links: Mapping[Parent, pl.DataFrame]
) -> pl.DataFrame:
    """Each lookup replaced by the secondary id of its parent; null where there is none yet."""
    return frame.with_columns(
        each
        for column in mapping.lookups
        for each in _parents_of(frame[column.name], column, parent_links)
    )


def _parents_of(
    shown: pl.Series, column: MappedColumn, parent_links: Mapping[Parent, pl.DataFrame]
) -> list[pl.Series]:
    """What one lookup must show, and beside it the parent's key and whether there is no parent.

    Only this one column is joined: a whole frame would be copied for each lookup.
    """
    references = [_references(column, each, parent_links[each]) for each in column.parents]
    return (
        shown.to_frame()
        .join(pl.concat(references), on=column.name, how="left", maintain_order="left")
        .select(
            pl.col("@parent").alias(column.name),
            pl.coalesce(_parent_key(column), column.name).alias(_parent_key(column)),
            (pl.col(column.name).is_not_null() & pl.col("@parent").is_null()).alias(
                _missing(column)
            ),
        )
        .get_columns()
    )


def _references(column: MappedColumn, parent: Parent, links: pl.DataFrame) -> pl.DataFrame:
    """What the column shows of this parent in the primary, and what it must show instead.

    Of a parent that is only intended we know the key, and that it is not there.
    """
    there = pl.when(~pl.col("@intended")).then(SECONDARY_ID)
    return links.select(
        reference(column.source, parent.table, pl.col(PRIMARY_ID)).alias(column.name),
        reference(column.target, parent.target, there).alias("@parent"),
        pl.col(KEY).alias(_parent_key(column)),
    )


def _with_choices(frame: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    return frame.with_columns(
        map_choices(pl.col(column.name), column.choices, kind=column.source.kind).alias(column.name)
        for column in mapping.columns
        if column.choices
    )


def _with_constants(frame: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    for constant in mapping.constants:
        frame = frame.join(constant.value, how="cross")
    return frame


def _with_keys(frame: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    folded = folded_key(frame, mapping, id_name=PRIMARY_ID)
    if not mapping.key:
        return frame.with_columns(folded, pl.col(PRIMARY_ID).alias(KEY))
    lookups = {column.name: column for column in mapping.lookups}
    shown = [
        pl.col(_parent_key(lookups[name]) if name in lookups else name).cast(pl.String)
        for name in mapping.key
    ]
    key = pl.concat_str(shown, separator=", ", ignore_nulls=True)
    return frame.with_columns(
        folded, pl.when(key != "").then(key).otherwise(_name(mapping)).alias(KEY)
    )


def _name(mapping: TableMapping) -> pl.Expr:
    """What a row without any key is called: its primary name if we read that, else its GUID."""
    primary_name = mapping.primary.primary_name
    names = [column.name for column in mapping.columns if column.source.name == primary_name]
    return pl.coalesce(*(pl.col(name).cast(pl.String) for name in names), PRIMARY_ID)


def folded_key(frame: pl.DataFrame, mapping: TableMapping, *, id_name: str) -> pl.Expr:
    """The column `FOLDED_KEY` of a frame of either side, whose ids stand in `id_name`."""
    key = fold_keys(frame, mapping.key) if mapping.key else pl.col(id_name)
    return key.alias(FOLDED_KEY)


def _reason(mapping: TableMapping, links: pl.DataFrame) -> pl.Expr:
    """Why a row cannot be compared; null when it can."""
    needed = [_missing(column) for column in mapping.lookups if column.must_be_known]
    key = pl.col(FOLDED_KEY)
    is_linked = pl.col(PRIMARY_ID).is_in(links[PRIMARY_ID].implode())
    return (
        pl.when(_any(needed))
        .then(pl.lit(ParkedReason.MISSING_PARENT.value))
        .when(key.is_null() & ~is_linked)
        .then(pl.lit(ParkedReason.MISSING_KEY.value))
        .when(key.is_not_null() & key.is_duplicated())
        .then(pl.lit(ParkedReason.DUPLICATE_KEY.value))
    )


def _message(mapping: TableMapping) -> pl.Expr:
    """In words; for a missing parent, which one."""
    missing = [
        pl.when(_missing(column)).then(_missing_parent(column))
        for column in mapping.lookups
        if column.must_be_known
    ]
    texts = {reason.value: text for reason, text in _MESSAGES.items()}
    of_reason = pl.col(REASON).replace_strict(texts, default=None, return_dtype=pl.String)
    return pl.coalesce(of_reason, *missing)


def _missing_parent(column: MappedColumn) -> pl.Expr:
    """Which parent: by its key if it is parked, else by its id in the primary."""
    parents = " or ".join(parent.target for parent in column.parents)
    matched = [parent.by for parent in column.parents if parent.by]
    how = f", matched by {' or '.join(matched)}" if matched else ""
    text = f"{column.name} points to a row of {parents} that is not in the secondary{how}: "
    return pl.lit(text) + pl.col(_parent_key(column))
