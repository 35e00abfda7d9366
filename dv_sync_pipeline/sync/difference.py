"""What keeps the secondary from showing what it must, row by row.

Belongs here: matching rows of both sides, and comparing them column by column with polars. Pure:
frames in, `Difference` out; two frames of a million rows are never joined into one: what matches is
held as row numbers, and looked up where it is asked for. Does not belong here: doing anything about
a difference; that is `writer.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dv_sync_pipeline.sync.mapping import (
    FOLDED_KEY,
    KEY,
    PRIMARY_ID,
    SECONDARY_ID,
    STATUS_COLUMNS,
    VERSION,
    TableMapping,
)
from dv_sync_pipeline.sync.projection import (
    LINKS_SCHEMA,
    MESSAGE,
    REASON,
    Projection,
    folded_key,
)
from dv_sync_pipeline.sync.report import (
    FOREIGN_ROWS_LISTED_MAX,
    DifferenceKind,
    ParkedReason,
    RowDifference,
)

__all__ = [
    "CHANGED",
    "HOLDER",
    "STATUS_CHANGED",
    "Difference",
    "compare",
    "row_differences",
    "rows_to_go",
]

CHANGED = "@changed"
"""The mapped columns of a row that differ, status left out."""
STATUS_CHANGED = "@status_changed"
HOLDER = "@holder"
"""Secondary id of another row that shows the key which a changed row must show; else null."""

IS_INACTIVE = "@is_inactive"

_VALUES_AT_ONCE = 1_000_000
"""Of each side; one column of a large table."""

_WANTED = "@wanted_row"
_PRESENT = "@present_row"
_LINK = "@link"
_MATCHES = pl.Schema({_WANTED: pl.UInt32(), _PRESENT: pl.UInt32(), _LINK: pl.UInt32()})
"""Row numbers in the three frames; no link where the key has matched."""

_PARKED_SCHEMA = pl.Schema(dict.fromkeys((PRIMARY_ID, KEY, REASON, MESSAGE), pl.String()))
"""As `Projection.parked`."""

_ID_TAKEN = "the secondary has another row under this id, and with another key"


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs in one table; frames have the columns of `Projection.wanted`.

    Those of wanted rows have the folded key besides.

    Attributes:
        creates: wanted rows that the secondary does not have.
        changed: wanted rows whose secondary row differs; besides, its id, `CHANGED`,
            `STATUS_CHANGED` and `HOLDER`.
        before: what the secondary shows instead, row by row beside `changed`.
        links: every link that is proven, those of parked rows included: a row that differs still
            shows the version, 0 if none, and the key that it was given last.
        fresh_links: those of them that the ledger does not have like this.
        adopted: how many rows of the secondary were matched by key and not by link.
        equal: how many matched rows do not differ.
        gone: links whose primary row is gone and whose secondary row is there; besides,
            `IS_INACTIVE`: whether that row is not active any more.
        dead_links: primary ids of links that lead nowhere, or whose row was taken over by another.
        parked: rows that cannot be written, like `Projection.parked`.
        foreign: how many rows of the secondary belong to nobody here.
        foreign_rows: the first of them: secondary id, and key as the secondary shows it.
        unmatched: when the ledger is new, rows of the secondary that no row of the primary matches:
            their primary row may have been deleted while there was no ledger. Those of them that a
            sync-status column proves to be ours are among `gone`, the others among `foreign`.

    """

    creates: pl.DataFrame
    changed: pl.DataFrame
    before: pl.DataFrame
    links: pl.DataFrame
    fresh_links: pl.DataFrame
    adopted: int
    equal: int
    gone: pl.DataFrame
    dead_links: pl.Series
    parked: pl.DataFrame
    foreign: int
    foreign_rows: pl.DataFrame
    unmatched: int = 0


