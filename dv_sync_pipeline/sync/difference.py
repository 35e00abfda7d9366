"""What keeps the secondary from showing what it must, row by row.

Belongs here: matching rows of both sides, and comparing them column by column with polars. Pure:
frames in, `Difference` out; two frames of a million rows are never joined into one. Does not belong
here: doing anything about a difference; that is `writer.py`.
"""

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
from dv_sync_pipeline.sync.projection import LINKS_SCHEMA, MESSAGE, REASON, Projection
from dv_sync_pipeline.sync.report import DifferenceKind, ParkedReason, RowDifference
from dv_sync_pipeline.sync.values import fold_keys

__all__ = ["CHANGED", "STATUS_CHANGED", "Difference", "compare", "row_differences"]

CHANGED = "@changed"
"""The mapped columns of a row that differ, status left out."""
STATUS_CHANGED = "@status_changed"

_ID_TAKEN = "the secondary has another row under this id, and with another key"


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs in one table; frames have the columns of `Projection.wanted`.

    Attributes:
        creates: wanted rows that the secondary does not have.
        changed: wanted rows whose secondary row differs; besides, its id, `CHANGED` and
            `STATUS_CHANGED`.
        before: what the secondary shows instead, row by row beside `changed`.
        links: the link of every matched row, as it is proven already: a row that differs still
            shows the version it was given last, 0 if none.
        fresh_links: those of them that the ledger does not have like this.
        adopted: how many rows of the secondary were matched by key and not by link.
        equal: how many matched rows do not differ.
        gone: links whose primary row is gone and whose secondary row is there.
        dead_links: primary ids of links that lead nowhere, or whose row was taken over by another.
        parked: rows that cannot be written, like `Projection.parked`.
        foreign: how many rows of the secondary belong to nobody here.

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


def compare(
    projection: Projection, present: pl.DataFrame, mapping: TableMapping, *, links: pl.DataFrame
) -> Difference:
    """Match and compare.

    `present` has the columns of `mapping.secondary_columns`, `links` those of `LINKS_SCHEMA`.
    """
    wanted = projection.wanted.with_row_index("@wanted_row")
    present = _with_folded_key(present, mapping).with_row_index("@present_row")
    live_links, orphaned = _split_links(links, projection.primary_ids)
    matches = _match(wanted, present, live_links)
    changed, before, equal = _compare_matches(wanted, present, matches, mapping)
    creates, parked = _split_taken(_unmatched(wanted, matches), present)
    matched_links = _links_of(wanted, matches, changed)
    gone = orphaned.join(present, on=SECONDARY_ID, how="semi").join(
        matched_links, on=SECONDARY_ID, how="anti"
    )
    kept_links = live_links.join(present, on=SECONDARY_ID, how="semi")
    return Difference(
        creates=creates.drop("@wanted_row"),
        changed=changed,
        before=before,
        links=matched_links,
        fresh_links=matched_links.join(links, on=LINKS_SCHEMA.names(), how="anti"),
        adopted=matches.join(live_links, on=(PRIMARY_ID, SECONDARY_ID), how="anti").height,
        equal=equal,
        gone=gone,
        dead_links=links.join(kept_links, on=PRIMARY_ID, how="anti").join(
            gone, on=PRIMARY_ID, how="anti"
        )[PRIMARY_ID],
        parked=parked,
        foreign=present.height
        - matches.height
        - gone.height
        - kept_links.join(matches, on=SECONDARY_ID, how="anti").height,
    )


