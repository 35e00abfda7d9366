"""What becomes of rows of the secondary whose primary row is gone."""

import asyncio
from dataclasses import replace

import pytest

from dv_sync_pipeline.errors import RequestFailedError, SchemaMismatchError
from dv_sync_pipeline.sync.report import DifferenceKind, ParkedReason, ParkedWork
from dv_sync_pipeline.webapi.dependents import DeleteRule
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory import Boundary, Killed, row_id, table
from dv_sync_pipeline_tests.worlds.memory_hotels import TABLES_YAML, Hotels

AFTER_THE_LEASE_SECONDS = 60
STEPS_MAX = 100


@pytest.fixture
def hotels(tmp_path) -> Hotels:
    """Empty tables on both sides."""
    return Hotels(tmp_path)


def hotels_that(tmp_path, setting: str) -> Hotels:
    """Empty tables, with a further setting for the table hotel."""
    text = TABLES_YAML.replace("    key: code\n", f"    key: code\n    {setting}\n", 1)
    return Hotels(tmp_path, tables_yaml=text)


def sync(hotels):
    """Reconcile every table, then remove; the reports by table."""
    return asyncio.run(hotels.sync())


def some_hotels(hotels, count: int) -> list[str]:
    """That many hotels on both sides; their ids."""
    ids = [hotels.hotel(number) for number in range(1, count + 1)]
    sync(hotels)
    return ids


def deletes_of(hotels) -> list[tuple[str, str]]:
    """Table and id of every delete that was sent, in order."""
    return [(name, id_) for message, name, id_, _ in hotels.secondary.writes if message == "delete"]


def test_a_row_that_is_gone_in_the_primary_goes_in_the_secondary(hotels):
    """The linked row is deleted and its link forgotten; the others stay."""
    gone, stays = some_hotels(hotels, 2)
    hotels.primary.delete("hotel", gone)

    report = sync(hotels)["hotel"]

    assert {stays} == hotels.secondary.rows["property"].keys()
    assert (1, 0, 0) == (report.removed, report.gone, report.parked)
    assert (0, 0) == (sync(hotels)["hotel"].removed, sync(hotels)["hotel"].gone)


def test_rows_that_nobody_linked_are_never_removed(hotels):
    """A row of the secondary's own stays, and so does one whose link was lost with the ledger."""
    foreign, (known, _) = row_id(900), some_hotels(hotels, 2)
    hotels.secondary.put("property", foreign, code="Z-9")
    hotels.primary.delete("hotel", known)
    (hotels.state / ".dv-sync" / "ledger.db").unlink()

    report = sync(hotels)["hotel"]

    assert {foreign, known} <= hotels.secondary.rows["property"].keys()
    assert (0, 2) == (report.removed, report.foreign)


def test_children_go_before_their_parents(hotels):
    """Rooms are deleted before the hotel that they stand in, although it is restricted."""
    hotel, _ = hotels.hotel(1), hotels.hotel(2)
    room, _ = hotels.room(1, 1), hotels.room(2, 1)
    sync(hotels)
    hotels.primary.delete("room", room)
    hotels.primary.delete("hotel", hotel)

    sync(hotels)

    assert [("room", room), ("property", hotel)] == deletes_of(hotels)


def test_a_child_is_moved_before_its_old_parent_goes(hotels):
    """A hotel that changed its brand is not in the way of the old one, nor does it go with it."""
    hotels.secondary.rules["property", "brandid"] = DeleteRule.CASCADE
    old, new = hotels.brand(1), hotels.brand(2)
    hotel = hotels.hotel(1, brandid=old)
    sync(hotels)
    hotels.hotel(1, brandid=new)
    hotels.primary.delete("brand", old)

    sync(hotels)

    assert {new} == hotels.secondary.rows["brand"].keys()
    assert {hotel: (new,)} == hotels.shown("property", "brandid")


