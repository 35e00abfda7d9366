"""What a reconcile does to the secondary, seen from outside: the rows before and after."""

import asyncio
from decimal import Decimal

import pytest

from dv_sync_pipeline.errors import RequestFailedError, RequestRefusedError, TableError
from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline_tests.worlds.memory import ACTIVE, INACTIVE, MemoryDataverse, row_id
from dv_sync_pipeline_tests.worlds.memory_hotels import Hotels

pytestmark = pytest.mark.usefixtures("both_databases")

NUMBERS = (
    "read",
    "created",
    "updated",
    "equal",
    "adopted",
    "gone",
    "waiting",
    "foreign",
    "parked",
)


@pytest.fixture
def hotels(tmp_path) -> Hotels:
    """Empty tables on both sides."""
    return Hotels(tmp_path)


def sync(hotels):
    """Reconcile every table; the reports by table."""
    return asyncio.run(hotels.sync())


def writes_of(hotels, action) -> list[tuple[str, str, str, dict[str, object]]]:
    """What `action` writes to the secondary."""
    hotels.secondary.writes.clear()
    action()
    return hotels.secondary.writes


def counts(report) -> dict[str, int]:
    """The numbers of a report that are not zero."""
    return {name: getattr(report, name) for name in NUMBERS if getattr(report, name)}


def test_rows_arrive_under_their_own_id_and_renamed_columns(hotels):
    """A row of the primary appears in the secondary with the same GUID and the mapped values."""
    hotel = hotels.hotel(1, name="Hôtel des Îles", stars=4, rate=Decimal("12.3456789012"))

    sync(hotels)

    assert {hotel: ("H-1", "Hôtel des Îles", 4, Decimal("12.3456789012"))} == hotels.shown(
        "property", "code", "title", "stars", "rate"
    )


def test_lookups_point_to_the_parents_row_in_the_secondary(hotels):
    """A room points to the hotel's secondary id, also where that one differs."""
    there = row_id(900)
    hotels.secondary.put("property", there, code="h-1 ", title="Known before")
    hotels.hotel(1)
    room = hotels.room(1, 7)

    sync(hotels)

    assert {room: (there,)} == hotels.shown("room", "hotelid")


def test_a_second_run_writes_nothing(hotels):
    """Once both sides are equal, no write is sent."""
    hotels.brand(1)
    hotels.hotel(1, brandid=row_id(101), statecode=INACTIVE, statuscode=2)
    hotels.room(1, 1)
    sync(hotels)

    writes = writes_of(hotels, lambda: sync(hotels))

    assert [] == writes


def test_only_columns_that_differ_are_sent(hotels):
    """An update carries the changed column and no other."""
    hotel = hotels.hotel(1)
    sync(hotels)
    hotels.hotel(1, stars=5)

    writes = writes_of(hotels, lambda: sync(hotels))

    assert [("update", "property", hotel, {"stars": 5})] == writes


def test_a_cleared_value_is_cleared(hotels):
    """Null in the primary becomes null in the secondary."""
    hotel = hotels.hotel(1)
    sync(hotels)
    hotels.hotel(1, stars=None)

    sync(hotels)

    assert {hotel: (None,)} == hotels.shown("property", "stars")


def test_letter_case_of_a_value_counts(hotels):
    """Values are compared exactly, even those of key columns."""
    hotel = hotels.hotel(1, code="h-1")
    sync(hotels)
    hotels.hotel(1, code="H-1")

    writes = writes_of(hotels, lambda: sync(hotels))

    assert [("update", "property", hotel, {"code": "H-1"})] == writes


def test_rows_that_exist_are_adopted_by_key(hotels):
    """A row of the department keeps its GUID and its own columns, and takes on the mapped ones."""
    there = row_id(900)
    hotels.secondary.put("property", there, code="H-1", title="Old", costcentre="4711")
    hotels.hotel(1, name="New")

    reports = sync(hotels)

    assert {there: ("New", "4711")} == hotels.shown("property", "title", "costcentre")
    assert {"read": 1, "updated": 1, "adopted": 1} == counts(reports["hotel"])


def test_foreign_rows_are_left_alone(hotels):
    """A row without link and without match is never written."""
    foreign = row_id(900)
    hotels.secondary.put("property", foreign, code="Z-9", title="Theirs", statuscode=100)
    hotels.hotel(1)

    writes = writes_of(hotels, lambda: sync(hotels))

    assert foreign not in {id_ for _, _, id_, _ in writes}
    assert ("Theirs", 100) == hotels.shown("property", "title", "statuscode")[foreign]