def compare(
    projection: Projection,
    present: pl.DataFrame,
    mapping: TableMapping,
    *,
    links: pl.DataFrame,
    is_first: bool = False,
) -> Difference:
    """Match and compare.

    `present` has the columns of `mapping.secondary_columns`, `links` those of `LINKS_SCHEMA`;
    `is_first` says that no reconcile was ever completed, so that links may have been lost.
    """
    wanted = projection.wanted.with_row_index(_WANTED)
    present = present.with_row_index(_PRESENT)
    links = links.with_row_index(_LINK)
    by_link = _match_by_link(wanted, present, links)
    others = _other_links(links, by_link, present, projection.primary_ids)
    claimed = others.filter("@is_claimed")
    by_key = _match_by_key(wanted, present, mapping, by_link=by_link, claimed=claimed)
    matches = pl.concat([by_link, by_key])
    changed, before, equal = _compare_matches(wanted, present, matches, mapping)
    creates, parked = _split_taken(_without(wanted, matches, on=_WANTED), present)
    creates = creates.with_columns(folded_key(creates, mapping, id_name=PRIMARY_ID))
    proven = _proven_links(wanted, present, links, matches=matches, changed=changed)
    living = _without(others, matches, on=_PRESENT).drop_nulls(_PRESENT)
    partnerless = present.pipe(_without, matches, on=_PRESENT).pipe(_without, living, on=_PRESENT)
    ours = _proven_ours(partnerless, projection, mapping)[: None if is_first else 0]
    living = pl.concat([living, ours], how="diagonal")
    is_parked = pl.col("@is_claimed")
    columns = LINKS_SCHEMA.names()
    return Difference(
        creates=creates.drop(_WANTED),
        changed=changed,
        before=before,
        links=pl.concat([proven.select(columns), living.filter(is_parked).select(columns)]),
        fresh_links=pl.concat([proven.filter("@is_fresh").select(columns), ours.select(columns)]),
        adopted=by_key.height,
        equal=equal,
        gone=_gone(living.filter(~is_parked), present, mapping).select(*columns, IS_INACTIVE),
        dead_links=_without(others, living, on=PRIMARY_ID)[PRIMARY_ID],
        parked=parked,
        foreign=present.height - matches.height - living.height,
        foreign_rows=_foreign_rows(_without(partnerless, ours, on=_PRESENT), mapping),
        unmatched=_unmatched(partnerless, ours, mapping) if is_first else 0,
    )


def _proven_ours(
    partnerless: pl.DataFrame, projection: Projection, mapping: TableMapping
) -> pl.DataFrame:
    """Rows whose sync-status column proves that we wrote them, as links to a row that is gone.

    Their primary id is lost with the ledger; rows that we created bear it themselves (DESIGN 4,
    Writing), and nothing but a removal will ever ask for it.
    """
    columns = {**LINKS_SCHEMA, _PRESENT: pl.UInt32(), "@is_claimed": pl.Boolean()}
    if mapping.status_column is None:
        return pl.DataFrame(schema=columns)
    is_known = pl.col(SECONDARY_ID).is_in(projection.primary_ids.implode())
    return partnerless.filter(pl.col(mapping.status_column.name).is_not_null() & ~is_known).select(
        pl.col(SECONDARY_ID).alias(PRIMARY_ID),
        SECONDARY_ID,
        pl.lit(0, pl.Int64).alias(VERSION),
        _key_shown(mapping),
        pl.lit("created").alias("@origin"),
        pl.lit(value=False).alias("@intended"),
        _PRESENT,
        pl.lit(value=False).alias("@is_claimed"),
    )


def _key_shown(mapping: TableMapping) -> pl.Expr:
    """The key as the secondary shows it, for people; parents by their ids."""
    key = [pl.col(name).cast(pl.String) for name in mapping.key] or [pl.col(SECONDARY_ID)]
    return pl.concat_str(key, separator=", ", ignore_nulls=True).alias(KEY)


