"""The sample `hotels`: deterministic, believable, and awkward on purpose."""

import unicodedata
from collections import Counter
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
import yaml

from dv_sync_pipeline import config
from dv_sync_pipeline.emulator.process.sync_file import (
    Connection,
    write_environments_file,
    write_sync_file,
)
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.samples import SAMPLES
from dv_sync_pipeline.emulator.samples.hotels_rows import Row
from dv_sync_pipeline.emulator.tables.schema import ColumnKind, DateTimeBehavior, TableDefinition
from dv_sync_pipeline.emulator.tables.system import found_environment

HOTELS = SAMPLES["hotels"]
TABLES = [table.name for table in HOTELS.primary.tables]


@cache
def _rows(environment: str, *, seed: int = 0, rooms: int = 15_000) -> dict[str, list[Row]]:
    pairs = HOTELS.side(environment).rows(seed, rooms)
    return {table: list(rows) for table, rows in pairs}


def _definitions(environment: str) -> dict[str, TableDefinition]:
    return {table.name: table for table in HOTELS.side(environment).tables}


def _texts(rows: dict[str, list[Row]], column: str) -> str:
    return "".join(str(row.get(column)) for table in rows.values() for row in table)


def test_primary_has_the_promised_size():
    """A default sample is as large as the documentation says."""
    expected = {
        "contoso_brand": 12,
        "contoso_hotel": 300,
        "contoso_roomtype": 12,
        "contoso_room": 15_000,
        "contoso_rateplan": 900,
    }

    assert expected == {table: len(rows) for table, rows in _rows("primary").items()}


@pytest.mark.parametrize("rooms", [0, 1, 299, 15_000])
def test_number_of_rooms_is_exact(rooms):
    """`--rows` is the number of rooms, few or many."""
    assert rooms == len(_rows("primary", rooms=rooms)["contoso_room"])


def test_same_seed_gives_the_same_rows():
    """Two runs with one seed can be compared."""
    once = [list(rows) for _, rows in HOTELS.primary.rows(7, 500)]
    again = [list(rows) for _, rows in HOTELS.primary.rows(7, 500)]

    assert once == again


def test_other_seed_gives_other_rows():
    """The seed matters for every table."""
    one, other = _rows("primary", seed=1, rooms=500), _rows("primary", seed=2, rooms=500)

    assert not [table for table in TABLES if one[table] == other[table]]


def test_hotels_do_not_depend_on_the_number_of_rooms():
    """A larger sample adds rooms and leaves the rest as it is."""
    assert _rows("primary", rooms=10)["contoso_hotel"] == _rows("primary")["contoso_hotel"]


@pytest.mark.parametrize("environment", ["primary", "secondary"])
def test_alternate_keys_are_unique(environment):
    """No two rows of a table share a key, even if case is ignored (DATAVERSE 4.6)."""
    definitions = _definitions(environment)

    for table, rows in _rows(environment, rooms=20_000).items():
        (key,) = definitions[table].keys
        values = Counter(tuple(str(row[name]).casefold() for name in key.columns) for row in rows)
        assert 1 == max(values.values()), table


@pytest.mark.parametrize("environment", ["primary", "secondary"])
def test_lookups_point_to_rows_that_come_before(environment):
    """A sample can be loaded in the order in which it comes."""
    definitions = _definitions(environment)
    known: set[str | None] = {None}

    for table, rows in _rows(environment).items():
        lookups = [column.name for column in definitions[table].columns if column.kind.is_lookup]
        pointed = {row[name] for row in rows for name in lookups if name in row}
        assert pointed <= known, table
        known |= {row[definitions[table].primary_id] for row in rows}


def test_rows_fill_only_columns_that_exist():
    """Every value of a row has its column."""
    definitions = _definitions("secondary")

    for table, rows in _rows("secondary").items():
        names = {column.name for column in definitions[table].columns}
        assert set().union(*rows) <= names, table


