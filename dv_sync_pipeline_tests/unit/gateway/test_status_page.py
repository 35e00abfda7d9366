"""The status page shows the health of each table, escapes what it shows, and loads nothing."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from dv_sync_pipeline.gateway.app import create_application
from dv_sync_pipeline.gateway.status_page import render_status_page
from dv_sync_pipeline.sync.health import Health, TableHealth
from dv_sync_pipeline.sync.ledger import Leader, Ledger
from dv_sync_pipeline.sync.ledger.feeds import Lag
from dv_sync_pipeline.sync.ledger.passes import Pass
from dv_sync_pipeline.sync.wakeups import WaitingWakeUps
from dv_sync_pipeline_tests.worlds.gateway import KEY, gateway_configuration, served

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def a_table(**changes) -> TableHealth:
    """Nothing is wrong with it, unless the changes say so."""
    values = {
        "table": "contoso_room",
        "target": "contoso_room",
        "links": 15000,
        "verified_through": NOW,
        "reconcile_owed": "",
        "parked": 0,
        "held": 0,
        "held_because": "",
        "passes": (),
    }
    return TableHealth(**{**values, **changes})


def page(*tables, **changes) -> str:
    """The page of these tables."""
    values = {
        "now": NOW,
        "tables": tables,
        "waiting": WaitingWakeUps(0, None),
        "leader": None,
        "problems": (),
        "alerts_waiting": 0,
    }
    return render_status_page(Health(**{**values, **changes}))


def a_pass(**changes) -> Pass:
    """One night."""
    return Pass(**{"table": "room", "mode": "reconcile", "began": NOW, "seconds": 1.0, **changes})


def test_a_page_without_trouble_says_so():
    """In the title too, which a phone shows among its tabs."""
    shown = page(a_table())

    assert "<title>In sync</title>" in shown
    assert '<article class="in-sync">' in shown
    assert "<dt>linked rows</dt><dd>15,000</dd>" in shown


def test_the_lag_of_the_last_changes_is_shown():
    """How long they took to arrive, and the slowest of the day."""
    table = a_table(lag=Lag(0.42, NOW, 3.17, NOW))

    assert "<dt>lag</dt><dd>0.4 s, at most 3.2 s</dd>" in page(table)


def test_a_stopped_table_tells_why():
    """Red, and in the words of the error."""
    shown = page(a_table(passes=(a_pass(failure="the column does not exist"),)))

    assert "<title>Needs a look</title>" in shown
    assert '<article class="stopped">' in shown
    assert '<p class="reason dim">the column does not exist</p>' in shown


def test_tables_that_need_a_look_come_first():
    """Stopped, behind, then those in which something waits; a phone shows two of them."""
    tables = [
        a_table(table="well"),
        a_table(table="waits", parked=3),
        a_table(table="behind", reconcile_owed="the token is lost"),
        a_table(table="stopped", passes=(a_pass(failure="no such column"),)),
    ]
    shown = page(*tables)

    assert re.findall(r"<h2>(\w+)</h2>", shown) == ["stopped", "behind", "waits", "well"]
    assert '<article class="waits"><h2>waits</h2><p class="state">in sync but for' in shown


def test_an_open_problem_is_not_hidden_behind_tables_in_sync():
    """The live run may be silent while all that arrived was applied."""
    assert "<title>Needs a look</title>" in page(a_table(), problems=("No live run",))


def test_the_last_runs_are_a_strip_with_the_newest_at_its_end():
    """One bar each, and its words for whoever points at it."""
    passes = (a_pass(), a_pass(differences=3), a_pass(parked=2), a_pass(failure="no"))
    shown = page(a_table(passes=passes))

    assert re.findall(r'<span class="(\w+)"', shown) == ["quiet", "repaired", "waits", "failed"]
    assert 'title="2026-03-01 12:00:00 UTC, reconcile: 3 repaired, 1.0 s"' in shown


def test_what_waits_and_who_leads_stands_at_the_top():
    """Changes that were announced, the live run, alerts."""
    shown = page(
        a_table(),
        waiting=WaitingWakeUps(12, NOW - timedelta(seconds=4)),
        leader=Leader("holder", "run", NOW - timedelta(seconds=2), NOW),
        alerts_waiting=1,
        problems=("contoso_room: 3 rows parked",),
    )

    assert "12 announced changes wait, the oldest for 4 s" in shown
    assert "live run: last sign of life 2 s ago" in shown
    assert "1 alerts wait to be sent" in shown
    assert "<li>contoso_room: 3 rows parked</li>" in shown


def test_what_an_environment_says_is_neither_markup_nor_secret():
    """An error text comes from elsewhere."""
    shown = page(a_table(passes=(a_pass(failure="<script>x</script> Bearer abcdefghijkl"),)))

    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "abcdefghijkl" not in shown


def test_the_page_loads_nothing_from_anywhere():
    """No script, no link, no picture: it works behind every wall."""
    assert re.findall(r"https?://|<script|<link|<img|@import|url\(", page(a_table())) == []


@pytest.fixture
def open_gateway(tmp_path):
    """Opens a gateway with these settings."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")

    def opened(**settings):
        configuration = gateway_configuration(tmp_path, **settings)
        return served(create_application(configuration, ledger, clock=lambda: NOW))

    yield opened
    ledger.close()


def test_the_gateway_shows_the_page_at_its_root(open_gateway):
    """To whoever reaches it; what reaches it is the reverse proxy's decision."""
    with open_gateway() as client:
        answer = client.get("/")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "it was never reconciled" in answer.text


def test_the_page_is_for_those_with_a_key_if_so_configured(open_gateway):
    """In the header, or in the address for a browser."""
    with open_gateway(metrics_need_key=True) as client:
        answers = [client.get("/"), client.get("/", params={"code": KEY})]

    assert [answer.status_code for answer in answers] == [401, 200]
