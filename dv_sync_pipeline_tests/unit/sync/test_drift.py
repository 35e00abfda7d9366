"""Schemas that are not what they were, or not what the other side has."""

import asyncio
from dataclasses import replace

import pytest

from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.drift import EFFECTS, DriftKind, Effect
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, Key, StatusOption
from dv_sync_pipeline_tests.worlds.memory import row_id, table
from dv_sync_pipeline_tests.worlds.memory_pair import Pair

TABLES = """\
tables:
  - {table: brand, key: id, columns: [name]}
  - table: hotel
    key: code
    columns: [code, name, stars]
    lookups: {brandid: brand}
"""
NAME = Column("name", ColumnKind.STRING, max_length=50)
CODE = Column("code", ColumnKind.STRING, max_length=10)
STARS = Column("stars", ColumnKind.CHOICE, options=frozenset({1, 2, 3}))
BRAND_ID = Column("brandid", ColumnKind.LOOKUP, targets=("brand",))
BRAND = table("brand", [NAME])
HOTEL = table("hotel", [NAME, CODE, STARS, BRAND_ID], key=["code"])


def without(schema, name):
    """The table, a column less."""
    left = {key: column for key, column in schema.columns.items() if key != name}
    return replace(schema, columns=left)


def having(schema, *columns):
    """The table with these columns, new or in place of others."""
    return replace(schema, columns={**schema.columns, **{each.name: each for each in columns}})


@pytest.fixture
def pair(tmp_path):
    """One hotel of one brand, synchronized once; then the schemas may change."""
    pair = Pair(tmp_path, TABLES, [BRAND, HOTEL])
    pair.primary.put("brand", row_id(1), name="Inn")
    pair.primary.put("hotel", row_id(2), name="Inn", code="H", stars=1, brandid=row_id(1))
    asyncio.run(pair.sync())
    return pair


def change(environment, schema):
    """Somebody customizes a table."""
    environment.schemas[schema.name] = schema


def told(pair):
    """Kind, what, expected, actual of every difference that a sync tells of hotels."""
    drift = asyncio.run(pair.sync())["hotel"].drift
    return [(each.kind, each.what, each.expected, each.actual) for each in drift]


def test_equal_schemas_are_not_worth_a_word(pair):
    """Neither in the first run nor later."""
    assert [] == told(pair)


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (
            without(HOTEL, "stars"),
            r"secondary: the table hotel has no column stars any more .expected choice, .*none\)",
        ),
        (
            having(without(HOTEL, "stars"), replace(STARS, name="rating")),
            r"found rating, which is new and of the same type\). .* write rating in sync.yaml",
        ),
        (
            having(HOTEL, Column("stars", ColumnKind.STRING)),
            r"hotel.stars cannot be kept equal in hotel.stars \(expected choice, .*, found text",
        ),
        (
            having(HOTEL, replace(BRAND_ID, targets=("account",))),
            r"hotel.brandid does not point to brand \(expected brand, found account\)",
        ),
        (
            replace(HOTEL, keys=()),
            r"no alternate key on code \(expected the key hotel_key, as at the last run, found",
        ),
        (
            replace(HOTEL, keys=(Key("hotel_key", ("code",), "Failed"),)),
            r"hotel_key of hotel is not active \(expected Active, found Failed\)",
        ),
        (having(HOTEL, replace(NAME, valid_for_update=False)), "name cannot be written"),
        (
            having(without(HOTEL, "stars"), Column("star", ColumnKind.STRING)),
            "Bring it back, or take it out of sync.yaml",
        ),
    ],
    ids=[
        "removed",
        "renamed",
        "retyped",
        "lost target",
        "lost key",
        "inactive key",
        "read-only",
        "removed, and another is alike",
    ],
)
def test_a_secondary_that_would_lose_data_is_not_written(pair, now, message):
    """What was, what is, what to do; the other table has gone on."""
    change(pair.secondary, now)
    pair.primary.put("hotel", row_id(2), name="Grand")
    pair.primary.put("brand", row_id(1), name="Suite")
    pair.secondary.writes.clear()

    with pytest.raises(SchemaMismatchError, match=message):
        asyncio.run(pair.sync())

    assert [("update", "brand", row_id(1), {"name": "Suite"})] == pair.secondary.writes


