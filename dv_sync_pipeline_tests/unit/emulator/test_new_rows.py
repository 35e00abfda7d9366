"""Rows that are about to be created, column by column."""

import pytest
from msgspec import UNSET

from dv_sync_pipeline.emulator.rows.new_rows import NewRows, property_names


@pytest.fixture
def rows():
    """Three rows: two have a name, one of them null; all share a state."""
    rows = NewRows(3)
    rows.decode("name", ["adler", None, UNSET], str.upper)
    rows.shared = {"state": 0, "name": "unnamed"}
    return rows


def test_names_come_in_the_order_in_which_bodies_bring_them_up():
    """What a later body names in addition stands behind."""
    assert list(property_names([{"b": 1}, {"a": 2, "b": 3}])) == ["b", "a"]


def test_only_values_are_decoded(rows):
    """Null and nothing at all are no values."""
    assert rows.columns["name"] == ["ADLER", None, UNSET]


def test_null_is_said_and_nothing_is_not(rows):
    """A row that names a column without a value differs from one that does not name it."""
    assert [rows.said(row) for row in range(3)] == [{"name": "ADLER"}, {"name": None}, {}]


def test_settled_rows_share_only_what_they_do_not_say(rows):
    """A shared value does not replace a null that was said."""
    rows.settle()

    expected = [("ADLER", 0, None), (None, 0, None), ("unnamed", 0, None)]
    assert list(rows.records(("name", "state", "elsewhere"))) == expected


def test_one_row_gets_a_column_of_its_own(rows):
    """The others have nothing in it."""
    rows.update(1, {"floor": 7})

    assert rows.columns["floor"] == [UNSET, 7, UNSET]


def test_a_column_is_filled_where_it_has_no_value(rows):
    """Nulls are made values too."""
    numbers = iter("12")

    assert rows.fill("name", lambda: next(numbers)) == ["ADLER", "1", "2"]
