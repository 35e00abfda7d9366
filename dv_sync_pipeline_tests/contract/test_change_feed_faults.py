"""Faults of the change feed (RELIABILITY 4, rows 13 to 19 and 47)."""

import pytest

from dv_sync_pipeline.emulator.trouble.behaviour import Behaviour
from dv_sync_pipeline_tests.worlds.served import served_environment

pytestmark = pytest.mark.usefixtures("emulator_only")

TRACKED = "/contoso_hotels?$select=contoso_name"
TRACK = {"Prefer": "odata.track-changes"}
DAY = 86_400


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    """An environment with levers."""
    folder = tmp_path_factory.mktemp("feed")
    with served_environment(folder, Behaviour(is_controlled=True)) as served:
        yield served


@pytest.fixture
def environment(controlled):
    """As it was at the start."""
    assert 204 == controlled.control("POST", "/reset").status_code
    return controlled


@pytest.fixture
def client(environment):
    """Anna."""
    with environment.client() as one:
        yield one


def create(client, name):
    """One hotel; its id."""
    answer = client.post("/contoso_hotels", json={"contoso_name": name})
    return answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")


def begin(client):
    """The link to what changes from now on."""
    return client.get(TRACKED, headers=TRACK).json()["@odata.deltaLink"]


def names(page):
    """Of the hotels on a page; None for a deleted one."""
    return [row.get("contoso_name") for row in page["value"]]


def test_the_token_is_too_old(environment, client):
    """Eight days later than it was given, with an expiry of seven (DATAVERSE 7.3)."""
    link = begin(client)

    environment.control("POST", "/clock", json={"advance": 8 * DAY})
    answer = client.get(link)

    assert (400, "0x80044352") == (answer.status_code, answer.json()["error"]["code"])


def test_the_status_of_an_old_token_can_be_switched(environment, client):
    """It is not documented."""
    link = begin(client)
    environment.control("POST", "/switches", json={"expired_token_status": 410})

    environment.control("POST", "/clock", json={"advance": 8 * DAY})

    assert 410 == client.get(link).status_code


def test_the_token_is_told_to_be_too_old(environment, client):
    """On demand, once; the same link works again afterwards."""
    link = begin(client)
    environment.arm({"count": 1, "effect": {"kind": "expired_delta_token"}})

    codes = [client.get(link).status_code for _ in range(2)]

    assert [400, 200] == codes


def test_a_late_commit_is_not_in_the_feed(environment, client):
    """Its version is older than the token, so the feed never tells; a full read does."""
    create(client, "Adlon")
    link = begin(client)
    environment.arm({"match": {"method": "POST"}, "effect": {"kind": "late_commit"}})

    create(client, "Bristol")

    assert [] == names(client.get(link).json())
    assert ["Adlon", "Bristol"] == sorted(names(client.get(TRACKED).json()))


def test_no_link_to_later_changes(environment, client):
    """The answer is complete but for it."""
    effect = {"kind": "without_property", "name": "@odata.deltaLink"}
    environment.arm({"match": {"path": "contoso_hotels"}, "effect": effect})

    page = client.get(TRACKED, headers=TRACK).json()

    assert "@odata.deltaLink" not in page
    assert "value" in page


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_living_row_is_told_to_be_deleted(environment, client, place):
    """As after a deletion and a new creation under the same id, in either order."""
    link = begin(client)
    hotel = create(client, "Adlon")
    environment.arm({"effect": {"kind": "tombstone", "place": place}})

    page = client.get(link).json()

    tombstone = page["value"][0 if place == "first" else -1]
    assert (hotel, "deleted") == (tombstone["id"], tombstone["reason"])
    assert "Adlon" in names(page)


def test_a_stranger_is_told_to_be_deleted(environment, client):
    """A row that nobody ever saw."""
    link = begin(client)
    stranger = "00000000-0000-4000-8000-00000000dead"
    environment.arm({"effect": {"kind": "tombstone", "id": stranger}})

    assert [stranger] == [row["id"] for row in client.get(link).json()["value"]]


def test_an_endless_loop_of_pages(environment, client):
    """The link to the next page leads to this page."""
    for name in ("Adlon", "Bristol", "Cecil"):
        create(client, name)
    environment.arm({"effect": {"kind": "same_next_link"}})

    page = client.get(TRACKED, headers={"Prefer": "odata.maxpagesize=1"}).json()
    again = client.get(page["@odata.nextLink"], headers={"Prefer": "odata.maxpagesize=1"}).json()

    assert names(page) == names(again)
    assert page["@odata.nextLink"] == again["@odata.nextLink"]


def test_a_full_table_looks_empty(environment, client):
    """Status 200 and no rows."""
    create(client, "Adlon")
    environment.arm({"match": {"method": "GET"}, "effect": {"kind": "empty_page"}})

    assert [] == names(client.get(TRACKED).json())


def test_a_link_leads_away(environment, client):
    """To a host that would love to have the token."""
    environment.arm({"effect": {"kind": "foreign_link", "origin": "https://attacker.example"}})

    page = client.get(TRACKED, headers=TRACK).json()

    assert page["@odata.deltaLink"].startswith("https://attacker.example/api/data/")
