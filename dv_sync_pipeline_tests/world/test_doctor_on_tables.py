"""Each finding of `dv-sync doctor` about a table, provoked once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.sync.engine import open_engine
from dv_sync_pipeline.sync.examination import Level
from dv_sync_pipeline_tests.worlds.hand_made import ADMINISTRATOR, PIPELINE
from dv_sync_pipeline_tests.worlds.patient import USER

# ---- rights -----------------------------------------------------------------------------------


def test_the_primary_may_be_written(patient):
    """By the user who only has to read it: a warning for each table."""
    side = patient.pair.primary
    side.users[PIPELINE] = side.users[ADMINISTRATOR]

    assert {
        (
            "warning",
            "read only",
            "primary",
            table,
            f"{USER} may create, write and delete rows of {table}",
        )
        for table in ("contoso_hotel", "contoso_room")
    } == patient.complaints()


@pytest.mark.parametrize(
    ("right", "lacks"),
    [
        (
            "Create",
            {"contoso_hotel": "Create on contoso_hotel", "contoso_room": "Create on contoso_room"},
        ),
        (
            "Delete",
            {"contoso_hotel": "Delete on contoso_hotel", "contoso_room": "Delete on contoso_room"},
        ),
        ("Append", {"contoso_room": "Append on contoso_room"}),
        ("AppendTo", {"contoso_room": "AppendTo on contoso_hotel"}),
        ("Assign", {}),
    ],
)
def test_a_right_is_missing_in_the_secondary(patient, right, lacks):
    """Where it is needed: nobody assigns owners here, and hotels look nothing up."""
    patient.revoke(patient.pair.secondary, right)

    assert {
        ("problem", "writing", "secondary", table, f"{USER} lacks {what}")
        for table, what in lacks.items()
    } == patient.complaints()


def test_nothing_is_deleted(patient):
    """Where rows are kept, the right to delete is not needed."""
    patient.revoke(patient.pair.secondary, "Delete")
    patient.change("key: contoso_code\n", "key: contoso_code\n    deletes: keep\n")
    key = "key: [contoso_hotelid, contoso_number]\n"
    patient.change(key, f"{key}    deletes: keep\n")

    assert set() == patient.complaints()


def test_rows_are_matched_in_a_table_that_is_not_synchronized(patient):
    """It must be read on both sides."""
    patient.change(
        "columns: [contoso_name, contoso_code, contoso_stars]",
        "columns: [contoso_name, contoso_code, contoso_stars]\n"
        "    lookups: {ownerid: {table: systemuser, by: domainname}}",
    )
    for side in (patient.pair.primary, patient.pair.secondary):
        patient.only_on(side, "Read", ["contoso_hotel", "contoso_room", "organization"])

    assert {
        f"{USER} lacks Read on systemuser",
    } == {each[4] for each in patient.complaints() if each[1] in ("reading", "writing")}


def test_owners_are_assigned(patient):
    """As soon as the owner is mapped, Assign is needed."""
    patient.revoke(patient.pair.secondary, "Assign")
    patient.change(
        "columns: [contoso_name, contoso_code, contoso_stars]",
        "columns: [contoso_name, contoso_code, contoso_stars]\n"
        "    lookups: {ownerid: {table: systemuser, by: domainname}}",
    )

    assert {
        (
            "problem",
            "writing",
            "secondary",
            "contoso_hotel",
            f"{USER} lacks Assign on contoso_hotel",
        )
    } == patient.complaints()


@pytest.mark.parametrize(("name", "check"), [("primary", "reading"), ("secondary", "writing")])
def test_not_every_row_is_seen(patient, name, check):
    """Hidden rows would be taken for deleted: no error says so (DATAVERSE 13)."""
    patient.limit(getattr(patient.pair, name), "Read", "Local")

    assert (
        "problem",
        check,
        name,
        "contoso_hotel",
        f"{USER} does not see every row: Read on contoso_hotel: rows of its business unit",
    ) in patient.complaints()


def test_not_every_row_can_be_written(patient):
    """Those of other owners would be parked."""
    patient.limit(patient.pair.secondary, "Write", "Basic")

    assert {
        (
            "warning",
            "writing",
            "secondary",
            table,
            f"{USER} reaches only a part of the rows: Write on {table}: its own rows",
        )
        for table in ("contoso_hotel", "contoso_room")
    } == patient.complaints()


def test_the_rights_that_are_asked_for_are_enough(patient):
    """A pipeline that has these and no others is well, and makes both sides equal."""
    both = ["contoso_hotel", "contoso_room"]
    patient.only_on(patient.pair.primary, "Read", [*both, "organization", "role", "systemuser"])
    secondary = {
        **dict.fromkeys(("Create", "Write", "Delete"), both),
        "Read": [*both, "role", "systemuser"],
        "Append": ["contoso_room"],
        "AppendTo": ["contoso_hotel"],
        "Assign": [],
    }
    for right, tables in secondary.items():
        patient.only_on(patient.pair.secondary, right, tables)

    complaints = patient.complaints()
    parked = asyncio.run(reconcile_all(patient))

    assert (set(), {"contoso_hotel": 0, "contoso_room": 0}) == (complaints, parked)
    for entity_set in ("contoso_hotels", "contoso_rooms"):
        assert 1 == len(
            patient.by_hand(patient.pair.secondary, "GET", f"/{entity_set}").json()["value"]
        )


async def reconcile_all(patient):
    """Table → rows that were parked."""
    async with open_engine(
        patient.configuration, clock=lambda: datetime.now(UTC), connect=patient.pair.connect
    ) as engine:
        return {name: (await engine.reconcile(name)).parked for name in engine.tables_in_order}


# ---- columns ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "side"), [("table: contoso_room\n", "primary")])
def test_a_table_that_does_not_exist(patient, old, side):
    """Is a problem; its columns and rights are unknown, the other table is examined."""
    patient.change(old, "table: contoso_rom\n    target: contoso_room\n")

    complaints = patient.complaints()

    assert {("problem", "table", side, "contoso_rom", "the table contoso_rom does not exist")} == {
        each for each in complaints if each[0] == "problem"
    }
    assert {"contoso_rom"} == {each[3] for each in complaints}
    assert {"change tracking", "reading", "read only", "columns"} == {
        each[1] for each in complaints if each[0] == "unknown"
    }


def test_every_column_that_does_not_fit(patient):
    """All at once, not only the first."""
    patient.change(
        "columns: [contoso_name, contoso_code, contoso_stars]",
        "columns: {contoso_name: contoso_stars, contoso_code: contoso_code, contoso_nam: x}",
    )

    whats = {each[4] for each in patient.complaints() if each[1] == "columns"}

    assert {
        "primary: the table contoso_hotel has no column contoso_nam",
        "secondary: the table contoso_hotel has no column x",
        (
            "secondary: contoso_hotel.contoso_name cannot be kept equal in "
            "contoso_hotel.contoso_stars"
        ),
    } == whats


def test_a_key_that_is_missing(patient):
    """And what provides it."""
    patient.by_hand(
        patient.pair.secondary,
        "DELETE",
        "/EntityDefinitions(LogicalName='contoso_hotel')/Keys(LogicalName='contoso_hotel_key')",
    )

    (finding,) = [each for each in patient.findings() if each.level is not Level.OK]

    assert (Level.PROBLEM, "columns", "contoso_hotel") == (
        finding.level,
        finding.check,
        finding.table,
    )
    assert "has no alternate key on contoso_code" in finding.what
    assert "dv-sync provision --apply" in finding.mend


def test_a_status_column_that_is_missing(patient):
    """And what provides it."""
    patient.change("table: contoso_room\n", "table: contoso_room\n    status: {column: x_wanted}\n")

    (finding,) = [each for each in patient.findings() if each.level is not Level.OK]

    assert (Level.PROBLEM, "secondary: the table contoso_room has no column x_wanted") == (
        finding.level,
        finding.what,
    )
    assert "dv-sync provision --apply" in finding.mend


def test_change_tracking_is_off(patient):
    """A new table, say: its changes wait for the night."""
    store = patient.pair.primary.store
    definition = store.catalog.table("contoso_room").definition
    store.redefine_table(replace(definition, change_tracking_enabled=False))

    assert {
        (
            "warning",
            "change tracking",
            "primary",
            "contoso_room",
            "change tracking of contoso_room is off",
        )
    } == patient.complaints()


def test_a_relationship_that_does_not_exist(patient):
    """What is no difference between two schemas is found as well."""
    patient.change(
        "columns: [contoso_number, contoso_floor]\n",
        "columns: [contoso_number, contoso_floor]\n"
        "    associations: [{relationship: contoso_pairs, table: contoso_hotel}]\n",
    )

    assert ("problem", "columns", "", "contoso_room") in {each[:4] for each in patient.complaints()}