def _foreign_rows(partnerless: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    """Only so many, since a department may have millions of its own."""
    return partnerless.head(FOREIGN_ROWS_LISTED_MAX).select(SECONDARY_ID, _key_shown(mapping))


def _unmatched(partnerless: pl.DataFrame, ours: pl.DataFrame, mapping: TableMapping) -> int:
    """Where a column proves what is ours, the others are foreign for certain."""
    return partnerless.height if mapping.status_column is None else ours.height


def _without(frame: pl.DataFrame, other: pl.DataFrame, *, on: str) -> pl.DataFrame:
    if frame.is_empty() or other.is_empty():
        return frame
    return frame.join(other.select(on), on=on, how="anti", maintain_order="left")


def _match_by_link(
    wanted: pl.DataFrame, present: pl.DataFrame, links: pl.DataFrame
) -> pl.DataFrame:
    """Pairs as `_MATCHES`."""
    linked = wanted.select(_WANTED, PRIMARY_ID).join(
        links.select(_LINK, PRIMARY_ID, SECONDARY_ID), on=PRIMARY_ID
    )
    return (
        linked.drop(PRIMARY_ID)
        .join(present.select(_PRESENT, SECONDARY_ID), on=SECONDARY_ID)
        .select(*_MATCHES)
    )


def _other_links(
    links: pl.DataFrame, by_link: pl.DataFrame, present: pl.DataFrame, primary_ids: pl.Series
) -> pl.DataFrame:
    """Links that matched no pair, with the row of the secondary if it exists.

    Claimed are those whose primary row exists: it is parked, or its secondary row is not there.
    """
    is_claimed = pl.col(PRIMARY_ID).is_in(primary_ids.implode()).alias("@is_claimed")
    return (
        _without(links, by_link, on=_LINK)
        .with_columns(is_claimed)
        .join(present.select(_PRESENT, SECONDARY_ID), on=SECONDARY_ID, how="left")
    )


def _gone(living: pl.DataFrame, present: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    if not mapping.has_status:
        return living.with_columns(pl.lit(False).alias(IS_INACTIVE))
    states = present["statecode"].gather(living[_PRESENT])
    return living.with_columns((states != 0).alias(IS_INACTIVE))


def _match_by_key(
    wanted: pl.DataFrame,
    present: pl.DataFrame,
    mapping: TableMapping,
    *,
    by_link: pl.DataFrame,
    claimed: pl.DataFrame,
) -> pl.DataFrame:
    """Pairs, as `_MATCHES`, that the key finds among the rows that no link has found."""
    names = (_WANTED, PRIMARY_ID, *mapping.key)
    unmatched = _without(wanted.select(names), by_link, on=_WANTED)
    if unmatched.is_empty():
        return by_link.clear()  # The keys of all rows are not needed.
    free = _without(_without(present, by_link, on=_PRESENT), claimed, on=_PRESENT)
    # A key that stands twice in the secondary decides nothing.
    candidates = (
        free.select(_PRESENT, folded_key(free, mapping, id_name=SECONDARY_ID))
        .drop_nulls(FOLDED_KEY)
        .unique(FOLDED_KEY, keep="none")
    )
    return (
        unmatched.select(_WANTED, folded_key(unmatched, mapping, id_name=PRIMARY_ID))
        .join(candidates, on=FOLDED_KEY)
        .select(_WANTED, _PRESENT, pl.lit(None, pl.UInt32).alias(_LINK))
    )


def _compare_matches(
    wanted: pl.DataFrame, present: pl.DataFrame, matches: pl.DataFrame, mapping: TableMapping
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Rows that differ, as wanted and as present, and how many do not."""
    status = mapping.compared_status
    left, right = matches[_WANTED], matches[_PRESENT]
    differs = _differing(wanted, present, matches, names=(*mapping.compared, *status))
    is_different = differs.select(any=pl.any_horizontal(pl.lit(False), *differs.columns))["any"]
    before = present[right.filter(is_different)].drop(_PRESENT)
    marks = pl.DataFrame([left, *differs]).filter(is_different)
    marks = marks.select(
        before[SECONDARY_ID],
        _names_where_true(mapping.compared).alias(CHANGED),
        pl.any_horizontal(pl.lit(False), *status).alias(STATUS_CHANGED),
    )
    changed = wanted[left.filter(is_different)].drop(_WANTED).hstack(marks)
    changed = changed.with_columns(folded_key(changed, mapping, id_name=PRIMARY_ID))
    keys_change = any(differs[name].any() for name in mapping.key if name in differs)
    changed = changed.with_columns(
        _holders(changed, present, mapping)
        if keys_change
        else pl.lit(None, pl.String).alias(HOLDER)
    )
    return changed, before, matches.height - changed.height


def _differing(
    wanted: pl.DataFrame, present: pl.DataFrame, matches: pl.DataFrame, *, names: Sequence[str]
) -> pl.DataFrame:
    """Of each match, which of the columns differ.

    Columns of both sides are brought into the same order, of many rows only one at a time: whole
    frames would be held in memory twice.
    """
    at_once = max(1, _VALUES_AT_ONCE // max(1, matches.height))
    groups = [list(names[start : start + at_once]) for start in range(0, len(names), at_once)]
    return pl.concat(
        [
            matches.select(),
            *(
                _differing_columns(wanted[some][matches[_WANTED]], present[some][matches[_PRESENT]])
                for some in groups
            ),
        ],
        how="horizontal",
    )


def _differing_columns(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Two frames of the same rows in the same order, value by value."""
    return ours.select(pl.col(name).ne_missing(theirs[name]) for name in ours.columns)


def _holders(changed: pl.DataFrame, present: pl.DataFrame, mapping: TableMapping) -> pl.Series:
    keys = folded_key(present, mapping, id_name=SECONDARY_ID)
    shown = present.select(keys, pl.col(SECONDARY_ID).alias(HOLDER)).unique(FOLDED_KEY)
    both = changed.select(FOLDED_KEY, SECONDARY_ID).join(
        shown, on=FOLDED_KEY, how="left", maintain_order="left"
    )
    is_other = pl.col(HOLDER) != pl.col(SECONDARY_ID)
    return both.select(pl.when(is_other).then(HOLDER).alias(HOLDER))[HOLDER]


def _names_where_true(names: tuple[str, ...]) -> pl.Expr:
    if not names:
        return pl.lit([], dtype=pl.List(pl.String))
    return pl.concat_list([pl.when(name).then(pl.lit(name)) for name in names]).list.drop_nulls()


def _split_taken(
    unmatched: pl.DataFrame, present: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows to create under their own GUID, and rows whose GUID somebody else has there."""
    if unmatched.is_empty():
        return unmatched, _PARKED_SCHEMA.to_frame()
    taken = pl.col(PRIMARY_ID).is_in(present[SECONDARY_ID].implode())
    parked = unmatched.filter(taken).select(
        PRIMARY_ID,
        KEY,
        pl.lit(ParkedReason.DUPLICATE_KEY.value).alias(REASON),
        pl.lit(_ID_TAKEN).alias(MESSAGE),
    )
    return unmatched.filter(~taken), parked


def _proven_links(
    wanted: pl.DataFrame,
    present: pl.DataFrame,
    links: pl.DataFrame,
    *,
    matches: pl.DataFrame,
    changed: pl.DataFrame,
) -> pl.DataFrame:
    """The link of every match, and whether the ledger has it otherwise or not at all."""
    row = wanted.select(pl.col(PRIMARY_ID, VERSION, KEY).gather(matches[_WANTED]))
    secondary_id = present[SECONDARY_ID].gather(matches[_PRESENT])
    known = links.select(
        pl.col(VERSION).alias("@known_version"),
        pl.col(KEY).alias("@known_key"),
        "@origin",
        "@intended",
    ).select(pl.all().gather(matches[_LINK]))
    is_changed = pl.col(PRIMARY_ID).is_in(changed[PRIMARY_ID].implode())
    version = pl.when(is_changed).then(pl.col("@known_version").fill_null(0)).otherwise(VERSION)
    key = pl.when(is_changed).then(pl.coalesce("@known_key", KEY)).otherwise(KEY)
    is_known = (
        (pl.col("@intended") == pl.lit(False))
        & (version == pl.col("@known_version"))
        & (key == pl.col("@known_key"))
    )
    return row.hstack([secondary_id, *known]).select(
        PRIMARY_ID,
        SECONDARY_ID,
        version.alias(VERSION),
        key.alias(KEY),
        pl.col("@origin").fill_null("adopted"),
        pl.lit(False).alias("@intended"),
        ~is_known.fill_null(False).alias("@is_fresh"),
    )


def rows_to_go(difference: Difference, *, deletes: str) -> pl.DataFrame:
    """The rows that are gone in the primary and still to be dealt with as `deletes` says."""
    if deletes == "deactivate":
        return difference.gone.filter(~pl.col(IS_INACTIVE))
    return difference.gone


def row_differences(difference: Difference, *, deletes: str) -> list[RowDifference]:
    """Every row that differs, as people read it: creates, changed rows, then rows that are gone."""
    creates = difference.creates.select(PRIMARY_ID, KEY).iter_rows()
    gone = rows_to_go(difference, deletes=deletes).select(SECONDARY_ID, KEY).iter_rows()
    gone_kind = DifferenceKind.GONE if deletes == "keep" else DifferenceKind.REMOVE
    changed = zip(
        difference.changed.iter_rows(named=True),
        difference.before.iter_rows(named=True),
        strict=True,
    )
    return [
        *(RowDifference(DifferenceKind.CREATE, key, row, "") for row, key in creates),
        *(_changed_row(wanted, present) for wanted, present in changed),
        *(RowDifference(gone_kind, key, "", row) for row, key in gone),
    ]


def _changed_row(wanted: dict[str, Any], present: dict[str, Any]) -> RowDifference:
    status = [name for name in STATUS_COLUMNS if wanted[STATUS_CHANGED]]
    changes = {
        name: (present[name], wanted[name])
        for name in (*wanted[CHANGED], *status)
        if present[name] != wanted[name]
    }
    return RowDifference(
        kind=DifferenceKind.UPDATE if wanted[CHANGED] else DifferenceKind.STATUS,
        key=wanted[KEY],
        primary_id=wanted[PRIMARY_ID],
        secondary_id=wanted[SECONDARY_ID],
        changes=changes,
    )
