"""Every row of `docs/column-types.md`, over the real protocol where there is something to send."""

import asyncio
import json
import re
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.emulator.tables import columns, define
from dv_sync_pipeline.emulator.tables.schema import DateTimeBehavior
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.drift_rules import Schemas
from dv_sync_pipeline.sync.mapping import agree
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair
from dv_sync_pipeline_tests.worlds.memory import table

DOCUMENT = Path(__file__).parents[2] / "docs" / "column-types.md"
ROW = "00000000-0000-4000-8000-000000000001"
TEXT = "Zürich, Zu\u0308rich\r\n\tline 2\n\u200f\u0641\u0646\u062f\u0642 \U0001f3e8 '\\ trailing  "
CHOICES = {1: "One", 2: "Two", 9: "Nine"}
GUID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

VALUES = {
    "StringType": [(columns.string("contoso_C", max_length=100), TEXT)],
    "MemoType": [(columns.memo("contoso_C", max_length=100_000), TEXT * 1000)],
    "IntegerType": [
        (columns.integer("contoso_C"), -2_147_483_648),
        (columns.integer("contoso_C"), 2_147_483_647),
    ],
    "BigIntType": [
        (columns.big_integer("contoso_C"), 9_223_372_036_854_775_807),
        (columns.big_integer("contoso_C"), -9_007_199_254_740_993),
    ],
    "DecimalType": [
        (columns.decimal("contoso_C"), Decimal("99999999999.9999999999")),
        (columns.decimal("contoso_C"), Decimal("-0.0000000001")),
    ],
    "DoubleType": [(columns.double("contoso_C"), 0.1), (columns.double("contoso_C"), -1.5)],
    "MoneyType": [(columns.money("contoso_C", precision=4), Decimal("922337203685476.5807"))],
    "BooleanType": [(columns.boolean("contoso_C"), value) for value in (True, False)],
    "DateTimeType": [
        (columns.date_time("contoso_C"), "1753-01-01T00:00:00Z"),
        (columns.date_time("contoso_C"), "2026-03-29T01:30:00Z"),
        (columns.date_only("contoso_C"), "2024-02-29"),
        (
            columns.date_time("contoso_C", behavior=DateTimeBehavior.TIME_ZONE_INDEPENDENT),
            "9999-12-30T23:59:59Z",
        ),
    ],
    "PicklistType": [(columns.choice("contoso_C", CHOICES), 9)],
    "MultiSelectPicklistType": [(columns.multi_choice("contoso_C", CHOICES), "1,9")],
    "UniqueidentifierType": [(columns.unique_identifier("contoso_C"), GUID)],
}
"""Type → columns of it, each with a value at its limits."""

ELSEWHERE = {
    "ImageType": "test_contents_over_http",
    "FileType": "test_contents_over_http",
    "StateType": "test_first_sync",
    "StatusType": "test_first_sync",
    "LookupType": "test_lookups_over_http",
    "CustomerType": "test_torture",
    "OwnerType": "test_lookups_over_http",
}
"""Types that need a world of their own, and where that is."""

STATUS_MODES = {
    "`status: direct`": "test_a_forbidden_transition_goes_by_an_allowed_way",
    "`status: {column: department_syncstatus}`": "test_the_column_holds_the_wanted_status",
    "`status: {column: department_syncstatus, automation: true}`": "test_automation_of_the_second",
    "`status: none`": "test_without_status_states_are_left_alone",
    "`status_values: {1: 100000001}`": "test_status_reasons_may_have_other_numbers",
}
"""What sync.yaml may say of the status → how the test in `test_status_over_http` begins."""

REFUSED = [
    "VirtualType",
    "EntityNameType",
    "ManagedPropertyType",
    "PartyListType",
    "CalendarRulesType",
    "UnknownType",
]


def documented(section):
    """The first cells of the table in this section of the document."""
    text = DOCUMENT.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)[1:]


