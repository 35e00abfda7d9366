"""Whether a feed tells of anything that was not applied: asked often, so it must cost little."""

import asyncio
from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.doubts import LOOKS_AFTER
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind
from dv_sync_pipeline_tests.worlds.memory import row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOTEL = row_id(201)


@pytest.fixture
def hotels(tmp_path):
    """Two hotels, synchronized: changes are followed from now on."""
    world = Hotels(tmp_path)
    world.hotel(1)
    world.hotel(2)
    asyncio.run(world.sync())
    world.secondary.writes.clear()
    return world


def ask(hotels, *works):
    """The answers of the engine to these works, in turn."""

    async def work():
        async with hotels.open() as engine:
            return [await each(engine) for each in works]

    return asyncio.run(work())


def news(engine):
    """Whether hotels have news."""
    return engine.news("hotel")


def changes(engine):
    """Follow the feed of hotels."""
    return engine.changes("hotel")


def woken_rows(engine):
    """Do what wake-ups speak of."""
    return engine.woken_rows("hotel")


@pytest.fixture
def ledger(hotels):
    """The one that the engine uses."""
    ledger = Ledger.open(hotels.configuration.ledger_url)
    yield ledger
    ledger.close()


def test_a_quiet_feed_has_no_news(hotels):
    """And the one question moves the token on."""
    assert [""] == ask(hotels, news)


def test_a_change_is_news_until_it_is_applied(hotels):
    """The same news as long as nothing is done about it; nothing is written meanwhile."""
    hotels.hotel(1, name="Adlon")
    first, again, _, after = ask(hotels, news, news, changes, news)

    assert first
    assert (first, "") == (again, after)


def test_a_row_in_doubt_is_news_whenever_a_look_is_due(hotels, ledger):
    """No feed tells of it: something of a killed run may have arrived."""
    ledger.doubt_rows("hotel", [HOTEL], now=hotels.clock())
    answers = []
    for after in LOOKS_AFTER:
        hotels.clock.now += after
        before, _, afterwards = ask(hotels, news, changes, news)
        answers.append((bool(before), afterwards))

    assert [(True, "")] * len(LOOKS_AFTER) == answers


def test_asking_writes_nothing(hotels):
    """To neither side."""
    hotels.hotel(1, name="Adlon")
    ask(hotels, news)

    assert [] == hotels.secondary.writes


def test_a_deleted_row_is_news(hotels):
    """It has a link, so something is to be removed."""
    hotels.primary.delete("hotel", HOTEL)

    assert [""] != ask(hotels, news)


def test_a_row_that_came_and_went_is_none(hotels):
    """There is no link, and nothing to be done."""
    hotels.primary.delete("hotel", hotels.hotel(3))

    assert [""] == ask(hotels, news)


def test_what_a_wake_up_has_applied_is_none(hotels, ledger):
    """The webhook was faster; no second run is started for it."""
    hotels.hotel(1, name="Adlon")
    ledger.store_wake_ups([WakeUp("hotel", HOTEL, WakeUpKind.UPDATE, NOON)])

    assert [""] == ask(hotels, woken_rows, news)[1:]


def test_woken_rows_are_made_equal_and_their_wake_ups_settled(hotels, ledger):
    """Those of this table alone."""
    hotels.hotel(1, name="Adlon")
    ledger.store_wake_ups(
        [
            WakeUp("hotel", HOTEL, WakeUpKind.UPDATE, NOON),
            WakeUp("room", row_id(1201), WakeUpKind.UPDATE, NOON),
        ]
    )
    ask(hotels, woken_rows)

    assert "Adlon" == hotels.shown("property", "title")[HOTEL][0]
    assert ["room"] == [wake_up.table for wake_up in ledger.wake_ups(10)]


def test_a_token_that_tells_of_nothing_is_moved_on(hotels, ledger):
    """Its age tells when the feed was followed to its end last."""
    before = ledger.delta_token("hotel").taken
    hotels.hotel(1, name="Adlon")
    ask(hotels, news)
    unmoved = ledger.delta_token("hotel").taken
    ask(hotels, changes, news)

    assert before == unmoved < ledger.delta_token("hotel").taken


def test_a_reconcile_that_is_owed_is_no_news(hotels, ledger):
    """Another sensor starts it."""
    ledger.owe_reconcile("hotel", "the delta token is lost")
    hotels.hotel(1, name="Adlon")

    assert [""] == ask(hotels, news)


def test_a_token_that_is_lost_is_news(hotels, ledger):
    """The pass that follows finds out that a reconcile is owed."""
    ledger.drop_delta_token("hotel", ledger.delta_token("hotel"))

    assert ["there is no delta token from which its changes could be followed"] == ask(hotels, news)
