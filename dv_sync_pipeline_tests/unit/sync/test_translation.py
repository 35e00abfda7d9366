"""What `sync.yaml` can do to columns and rows besides copying them."""

import asyncio
from dataclasses import replace

import pytest

from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.report import RowDifference
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory import row_id, table
from dv_sync_pipeline_tests.worlds.memory_pair import Pair

HOTEL = row_id(1)
SYSTEM = Column("importsequencenumber", ColumnKind.INTEGER, is_custom=False)
COLUMNS = [
    Column("code", ColumnKind.STRING),
    Column("name", ColumnKind.STRING),
    Column("stars", ColumnKind.CHOICE),
    Column("extras", ColumnKind.MULTI_CHOICE),
    Column("floors", ColumnKind.INTEGER),
    Column("brandid", ColumnKind.LOOKUP, targets=("brand",)),
    SYSTEM,
]
THERE = [
    Column("source", ColumnKind.STRING),
    Column("rate", ColumnKind.DECIMAL, precision=2),
    Column("checkedat", ColumnKind.DATE_TIME),
    Column("costcentre", ColumnKind.STRING),
]


def world(folder, settings, *, key="code"):
    """Hotels, mapped by these settings."""
    text = f"tables:\n  - {{table: hotel, key: {key}, {settings}}}\n"
    there = table("hotel", [*COLUMNS, *THERE], key=key.strip("[]").split(", "))
    return Pair(folder, text, [table("hotel", COLUMNS, key=["code"])], [there])


def sync(pair):
    """The report on hotels."""
    return asyncio.run(pair.sync())["hotel"]


def shown(pair, *columns):
    """What the hotel shows in the secondary."""
    row = pair.secondary.rows["hotel"][HOTEL]
    return tuple(row[column] for column in columns)


def writes_of_second_sync(pair):
    """What a sync writes after another one."""
    sync(pair)
    pair.secondary.writes.clear()
    sync(pair)
    return pair.secondary.writes


def test_constants_stand_in_every_row(tmp_path):
    """Written with a create, and repaired when somebody changes them."""
    constants = "constants: {source: MDM, rate: 1.5, checkedat: null}"
    pair = world(tmp_path, f"columns: [code], {constants}")
    pair.primary.put("hotel", HOTEL, code="H")
    sync(pair)
    created = shown(pair, "source", "rate")
    pair.secondary.put("hotel", HOTEL, source="by hand", checkedat="2026-01-31T00:00:00Z")

    sync(pair)

    assert ("MDM", 1.5) == created
    assert ("MDM", None) == shown(pair, "source", "checkedat")
    assert [] == writes_of_second_sync(pair)


def test_a_constant_can_be_part_of_the_key(tmp_path):
    """The secondary collects hotels of several sources under one key."""
    pair = world(tmp_path, "columns: [code], constants: {source: MDM}", key="[source, code]")
    ours, theirs = row_id(8), row_id(9)
    pair.secondary.put("hotel", ours, source="MDM", code="H", costcentre="ours")
    pair.secondary.put("hotel", theirs, source="ERP", code="H", costcentre="theirs")
    pair.primary.put("hotel", HOTEL, code="H")

    report = sync(pair)

    assert (1, 1, 1) == (report.adopted, report.equal, report.foreign)


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        ("floors: many", "hotel.floors cannot be given this constant"),
        ("brandid: x", "hotel.brandid cannot be given this constant.*of type LookupType"),
        ("flors: 1", "the table hotel has no column flors.*floors?"),
    ],
)
def test_a_constant_must_fit(tmp_path, constant, message):
    """Before anything is written."""
    pair = world(tmp_path, f"columns: [code], constants: {{{constant}}}")

    with pytest.raises(SchemaMismatchError, match=message):
        sync(pair)


def test_choices_take_the_numbers_of_the_secondary(tmp_path):
    """One by one in a multi-select; a choice without another number keeps its own."""
    pair = world(
        tmp_path,
        "columns: [code, stars, extras], values: {stars: {1: 100, 2: 200}, extras: {7: 1, 3: 9}}",
    )
    pair.primary.put("hotel", HOTEL, code="H", stars=2, extras="3,5,7")
    pair.primary.put("hotel", row_id(2), code="I", stars=5, extras=None)

    writes = writes_of_second_sync(pair)

    assert (200, "1,5,9") == shown(pair, "stars", "extras")
    assert {HOTEL: 200, row_id(2): 5} == pair.shown("hotel", "stars")
    assert [] == writes


