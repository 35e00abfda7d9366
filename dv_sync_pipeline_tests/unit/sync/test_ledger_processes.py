"""Several processes, and a server that ends connections: one ledger all the same."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from dv_sync_pipeline.errors import LedgerError
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.worlds.postgres import PASSWORD

TURNS = 40
OPENERS = 6


def test_many_may_open_a_new_ledger_at_the_same_moment(ledger_url):
    """One of them creates it, the others wait, and all can use it."""
    start = Barrier(OPENERS)

    def open_ledger(_number):
        start.wait()
        ledger = Ledger.open(ledger_url)
        parked = ledger.parked("hotel")
        ledger.close()
        return parked

    with ThreadPoolExecutor(OPENERS) as threads:
        seen = list(threads.map(open_ledger, range(OPENERS)))

    assert [[]] * OPENERS == seen


def test_two_processes_take_turns(ledger_url, tmp_path):
    """Each gets all its turns, never during a turn of the other, and has to wait for it."""
    program = [sys.executable, "-m", "dv_sync_pipeline_tests.worlds.lease_taker", ledger_url]
    takers = [
        subprocess.Popen(
            [*program, writer, str(TURNS), tmp_path / "fence"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for writer in ("1", "2")
    ]
    ready = [taker.stdout.readline() for taker in takers]
    for taker in takers:
        taker.stdin.write("go\n")
        taker.stdin.flush()
    waited = [taker.communicate(timeout=60)[0] for taker in takers]

    assert ["ready\n"] * 2 == ready
    assert [0, 0] == [taker.returncode for taker in takers]
    assert sum(map(int, waited)) > 0


def test_a_connection_that_the_server_ended_is_replaced(postgres, tmp_path):
    """As after a restart of the server."""
    ledger = Ledger.open(postgres.address(tmp_path))
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dv-sync'"
    )

    assert [] == ledger.parked("hotel")
    ledger.close()


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path):
    """A person starts it."""
    address = f"postgresql+psycopg://dv_sync:{PASSWORD}@/postgres?host={tmp_path}"

    with pytest.raises(LedgerError, match="start the database server") as raised:
        Ledger.open(address)

    assert PASSWORD not in str(raised.value)


def test_an_address_without_a_driver_means_the_one_of_our_extra(postgres, tmp_path):
    """SQLAlchemy would choose one or the other, depending on its version."""
    address = postgres.address(tmp_path).replace("postgresql+psycopg:", "postgresql:")
    ledger = Ledger.open(address)

    assert [] == ledger.parked("hotel")
    ledger.close()
