"""Dagster's UI and the status page, as a person sees them on the demo.

Each test leaves a picture. Those of the README are taken by these tests, into the folder that
DV_SYNC_PICTURES names: python -m dv_sync_pipeline_tests.browser.take_pictures.

What a page claims is asked for behind it as well, over GraphQL or in the environments.
"""

import os
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed: pip install -e '.[develop]'")

from dv_sync_pipeline_tests.browser.demo import (
    CHROMIUM,
    DESK,
    PHONE,
    browser_page,
    running_demo,
)

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no chromium: apt-get install chromium"),
]

ROOMS = 200
SYNCHRONIZED = 10
"""Five tables and their removals."""
_NODES = "[class*=AssetNode_assetNodeContainer]"
_GREEN_NODES = """([nodes, expected]) => [...document.querySelectorAll(nodes)].filter(node =>
  [node, ...node.querySelectorAll("*")].some(each => {
    const [red, green] = getComputedStyle(each).borderTopColor.match(/[0-9.]+/g).map(Number);
    return green > red + 50;
  })).length >= expected"""
_EDGES = """{ assetNodes { assetKey { path } dependencyKeys { path } } }"""
_MATERIALIZED = """query($k: AssetKeyInput!) { assetOrError(assetKey: $k) { ... on Asset {
  assetMaterializations(limit: 1) { runId metadataEntries { label
    ... on MarkdownMetadataEntry { mdStr } } } } } }"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Synchronized, and a live run applies changes."""
    with running_demo(tmp_path_factory.mktemp("demo"), rows=ROOMS) as demo:
        yield demo


@pytest.fixture(scope="module")
def browser():
    """One browser for all pages."""
    with browser_page() as page:
        yield page


@pytest.fixture
def page(browser):
    """A page on which nothing went wrong."""
    wrong = []

    def note(error):
        wrong.append(str(error))

    browser.on("pageerror", note)
    yield browser
    browser.remove_listener("pageerror", note)
    assert wrong == []


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """Takes a picture of a page under a name."""
    folder = Path(os.environ.get("DV_SYNC_PICTURES") or tmp_path_factory.mktemp("pictures"))

    def take(page, name):
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / f"{name}.png")

    return take


def left_edges(page, table):
    """Where the boxes of a table begin: its origin, its copy and its removals, from the left."""
    boxes = page.locator(_NODES).filter(has=page.get_by_text(table, exact=True))
    boxes.nth(2).wait_for()
    return sorted(box.bounding_box()["x"] for box in boxes.all())


def show_log(page, text, expected):
    """The run's log, of the lines with that text, from its top."""
    page.get_by_placeholder("Filter…").fill(text)
    page.get_by_text(expected).first.wait_for()
    page.get_by_text(expected).first.scroll_into_view_if_needed()


def type_in_place_of(page, old, new):
    """As a person does in the launchpad: a double click, and the other word."""
    page.locator(".CodeMirror-line span", has_text=old).last.dblclick()
    page.keyboard.type(new)


def last_materialization(demo, table):
    """The youngest materialization of the copy of a table."""
    key = {"path": ["secondary", table]}
    (found,) = demo.ui.ask(_MATERIALIZED, k=key)["assetOrError"]["assetMaterializations"]
    return found


def test_the_lineage_shows_hotels_before_rooms_and_the_removals_the_other_way(demo, page, picture):
    """In the edges, and in where the boxes stand: time goes from left to right."""
    page.goto(f"{demo.url}/asset-groups")
    page.get_by_text("Hide navigation").click()
    hotel, room = left_edges(page, "contoso_hotel"), left_edges(page, "contoso_room")
    page.wait_for_function(_GREEN_NODES, arg=[_NODES, SYNCHRONIZED])
    picture(page, "lineage")
    edges = {
        "/".join(node["assetKey"]["path"]): {
            "/".join(key["path"]) for key in node["dependencyKeys"]
        }
        for node in demo.ui.ask(_EDGES)["assetNodes"]
    }

    assert "secondary/contoso_hotel" in edges["secondary/contoso_room"]
    assert "removals/contoso_room" in edges["removals/contoso_hotel"]
    assert hotel[1] < room[1]
    assert room[2] < hotel[2]


def test_one_click_materializes_a_table(demo, page, picture):
    """And the page of the run ends with what came of it."""
    page.goto(f"{demo.url}/assets/secondary/contoso_brand")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Launched run").wait_for()
    page.goto(f"{demo.url}/runs")
    page.locator("a[href^='/runs/']").first.click()
    run_id = page.url.rpartition("/")[2].partition("?")[0]
    status = demo.ui.wait_for(run_id)
    page.get_by_text("RUN_SUCCESS").first.wait_for()
    show_log(page, "contoso_brand", "contoso_brand: follows the changes")
    picture(page, "run")

    assert status == "SUCCESS"
    assert last_materialization(demo, "contoso_brand")["runId"] == run_id