def test_values_are_for_choices(tmp_path):
    """A number is a number."""
    pair = world(tmp_path, "columns: [code, floors], values: {floors: {1: 2}}")

    with pytest.raises(SchemaMismatchError, match="floors, which is no choice"):
        sync(pair)


def test_rows_outside_the_filter_are_not_created(tmp_path):
    """Only the rows for which the condition holds are the primary's."""
    pair = world(tmp_path, "columns: [code], filter: floors eq 5")
    pair.primary.put("hotel", HOTEL, code="H", floors=5)
    pair.primary.put("hotel", row_id(2), code="I", floors=6)

    report = sync(pair)

    assert {HOTEL: "H"} == pair.shown("hotel", "code")
    assert 1 == report.read


def test_a_row_that_leaves_the_filter_counts_as_gone(tmp_path):
    """As if it had been deleted."""
    pair = world(tmp_path, "columns: [code], filter: floors eq 5")
    pair.primary.put("hotel", HOTEL, code="H", floors=5)
    sync(pair)
    pair.primary.put("hotel", HOTEL, floors=6)

    report = sync(pair)

    assert 1 == report.gone


def test_a_star_means_every_common_custom_column(tmp_path):
    """Without system columns, lookups, columns of one side only, and what is excluded."""
    pair = world(tmp_path, 'columns: "*", exclude: [extras]')
    pair.primary.put(
        "hotel", HOTEL, code="H", name="Inn", stars=1, floors=2, extras="1", importsequencenumber=3
    )

    sync(pair)

    assert ("H", "Inn", 1, 2, None, None) == shown(
        pair, "code", "name", "stars", "floors", "extras", "importsequencenumber"
    )


def test_a_star_goes_with_renamed_columns(tmp_path):
    """What is named is not taken twice."""
    pair = world(tmp_path, 'columns: {"*": "*", name: costcentre}')
    pair.primary.put("hotel", HOTEL, code="H", name="Inn", stars=3)

    sync(pair)

    assert ("Inn", None, 3) == shown(pair, "costcentre", "name", "stars")


def test_a_star_leaves_out_what_cannot_be_written(tmp_path):
    """Calculated columns on the other side, say."""
    pair = world(tmp_path, 'columns: "*"')
    calculated = replace(COLUMNS[4], valid_for_create=False, valid_for_update=False)
    schema = pair.secondary.schemas["hotel"]
    pair.secondary.schemas["hotel"] = replace(
        schema, columns={**schema.columns, "floors": calculated}
    )
    pair.primary.put("hotel", HOTEL, code="H", floors=2)

    sync(pair)

    assert (None,) == shown(pair, "floors")


def test_a_changed_mapping_is_noticed(tmp_path):
    """The report says so once; every row is compared by the new mapping."""
    pair = world(tmp_path, "columns: [code]")
    pair.primary.put("hotel", HOTEL, code="H", name="Inn")
    first = sync(pair)
    pair.tables_yaml = pair.tables_yaml.replace("[code]", "[code, name]")

    second, third = sync(pair), sync(pair)

    assert [False, True, False] == [r.mapping_changed for r in (first, second, third)]
    assert ("Inn",) == shown(pair, "name")


def test_a_star_notices_new_columns(tmp_path):
    """The mapping has changed although sync.yaml has not."""
    pair = world(tmp_path, 'columns: "*"')
    sync(pair)
    for side in (pair.primary, pair.secondary):
        schema = side.schemas["hotel"]
        new = Column("pool", ColumnKind.BOOLEAN)
        side.schemas["hotel"] = replace(schema, columns={**schema.columns, "pool": new})

    assert sync(pair).mapping_changed


def test_differences_are_shown_in_the_secondarys_terms(tmp_path):
    """Constants and mapped choices are differences like any other."""
    pair = world(
        tmp_path, "columns: [code, stars], values: {stars: {1: 100}}, constants: {source: MDM}"
    )
    pair.primary.put("hotel", HOTEL, code="H", stars=1)
    pair.secondary.put("hotel", HOTEL, code="H", stars=1)

    (difference,) = asyncio.run(pair.plan())["hotel"].differences

    assert isinstance(difference, RowDifference)
    assert {"stars": (1, 100), "source": (None, "MDM")} == difference.changes
