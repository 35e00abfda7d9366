"""Every way of state and status reason, over the real protocol."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace

import pytest

from dv_sync_pipeline.emulator.tables import columns, define
from dv_sync_pipeline.emulator.tables.schema import OptionDefinition
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair

TABLE = "tables: [{{table: dvc_hotel, key: dvc_code, columns: [dvc_code, dvc_name], {}}}]"
DIRECT = TABLE.format("status: direct")
BY_COLUMN = TABLE.format("status: {column: dvc_syncstatus}")
BY_AUTOMATION = TABLE.format("status: {column: dvc_syncstatus, automation: true}")
ONE, TWO, THREE, FOREIGN = (
    f"00000000-0000-4000-8000-00000000000{number}" for number in range(1, 5)
)
OPEN, CLOSED, RENOVATED, FOR_GOOD = 1, 2, 100, 200
INACTIVE = {"statecode": 1, "statuscode": CLOSED}
STATES = (
    OptionDefinition(0, "Active", default_status=OPEN),
    OptionDefinition(1, "Inactive", default_status=CLOSED),
)
STATUSES = (
    OptionDefinition(OPEN, "Open", state=0),
    OptionDefinition(RENOVATED, "Under renovation", state=0),
    OptionDefinition(CLOSED, "Closed", state=1),
    OptionDefinition(FOR_GOOD, "Closed for good", state=1),
)
NUMBERS = {OPEN: "Open", CLOSED: "Closed", RENOVATED: "Under renovation", FOR_GOOD: "For good"}


def hotel(*more, name_length):
    """A table with a code, a name, four status reasons, and more columns."""
    return define.table(
        "dvc_Hotel",
        entity_set="dvc_hotels",
        primary_name=columns.string("dvc_Name", max_length=name_length),
        columns=(columns.string("dvc_Code"), *more),
        keys=(columns.key("dvc_code_key", "dvc_code"),),
        states=STATES,
        statuses=STATUSES,
    )


@pytest.fixture
def open_pair(tmp_path):
    """Opens two environments; the secondary has the sync-status column and what a test adds."""
    with ExitStack() as stack:

        def opened(tables, *, column=None, change=lambda table: table):
            there = column or columns.integer("dvc_SyncStatus")

            def define_tables(store, name):
                if name == "primary":
                    store.create_table(hotel(name_length=100))
                else:
                    store.create_table(change(hotel(there, name_length=10)))

            return EmulatedPair.open(tmp_path, stack, tables_yaml=tables, define=define_tables)

        yield opened


def play(story):
    """Run a story to its end."""
    return asyncio.run(story)


async def shown(pair, *names):
    """The secondary's rows: code → the values of these columns."""
    rows = await pair.secondary.rows("dvc_hotels")
    return {row["dvc_code"]: tuple(row[name] for name in names) for row in rows}


async def changed(pair, row_id, **values):
    """A person in the primary changes a row; then everything is synchronized."""
    state = {name: values.pop(name) for name in ("statecode", "statuscode") if name in values}
    await pair.primary.put("dvc_hotels", row_id, values)
    if state:
        await pair.primary.put("dvc_hotels", row_id, state)
    return (await pair.sync())["dvc_hotel"]


def lose_ledger(pair):
    """Somebody deletes the folder of the state."""
    for file in (pair.folder / ".dv-sync").iterdir():
        file.unlink()


@pytest.mark.parametrize(
    "column", [columns.integer("dvc_SyncStatus"), columns.choice("dvc_SyncStatus", NUMBERS)]
)
def test_the_column_holds_the_wanted_status_and_the_row_follows(open_pair, column):
    """Created inactive, renovated, reactivated; each time both agree, and then nothing is left."""
    pair = open_pair(BY_COLUMN, column=column)
    names = ("dvc_syncstatus", "statecode", "statuscode")

    async def story():
        for state in (INACTIVE, {"statecode": 0, "statuscode": RENOVATED}, {"statecode": 0}):
            await changed(pair, ONE, dvc_code="A", **state)
            yield await shown(pair, *names)
        again = (await pair.sync())["dvc_hotel"]
        yield again.equal, again.updated

    async def everything():
        return [each async for each in story()]

    assert [
        {"A": (CLOSED, 1, CLOSED)},
        {"A": (RENOVATED, 0, RENOVATED)},
        {"A": (RENOVATED, 0, RENOVATED)},
        (1, 0),
    ] == play(everything())


