"""A feed that nobody follows is a problem that a person is told of."""

from datetime import UTC, datetime, timedelta

import pytest

from dv_sync_pipeline.config import ChangesSettings, LiveSettings
from dv_sync_pipeline.sync.ledger import DeltaToken, Ledger
from dv_sync_pipeline.sync.timeliness import problems_of_feeds
from dv_sync_pipeline_tests.worlds.scripted_engine import hotels_configuration

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def configuration(tmp_path):
    """Feeds are asked every 30 seconds, and a lag of a minute is too much."""
    return hotels_configuration(tmp_path)


@pytest.fixture
def ledger(configuration):
    """Hotels were reconciled at noon and are followed from then on."""
    ledger = Ledger.open(configuration.ledger_url)
    ledger.begin_reconcile("contoso_hotel", mapping="m")
    ledger.finish_reconcile("contoso_hotel", verified_through=NOON)
    token = DeltaToken("https://primary.example/link", "m", NOON)
    ledger.save_delta_token("contoso_hotel", token, instead_of=None)
    yield ledger
    ledger.close()


def titles(configuration, ledger, *, seconds):
    """What is told so long after noon."""
    now = NOON + timedelta(seconds=seconds)
    return [problem.title for problem in problems_of_feeds(configuration, ledger, now=now)]


def test_a_feed_may_be_as_old_as_the_lag_and_the_polling_interval(configuration, ledger):
    """A change may have come right after the last look."""
    assert [] == titles(configuration, ledger, seconds=90)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(91, "more than a minute"), (3600, "60 minutes")]
)
def test_an_older_feed_is_a_problem(configuration, ledger, seconds, expected):
    """Of that table alone."""
    assert [f"contoso_hotel: its changes have not been followed for {expected}"] == titles(
        configuration, ledger, seconds=seconds
    )


def test_the_problem_keeps_its_name(configuration, ledger):
    """So it is told once, however long it lasts."""
    names = {
        problem.name
        for hours in (1, 2)
        for problem in problems_of_feeds(configuration, ledger, now=NOON + timedelta(hours=hours))
    }

    assert {"stale feed: contoso_hotel"} == names


def test_the_live_path_counts_with_its_own_interval(configuration, ledger):
    """Which is shorter."""
    live = configuration.model_copy(
        update={"live": LiveSettings(), "changes": ChangesSettings(enabled=False)}
    )

    assert [0, 1] == [len(titles(live, ledger, seconds=seconds)) for seconds in (70, 71)]


def test_nobody_expects_changes_where_only_the_night_brings_them(configuration, ledger):
    """Neither path is on."""
    nightly = configuration.model_copy(update={"changes": ChangesSettings(enabled=False)})

    assert [] == titles(nightly, ledger, seconds=3600)


def test_an_owed_reconcile_is_told_elsewhere(configuration, ledger):
    """Its feed cannot be followed, and that is known."""
    ledger.owe_reconcile("contoso_hotel", "the delta token is lost")

    assert [] == titles(configuration, ledger, seconds=3600)


def test_it_is_told_once_and_so_is_its_end(configuration, ledger):
    """The end is that somebody follows the feed again."""
    stale, followed = ledger.delta_token("contoso_hotel"), NOON + timedelta(hours=2)
    fresh = DeltaToken("https://primary.example/later", "m", followed)
    for token, now in ((stale, followed), (stale, followed), (fresh, followed)):
        ledger.save_delta_token("contoso_hotel", token, instead_of=stale)
        problems = problems_of_feeds(configuration, ledger, now=now)
        ledger.settle_problems(problems, scope="tables", channels=["teams"], now=now)

    title = "contoso_hotel: its changes have not been followed for 120 minutes"
    assert [title, f"Over: {title}"] == [alert.title for alert in ledger.waiting_alerts()]