def _with_folded_key(present: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    key = fold_keys(present, mapping.key) if mapping.key else pl.col(SECONDARY_ID)
    return present.with_columns(key.alias(FOLDED_KEY))


def _split_links(links: pl.DataFrame, primary_ids: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Links of primary rows that exist, and of rows that are gone."""
    exists = pl.col(PRIMARY_ID).is_in(primary_ids.implode())
    return links.filter(exists), links.filter(~exists)


def _match(wanted: pl.DataFrame, present: pl.DataFrame, live_links: pl.DataFrame) -> pl.DataFrame:
    """Pairs of row numbers with their ids; first by link, then the rest by key."""
    wanted = wanted.select("@wanted_row", PRIMARY_ID, FOLDED_KEY)
    present = present.select("@present_row", SECONDARY_ID, FOLDED_KEY)
    by_link = wanted.join(live_links, on=PRIMARY_ID).join(present.drop(FOLDED_KEY), on=SECONDARY_ID)
    found = ("@wanted_row", "@present_row", PRIMARY_ID, SECONDARY_ID)
    # A key that stands twice in the secondary decides nothing.
    candidates = (
        present.join(live_links, on=SECONDARY_ID, how="anti")
        .drop_nulls(FOLDED_KEY)
        .unique(FOLDED_KEY, keep="none")
    )
    by_key = wanted.join(by_link, on=PRIMARY_ID, how="anti").join(candidates, on=FOLDED_KEY)
    return pl.concat(
        [
            by_link.select(*found, "@origin", pl.col(VERSION).alias("@linked_version")),
            by_key.select(
                *found,
                pl.lit("adopted").alias("@origin"),
                pl.lit(0, pl.Int64).alias("@linked_version"),
            ),
        ]
    )


def _compare_matches(
    wanted: pl.DataFrame, present: pl.DataFrame, matches: pl.DataFrame, mapping: TableMapping
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Rows that differ, as wanted and as present, and how many do not."""
    status = [name for name in STATUS_COLUMNS if mapping.has_status]
    left, right = matches["@wanted_row"], matches["@present_row"]
    # One column of both sides at a time is brought into the same order, never whole frames.
    differs = pl.DataFrame(
        [matches[SECONDARY_ID]]
        + [
            wanted[name].gather(left).ne_missing(present[name].gather(right)).alias(name)
            for name in (*mapping.compared, *status)
        ]
    )
    is_different = differs.select(
        SECONDARY_ID, pl.any_horizontal(pl.lit(False), *mapping.compared, *status).alias("any")
    )["any"]
    marks = differs.filter(is_different).select(
        SECONDARY_ID,
        _names_where_true(mapping.compared).alias(CHANGED),
        pl.any_horizontal(pl.lit(False), *status).alias(STATUS_CHANGED),
    )
    changed = wanted[left.filter(is_different)].drop("@wanted_row").hstack(marks)
    before = present[right.filter(is_different)].drop("@present_row", FOLDED_KEY)
    return changed, before, matches.height - changed.height


def _names_where_true(names: tuple[str, ...]) -> pl.Expr:
    if not names:
        return pl.lit([], dtype=pl.List(pl.String))
    return pl.concat_list([pl.when(name).then(pl.lit(name)) for name in names]).list.drop_nulls()


def _unmatched(wanted: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    return wanted.join(matches, on="@wanted_row", how="anti", maintain_order="left")


def _split_taken(
    unmatched: pl.DataFrame, present: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows to create under their own GUID, and rows whose GUID somebody else has there."""
    taken = pl.col(PRIMARY_ID).is_in(present[SECONDARY_ID].implode())
    parked = unmatched.filter(taken).select(
        PRIMARY_ID,
        KEY,
        pl.lit(ParkedReason.DUPLICATE_KEY.value).alias(REASON),
        pl.lit(_ID_TAKEN).alias(MESSAGE),
    )
    return unmatched.filter(~taken), parked


def _links_of(wanted: pl.DataFrame, matches: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    is_changed = pl.col(PRIMARY_ID).is_in(changed[PRIMARY_ID].implode())
    rows = wanted.select(PRIMARY_ID, VERSION, KEY)
    return matches.join(rows, on=PRIMARY_ID, how="left", maintain_order="left").select(
        PRIMARY_ID,
        SECONDARY_ID,
        pl.when(is_changed).then("@linked_version").otherwise(VERSION).alias(VERSION),
        KEY,
        "@origin",
        pl.lit(False).alias("@intended"),
    )


def row_differences(difference: Difference) -> list[RowDifference]:
    """Every row that differs, as people read it: creates, changed rows, then rows that are gone."""
    creates = difference.creates.select(PRIMARY_ID, KEY).iter_rows()
    gone = difference.gone.select(SECONDARY_ID, KEY).iter_rows()
    changed = zip(
        difference.changed.iter_rows(named=True),
        difference.before.iter_rows(named=True),
        strict=True,
    )
    return [
        *(RowDifference(DifferenceKind.CREATE, key, row, "") for row, key in creates),
        *(_changed_row(wanted, present) for wanted, present in changed),
        *(RowDifference(DifferenceKind.GONE, key, "", row) for row, key in gone),
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