def test_foreign_rows_are_listed_by_a_verification(hotels):
    """Those that nobody has linked, with what they show as their key; parked ones are ours."""
    hotels.hotel(1)
    asyncio.run(hotels.sync())
    hotels.secondary.put("property", row_id(900), code="Z-9")
    hotels.secondary.put("property", row_id(901))

    verdict = asyncio.run(hotels.verify())["hotel"]

    assert [("", row_id(901)), ("Z-9", row_id(900))] == [
        (row.key, row.secondary_id) for row in verdict.foreign_rows
    ]
    assert (2, ()) == (verdict.foreign, verdict.differences)


def test_a_changed_key_updates_the_linked_row(hotels):
    """A key value that changes in the primary is not a new row."""
    hotel = hotels.hotel(1)
    sync(hotels)
    hotels.hotel(1, code="H-1-NEW")

    sync(hotels)

    assert {hotel: ("H-1-NEW",)} == hotels.shown("property", "code")


def test_a_key_that_one_row_gives_up_can_be_taken_by_a_new_row(hotels):
    """Updates go before creates."""
    first = hotels.hotel(1, code="GOLDEN")
    sync(hotels)
    hotels.hotel(1, code="SILVER")
    second = hotels.hotel(2, code="GOLDEN")

    reports = sync(hotels)

    assert {first: ("SILVER",), second: ("GOLDEN",)} == hotels.shown("property", "code")
    assert {"read": 2, "created": 1, "updated": 1} == counts(reports["hotel"])


def test_a_row_deleted_in_the_secondary_comes_back(hotels):
    """A link that leads nowhere does not keep a row from being created again."""
    hotel = hotels.hotel(1)
    sync(hotels)
    hotels.secondary.delete("property", hotel)

    sync(hotels)

    assert {hotel: ("H-1",)} == hotels.shown("property", "code")


def test_a_row_created_anew_under_the_same_key_takes_over(hotels):
    """Deleted and entered again in the primary: the secondary row goes on under the new link."""
    old = hotels.hotel(1, code="H")
    sync(hotels)
    hotels.primary.delete("hotel", old)
    hotels.hotel(2, code="H", name="Entered again")

    reports = sync(hotels)

    assert {old: ("Entered again",)} == hotels.shown("property", "title")
    assert {"read": 1, "updated": 1, "adopted": 1} == counts(reports["hotel"])


def test_the_link_of_a_row_that_was_taken_over_is_forgotten(hotels):
    """Two links to one secondary row would set two rows on it, should the old one come back."""
    old = hotels.hotel(1, code="H")
    sync(hotels)
    hotels.primary.delete("hotel", old)
    new = hotels.hotel(2, code="H")
    sync(hotels)

    assert [(new, old)] == hotel_links(hotels)


def test_the_row_of_a_parked_row_is_not_given_to_another(hotels):
    """A linked row that waits keeps its secondary row, though its old key is free by now."""
    first = hotels.hotel(1, code="A", name="First")
    sync(hotels)
    hotels.hotel(1, code="B")
    hotels.hotel(2, code="b")
    hotels.hotel(3, code="A", name="Third")

    report = sync(hotels)["hotel"]

    assert {"read": 3, "parked": 3} == counts(report)
    assert {first: ("First",)} == hotels.shown("property", "title")


def test_a_parent_that_is_only_intended_is_not_pointed_to(hotels):
    """Whether its create arrived is unknown; the child goes without it and waits."""
    sync(hotels)
    hotels.brand(1)
    hotels.secondary.drop = lambda _message, _write: True
    with pytest.raises(RequestFailedError):
        sync(hotels)
    hotels.secondary.drop = lambda _message, _write: False
    hotels.hotel(1, brandid=row_id(101))

    async def only_hotels():
        async with hotels.open() as engine:
            return await engine.reconcile("hotel")

    assert {"read": 1, "created": 1, "waiting": 1} == counts(asyncio.run(only_hotels()))


def hotel_links(hotels) -> list[tuple[str, str]]:
    """Primary and secondary ids of the hotels' links."""

    async def read():
        async with hotels.open() as engine:
            return engine.ledger.links("hotel").select("@primary_id", "@secondary_id").rows()

    return asyncio.run(read())


def test_a_lost_ledger_is_rebuilt_by_key(hotels):
    """Without ledger, one run finds every row again and writes nothing."""
    hotels.secondary.put("property", row_id(900), code="H-1")
    hotels.hotel(1)
    hotels.room(1, 1)
    sync(hotels)
    hotels.lose_ledger()

    writes = writes_of(hotels, lambda: sync(hotels))

    assert [] == writes


