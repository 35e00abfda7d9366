"""What the UI shows before anything runs."""

import dagster as dg
import pytest

from dv_sync_pipeline.config import Schedule, parse
from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline_tests.worlds.scripted_engine import (
    SECRET,
    SYNC_YAML,
    ScriptedEngine,
    hotels_configuration,
)

ROOM = dg.AssetKey(["secondary", "contoso_room"])
HOTEL = dg.AssetKey(["secondary", "department_hotel"])
SEASON = dg.AssetKey(["secondary", "contoso_season"])
ROOM_REMOVALS = dg.AssetKey(["removals", "contoso_room"])
HOTEL_REMOVALS = dg.AssetKey(["removals", "department_hotel"])
SEASON_REMOVALS = dg.AssetKey(["removals", "contoso_season"])
PRIMARY_ROOM = dg.AssetKey(["primary", "contoso_room"])
PRIMARY_HOTEL = dg.AssetKey(["primary", "contoso_hotel"])
PRIMARY_SEASON = dg.AssetKey(["primary", "contoso_season"])


@pytest.fixture
def configuration(tmp_path):
    """Rooms, hotels and seasons."""
    return hotels_configuration(tmp_path)


@pytest.fixture
def definitions(configuration):
    """As the code location would load them."""
    return build_definitions(configuration=configuration, open_engine=ScriptedEngine().open)


@pytest.fixture
def graph(definitions):
    """What the lineage page draws."""
    return definitions.resolve_asset_graph()


def test_a_code_location_loads(definitions):
    """Dagster's own validation finds nothing to say."""
    dg.Definitions.validate_loadable(definitions)


def test_lineage_is_the_order_of_the_lookups(graph):
    """A room comes after its hotel and after its origin in the primary, and goes before it."""
    parents = {key: set(graph.get(key).parent_keys) for key in graph.get_all_asset_keys()}

    assert parents == {
        ROOM: {HOTEL, PRIMARY_ROOM},
        HOTEL: {PRIMARY_HOTEL},
        SEASON: {PRIMARY_SEASON},
        ROOM_REMOVALS: {ROOM},
        HOTEL_REMOVALS: {HOTEL, ROOM_REMOVALS},
        SEASON_REMOVALS: {SEASON},
        PRIMARY_ROOM: set(),
        PRIMARY_HOTEL: set(),
        PRIMARY_SEASON: set(),
    }


def test_only_the_secondary_can_be_materialized(graph):
    """The primary is not ours to write."""
    removals = {ROOM_REMOVALS, HOTEL_REMOVALS, SEASON_REMOVALS}

    assert graph.materializable_asset_keys == {ROOM, HOTEL, SEASON, *removals}


def test_a_table_that_keeps_its_rows_has_no_removals(configuration):
    """Its parents' removals come after the table itself."""
    room, hotel, season = configuration.tables
    kept = configuration.model_copy(
        update={"tables": (room.model_copy(update={"deletes": "keep"}), hotel, season)}
    )
    graph = build_definitions(
        configuration=kept, open_engine=ScriptedEngine().open
    ).resolve_asset_graph()

    assert not graph.has(ROOM_REMOVALS)
    assert {HOTEL, ROOM} == set(graph.get(HOTEL_REMOVALS).parent_keys)


def test_every_asset_says_what_it_is(graph):
    """The UI calls a missing description ugly names."""
    silent = {key for key in graph.get_all_asset_keys() if not graph.get(key).description}

    assert silent == set()


def test_a_description_starts_with_the_words_of_the_configuration(graph):
    """What the team wrote in sync.yaml comes before what we know."""
    assert graph.get(HOTEL).description.startswith("Where guests sleep.\n\nThe rows of")


def test_columns_show_their_names_in_the_secondary(graph):
    """The schema tells lookups from columns and names the key."""
    schema = graph.get(ROOM).metadata["dagster/column_schema"]
    columns = [(c.name, c.type, c.constraints.other) for c in schema.columns]

    assert columns == [
        ("contoso_number", "column", ["key"]),
        ("contoso_hotelid", "lookup", ["key"]),
    ]


def test_column_lineage_follows_the_mapping(graph):
    """department_code is filled from contoso_code."""
    lineage = graph.get(HOTEL).metadata["dagster/column_lineage"].deps_by_column

    assert lineage["department_code"] == [
        dg.TableColumnDep(asset_key=PRIMARY_HOTEL, column_name="contoso_code")
    ]


def test_the_nightly_reconciliation_keeps_the_configured_clock(definitions):
    """Cron and time zone come from sync.yaml, and it runs without a click."""
    schedule = definitions.resolve_schedule_def("nightly_reconciliation")

    assert (
        schedule.job_name,
        schedule.cron_schedule,
        schedule.execution_timezone,
        schedule.default_status,
    ) == ("reconcile_all", "30 1 * * *", "Europe/Berlin", dg.DefaultScheduleStatus.RUNNING)