def test_a_dry_run_in_the_launchpad_shows_its_plan(demo, page, picture):
    """Shift-click, two words typed: the log tells what would change, the secondary keeps it."""
    brand = demo.secondary.rows("contoso_brand")[0]
    demo.secondary.update("contoso_brand", brand["contoso_brandid"], {"contoso_name": "Not ours"})
    before = demo.secondary.rows("contoso_brand")
    page.goto(f"{demo.url}/assets/secondary/contoso_brand")
    page.get_by_role("button", name="Materialize").first.click(modifiers=["Shift"])
    type_in_place_of(page, "false", "true")
    type_in_place_of(page, "auto", "reconcile")
    page.get_by_text("Launchpad (configure assets)").click()
    launch = page.get_by_role("dialog").get_by_role("button", name="Materialize")
    launch.click(trial=True)
    picture(page, "launchpad")
    launch.click()
    page.wait_for_url("**/runs/**")
    page.get_by_text("RUN_SUCCESS").first.wait_for()
    show_log(page, "contoso_brand", "contoso_brand: compares every row")
    page.get_by_text("1 would be updated").first.wait_for()
    picture(page, "dry-run")
    entries = last_materialization(demo, "contoso_brand")["metadataEntries"]
    (plan,) = [each["mdStr"] for each in entries if each["label"] == "differences"]

    assert page.get_by_text("writes nothing, because this run is a dry run").count() > 0
    assert plan.splitlines()[2:] == [f"| update | {brand['contoso_code']} | contoso_name |"]
    assert before == demo.secondary.rows("contoso_brand")


def test_a_change_shows_on_the_page_of_its_table_by_the_live_run(demo, page, picture):
    """A moment after it was made in the primary, with what came of it."""
    hotel = demo.primary.rows("contoso_hotel")[0]
    page.goto(f"{demo.url}/assets/secondary/contoso_hotel?view=events")
    demo.primary.update("contoso_hotel", hotel["contoso_hotelid"], {"contoso_name": "The Ritz"})
    page.get_by_text("1 updated").first.wait_for()
    picture(page, "live-table")
    run_id = last_materialization(demo, "contoso_hotel")["runId"]
    page.goto(f"{demo.url}/runs/{run_id}")
    show_log(page, "contoso_hotel", "1 updated")
    picture(page, "live-run")
    names = {
        row["contoso_code"]: row["contoso_name"] for row in demo.secondary.rows("contoso_hotel")
    }

    assert demo.ui.tags(run_id)["dv_sync/live"] == "true"
    assert names[hotel["contoso_code"]] == "The Ritz"


def test_a_run_that_fails_shows_its_reason(demo, page, picture):
    """What, where, why and how to mend it, in the log of the run."""
    demo.secondary.send(
        "DELETE",
        "/EntityDefinitions(LogicalName='contoso_rateplan')"
        "/Attributes(LogicalName='contoso_terms')",
    )
    run_id = demo.ui.launch("reconcile_all", "secondary/contoso_rateplan")
    status = demo.ui.wait_for(run_id)
    page.goto(f"{demo.url}/runs/{run_id}")
    page.get_by_placeholder("Filter…").fill("contoso_terms")
    page.get_by_text(
        "any more (expected text, up to 2000 characters, found none). Bring it back"
    ).first.wait_for()
    picture(page, "failed-run")

    assert status == "FAILURE"


def test_a_parked_row_is_a_table_on_the_page_of_its_table(demo, page, picture):
    """With the reason: a hotel without a code has no key by which it could be matched."""
    demo.primary.send("POST", "/contoso_hotels", json={"contoso_name": "Bates Motel"})
    demo.ui.wait_for(demo.ui.launch("reconcile_all", "secondary/contoso_hotel"))
    page.goto(f"{demo.url}/assets/secondary/contoso_hotel?view=events")
    page.get_by_text("missing key").first.wait_for()
    picture(page, "table")
    entries = {
        each["label"]: each
        for each in last_materialization(demo, "contoso_hotel")["metadataEntries"]
    }

    assert "| missing key |" in entries["parked_rows"]["mdStr"]


def test_the_columns_of_a_table_show_their_types_and_origins(demo, page, picture):
    """Which sync.yaml does not know: the first run has asked for them."""
    page.goto(f"{demo.url}/assets/secondary/contoso_room")
    page.get_by_text("whole number").first.wait_for()
    picture(page, "columns")

    assert page.get_by_text("contoso_hotelid").count() > 0


def test_the_automation_page_lists_schedule_and_sensors(demo, page, picture):
    """All of them running, without a click."""
    page.goto(f"{demo.url}/automation")
    page.get_by_text("nightly_reconciliation").first.wait_for()
    picture(page, "automation")

    assert {
        "nightly_reconciliation",
        "keep_live",
        "report_failed_runs",
        "deliver_alerts",
    } <= demo.ui.running_instigators()


def test_the_status_page_fits_a_phone(demo, page, picture):
    """Each table in one line, and nothing to be pushed sideways."""
    page.set_viewport_size(PHONE)
    page.goto(demo.status_page)
    page.get_by_text("contoso_room").first.wait_for()
    picture(page, "status-page")
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(DESK)

    assert width <= PHONE["width"]