def test_a_state_that_somebody_changed_there_is_set_again(open_pair):
    """The column and the state disagree: that is all it takes."""
    pair = open_pair(BY_COLUMN)

    async def story():
        await changed(pair, ONE, dvc_code="A", **INACTIVE)
        await pair.secondary.put("dvc_hotels", ONE, {"statecode": 0})
        await pair.sync()
        return await shown(pair, "dvc_syncstatus", "statecode")

    assert {"A": (CLOSED, 1)} == play(story())


def test_automation_of_the_secondary_does_the_last_step(open_pair):
    """We write the column alone; the state is theirs to set, whatever it shows meanwhile."""
    pair = open_pair(BY_AUTOMATION)

    async def story():
        report = await changed(pair, ONE, dvc_code="A", **INACTIVE)
        verdict = (await pair.verify())["dvc_hotel"]
        return report.created, await shown(pair, "dvc_syncstatus", "statecode"), verdict.agrees

    assert (1, {"A": (CLOSED, 0)}, True) == play(story())


def test_a_value_in_the_column_proves_ownership_without_the_ledger(open_pair):
    """The row is gone in the primary, so it goes; a foreign row, and one with no value, stay."""
    pair = open_pair(BY_COLUMN)

    async def story():
        await changed(pair, ONE, dvc_code="A")
        await changed(pair, TWO, dvc_code="B")
        await pair.secondary.put("dvc_hotels", FOREIGN, {"dvc_code": "F"})
        lose_ledger(pair)
        await pair.primary.send("DELETE", f"/dvc_hotels({TWO})")
        report = (await pair.sync())["dvc_hotel"]
        removed = (await pair.remove())["dvc_hotel"]
        return report, removed, await shown(pair)

    report, removed, left = play(story())

    assert (1, 1, 1) == (report.unmatched, report.gone, report.foreign)
    assert 1 == removed.removed
    assert {"A", "F"} == set(left)


def test_once_the_ledger_knows_its_rows_a_copied_value_proves_nothing(open_pair):
    """The department copies a row, value and all: the copy is its own."""
    pair = open_pair(BY_COLUMN)

    async def story():
        await changed(pair, ONE, dvc_code="A")
        copy = {"dvc_code": "COPY", "dvc_syncstatus": OPEN}
        await pair.secondary.put("dvc_hotels", FOREIGN, copy)
        report = (await pair.sync())["dvc_hotel"]
        await pair.remove()
        return report.foreign, report.gone, set(await shown(pair))

    assert (1, 0, {"A", "COPY"}) == play(story())


def test_without_the_column_a_lost_ledger_leaves_unmatched_rows_alone(open_pair):
    """They are reported once, while the ledger is new, and never removed."""
    pair = open_pair(DIRECT)

    async def story():
        await changed(pair, ONE, dvc_code="A")
        await changed(pair, TWO, dvc_code="B")
        lose_ledger(pair)
        await pair.primary.send("DELETE", f"/dvc_hotels({TWO})")
        reports = [(await pair.sync())["dvc_hotel"] for _ in range(2)]
        await pair.remove()
        return [(each.unmatched, each.gone) for each in reports], set(await shown(pair))

    assert ([(1, 0), (0, 0)], {"A", "B"}) == play(story())


def test_a_column_with_a_default_is_refused(open_pair):
    """Every new row of the department's would look like ours."""
    column = replace(columns.choice("dvc_SyncStatus", NUMBERS), default=OPEN)
    pair = open_pair(BY_COLUMN, column=column)

    with pytest.raises(SchemaMismatchError, match=r"has a default, so it proves nothing .*found 1"):
        play(pair.sync())


