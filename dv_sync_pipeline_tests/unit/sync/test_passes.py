"""The ledger remembers how the last passes ended."""

import asyncio
from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.errors import LedgerError, SchemaMismatchError
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.passes import PASSES_KEPT, Pass
from dv_sync_pipeline.sync.recording import recorded
from dv_sync_pipeline_tests.worlds.scripted_engine import a_report

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MISSPELT = SchemaMismatchError("the column contoso_stars does not exist", why="Bearer abcdefghijkl")


@pytest.fixture
def ledger(tmp_path):
    """A new ledger."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield ledger
    ledger.close()


@pytest.fixture
def run(ledger):
    """Runs a pass that ends with this report or error."""

    async def end(how):
        async def work():
            if isinstance(how, Exception):
                raise how
            return how

        mode = getattr(how, "mode", "reconcile")
        return await recorded(work(), ledger=ledger, clock=lambda: NOW, table="hotel", mode=mode)

    def drive(how):

        return asyncio.run(end(how))

    return drive


def test_a_pass_is_remembered_with_its_numbers(run, ledger):
    """Rows and pairs that differed, rows that wait."""
    run(a_report("hotel", created=3, updated=2, removed=1, pairs=4, parked=5, held=6))

    assert ledger.passes("hotel") == [Pass("hotel", "reconcile", NOW, 2.0, 10, 5, 6)]


def test_a_failed_pass_is_remembered_with_its_reason_and_without_secrets(run, ledger):
    """And the error goes on to who asked."""
    with pytest.raises(SchemaMismatchError):
        run(MISSPELT)
    (failed,) = ledger.passes("hotel")

    assert "contoso_stars does not exist" in failed.failure
    assert "abcdefghijkl" not in failed.failure


def test_a_ledger_that_cannot_be_used_is_not_asked_to_remember_that(run, ledger):
    """Its own failure is the one to be told."""
    with pytest.raises(LedgerError):
        run(LedgerError("the ledger cannot be used"))

    assert ledger.passes("hotel") == []


def test_changes_that_found_nothing_are_not_remembered(run, ledger):
    """They come by the second; a reconcile always is."""
    run(a_report("hotel", mode="changes"))
    run(a_report("hotel", mode="changes", updated=1))
    run(a_report("hotel"))

    assert [done.mode for done in ledger.passes("hotel")] == ["changes", "reconcile"]


def test_the_end_of_a_failure_is_remembered(run, ledger):
    """Though the pass of its kind that ended it found nothing to do."""
    ledger.record_pass(Pass("hotel", "changes", NOW, 1.0, failure="throttled"))
    run(a_report("hotel", mode="changes"))

    assert [done.failure for done in ledger.passes("hotel")] == ["throttled", ""]


def test_only_the_last_passes_of_each_table_are_kept(ledger):
    """Oldest first."""
    for number in range(PASSES_KEPT + 5):
        ledger.record_pass(Pass("hotel", "reconcile", NOW, 1.0, number))
    ledger.record_pass(Pass("room", "reconcile", NOW, 1.0))

    assert [done.differences for done in ledger.passes("hotel")] == list(range(5, PASSES_KEPT + 5))
    assert len(ledger.passes("room")) == 1


def test_changes_do_not_push_out_the_reconciles(ledger):
    """They come by the second, and a night is to be compared with the night before."""
    ledger.record_pass(Pass("hotel", "reconcile", NOW, 1.0, failure="no such column"))
    for _ in range(PASSES_KEPT + 5):
        ledger.record_pass(Pass("hotel", "changes", NOW, 1.0, 1))

    assert [done.failure for done in ledger.passes("hotel") if done.mode == "reconcile"] == [
        "no such column"
    ]