def test_rows_created_inactive_take_two_writes(hotels):
    """State cannot be set by a create: it follows in a write of its own (DATAVERSE 12)."""
    hotel = hotels.hotel(1, statecode=INACTIVE, statuscode=2)

    writes = writes_of(hotels, lambda: sync(hotels))

    assert ["create", "update"] == [message for message, *_ in writes]
    assert {"statecode": INACTIVE, "statuscode": 2} == writes[1][3]
    assert {hotel: (INACTIVE, 2)} == hotels.shown("property", "statecode", "statuscode")


def test_an_unusual_active_reason_goes_with_the_create(hotels):
    """An active status reason other than the default needs no second write."""
    hotel = hotels.hotel(1, statuscode=100)

    writes = writes_of(hotels, lambda: sync(hotels))

    assert ["create"] == [message for message, *_ in writes]
    assert {hotel: (ACTIVE, 100)} == hotels.shown("property", "statecode", "statuscode")


def test_data_and_status_that_both_changed_are_sent_apart(hotels):
    """Data first, the state pair last; the row counts once."""
    hotels.hotel(1)
    sync(hotels)
    hotels.hotel(1, stars=1, statecode=INACTIVE, statuscode=2)
    hotels.secondary.writes.clear()

    reports = sync(hotels)

    assert [{"stars": 1}, {"statecode": INACTIVE, "statuscode": 2}] == [
        values for *_, values in hotels.secondary.writes
    ]
    assert {"read": 1, "updated": 1} == counts(reports["hotel"])


def test_one_bad_row_stops_only_itself(hotels):
    """A value that is too long parks its row with the server's words; the others are written."""
    good, _bad = hotels.hotel(1), hotels.hotel(2, name="x" * 21)

    report = sync(hotels)["hotel"]

    assert {good} == hotels.secondary.rows["property"].keys()
    assert {"read": 2, "created": 1, "parked": 1} == counts(report)
    parked = report.parked_rows[0]
    assert (ParkedReason.VALUE_TOO_LONG, "H-2", "0x80044331", 1) == (
        parked.reason,
        parked.key,
        parked.code,
        parked.attempts,
    )


def test_a_refused_create_is_not_intended_any_more(hotels):
    """Otherwise a foreign row that comes under its id would be taken for ours."""
    hotel = hotels.hotel(1, name="x" * 21)
    sync(hotels)
    hotels.secondary.put("property", hotel, code="Z-9", title="Theirs")
    hotels.hotel(1, name="short")

    report = sync(hotels)["hotel"]

    assert {"read": 1, "foreign": 1, "parked": 1} == counts(report)
    assert {hotel: ("Theirs",)} == hotels.shown("property", "title")


def test_a_parked_row_is_tried_again(hotels):
    """Every reconcile tries it; attempts are counted, and once mended it is forgotten."""
    bad = hotels.hotel(1, name="x" * 21)
    first = sync(hotels)["hotel"].parked_rows[0]
    second = sync(hotels)["hotel"].parked_rows[0]
    hotels.hotel(1, name="short")

    report = sync(hotels)["hotel"]

    assert (first.since, 2) == (second.since, second.attempts)
    assert {"read": 1, "created": 1} == counts(report)
    assert {bad: ("short",)} == hotels.shown("property", "title")


def test_children_of_a_parked_row_wait_for_it(hotels):
    """A room whose hotel is not there is parked, since the hotel is part of its key."""
    hotels.hotel(1, name="x" * 21)
    hotels.room(1, 1)

    report = sync(hotels)["room"]

    assert {"read": 1, "parked": 1} == counts(report)
    assert ParkedReason.MISSING_PARENT is report.parked_rows[0].reason


def test_children_of_an_adopted_row_do_not_wait_for_its_repair(hotels):
    """An adopted hotel is a parent even while its own update is refused."""
    hotels.secondary.put("property", row_id(900), code="H-1", title="Old")
    hotels.hotel(1, name="x" * 21)
    room = hotels.room(1, 1)

    reports = sync(hotels)

    assert {"read": 1, "adopted": 1, "parked": 1} == counts(reports["hotel"])
    assert {room: (row_id(900),)} == hotels.shown("room", "hotelid")


def test_an_optional_parent_is_left_empty_until_it_arrives(hotels):
    """The row goes without it, counts as waiting, and is completed by the next run."""
    hotel = hotels.hotel(1, brandid=row_id(101))
    report = sync(hotels)["hotel"]
    before = hotels.shown("property", "brandid")
    brand = hotels.brand(1)

    sync(hotels)

    assert {"read": 1, "created": 1, "waiting": 1} == counts(report)
    assert {hotel: (None,)} == before
    assert {hotel: (brand,)} == hotels.shown("property", "brandid")