@pytest.mark.parametrize("rule", [DeleteRule.CASCADE, DeleteRule.REMOVE_LINK, DeleteRule.RESTRICT])
def test_children_of_the_secondarys_own_keep_their_parent(hotels, rule):
    """The removal is parked and says why; the child is neither deleted nor changed."""
    hotels.secondary.add(
        table("booking", [Column("propertyid", ColumnKind.LOOKUP, targets=("property",))])
    )
    hotels.secondary.rules["booking", "propertyid"] = rule
    hotel, _ = some_hotels(hotels, 2)
    hotels.secondary.put("booking", row_id(950), propertyid=hotel)
    hotels.primary.delete("hotel", hotel)

    report = sync(hotels)["hotel"]

    (parked,) = report.parked_rows
    assert (ParkedReason.HAS_CHILDREN, ParkedWork.REMOVAL, "H-1") == (
        parked.reason,
        parked.work,
        parked.key,
    )
    assert "booking" in parked.message
    assert {row_id(950): (hotel,)} == hotels.shown("booking", "propertyid")
    assert [] == deletes_of(hotels)


def test_a_parked_removal_is_tried_again(hotels):
    """Once the child is gone, the next run removes the row; until then it counts the attempts."""
    hotels.secondary.add(
        table("booking", [Column("propertyid", ColumnKind.LOOKUP, targets=("property",))])
    )
    hotel, _ = some_hotels(hotels, 2)
    hotels.secondary.put("booking", row_id(950), propertyid=hotel)
    hotels.primary.delete("hotel", hotel)
    first = sync(hotels)["hotel"].parked_rows[0]
    second = sync(hotels)["hotel"].parked_rows[0]
    hotels.secondary.delete("booking", row_id(950))

    report = sync(hotels)["hotel"]

    assert (first.since, 1, 2) == (second.since, first.attempts, second.attempts)
    assert (1, 0, 0) == (report.removed, report.parked, report.gone)


def test_rows_of_one_table_go_children_first(hotels):
    """Rows that point to each other within the table go from the leaves to the root."""
    schema = hotels.secondary.schemas["property"]
    chain = Column("chainid", ColumnKind.LOOKUP, targets=("property",))
    hotels.secondary.schemas["property"] = replace(
        schema, columns={**schema.columns, "chainid": chain}
    )
    root, child, grandchild, _ = some_hotels(hotels, 4)
    hotels.secondary.put("property", child, chainid=root)
    hotels.secondary.put("property", grandchild, chainid=child)
    for hotel in (root, child, grandchild):
        hotels.primary.delete("hotel", hotel)

    sync(hotels)

    assert [("property", row) for row in (grandchild, child, root)] == deletes_of(hotels)


def test_a_refusal_of_the_server_parks_the_removal(hotels):
    """The code and the words of the server are kept."""
    hotel, _ = some_hotels(hotels, 2)
    hotels.primary.delete("hotel", hotel)
    hotels.secondary.refuse = lambda _table, write: (
        None if write.values else ("0x80040265", "Guests are still there.")
    )

    (parked,) = sync(hotels)["hotel"].parked_rows

    assert (ParkedReason.REFUSED_BY_LOGIC, "0x80040265", "Guests are still there.") == (
        parked.reason,
        parked.code,
        parked.message,
    )


def test_a_row_that_comes_back_in_the_primary_comes_back(hotels):
    """Created anew under the same GUID or another, it stands in the secondary again."""
    first, second, _ = some_hotels(hotels, 3)
    hotels.primary.delete("hotel", first)
    hotels.primary.delete("hotel", second)
    sync(hotels)
    hotels.hotel(1)
    hotels.hotel(5, code="H-2")

    sync(hotels)

    assert ["H-1", "H-2", "H-3"] == sorted(
        code for (code,) in hotels.shown("property", "code").values()
    )


