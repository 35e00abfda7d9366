"""Wake-ups wait in the ledger until they are acted upon; none is lost, none is kept twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dv_sync_pipeline.errors import LedgerError
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.wakeups import WaitingWakeUps, WakeUp, WakeUpKind

MOMENT = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def woken(row_id, *, table="hotel", kind=WakeUpKind.UPDATE, received=MOMENT) -> WakeUp:
    """A wake-up as the gateway hands it over."""
    return WakeUp(table, row_id, kind, received)


def rows(wake_ups) -> list[tuple[str, str]]:
    """What they name."""
    return [(one.table, one.row_id) for one in wake_ups]


def test_wake_ups_come_back_with_the_oldest_first(ledger):
    """However late they were stored."""
    ledger.store_wake_ups([woken("b", received=MOMENT + SECOND)])
    ledger.store_wake_ups([woken("a"), woken("a", table="room", received=MOMENT + 2 * SECOND)])

    assert [("hotel", "a"), ("hotel", "b"), ("room", "a")] == rows(ledger.wake_ups(10))


def test_no_more_are_read_than_asked_for(ledger):
    """So that a burst is worked off in pieces."""
    ledger.store_wake_ups([woken(row_id) for row_id in "abc"])

    assert [("hotel", "a"), ("hotel", "b")] == rows(ledger.wake_ups(2))


def test_a_wake_up_comes_back_as_it_was_stored(ledger):
    """With a sequence besides."""
    wake_up = woken("a", kind=WakeUpKind.DELETE)
    ledger.store_wake_ups([wake_up])

    assert [replace(wake_up, sequence=1)] == ledger.wake_ups(10)


@pytest.mark.parametrize("together", [True, False])
def test_a_row_woken_twice_waits_once(ledger, together):
    """Since the first time, under the later sequence and kind; whether stored at once or not."""
    both = [woken("a", kind=WakeUpKind.CREATE), woken("a", received=MOMENT + SECOND)]
    for wake_ups in [both] if together else [both[:1], both[1:]]:
        ledger.store_wake_ups(wake_ups)

    (found,) = ledger.wake_ups(10)
    assert (WakeUpKind.UPDATE, MOMENT) == (found.kind, found.received)


@pytest.mark.parametrize("together", [True, False])
def test_that_pairs_changed_is_not_forgotten(ledger, together):
    """When the row is updated after it."""
    both = [woken("a", kind=WakeUpKind.PAIRS), woken("a")]
    for wake_ups in [both] if together else [both[:1], both[1:]]:
        ledger.store_wake_ups(wake_ups)

    assert [WakeUpKind.PAIRS] == [found.kind for found in ledger.wake_ups(10)]


def test_settled_wake_ups_are_gone(ledger):
    """And no others."""
    ledger.store_wake_ups([woken("a"), woken("b")])
    first, _ = ledger.wake_ups(10)

    ledger.settle_wake_ups([first])

    assert [("hotel", "b")] == rows(ledger.wake_ups(10))


def test_a_row_woken_again_meanwhile_goes_on_waiting(ledger):
    """Settling what was read before does not take away what came after."""
    ledger.store_wake_ups([woken("a")])
    read = ledger.wake_ups(10)
    ledger.store_wake_ups([woken("a")])

    ledger.settle_wake_ups(read)

    (left,) = ledger.wake_ups(10)
    assert left.sequence > read[0].sequence


def test_a_sequence_is_never_given_twice(ledger):
    """Also after everything was settled."""
    ledger.store_wake_ups([woken("a"), woken("b")])
    settled = ledger.wake_ups(10)
    ledger.settle_wake_ups(settled)

    ledger.store_wake_ups([woken("a")])

    (found,) = ledger.wake_ups(10)
    assert found.sequence > max(one.sequence for one in settled)


def test_many_wake_ups_are_stored_and_settled(ledger):
    """More than fit into one statement."""
    ledger.store_wake_ups([woken(str(number)) for number in range(40_000)])

    ledger.settle_wake_ups(ledger.wake_ups(39_999))

    assert 1 == ledger.waiting_wake_ups().count


def test_what_waits_is_counted(ledger):
    """With the age of the oldest."""
    ledger.store_wake_ups([woken("b", received=MOMENT + SECOND), woken("a")])
    waiting = ledger.waiting_wake_ups()

    assert WaitingWakeUps(count=2, oldest=MOMENT) == waiting
    assert 5.0 == waiting.oldest_age_seconds(now=MOMENT + 5 * SECOND)


def test_nothing_waits_in_a_new_ledger(ledger):
    """And it has no age."""
    waiting = ledger.waiting_wake_ups()

    assert WaitingWakeUps(count=0, oldest=None) == waiting
    assert 0.0 == waiting.oldest_age_seconds(now=MOMENT)


def test_wake_ups_survive_the_process(ledger, ledger_url):
    """They are durable when `store_wake_ups` returns."""
    ledger.store_wake_ups([woken("a")])
    again = Ledger.open(ledger_url)

    found = rows(again.wake_ups(10))
    again.close()

    assert [("hotel", "a")] == found


def test_storing_none_proves_that_it_could(ledger, ledger_url):
    """Without leaving anything behind; a locked ledger is told."""
    ledger.store_wake_ups([])
    assert [] == ledger.wake_ups(10)

    impatient = Ledger.open(ledger_url, busy_seconds_max=0.05)
    with ledger.transaction() as connection:
        connection.exec_driver_sql("UPDATE wake_up_turns SET last_sequence = last_sequence")
        with pytest.raises(LedgerError, match=r"locked|lock timeout"):
            impatient.store_wake_ups([])
    impatient.close()


def test_several_store_and_settle_at_a_time(ledger, ledger_url):
    """Two gateways and two live runs get on: nothing fails, every row is seen, nothing is left."""
    seen = set()
    has_ended = threading.Event()

    def gateway(row_ids):
        with closing(Ledger.open(ledger_url)) as own:
            for _ in range(25):
                own.store_wake_ups([woken(row_id) for row_id in row_ids])

    def live_run():
        with closing(Ledger.open(ledger_url)) as own:
            while (found := own.wake_ups(3)) or not has_ended.is_set():
                seen.update(one.row_id for one in found)
                own.settle_wake_ups(found)

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(live_run) for _ in range(2)]
        gateways = [pool.submit(gateway, row_ids) for row_ids in ("abcdefgh", "hgfedcba")]
        outcomes = [each.exception(60) for each in gateways]
        has_ended.set()
        outcomes += [each.exception(60) for each in runs]

    assert [None] * 4 == outcomes
    assert (set("abcdefgh"), []) == (seen, ledger.wake_ups(10))
