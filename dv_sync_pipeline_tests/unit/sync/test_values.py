"""Values are compared exactly: equal values in one form, different ones never alike."""

from decimal import Decimal
from io import BytesIO

import polars as pl
import pytest

from dv_sync_pipeline.errors import IncompleteReadError
from dv_sync_pipeline.sync.values import (
    VALUE_TYPES,
    empty_frame,
    fold_keys,
    frame_of_rows,
    share_texts,
)
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind


def decoded(kind, *values) -> list[object]:
    """The values of one column as the frame holds them."""
    rows = [{"c": value} for value in values]
    return frame_of_rows(rows, {"name": Column("c", kind)})["name"].to_list()


@pytest.mark.parametrize(
    ("kind", "wire", "held"),
    [
        (ColumnKind.STRING, "  Ünï ", "  Ünï "),
        (ColumnKind.STRING, "", None),
        (ColumnKind.MEMO, "a\r\nb", "a\r\nb"),
        (ColumnKind.INTEGER, -5, -5),
        (ColumnKind.BIG_INTEGER, 2**62, 2**62),
        (ColumnKind.DECIMAL, Decimal("0.1234567891"), Decimal("0.1234567891")),
        (ColumnKind.DECIMAL, 12, Decimal(12)),
        (ColumnKind.MONEY, Decimal("922337203685477.5807"), Decimal("922337203685477.5807")),
        (ColumnKind.DOUBLE, Decimal("1.5"), 1.5),
        (ColumnKind.BOOLEAN, False, False),
        (ColumnKind.DATE_TIME, "2026-01-31T13:00:00Z", "2026-01-31T13:00:00Z"),
        (ColumnKind.DATE_TIME, "2026-01-31T13:00:00.0000000Z", "2026-01-31T13:00:00Z"),
        (ColumnKind.DATE_TIME, "2026-01-31T13:00:00+00:00", "2026-01-31T13:00:00Z"),
        (ColumnKind.DATE_TIME, "2026-01-31", "2026-01-31"),
        (ColumnKind.CHOICE, 100000000, 100000000),
        (ColumnKind.MULTI_CHOICE, "9, 1,100", "1,9,100"),
        (ColumnKind.MULTI_CHOICE, "", None),
        (ColumnKind.UNIQUE_IDENTIFIER, "0000ABCD", "0000abcd"),
    ],
)
def test_a_json_value_takes_its_canonical_form(kind, wire, held):
    """Each type keeps its values without loss; other spellings of a value become the same."""
    assert [held, None] == decoded(kind, wire, None)


def test_a_lookup_is_read_under_its_own_property_name():
    """`_x_value` holds the id (DATAVERSE 5)."""
    column = Column("parentid", ColumnKind.LOOKUP)

    frame = frame_of_rows([{"_parentid_value": "ABC"}], {"parentid": column})

    assert ["abc"] == frame["parentid"].to_list()


def test_a_property_left_out_is_not_taken_for_null():
    """It would look like a value that was cleared."""
    with pytest.raises(IncompleteReadError, match="leaves out c"):
        frame_of_rows([{"c": "x"}, {}], {"c": Column("c", ColumnKind.STRING)}, where="primary")


def test_a_value_of_another_type_is_an_incomplete_read():
    """Nothing is coerced."""
    with pytest.raises(IncompleteReadError, match="does not fit"):
        decoded(ColumnKind.INTEGER, "five")


@pytest.mark.parametrize("kind", sorted(VALUE_TYPES))
def test_an_empty_read_has_the_types_of_a_full_one(kind):
    """So that both can be joined."""
    column = {"c": Column("c", kind)}

    full = frame_of_rows([{column["c"].property_name: None}], column)

    assert full.schema == empty_frame(column).schema


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("H-1", "h-1", True),
        ("H-1", "H-1  ", True),
        ("H-1", " H-1", False),
        ("straße", "STRASSE", True),
        ("ΟΔΟΣ", "οδος", True),
        ("é", "e", False),
    ],
)
def test_keys_are_matched_as_dataverse_compares_them(one, other, alike):
    """Case-insensitively and without trailing blanks (DATAVERSE 4.6)."""
    folded = pl.DataFrame({"code": [one, other]}).pipe(lambda f: f.select(fold_keys(f, ["code"])))

    assert alike == (folded["code"].n_unique() == 1)


def test_the_parts_of_a_key_stay_apart():
    """("a", "bc") and ("ab", "c") are different keys, and a null part leaves no key."""
    frame = pl.DataFrame({"x": ["a", "ab", None], "y": ["bc", "c", "d"]})

    folded = frame.select(fold_keys(frame, ["x", "y"])).to_series()

    assert (3, 1) == (folded.n_unique(), folded.null_count())


def bytes_per_row(page: pl.DataFrame) -> float:
    """What its columns take, as they stand in memory: that is how they are written as well."""
    written = BytesIO()
    page.write_ipc_stream(written)
    return len(written.getvalue()) / page.height


def test_a_lookup_that_many_rows_share_takes_no_more_than_its_place_in_each():
    """16 bytes of a row instead of 52: that decides how many rows fit into memory."""
    hotels = [f"00000000-0000-0000-0000-{number:012}" for number in range(40)]
    page = pl.DataFrame({"hotelid": hotels * 500})

    shared = share_texts(page)

    assert bytes_per_row(page) > 50
    assert bytes_per_row(shared) < 18


@pytest.mark.parametrize(
    "texts",
    [
        ["far too long to stand in its place: Ünï", None, "short"] * 3,
        ["each text", "is another one", None, "here"],
        [None, None],
        [],
    ],
    ids=["some repeat", "none repeats", "only nulls", "empty"],
)
def test_sharing_texts_changes_no_value(texts):
    """In their order, nulls where they were; what is no text stays as it is."""
    columns = {"text": pl.String(), "number": pl.Int64()}
    page = pl.DataFrame({"text": texts, "number": list(range(len(texts)))}, schema=columns)

    shared = share_texts(page)

    assert (page.schema, page.to_dicts()) == (shared.schema, shared.to_dicts())