def test_a_row_that_the_long_read_missed_stays(hotels, monkeypatch):
    """The primary is asked once more, by id, for each row that seems to be gone."""
    first, second = some_hotels(hotels, 2)
    whole = type(hotels.primary).read_pages

    async def short(self, schema, columns, **options):
        async for page in whole(self, schema, columns, **options):
            yield [row for row in page if self.name == "secondary" or first not in row.values()]

    monkeypatch.setattr(type(hotels.primary), "read_pages", short)

    report = sync(hotels)["hotel"]

    assert {first, second} == hotels.secondary.rows["property"].keys()
    assert (0, 0) == (report.removed, report.gone)


def test_a_lost_answer_to_a_delete_is_no_trouble(hotels):
    """The row is deleted once more, and not found, which is as good."""
    gone, stays = some_hotels(hotels, 2)
    hotels.primary.delete("hotel", gone)
    answers = iter([True])
    hotels.secondary.lose = lambda message, _write: message == "delete" and next(answers, False)

    report = sync(hotels)["hotel"]

    assert {stays} == hotels.secondary.rows["property"].keys()
    assert 1 == report.removed


def test_a_delete_that_never_arrives_fails_the_table(hotels):
    """Nobody knows, so nothing is claimed; the next run goes on."""
    gone, _ = some_hotels(hotels, 2)
    hotels.primary.delete("hotel", gone)
    hotels.secondary.drop = lambda message, _write: message == "delete"

    with pytest.raises(RequestFailedError, match="whether 1 rows of property were removed"):
        sync(hotels)

    hotels.secondary.drop = lambda _message, _write: False
    assert 1 == sync(hotels)["hotel"].removed


def test_removals_killed_at_any_step_are_completed_by_the_next_run(tmp_path):
    """Whichever delete or commit is the last one."""
    for step in range(1, STEPS_MAX):
        hotels = Hotels(tmp_path / str(step))
        gone = some_hotels(hotels, 4)[:3]
        for hotel in gone:
            hotels.primary.delete("hotel", hotel)
        was_killed = False
        try:
            asyncio.run(hotels.sync(Boundary(dies_at=step)))
        except Killed:
            was_killed = True
        for _ in range(AFTER_THE_LEASE_SECONDS):
            hotels.clock()

        report = sync(hotels)["hotel"]

        assert [("H-4",)] == list(hotels.shown("property", "code").values())
        assert (0, 0) == (report.gone, report.parked)
        if not was_killed:
            break
    else:
        pytest.fail("no run was long enough")


def test_kept_rows_are_only_counted(tmp_path):
    """`deletes: keep` leaves the row alone, run after run."""
    hotels = hotels_that(tmp_path, "deletes: keep")
    gone, stays = some_hotels(hotels, 2)
    hotels.primary.delete("hotel", gone)

    report = sync(hotels)["hotel"]

    assert {gone, stays} == hotels.secondary.rows["property"].keys()
    assert (0, 1) == (report.removed, report.gone)


def test_deactivated_rows_stay_and_are_settled(tmp_path):
    """`deletes: deactivate` sets the state once; after that both sides agree."""
    hotels = hotels_that(tmp_path, "deletes: deactivate")
    gone, stays = some_hotels(hotels, 2)
    hotels.primary.delete("hotel", gone)

    first, second = sync(hotels)["hotel"], sync(hotels)["hotel"]

    assert {gone: (1, 2), stays: (0, 1)} == hotels.shown("property", "statecode", "statuscode")
    assert (1, 0, 0) == (first.removed, first.gone, second.removed)
    assert asyncio.run(hotels.verify())["hotel"].agrees


def test_a_deactivated_row_that_comes_back_is_active_again(tmp_path):
    """The link is kept, so the row is found and its status follows the primary."""
    hotels = hotels_that(tmp_path, "deletes: deactivate")
    gone, _ = some_hotels(hotels, 2)
    hotels.primary.delete("hotel", gone)
    sync(hotels)
    hotels.hotel(1)

    sync(hotels)

    assert (0, 1) == hotels.shown("property", "statecode", "statuscode")[gone]