def test_a_column_of_text_is_refused(open_pair):
    """It must hold a number."""
    pair = open_pair(BY_COLUMN, column=columns.string("dvc_SyncStatus"))

    with pytest.raises(SchemaMismatchError, match="cannot hold a status reason"):
        play(pair.sync())


def test_without_status_states_are_left_alone(open_pair):
    """On create, on update, and whatever the department did to them."""
    pair = open_pair(TABLE.format("status: none"))

    async def story():
        await changed(pair, ONE, dvc_code="A", **INACTIVE)
        await changed(pair, TWO, dvc_code="B")
        await pair.secondary.put("dvc_hotels", TWO, {"statecode": 1})
        await changed(pair, TWO, dvc_name="new")
        return await shown(pair, "statecode")

    assert {"A": (0,), "B": (1,)} == play(story())


def test_status_reasons_may_have_other_numbers(open_pair):
    """The state is the one to which the number belongs there."""
    mapping = f"status: direct, status_values: {{{RENOVATED}: {CLOSED}}}"
    pair = open_pair(TABLE.format(mapping))

    async def story():
        await changed(pair, ONE, dvc_code="A", statecode=0, statuscode=RENOVATED)
        again = (await pair.sync())["dvc_hotel"]
        return await shown(pair, "statecode", "statuscode"), again.equal

    assert ({"A": (1, CLOSED)}, 1) == play(story())


def forbidding(**following):
    """A table in which status reasons may only be followed by some others."""
    allowed = {int(name[1:]): next_statuses for name, next_statuses in following.items()}

    def change(table):
        (statuses,) = (each.options for each in table.columns if each.name == "statuscode")
        restricted = tuple(
            replace(status, next_statuses=allowed.get(status.value)) for status in statuses
        )
        restricted_columns = tuple(
            replace(column, options=restricted) if column.name == "statuscode" else column
            for column in table.columns
        )
        return replace(table, columns=restricted_columns, enforce_state_transitions=True)

    return change


def test_a_forbidden_transition_goes_by_an_allowed_way(open_pair):
    """Open, then closed, then closed for good."""
    change = forbidding(_1=(CLOSED,), _2=(FOR_GOOD, OPEN))
    pair = open_pair(DIRECT, change=change)

    async def story():
        report = await changed(pair, ONE, dvc_code="A", statecode=1, statuscode=FOR_GOOD)
        return report.parked, await shown(pair, "statecode", "statuscode")

    assert (0, {"A": (1, FOR_GOOD)}) == play(story())


def test_a_transition_without_a_way_parks_the_row(open_pair):
    """In the words of the secondary."""
    pair = open_pair(DIRECT, change=forbidding(_1=(CLOSED,), _2=(OPEN,)))

    async def story():
        report = await changed(pair, ONE, dvc_code="A", statecode=1, statuscode=FOR_GOOD)
        return [row.reason for row in report.parked_rows], await shown(pair, "statecode")

    assert ([ParkedReason.STATUS_REFUSED], {"A": (0,)}) == play(story())


@pytest.mark.parametrize("tables", [DIRECT, BY_COLUMN])
def test_inactive_rows_that_refuse_changes_are_woken_for_them(open_pair, tables):
    """Reactivated, changed, made inactive again; a refused change does not leave them awake."""
    pair = open_pair(tables)
    pair.secondary.switches.inactive_rows_updatable = False

    async def story():
        for row_id, code in ((ONE, "A"), (TWO, "B"), (THREE, "C")):
            await changed(pair, row_id, dvc_code=code, dvc_name="old", **INACTIVE)
        await pair.primary.put("dvc_hotels", ONE, {"dvc_name": "new"})
        await pair.primary.put("dvc_hotels", TWO, {"dvc_name": "reopened"})
        await pair.primary.put("dvc_hotels", TWO, {"statecode": 0})
        report = await changed(pair, THREE, dvc_name="too long by far")
        return report, await shown(pair, "dvc_name", "statecode")

    report, rows = play(story())

    assert {"A": ("new", 1), "B": ("reopened", 0), "C": ("old", 1)} == rows
    assert [("C", ParkedReason.VALUE_TOO_LONG)] == [
        (row.key, row.reason) for row in report.parked_rows
    ]
