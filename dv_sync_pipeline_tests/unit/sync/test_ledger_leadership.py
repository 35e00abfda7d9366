"""One run leads, one may wait, and one that has handed over is remembered while it ends."""

from datetime import UTC, datetime, timedelta

from dv_sync_pipeline.sync.ledger import Leader

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SILENCE = timedelta(seconds=8)


def run(name, *, heard=NOON):
    """A live run that was heard of at that moment."""
    return Leader(name, f"run of {name}", heard, deadline=NOON + timedelta(minutes=30))


def later(seconds):
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def test_nobody_leads_at_first(ledger):
    """Nor waits."""
    assert (None, None, []) == (ledger.leader(), ledger.next_leader(), ledger.live_runs())


def test_the_first_to_come_leads(ledger):
    """It is remembered as it described itself."""
    assert ledger.take_leadership(run("anna"), silence=SILENCE)

    assert run("anna") == ledger.leader()


def test_the_lead_is_not_taken_from_the_living(ledger):
    """A heartbeat a moment younger than the silence is enough."""
    ledger.take_leadership(run("anna"), silence=SILENCE)
    taken = ledger.take_leadership(run("boris", heard=later(7.9)), silence=SILENCE)

    assert (False, run("anna")) == (taken, ledger.leader())


def test_the_lead_is_taken_from_the_silent(ledger):
    """Whoever was killed gives no sign of life."""
    ledger.take_leadership(run("anna"), silence=SILENCE)
    taken = ledger.take_leadership(run("boris", heard=later(8)), silence=SILENCE)

    assert (True, "boris") == (taken, ledger.leader().holder)


def test_a_heartbeat_keeps_the_lead(ledger):
    """Taking what one has is a sign of life."""
    ledger.take_leadership(run("anna"), silence=SILENCE)
    ledger.take_leadership(run("anna", heard=later(6)), silence=SILENCE)

    assert not ledger.take_leadership(run("boris", heard=later(9)), silence=SILENCE)


def test_who_was_replaced_learns_it_by_its_next_heartbeat(ledger):
    """It stood still for too long and must stop."""
    ledger.take_leadership(run("anna"), silence=SILENCE)
    ledger.take_leadership(run("boris", heard=later(8)), silence=SILENCE)

    assert not ledger.take_leadership(run("anna", heard=later(9)), silence=SILENCE)


def test_who_waits_takes_a_released_lead_at_once(ledger):
    """And waits no longer."""
    ledger.take_leadership(run("anna"), silence=SILENCE)
    ledger.wait_for_leadership(run("boris"))
    assert run("boris") == ledger.next_leader()

    ledger.release_leadership(run("anna"))

    assert ledger.take_leadership(run("boris"), silence=SILENCE)
    assert (run("boris"), None) == (ledger.leader(), ledger.next_leader())


def test_who_has_handed_over_is_known_until_another_does(ledger):
    """Its Dagster run takes a moment to end and must not be taken for dead."""
    ledger.take_leadership(run("anna"), silence=SILENCE)
    ledger.release_leadership(run("anna", heard=later(1)))
    ledger.take_leadership(run("boris"), silence=SILENCE)

    assert [run("anna", heard=later(1)), run("boris")] == sorted(
        ledger.live_runs(), key=lambda each: each.holder
    )


def test_only_a_leader_can_release_the_lead(ledger):
    """Whoever was replaced leaves the other one alone."""
    ledger.take_leadership(run("boris"), silence=SILENCE)
    ledger.release_leadership(run("anna"))

    assert [run("boris")] == ledger.live_runs()


def test_who_gives_up_waiting_leaves_no_trace(ledger):
    """Releasing what one waits for."""
    ledger.wait_for_leadership(run("boris"))
    ledger.release_leadership(run("boris"))

    assert ledger.next_leader() is None


def test_silence_is_counted_from_the_last_heartbeat():
    """Less is alive, as much is dead."""
    alive = [run("anna").is_alive(later(seconds), silence=SILENCE) for seconds in (0, 7.9, 8)]

    assert [True, True, False] == alive