def test_a_table_without_a_state_cannot_deactivate(tmp_path):
    """It is told before there is anything to remove."""
    hotels = hotels_that(tmp_path, "deletes: deactivate")
    for environment, name in ((hotels.primary, "hotel"), (hotels.secondary, "property")):
        schema = environment.schemas[name]
        columns = {k: v for k, v in schema.columns.items() if not k.startswith("stat")}
        environment.schemas[name] = replace(schema, columns=columns)

    with pytest.raises(SchemaMismatchError, match="property has no state"):
        sync(hotels)


def test_a_plan_lists_the_removals(hotels):
    """With the word for what a run would do; nothing is removed."""
    gone, _ = some_hotels(hotels, 2)
    hotels.primary.delete("hotel", gone)

    async def plan():
        async with hotels.open() as engine:
            return await engine.reconcile("hotel", dry_run=True)

    report = asyncio.run(plan())

    assert [(DifferenceKind.REMOVE, "H-1", gone)] == [
        (each.kind, each.key, each.secondary_id) for each in report.differences
    ]
    assert [] == deletes_of(hotels)


def test_an_empty_primary_removes_nothing(hotels):
    """A whole table that seems to be gone waits for a person."""
    hotel, *_ = some_hotels(hotels, 2)
    for id_ in list(hotels.primary.rows["hotel"]):
        hotels.primary.delete("hotel", id_)

    report = sync(hotels)["hotel"]

    assert (0, 2, 2) == (report.removed, report.held, report.gone)
    assert "the primary shows no row at all" == report.held_because
    assert hotel in hotels.secondary.rows["property"]


def approve(hotels) -> str:
    """A person approves the removals of hotels as they are listed; the digest of the list."""

    async def approve_list():
        async with hotels.open() as engine:
            found = engine.ledger.removals("hotel")
            engine.ledger.approve_removals(found)
            return found.digest

    return asyncio.run(approve_list())


def test_an_approved_list_is_removed(tmp_path):
    """More than `max_removals` are held until a person approves; then exactly these rows go."""
    hotels = hotels_that(tmp_path, "max_removals: 1")
    first, second, stays = some_hotels(hotels, 3)
    hotels.primary.delete("hotel", first)
    hotels.primary.delete("hotel", second)
    held = sync(hotels)["hotel"]
    approve(hotels)

    report = sync(hotels)["hotel"]

    assert (2, "2 of 3 rows would go, 1 are allowed") == (held.held, held.held_because)
    assert (2, 0) == (report.removed, report.held)
    assert {stays} == hotels.secondary.rows["property"].keys()


def test_a_list_that_changed_since_asks_again(tmp_path):
    """The approval was for other rows."""
    hotels = hotels_that(tmp_path, "max_removals: 1")
    first, second, third, _ = some_hotels(hotels, 4)
    hotels.primary.delete("hotel", first)
    hotels.primary.delete("hotel", second)
    sync(hotels)
    approved = approve(hotels)
    hotels.primary.delete("hotel", third)

    report = sync(hotels)["hotel"]

    assert (0, 3) == (report.removed, report.held)
    assert approved != approve(hotels)


def test_an_approval_is_used_up_by_its_list(tmp_path):
    """The same number of other rows is held again."""
    hotels = hotels_that(tmp_path, "max_removals: 1")
    ids = some_hotels(hotels, 5)
    for hotel in ids[:2]:
        hotels.primary.delete("hotel", hotel)
    sync(hotels)
    approve(hotels)
    sync(hotels)
    for hotel in ids[2:4]:
        hotels.primary.delete("hotel", hotel)

    report = sync(hotels)["hotel"]

    assert (0, 2) == (report.removed, report.held)


def test_a_row_that_leaves_the_filter_goes(tmp_path):
    """It exists in the primary, but it is not one of those to be shown any more."""
    hotels = hotels_that(tmp_path, "filter: stars eq 3")
    leaves, stays = some_hotels(hotels, 2)
    hotels.hotel(1, stars=5)

    report = sync(hotels)["hotel"]

    assert leaves not in hotels.secondary.rows["property"]
    assert stays in hotels.secondary.rows["property"]
    assert 1 == report.removed