def test_a_primary_column_that_is_gone_does_not_clear_the_secondary(pair):
    """Its values stay there as they are."""
    change(pair.primary, without(HOTEL, "stars"))

    with pytest.raises(SchemaMismatchError, match="primary: the table hotel has no column stars a"):
        asyncio.run(pair.sync())

    assert {row_id(2): 1} == pair.shown("hotel", "stars")


def test_everything_that_stops_a_table_is_told_at_once(pair):
    """So that it is mended at once."""
    change(pair.secondary, without(having(HOTEL, replace(NAME, valid_for_read=False)), "stars"))

    with pytest.raises(SchemaMismatchError, match="2 differences keep hotel from") as failure:
        asyncio.run(pair.sync())

    assert ["secondary hotel.stars", "secondary hotel.name"] == list(failure.value.expected)


def test_rows_that_do_not_fit_are_parked_and_the_others_go(pair):
    """A shorter text and missing choices warn, run after run."""
    short = having(HOTEL, replace(NAME, max_length=10), replace(STARS, options=frozenset({1, 3})))
    change(pair.secondary, short)
    pair.primary.put("hotel", row_id(3), name="A name too long", code="L", stars=1)
    pair.primary.put("hotel", row_id(4), name="Fits", code="F", stars=3)
    expected = [
        (
            DriftKind.TEXT_SHORTER,
            "hotel.name is shorter than hotel.name",
            "50 characters as in the primary",
            "10",
        ),
        (
            DriftKind.CHOICES_MISSING,
            "hotel.stars lacks the choices 2",
            "1, 2, 3 as in the primary",
            "1, 3",
        ),
    ]

    assert expected == told(pair)[:2]
    assert expected == told(pair)
    assert {row_id(2): "Inn", row_id(4): "Fits"} == pair.shown("hotel", "name")


def test_choices_that_are_mapped_to_others_do_not_lack(pair):
    """The secondary needs what `values` makes of them."""
    pair.tables_yaml = TABLES + "    values: {stars: {1: 11, 2: 12}}\n"
    change(pair.secondary, having(HOTEL, replace(STARS, options=frozenset({11, 12, 3}))))

    assert DriftKind.CHOICES_MISSING not in [kind for kind, *_ in told(pair)]


def test_status_reasons_that_lack_warn(pair):
    """Rows with them are parked; others are not concerned."""
    ours, theirs = StatusOption(100, 0), StatusOption(1, 0)
    change(pair.primary, replace(HOTEL, status_options=(theirs, ours)))
    change(pair.secondary, replace(HOTEL, status_options=(theirs,)))

    assert (
        DriftKind.STATUS_MISSING,
        "hotel lacks the status reasons 100",
        "1, 100 as in the primary",
        "1",
    ) in told(pair)


def test_what_was_added_or_changed_alike_is_told_once(pair):
    """By what the last completed run has seen."""
    longer = having(HOTEL, replace(NAME, max_length=90), Column("pool", ColumnKind.BOOLEAN))
    change(pair.primary, longer)
    change(pair.secondary, having(HOTEL, replace(NAME, max_length=90)))
    first = told(pair)

    assert [
        (
            DriftKind.COLUMN_CHANGED,
            "hotel.name has changed since the last run",
            "text, up to 50 characters",
            "text, up to 90 characters",
        ),
    ] * 2 + [
        (
            DriftKind.COLUMN_ADDED,
            "the table hotel has new columns since the last run",
            "the columns of the last run",
            "pool",
        )
    ] == first
    assert [] == told(pair)


def test_a_plan_tells_and_forgets_nothing(pair):
    """The run after it tells the same."""
    change(pair.primary, having(HOTEL, Column("pool", ColumnKind.BOOLEAN)))
    planned = asyncio.run(pair.plan())["hotel"].drift

    assert [DriftKind.COLUMN_ADDED] == [each.kind for each in planned]
    assert [DriftKind.COLUMN_ADDED] == [kind for kind, *_ in told(pair)]


def test_every_kind_of_difference_has_its_effect():
    """The table leaves none to chance, and what loses data stops."""
    assert set(DriftKind) == set(EFFECTS)
    assert {
        DriftKind.TEXT_SHORTER,
        DriftKind.FILE_SMALLER,
        DriftKind.CHOICES_MISSING,
        DriftKind.STATUS_MISSING,
    } == {kind for kind, effect in EFFECTS.items() if effect is Effect.WARNS}