def test_rows_that_dataverse_takes_for_duplicates_are_both_parked(hotels):
    """Keys that differ in letter case or trailing blanks only collide; nothing is guessed."""
    hotels.hotel(1, code="straße")
    hotels.hotel(2, code="STRASSE ")
    other = hotels.hotel(3)

    report = sync(hotels)["hotel"]

    assert {other} == hotels.secondary.rows["property"].keys()
    assert [ParkedReason.DUPLICATE_KEY] * 2 == [row.reason for row in report.parked_rows]


def test_a_row_without_key_is_parked(hotels):
    """It could never be matched again."""
    hotels.hotel(1, code=None)

    report = sync(hotels)["hotel"]

    assert [ParkedReason.MISSING_KEY] == [row.reason for row in report.parked_rows]
    assert {} == hotels.secondary.rows["property"]


def test_a_linked_row_may_lose_its_key(hotels):
    """The link is enough to go on."""
    hotel = hotels.hotel(1)
    sync(hotels)
    hotels.hotel(1, code=None)

    sync(hotels)

    assert {hotel: (None,)} == hotels.shown("property", "code")


def test_an_id_that_somebody_else_has_there_is_not_taken_over(hotels):
    """A foreign row under our GUID but with another key stays as it is."""
    hotel = hotels.hotel(1)
    hotels.secondary.put("property", hotel, code="Z-9", title="Theirs")

    report = sync(hotels)["hotel"]

    assert {"read": 1, "foreign": 1, "parked": 1} == counts(report)
    assert {hotel: ("Theirs",)} == hotels.shown("property", "title")


def test_a_lost_answer_is_read_back_and_not_repeated(hotels):
    """A create that arrived although its answer did not is found, and counts as created."""
    hotels.hotel(1)
    hotels.secondary.lose = lambda message, _write: message == "create"
    hotels.secondary.writes.clear()

    report = sync(hotels)["hotel"]

    assert {"read": 1, "created": 1} == counts(report)
    assert ["create"] == [message for message, *_ in hotels.secondary.writes]


def test_a_lost_request_is_repeated(hotels):
    """A create that never arrived is sent once more."""
    hotel = hotels.hotel(1)
    lost = iter([True, False])
    hotels.secondary.drop = lambda _message, _write: next(lost)

    report = sync(hotels)["hotel"]

    assert {"read": 1, "created": 1} == counts(report)
    assert {hotel: ("H-1",)} == hotels.shown("property", "code")


def test_a_create_that_was_repeated_on_the_way_is_no_duplicate(hotels):
    """Refused because the row is there already, and it is the very row: it counts as created."""
    hotel = hotels.hotel(1)
    hotels.secondary.refuse = lambda table, write: hotels.secondary.put(
        table, write.id, **write.values
    )

    report = sync(hotels)["hotel"]

    assert {"read": 1, "created": 1} == counts(report)
    assert {hotel: ("H-1",)} == hotels.shown("property", "code")


def test_a_key_that_somebody_takes_in_the_meantime_parks_the_row(hotels):
    """A foreign row with our key, entered after both sides were read, is left alone."""
    hotels.hotel(1)
    hotels.secondary.refuse = lambda table, _write: hotels.secondary.put(
        table, row_id(900), code="H-1", title="Theirs"
    )

    report = sync(hotels)["hotel"]

    assert [ParkedReason.DUPLICATE_KEY] == [row.reason for row in report.parked_rows]
    assert {row_id(900): ("Theirs",)} == hotels.shown("property", "title")


def test_an_update_whose_answer_is_lost_is_compared(hotels):
    """An update counts as done only if the row shows its values."""
    hotel = hotels.hotel(1)
    sync(hotels)
    hotels.hotel(1, stars=5)
    lost = iter([True, False])
    hotels.secondary.drop = lambda _message, _write: next(lost)
    hotels.secondary.writes.clear()

    sync(hotels)

    assert [("update", "property", hotel, {"stars": 5})] * 2 == hotels.secondary.writes
    assert {hotel: (5,)} == hotels.shown("property", "stars")


def test_an_outcome_that_stays_unknown_fails_the_table(hotels):
    """Nothing is claimed; the next run finds out and ends the work."""
    hotel = hotels.hotel(1)
    hotels.secondary.drop = lambda _message, _write: True
    with pytest.raises(RequestFailedError) as caught:
        sync(hotels)
    hotels.secondary.drop = lambda _message, _write: False

    sync(hotels)

    assert caught.value.outcome_unknown
    assert {hotel: ("H-1",)} == hotels.shown("property", "code")


