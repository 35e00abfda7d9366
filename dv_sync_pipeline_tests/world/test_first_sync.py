"""The main job: what both environments hold before and after the first sync, and after the second.

The judge reads both over HTTP of its own. All tests look at one story, told once.
"""

from dataclasses import dataclass

import pytest

DEPARTMENT_COLUMNS = ("contoso_costcentre", "contoso_vatnumber")


@dataclass(frozen=True)
class Story:
    """What happened.

    Attributes:
        primary: all rows of the primary.
        before, after, after_again: all rows of the secondary around the first and second sync.
        first, second: exit code and JSON of the two syncs.
        verified: exit code and JSON of `dv-sync verify` in between.
        readable: the judge's way to compare environments.

    """

    primary: dict
    before: dict
    after: dict
    after_again: dict
    first: tuple
    second: tuple
    verified: tuple
    readable: object

    def known_hotels(self):
        """GUID → row of the hotels that the secondary had before, and that the primary knows."""
        codes = {row["contoso_code"] for row in self.primary["contoso_hotel"]}
        rows = self.before["contoso_hotel"]
        return {row["contoso_hotelid"]: row for row in rows if row["contoso_code"] in codes}

    def foreign_rows(self):
        """GUID → row of everything else that the secondary had before."""
        known = self.known_hotels()
        rows = {row[f"{table}id"]: row for table, rows in self.before.items() for row in rows}
        return {row_id: row for row_id, row in rows.items() if row_id not in known}


def rows_by_id(snapshot):
    """GUID → row, of all tables."""
    return {row[f"{table}id"]: row for table, rows in snapshot.items() for row in rows}


@pytest.fixture(scope="session")
def story(small_world):
    """Look, sync, look, verify, sync, look."""
    judge = small_world.judge
    before = judge.snapshot(judge.secondary)
    first = small_world.dv_sync_json("sync")
    after = judge.snapshot(judge.secondary)
    verified = small_world.dv_sync_json("verify")
    second = small_world.dv_sync_json("sync")
    return Story(
        primary=judge.snapshot(judge.primary),
        before=before,
        after=after,
        after_again=judge.snapshot(judge.secondary),
        first=first,
        second=second,
        verified=verified,
        readable=judge.readable,
    )


def test_it_ends_well(story):
    """Exit code 0, five tables, nothing failed, nothing parked."""
    code, document = story.first
    outcome = document["synchronized"]

    assert (code, outcome["failed"], outcome["skipped"]) == (0, [], [])
    assert {table["table"]: table["parked"] for table in outcome["tables"]} == {
        "contoso_brand": 0,
        "contoso_hotel": 0,
        "contoso_roomtype": 0,
        "contoso_room": 0,
        "contoso_rateplan": 0,
    }


def test_every_primary_row_is_shown_in_the_secondary(story):
    """Each mapped column, each lookup and the status of each row, foreign rows aside."""
    foreign = story.foreign_rows()
    ours = {
        table: [row for row in rows if row[f"{table}id"] not in foreign]
        for table, rows in story.after.items()
    }

    assert story.readable(story.primary) == story.readable(ours)


def test_inactive_rows_arrive_inactive(story):
    """The sample has some of them in every status; otherwise this would prove nothing."""
    statuses = {row["statuscode"] for row in story.primary["contoso_hotel"]}
    shown = {row["statuscode"] for row in story.after["contoso_hotel"]}

    assert len(statuses) > 1
    assert statuses <= shown


def test_forty_hotels_keep_their_guids_and_the_departments_columns(story):
    """Byte for byte, although the pipeline changed other columns of the same rows."""
    known = story.known_hotels()
    after = rows_by_id(story.after)

    def department(rows):
        return {row_id: [rows[row_id][name] for name in DEPARTMENT_COLUMNS] for row_id in known}

    assert len(known) == 40
    assert all(all(values) for values in department(known).values())
    assert department(known) == department(after)


def test_twenty_five_foreign_rows_are_untouched(story):
    """No column, no row version, no modification date."""
    foreign = story.foreign_rows()
    after = rows_by_id(story.after)

    assert len(foreign) == 25
    assert foreign == {row_id: after[row_id] for row_id in foreign}


def test_created_rows_have_the_guids_of_the_primary(story):
    """So that a repeated create is harmless."""
    created = rows_by_id(story.after).keys() - rows_by_id(story.before).keys()

    assert len(created) > 600
    assert created <= rows_by_id(story.primary).keys()


def test_the_verification_proves_it(story):
    """Our own verdict agrees with the judge's."""
    code, document = story.verified
    tables = document["verified"]["tables"]

    assert (code, {table["agrees"] for table in tables}) == (0, {True})


def test_a_second_sync_writes_nothing(story):
    """Not one row version moved, and the report says so."""
    code, document = story.second
    written = sum(
        table["created"] + table["updated"] for table in document["synchronized"]["tables"]
    )

    assert (code, written) == (0, 0)
    assert story.after == story.after_again


def test_what_somebody_overwrote_is_found_and_repaired(small_world, story):
    """`verify` and `plan` name the row, `sync` restores it; the cost centre stays theirs."""
    secondary = small_world.judge.secondary
    row_id, hotel = next(iter(story.known_hotels().items()))
    code = hotel["contoso_code"]
    by_hand = {"contoso_city": "Overwritten by hand", "contoso_costcentre": "CC-9"}
    secondary.update("contoso_hotel", row_id, by_hand)
    found = small_world.dv_sync("verify", "contoso_hotel")
    planned = small_world.dv_sync("plan", "contoso_hotel")
    repaired = small_world.dv_sync("sync", "contoso_hotel")
    rows = {row["contoso_hotelid"]: row for row in secondary.rows("contoso_hotel")}
    (original,) = [row for row in story.primary["contoso_hotel"] if row["contoso_code"] == code]

    assert [found.returncode, planned.returncode, repaired.returncode] == [1, 1, 0]
    assert code in found.stdout
    assert code in planned.stdout
    assert rows[row_id]["contoso_city"] == original["contoso_city"]
    assert rows[row_id]["contoso_costcentre"] == "CC-9"
