"""What `dv-sync status` shows, and what it ends with."""

from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.passes import Pass
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow

MOMENT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
TABLES = ("contoso_hotel", "contoso_room", "contoso_season")
PARKED = ParkedRow("contoso_room", "1", "101", ParkedReason.REFUSED, "", "", MOMENT, 1)


def a_pass(table="contoso_hotel", **changes):
    """One pass over the table."""
    return Pass(**{"table": table, "mode": "reconcile", "began": MOMENT, "seconds": 1.0, **changes})


@pytest.fixture
def ledger(folder):
    """The ledger of these commands: every table was reconciled."""
    ledger = Ledger.open(f"sqlite:///{folder / '.dv-sync' / 'ledger.db'}")
    for table in TABLES:
        ledger.begin_reconcile(table, mapping="m")
        ledger.finish_reconcile(table, verified_through=MOMENT)
        ledger.record_pass(a_pass(table))
    yield ledger
    ledger.close()


def line_of(table, ended):
    """The cells of a table's line."""
    (line,) = [line for line in ended.out.splitlines() if line.startswith(f"│ {table}")]
    return [cell.strip() for cell in line.strip("│").split("│")]


@pytest.mark.usefixtures("ledger")
def test_all_is_well(dv_sync):
    """Every table in sync, exit 0."""
    ended = dv_sync("status")

    assert ended.code == 0
    assert [line_of(table, ended)[1] for table in TABLES] == ["in sync"] * 3


def test_before_the_first_run_every_table_is_behind(dv_sync):
    """And nothing is verified."""
    ended = dv_sync("status")

    assert ended.code == 1
    assert line_of("contoso_room", ended) == [
        "contoso_room",
        "behind",
        "0",
        "0",
        "0",
        "",
        "never",
        "",
    ]
    assert "contoso_room is behind: it was never reconciled" in ended.out


def test_a_stopped_table_tells_why(dv_sync, ledger):
    """In the words of the error."""
    ledger.record_pass(a_pass("contoso_hotel", failure="the column contoso_stars does not exist"))
    ended = dv_sync("status")

    assert ended.code == 1
    assert line_of("contoso_hotel", ended)[1] == "stopped"
    assert "contoso_hotel is stopped: the column contoso_stars does not exist" in ended.out


def test_rows_that_wait_are_counted_and_no_success(dv_sync, ledger):
    """The table is in sync all the same: what could be written was."""
    ledger.replace_parked("contoso_room", [PARKED])
    ended = dv_sync("status")

    assert ended.code == 1
    assert line_of("contoso_room", ended)[1:4] == ["in sync", "0", "1"]


def test_the_last_runs_are_a_strip_with_the_newest_on_the_right(dv_sync, ledger):
    """Nothing to do, repaired, rows wait, failed."""
    for changes in ({"differences": 3}, {"differences": 3, "parked": 1}, {"failure": "no"}):
        ledger.record_pass(a_pass("contoso_hotel", **changes))

    assert line_of("contoso_hotel", dv_sync("status"))[-1] == "·+!x"


@pytest.mark.usefixtures("ledger")
def test_programs_get_the_same_as_json(dv_sync):
    """State and failure of each table included."""
    document = dv_sync("status --json").json

    assert document["is_well"] is True
    assert {table["table"]: table["state"] for table in document["tables"]} == dict.fromkeys(
        TABLES, "in sync"
    )