def test_a_role_without_the_privilege_fails_the_table(hotels):
    """When no row at all may be written, the role is wrong and not the rows."""
    hotels.hotel(1)
    hotels.hotel(2)
    hotels.secondary.refuse = lambda _table, _write: ("0x80040220", "missing prvCreate privilege")

    with pytest.raises(RequestRefusedError, match=r"may not write property.*prvCreate.*role"):
        sync(hotels)


def test_a_row_that_may_not_be_written_is_parked(hotels):
    """One row among others without access is a matter of that row."""
    _closed, open_ = hotels.hotel(1), hotels.hotel(2)
    hotels.secondary.refuse = lambda _table, write: (
        ("0x80048306", "no WriteAccess") if write.id != open_ else None
    )

    report = sync(hotels)["hotel"]

    assert [ParkedReason.NO_PRIVILEGE] == [row.reason for row in report.parked_rows]
    assert {open_} == hotels.secondary.rows["property"].keys()


def test_a_refused_status_parks_the_row_and_keeps_its_link(hotels):
    """The row is there and stays linked; it counts as parked only."""
    hotel = hotels.hotel(1, statecode=INACTIVE, statuscode=2)
    room = hotels.room(1, 1)
    hotels.secondary.refuse = lambda _table, write: (
        ("0x8004f00e", "not allowed") if "statecode" in write.values else None
    )

    reports = sync(hotels)

    assert {"read": 1, "parked": 1} == counts(reports["hotel"])
    assert ParkedReason.STATUS_REFUSED is reports["hotel"].parked_rows[0].reason
    assert {room: (hotel,)} == hotels.shown("room", "hotelid")


def test_a_child_is_refused_before_its_parent_was_ever_synchronized(hotels):
    """Otherwise each of its lookups would be taken for a missing parent, and emptied."""
    hotels.room(1, 1)

    async def only_rooms():
        async with hotels.open() as engine:
            await engine.reconcile("room")

    with pytest.raises(TableError, match="hotel has not been synchronized yet"):
        asyncio.run(only_rooms())


def test_the_report_adds_up(hotels):
    """Every row read is created, updated, equal or parked."""
    for number in range(1, 9):
        hotels.hotel(number, code=f"H-{number % 7}")
    sync(hotels)
    hotels.hotel(2, stars=1)
    hotels.hotel(3, name="x" * 30)
    hotels.hotel(9, statecode=INACTIVE, statuscode=2)

    report = sync(hotels)["hotel"]

    assert {
        "read": 9,
        "created": 1,
        "updated": 1,
        "equal": 4,
        "parked": 3,
    } == counts(report)
    assert report.read == report.created + report.updated + report.equal + report.parked


def test_a_row_that_is_read_twice_counts_once(tmp_path):
    """Paging is live: a row can move to a later page while pages are read (DATAVERSE 6.2)."""

    class Moving(MemoryDataverse):
        async def read_pages(self, schema, columns, *, condition=""):
            async for page in super().read_pages(schema, columns, condition=condition):
                yield page
                yield page

    hotels = Hotels(tmp_path, primary=Moving("primary", "11111111-1111-1111-1111-111111111111"))
    hotel = hotels.hotel(1)

    report = sync(hotels)["hotel"]

    assert {"read": 1, "created": 1} == counts(report)
    assert {hotel} == hotels.secondary.rows["property"].keys()


def test_a_link_is_never_younger_than_its_row(hotels):
    """While an update is refused, the link keeps the version that was written last."""
    hotel = hotels.hotel(1)
    written = hotels.primary.rows["hotel"][hotel]["versionnumber"]
    sync(hotels)
    hotels.hotel(1, name="x" * 21)
    sync(hotels)

    async def linked_version():
        async with hotels.open() as engine:
            return engine.ledger.links("hotel")["@version"].item()

    assert written == asyncio.run(linked_version())


def test_progress_is_told_for_every_stage(hotels):
    """A listener hears how far reading and writing have come."""
    for number in range(5):
        hotels.brand(number)
    heard = []

    async def listen():
        async with hotels.open() as engine:
            await engine.reconcile("brand", progress=heard.append)

    asyncio.run(listen())

    assert [("read primary", 4, 5), ("read primary", 5, 5)] == [
        (progress.stage, progress.done, progress.total)
        for progress in heard
        if progress.stage == "read primary"
    ]
    assert [("create", 3, 5), ("create", 5, 5)] == [
        (progress.stage, progress.done, progress.total)
        for progress in heard
        if progress.stage == "create"
    ]
