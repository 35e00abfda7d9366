"""Change tracking (DATAVERSE 7)."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

START = {"Prefer": "odata.track-changes"}


@dataclass(frozen=True, slots=True)
class Feed:
    """The changes of one table, from a moment on."""

    api: httpx.Client
    link: str

    def read(self, *, page_rows: int = 5000) -> tuple[list[dict[str, Any]], "Feed"]:
        """Everything up to the next delta link, and the feed from there."""
        entries: list[dict[str, Any]] = []
        url: str | None = self.link
        while url:
            page = self.api.get(url, headers={"Prefer": f"odata.maxpagesize={page_rows}"}).json()
            entries += page["value"]
            url = page.get("@odata.nextLink")
        return entries, Feed(self.api, page["@odata.deltaLink"])


@pytest.fixture
def feed(api):
    """The changes of hotels from now on."""
    url = "dvc_hotels?$select=dvc_name,dvc_stars"
    answer = api.get(url, headers=START).json()
    while "@odata.nextLink" in answer:
        answer = api.get(answer["@odata.nextLink"]).json()
    return Feed(api, answer["@odata.deltaLink"])


def kinds(entries):
    """What an answer says: ("changed", id) or ("deleted", id)."""
    return [
        ("deleted", entry["id"]) if "reason" in entry else ("changed", entry["dvc_hotelid"])
        for entry in entries
    ]


def test_first_call_returns_every_row(api, hotels):
    """The first call returns every row and a delta link, and no deletes (DATAVERSE 7.1)."""
    row_id = hotels.create()

    answer = api.get("dvc_hotels?$select=dvc_name", headers=START)

    assert answer.headers["Preference-Applied"] == "odata.track-changes"
    assert row_id in {row["dvc_hotelid"] for row in answer.json()["value"]}
    assert answer.json()["@odata.context"].endswith("#dvc_hotels(dvc_name)")


def test_delta_token_is_a_version_and_a_time(api):
    """The token is the row version and the time in US format, percent-encoded (DATAVERSE 7.1)."""
    link = api.get("dvc_brands?$select=dvc_name", headers=START).json()["@odata.deltaLink"]

    token = link.partition("$deltatoken=")[2]
    version, _, time = token.partition("%21")
    assert version.isdigit()
    assert time.count("%2f") == 2
    assert "$select=dvc_name&" in link


def test_delta_link_stands_on_the_last_page_only(api, brands):
    """Pages carry next links, the last one the delta link (DATAVERSE 7.1)."""
    for _ in range(3):
        brands.create()

    page = api.get("dvc_brands", headers={"Prefer": "odata.track-changes,odata.maxpagesize=2"})

    assert "@odata.nextLink" in page.json()
    assert "@odata.deltaLink" not in page.json()


def test_nothing_changed(feed):
    """Without changes the answer is empty and has a delta link (DATAVERSE 7.2)."""
    entries, _ = feed.read()

    assert entries == []


def test_creates_and_updates_come_as_rows(api, hotels, feed):
    """A new row and an updated row look alike, with their latest state (DATAVERSE 7.2)."""
    row_id = hotels.create(dvc_stars=1)
    api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": 2})

    entries, _ = feed.read()

    assert kinds(entries) == [("changed", row_id)]
    assert entries[0]["dvc_stars"] == 2


def test_changes_come_by_rising_version(api, hotels, feed):
    """Rows come by ascending version, so the last one written is the last (DATAVERSE 7.2)."""
    first, second = hotels.create(), hotels.create()
    api.patch(f"dvc_hotels({first})", json={"dvc_stars": 2})

    entries, _ = feed.read()

    assert kinds(entries) == [("changed", second), ("changed", first)]


def test_a_change_of_another_column_counts(api, hotels, feed):
    """A row is reported when any column changed, selected or not (DATAVERSE 7.1)."""
    row_id = hotels.create()
    _, later = feed.read()
    api.patch(f"dvc_hotels({row_id})", json={"dvc_note": "not selected"})

    entries, _ = later.read()

    assert kinds(entries) == [("changed", row_id)]


def test_deletes_come_last_with_the_bare_id(api, hotels, feed):
    """A delete is an id and a reason, behind all rows (DATAVERSE 7.2)."""
    gone = hotels.create()
    _, later = feed.read()
    api.delete(f"dvc_hotels({gone})")
    new = hotels.create()

    entries, _ = later.read()

    assert kinds(entries) == [("changed", new), ("deleted", gone)]
    assert entries[1].keys() == {"@odata.context", "id", "reason"}
    assert entries[1]["@odata.context"].endswith("#dvc_hotels/$deletedEntity")
    assert entries[1]["reason"] == "deleted"


def test_created_and_deleted_in_between(api, hotels, feed):
    """Only the delete of a row that came and went is reported (DATAVERSE 7.2)."""
    row_id = hotels.create()
    api.delete(f"dvc_hotels({row_id})")

    entries, _ = feed.read()

    assert kinds(entries) == [("deleted", row_id)]


def test_deleted_and_created_again(api, hotels, feed):
    """A row that was deleted and is there again may come as both (DATAVERSE 7.2)."""
    row_id = hotels.create()
    api.delete(f"dvc_hotels({row_id})")
    hotels.create(dvc_hotelid=row_id)

    entries, _ = feed.read()

    assert kinds(entries) == [("changed", row_id), ("deleted", row_id)]


def test_cascaded_deletes_are_reported(api, hotels, rooms):
    """Children deleted by a cascade are reported as deleted (DATAVERSE 7.4)."""
    hotel_id = hotels.create()
    room_id = rooms.create(**{"dvc_HotelId@odata.bind": f"/dvc_hotels({hotel_id})"})
    answer = api.get("dvc_rooms?$select=dvc_number", headers=START).json()
    while "@odata.nextLink" in answer:
        answer = api.get(answer["@odata.nextLink"]).json()
    api.delete(f"dvc_hotels({hotel_id})")

    entries = api.get(answer["@odata.deltaLink"]).json()["value"]

    assert [entry["id"] for entry in entries] == [room_id]


def test_pages_mix_rows_and_deletes(api, hotels, feed):
    """A page counts rows and deletes together, and pages lose nothing (DATAVERSE 7.2)."""
    gone = [hotels.create() for _ in range(3)]
    _, later = feed.read()
    for row_id in gone:
        api.delete(f"dvc_hotels({row_id})")
    new = [hotels.create() for _ in range(2)]

    entries, _ = later.read(page_rows=2)

    assert kinds(entries) == [("changed", each) for each in new] + [
        ("deleted", each) for each in gone
    ]


def test_a_link_can_be_replayed(hotels, feed):
    """The same link answers the same again: it is not consumed (DATAVERSE 7.2)."""
    row_id = hotels.create()

    assert kinds(feed.read()[0]) == kinds(feed.read()[0]) == [("changed", row_id)]


def test_changes_made_while_paging_come_next_time(api, hotels, feed):
    """The token dates from the first page, so nothing falls between (DATAVERSE 7.1)."""
    early = [hotels.create() for _ in range(2)]
    page = api.get(feed.link, headers={"Prefer": "odata.maxpagesize=1"}).json()
    api.patch(f"dvc_hotels({early[0]})", json={"dvc_stars": 3})
    while "@odata.nextLink" in page:
        page = api.get(page["@odata.nextLink"]).json()

    entries = api.get(page["@odata.deltaLink"]).json()["value"]

    assert kinds(entries) == [("changed", early[0])]


def test_deletes_made_while_paging_come_next_time(api, hotels, feed):
    """A delete after the first page waits for the next link, too (DATAVERSE 7.1)."""
    gone, kept = hotels.create(), hotels.create()
    page = api.get(feed.link, headers={"Prefer": "odata.maxpagesize=1"}).json()
    api.delete(f"dvc_hotels({gone})")
    entries = page["value"]
    while "@odata.nextLink" in page:
        page = api.get(page["@odata.nextLink"]).json()
        entries += page["value"]

    later = api.get(page["@odata.deltaLink"]).json()["value"]

    assert kinds(entries) == [("changed", gone), ("changed", kept)]
    assert kinds(later) == [("deleted", gone)]


@pytest.mark.parametrize("option", ["$filter", "$orderby", "$expand", "$top"])
def test_options_that_tracking_refuses(api, option):
    """There is no filter, order, expansion or limit with tracking (DATAVERSE 7.1)."""
    answer = api.get(f"dvc_hotels?{option}=1", headers=START)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == (
        f'The "{option}" query parameter isn\'t supported when Change Tracking is enabled.'
    )


def test_count_of_changes(api, hotels, feed):
    """/$count with a delta token counts rows and deletes, as a plain number (DATAVERSE 7.2)."""
    hotels.create()
    api.delete(f"dvc_hotels({hotels.create()})")
    token = feed.link.partition("$deltatoken=")[2]

    assert api.get(f"dvc_hotels/$count?$deltatoken={token}").text == "2"


def test_table_without_tracking(emulator, api, refusal):
    """A table that is not enabled answers 0x80072491 (DATAVERSE 7.1)."""
    brands = emulator.store.catalog.table("dvc_brand").definition
    emulator.store.redefine_table(replace(brands, change_tracking_enabled=False))

    answer = api.get("dvc_brands", headers=START)
    emulator.store.redefine_table(brands)

    assert refusal(answer) == (400, "0x80072491")


def test_expired_token(emulator, api, feed, refusal):
    """A token older than the retention is an error, never a silent resend (DATAVERSE 7.3)."""
    now = emulator.store.clock
    emulator.store.clock = lambda: now() + timedelta(days=8)
    answer = api.get(feed.link)
    emulator.store.clock = now

    assert refusal(answer) == (400, "0x80044352")


@pytest.mark.parametrize("token", ["nonsense", "12!yesterday"])
def test_malformed_token(api, token):
    """A token that none of ours could be answers 400 (DATAVERSE 7.3)."""
    assert api.get(f"dvc_hotels?$deltatoken={token}").status_code == 400