async def shown(pair):
    """What the row shows in each environment, numbers with a point exact."""
    answers = [await side.send("GET", "/contoso_rows") for side in (pair.primary, pair.secondary)]
    rows = [json.loads(answer.text, parse_float=Decimal)["value"] for answer in answers]
    return [row["contoso_c"] for (row,) in rows]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param(*case, id=f"{kind} {number}")
        for kind, cases in VALUES.items()
        for number, case in enumerate(cases)
    ],
)
def test_a_value_arrives_stays_and_is_cleared(tmp_path, column, value):
    """Once written it is equal, so that nothing is written again; null arrives as null."""

    def define_table(store, _name):
        key = columns.key("contoso_key", "contoso_code")
        code = columns.string("contoso_Code", max_length=20)
        row = define.table(
            "contoso_Row", entity_set="contoso_rows", columns=(code, column), keys=(key,)
        )
        store.create_table(row)

    async def story(pair):
        typed = f'{{"contoso_code": "A", "contoso_c": {json_text(value)}}}'
        json_header = {"Content-Type": "application/json"}
        await pair.primary.send(
            "PATCH", f"/contoso_rows({ROW})", content=typed, headers=json_header
        )
        await pair.sync()
        arrived = await shown(pair)
        again = (await pair.sync())["contoso_row"]
        await pair.primary.put("contoso_rows", ROW, {"contoso_c": None})
        await pair.sync()
        return arrived, again, await shown(pair)

    tables = "tables: [{table: contoso_row, key: contoso_code, columns: [contoso_code, contoso_c]}]"
    with ExitStack() as stack:
        pair = EmulatedPair.open(tmp_path, stack, tables_yaml=tables, define=define_table)
        arrived, again, cleared = asyncio.run(story(pair))

    assert [str_or(value)] * 2 == [str_or(each) for each in arrived]
    assert (1, 0) == (again.equal, again.updated)
    assert [None, None] == cleared


def json_text(value):
    """As a client sends it; decimals to the last digit."""
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def str_or(value):
    """Numbers with a point by value, however many zeros stand behind it."""
    return Decimal(str(value)).normalize() if isinstance(value, Decimal | float) else value


@pytest.mark.parametrize("kind", REFUSED)
def test_a_type_that_is_not_synchronized_is_refused(kind):
    """By name, before anything is written."""
    with pytest.raises(SchemaMismatchError, match=f"c is of type {kind}, which is not synchroniz"):
        mapped(Column("c", ColumnKind(kind)))


def test_columns_that_the_secondary_computes_are_refused():
    """Calculated, formula and rollup columns look like this in the metadata."""
    computed = Column("c", ColumnKind.DECIMAL, valid_for_create=False, valid_for_update=False)

    with pytest.raises(SchemaMismatchError, match=r"row\.c cannot be written"):
        mapped(computed)


def mapped(column):
    """A table with this column on both sides, and in sync.yaml."""
    configuration = TableConfiguration(table="row", key="id", columns=["c"], status="none")
    schema = table("row", [column], status=False)
    return agree(configuration, schemas=Schemas(schema, schema), targets={})


def test_every_row_of_the_document_has_its_test():
    """And every test its row."""
    computed = "calculated, formula, rollup"

    assert sorted([*VALUES, *ELSEWHERE]) == sorted(documented("Synchronized"))
    assert list(STATUS_MODES) == documented("Status")
    assert sorted([computed, *REFUSED]) == sorted(documented("Not synchronized"))


@pytest.mark.parametrize("name", sorted(set(ELSEWHERE.values())))
def test_tests_that_are_elsewhere_are_there(name):
    """A table of the document must not point to nothing."""
    assert (Path(__file__).parent / f"{name}.py").exists()


@pytest.mark.parametrize("beginning", STATUS_MODES.values())
def test_each_way_of_the_status_has_its_test(beginning):
    """By the name that stands here."""
    tests = (Path(__file__).parent / "test_status_over_http.py").read_text()

    assert f"def {beginning}" in tests