@pytest.mark.parametrize(
    "kind",
    [
        ColumnKind.STRING,
        ColumnKind.MEMO,
        ColumnKind.INTEGER,
        ColumnKind.BIG_INTEGER,
        ColumnKind.DECIMAL,
        ColumnKind.DOUBLE,
        ColumnKind.BOOLEAN,
        ColumnKind.CHOICE,
        ColumnKind.MULTI_CHOICE,
        ColumnKind.LOOKUP,
        ColumnKind.STATE,
        ColumnKind.STATUS,
    ],
)
def test_rooms_have_every_common_kind_of_column(kind):
    """The largest table shows every kind of value that is common in Dataverse, filled."""
    names = [
        column.name
        for column in _definitions("primary")["contoso_room"].columns
        if column.kind is kind
    ]

    assert any(
        row.get(name) is not None for row in _rows("primary")["contoso_room"] for name in names
    )


@pytest.mark.parametrize("behavior", list(DateTimeBehavior))
def test_hotels_have_every_kind_of_time(behavior):
    """Days, moments and times without a zone all occur (DATAVERSE 3.3)."""
    names = [
        column.name
        for column in _definitions("primary")["contoso_hotel"].columns
        if column.is_custom
        and column.kind is ColumnKind.DATE_TIME
        and column.date_time_behavior is behavior
    ]

    assert any(row[name] for row in _rows("primary")["contoso_hotel"] for name in names)


@pytest.mark.parametrize(
    "script",
    [
        "LATIN",
        "GREEK",
        "CYRILLIC",
        "ARABIC",
        "HEBREW",
        "CJK",
        "HIRAGANA",
        "HANGUL",
        "THAI",
        "DEVANAGARI",
    ],
)
def test_names_are_written_in_many_scripts(script):
    """Whatever mangles text on its way is found out."""
    letters = set(_texts(_rows("primary"), "contoso_name"))

    assert any(unicodedata.name(letter, "").startswith(script) for letter in letters)


def test_remarks_have_line_breaks():
    """Texts of several lines occur."""
    assert "\n" in _texts(_rows("primary"), "contoso_remarks")


def test_some_rows_are_inactive_and_some_have_a_status_of_their_own():
    """State and status reason differ from row to row (DATAVERSE 12)."""
    rooms = _rows("primary")["contoso_room"]
    hotels = _rows("primary")["contoso_hotel"]

    assert {(0, 1), (1, 2), (0, 100_000_002)} == {(r["statecode"], r["statuscode"]) for r in rooms}
    assert {(0, 1), (1, 100_000_001)} == {(h["statecode"], h["statuscode"]) for h in hotels}


def test_some_values_are_missing():
    """Every column that is not part of a key is null somewhere, or is a plain fact of every row."""
    rooms = _rows("primary")["contoso_room"]
    empty = {name for room in rooms for name, value in room.items() if value is None}

    assert {"contoso_remarks", "contoso_view", "contoso_renovatedon", "contoso_equipment"} <= empty


def test_secondary_knows_forty_hotels_under_ids_of_its_own():
    """The department typed in some hotels long ago: same code, other id."""
    primary = {row["contoso_code"]: row for row in _rows("primary")["contoso_hotel"]}
    known = [row for row in _rows("secondary")["contoso_hotel"] if row["contoso_code"] in primary]

    assert 40 == len(known)
    assert not {row["contoso_hotelid"] for row in known} & {
        row["contoso_hotelid"] for row in primary.values()
    }


def test_some_known_hotels_are_outdated():
    """What the department typed in does not all agree with the primary any more."""
    primary = {row["contoso_code"]: row for row in _rows("primary")["contoso_hotel"]}
    outdated = [
        row
        for row in _rows("secondary")["contoso_hotel"]
        if row["contoso_code"] in primary
        and row["contoso_name"] != primary[row["contoso_code"]]["contoso_name"]
    ]

    assert 0 < len(outdated) < 40


