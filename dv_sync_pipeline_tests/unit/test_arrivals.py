"""What two logs of commits say about the changes between them."""

import math

import pytest

from dv_sync_pipeline_tests.bench.arrivals import (
    arrivals,
    mark,
    percentile,
    repeated_creates,
    stale_writes,
)

ADLON = "7eb682f1-ca75-4511-80d4-00155d2a68d1"
ELSEWHERE = "0b1c39aa-4f0c-4b0f-9a53-1a2b3c4d5e6f"
"""The id of the Adlon in the secondary."""


def commit(message, second, number=None, *, row_id=ADLON):
    """An entry of the log, of the Adlon, at that second of a minute."""
    return {
        "at": f"2027-01-01T12:00:{second:02}.500000Z",
        "message": message,
        "table": "contoso_hotel",
        "row_id": row_id,
        "values": {} if number is None else {"contoso_description": mark(ADLON, number)},
    }


def seconds(primary, secondary):
    """How long each change took."""
    return [arrival.seconds for arrival in arrivals(primary, secondary)]


def test_a_change_takes_from_commit_to_commit():
    """Whatever id the row has in the secondary."""
    primary = [commit("Update", 1, 7)]
    secondary = [commit("Update", 3, 7, row_id=ELSEWHERE)]

    assert [2.0] == seconds(primary, secondary)


def test_a_later_change_of_the_row_brings_the_earlier_one():
    """Two changes may be applied as one."""
    primary = [commit("Update", 1, 7), commit("Update", 2, 8)]
    secondary = [commit("Update", 4, 8)]

    assert [3.0, 2.0] == seconds(primary, secondary)


def test_an_earlier_change_does_not_bring_the_later_one():
    """It is lost."""
    primary = [commit("Update", 1, 7), commit("Update", 2, 8)]
    secondary = [commit("Update", 4, 7)]

    assert [3.0, math.inf] == seconds(primary, secondary)


def test_a_deletion_arrives_as_a_deletion():
    """It bears no mark; the row is known from before."""
    primary = [commit("Create", 1, 7), commit("Delete", 5)]
    secondary = [commit("Create", 2, 7, row_id=ELSEWHERE), commit("Delete", 8, row_id=ELSEWHERE)]

    assert [1.0, 3.0] == seconds(primary, secondary)


def test_a_row_that_came_and_went_unseen():
    """There is nothing to show."""
    primary = [commit("Create", 1, 7), commit("Delete", 5)]

    assert [4.0, 0.0] == seconds(primary, [])


def test_rows_without_marks_are_nobodys_concern():
    """As of the first sync, or of registrations."""
    assert [] == seconds([commit("Create", 1), commit("Delete", 2)], [])


@pytest.mark.parametrize(("numbers", "expected"), [((7, 8), 0), ((8, 7), 1), ((8, 7, 8), 1)])
def test_stale_writes_are_counted(numbers, expected):
    """Per row, the secondary never goes backwards."""
    assert expected == stale_writes([commit("Update", 1, number) for number in numbers])


def test_creates_of_a_row_that_is_there_are_counted():
    """One that was deleted in between is not repeated."""
    again = [commit("Create", 1, 7), commit("Create", 2, 7, row_id=ELSEWHERE)]
    anew = [commit("Create", 1, 7), commit("Delete", 2), commit("Create", 3, 8)]

    assert (1, 0) == (repeated_creates(again), repeated_creates(anew))


@pytest.mark.parametrize(("percent", "expected"), [(50, 2.0), (95, 4.0), (100, 4.0)])
def test_percentiles_are_values_that_occurred(percent, expected):
    """The nearest rank."""
    assert expected == percentile([4.0, 1.0, 3.0, 2.0], percent)