def test_no_schedule_when_the_configuration_says_null(configuration):
    """Some run it from elsewhere."""
    silent = configuration.model_copy(update={"schedule": Schedule(reconcile=None)})
    definitions = build_definitions(configuration=silent, open_engine=ScriptedEngine().open)

    assert list(definitions.schedules) == []


def test_an_impossible_cron_expression_is_a_configuration_error(configuration):
    """The message names the setting, not Dagster's internals."""
    broken = configuration.model_copy(update={"schedule": Schedule(reconcile="99 99 * * *")})

    with pytest.raises(ConfigurationError, match=r"schedule.reconcile: '99 99 \* \* \*'"):
        build_definitions(configuration=broken, open_engine=ScriptedEngine().open)


def test_failed_runs_are_watched_without_a_click(definitions):
    """The sensor is on as soon as the code location is loaded."""
    sensor = definitions.resolve_sensor_def("report_failed_runs")

    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


@pytest.fixture
def circle(tmp_path):
    """A hotel names its flagship room and its chain; a room belongs to a hotel."""
    lookups = "lookups: {contoso_flagshipid: contoso_room, contoso_chainid: contoso_hotel}"
    text = SYNC_YAML.replace("    description: Where", f"    {lookups}\n    description: Where")
    return parse(text, {"SECRET": SECRET}, file=tmp_path / "sync.yaml")


def test_a_circle_of_tables_gets_an_asset_for_its_second_pass(circle):
    """It comes after both tables; a chain within one table needs none."""
    definitions = build_definitions(configuration=circle, open_engine=ScriptedEngine().open)
    graph = definitions.resolve_asset_graph()
    second_pass = dg.AssetKey(["deferred_lookups", "department_hotel"])

    assert {HOTEL, ROOM} == graph.get(second_pass).parent_keys
    assert {PRIMARY_HOTEL} == graph.get(HOTEL).parent_keys
    assert "contoso_flagshipid of department_hotel" in graph.get(second_pass).description


def test_the_second_pass_is_part_of_the_job(circle):
    """After the tables and before their removals, in one run."""
    engine = ScriptedEngine()
    definitions = build_definitions(configuration=circle, open_engine=engine.open)

    definitions.resolve_job_def("reconcile_all").execute_in_process()

    order = [call[:2] for call in engine.calls if call[1] != "contoso_season"]
    assert order == [
        ("reconcile", "contoso_hotel"),
        ("reconcile", "contoso_room"),
        ("set deferred lookups", "contoso_hotel"),
        ("remove", "contoso_room"),
        ("remove", "contoso_hotel"),
    ]


@pytest.fixture
def owned(tmp_path):
    """A team owns everything, and a steward the hotels."""
    text = SYNC_YAML.replace(
        "    description: Where", "    owners: [steward@contoso.com]\n    description: Where"
    )
    text += "owners: [team:master-data]\n"
    return parse(text, {"SECRET": SECRET}, file=tmp_path / "sync.yaml")


def test_every_asset_shows_who_is_asked_about_it(owned):
    """The owners of a table stand in the place of the owners of all."""
    definitions = build_definitions(configuration=owned, open_engine=ScriptedEngine().open)
    graph = definitions.resolve_asset_graph()
    owners = {key: list(graph.get(key).owners) for key in (ROOM, HOTEL, HOTEL_REMOVALS)}

    assert owners == {
        ROOM: ["team:master-data"],
        HOTEL: ["steward@contoso.com"],
        HOTEL_REMOVALS: ["steward@contoso.com"],
    }


@pytest.mark.parametrize("owner", ["somebody", "team:", "team:two words", "a@b"])
def test_an_owner_that_dagster_would_refuse_is_a_configuration_error(tmp_path, owner):
    """It names the line of sync.yaml, and not an asset."""
    with pytest.raises(ConfigurationError, match="is neither a mail address nor team:NAME"):
        parse(f"{SYNC_YAML}owners: ['{owner}']\n", {"SECRET": SECRET}, file=tmp_path / "sync.yaml")


def test_runs_of_the_schedule_say_who_started_them(definitions):
    """A person who looks at a run sees whether a person started it."""
    schedule = definitions.resolve_schedule_def("nightly_reconciliation")

    assert {"dv_sync/started_by": "nightly"}.items() <= schedule.tags.items()


def test_everything_in_the_ui_says_what_it_is(definitions):
    """Jobs, schedules and sensors in plain words, too."""
    named = [*definitions.resolve_all_job_defs(), *definitions.schedules, *definitions.sensors]
    silent = [each.name for each in named if not each.description]

    assert [name for name in silent if not name.startswith("__")] == []