def test_secondary_has_twenty_five_foreign_rows():
    """Hotels and rooms of the department's own, whose codes the primary does not have."""
    codes = {row["contoso_code"] for row in _rows("primary")["contoso_hotel"]}
    hotels = [r for r in _rows("secondary")["contoso_hotel"] if r["contoso_code"] not in codes]
    rooms = _rows("secondary")["contoso_room"]

    assert (5, 20) == (len(hotels), len(rooms))
    assert {r["contoso_hotelid"] for r in rooms} <= {h["contoso_hotelid"] for h in hotels}


def test_department_columns_are_filled_and_the_rest_is_empty():
    """The secondary has columns of its own on hotels, no brands, and no other rows."""
    hotels = _rows("secondary")["contoso_hotel"]

    assert all(hotel["contoso_costcentre"] and hotel["contoso_vatnumber"] for hotel in hotels)
    assert not [hotel for hotel in hotels if hotel.get("contoso_brandid")]
    assert {"contoso_hotel", "contoso_room"} == _rows("secondary").keys()


def _connections() -> list[Connection]:
    return [
        Connection(
            name,
            f"https://localhost:{port}",
            "tenant",
            "client",
            f"secret of {name}",
            administrator_id="administrator",
            administrator_secret=f"secret of {name}'s administrator",
        )
        for name, port in (("primary", 8801), ("secondary", 8802))
    ]


def _configuration(folder: Path) -> config.Configuration:
    file = write_sync_file(folder, _connections(), tables=HOTELS.sync_tables)
    return config.load(file, {})


def test_environments_without_tables_can_be_proposed_for(tmp_path):
    """What `dv-sync init --environments` needs, and nothing of a sample."""
    file = write_environments_file(tmp_path, _connections())
    environments = config.parse_environments(file.read_text(), {}, file=file)

    assert "https://localhost:8801" == environments.primary.url
    assert "tables:" not in file.read_text()


def test_written_configuration_is_valid_and_finds_its_files(tmp_path):
    """The emulator's sync.yaml needs no variable and no other folder."""
    primary = _configuration(tmp_path).environments.primary

    assert "secret of primary" == primary.credentials[0].read_secret()
    assert "secret of primary's administrator" == primary.administrator.read_secret()
    assert tmp_path / "ca.pem" == primary.ca_file


def test_written_configuration_holds_no_secret(tmp_path):
    """Secrets stand beside the file, readable by their owner alone."""
    _configuration(tmp_path)

    assert "secret of" not in (tmp_path / "sync.yaml").read_text()
    assert 0o600 == (tmp_path / "secrets" / "primary").stat().st_mode & 0o777


@pytest.mark.parametrize("table", TABLES)
def test_sample_is_mapped_completely(tmp_path, table):
    """Every custom column of the primary is synchronized, and none of the department's."""
    mapped = {entry.table: entry for entry in _configuration(tmp_path).tables}[table]
    custom = {column.name for column in _definitions("primary")[table].columns if column.is_custom}

    assert custom == mapped.columns.keys() | mapped.lookups.keys()
    assert _definitions("primary")[table].keys[0].columns == mapped.key


def test_rooms_have_fifteen_mapped_columns():
    """The table that benchmarks use has the width that their figures name."""
    tables = yaml.safe_load(HOTELS.sync_tables)["tables"]
    (room,) = (table for table in tables if table["table"] == "contoso_room")

    assert 15 == len(room["columns"]) + len(room["lookups"])


@pytest.mark.parametrize("environment", ["primary", "secondary"])
def test_store_takes_every_row_of_the_sample(environment):
    """No value is too long, out of range or of the wrong kind for its column."""
    side = HOTELS.side(environment)
    with closing(Store()) as store:
        found_environment(store, organization_name=environment)
        for definition in side.tables:
            store.create_table(definition)
        loaded = {table: store.load_rows(table, rows) for table, rows in side.rows(0, 200)}

    assert {table: len(rows) for table, rows in _rows(environment, rooms=200).items()} == loaded
