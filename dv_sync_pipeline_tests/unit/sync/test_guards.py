"""When removals wait for a person."""

import pytest

from dv_sync_pipeline.sync.guards import Removal, RemovalList, reason_to_hold, removals_allowed


def a_list(count: int, *, links: int, primary_rows: int = 1, approved: str = "") -> RemovalList:
    """So many rows to remove."""
    removals = tuple(Removal(f"p{number}", f"s{number}", f"H-{number}") for number in range(count))
    return RemovalList("hotel", removals, links, primary_rows, approved)


@pytest.mark.parametrize(
    ("links", "allowed"), [(0, 1000), (9_999, 1000), (20_000, 2000), (1_000_000, 100_000)]
)
def test_a_tenth_of_the_links_may_go_and_at_least_a_thousand(links, allowed):
    """The default grows with the table."""
    assert allowed == removals_allowed(links, max_removals=None)


@pytest.mark.parametrize(("count", "is_held"), [(0, False), (3, False), (4, True)])
def test_a_configured_number_is_a_limit(count, is_held):
    """As many as the limit go, one more is held."""
    reason = reason_to_hold(a_list(count, links=100), max_removals=3)

    assert is_held == bool(reason)


def test_nothing_to_remove_needs_nobody():
    """An empty primary of a table that was never filled is no reason to ask."""
    assert "" == reason_to_hold(a_list(0, links=0, primary_rows=0), max_removals=None)


def test_the_digest_names_the_rows_and_not_their_order():
    """The same rows have the same digest; one row less has another."""
    found = a_list(3, links=9)
    reversed_list = RemovalList("hotel", found.removals[::-1], 9, 1)

    assert found.digest == reversed_list.digest
    assert found.digest != a_list(2, links=9).digest


def test_the_approved_list_is_not_held():
    """Not even when the primary is empty: the person has seen it."""
    found = a_list(3, links=3, primary_rows=0)
    approved = a_list(3, links=3, primary_rows=0, approved=found.digest)

    assert ("the primary shows no row at all", "") == (
        reason_to_hold(found, max_removals=None),
        reason_to_hold(approved, max_removals=None),
    )
