"""Where rows are kept: what survives a restart, and what a transaction is."""

import contextlib
from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.emulator.rows.replies import DataverseError
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables import define, system

BRAND = define.table("demo_Brand", entity_set="demo_brands")
HOTEL = define.table(
    "demo_Hotel",
    entity_set="demo_hotels",
    columns=(
        define.string("demo_Code", max_length=5),
        define.decimal("demo_Rate", precision=2),
        define.money("demo_Price"),
        define.lookup("demo_OwnerId", to=("demo_brand", "demo_hotel")),
    ),
    keys=(define.key("demo_code_key", "demo_code"),),
)


@pytest.fixture
def store():
    """An environment in memory with two tables."""
    store = Store(clock=lambda: datetime(2026, 1, 31, 13, tzinfo=UTC))
    system.found_environment(store, organization_name="demo")
    store.create_table(BRAND)
    store.create_table(HOTEL)
    yield store
    store.close()


def _names(store):
    return [name for (name,) in store.database.execute("SELECT demo_name FROM demo_hotel")]


def test_rows_definitions_and_versions_survive_a_restart(tmp_path):
    """What was committed is there again, and versions go on rising."""
    file = tmp_path / "environment.db"
    store = Store(file)
    system.found_environment(store, organization_name="demo")
    store.create_table(HOTEL)
    store.load_rows("demo_hotel", [{"demo_name": "Adler"}])
    version = store.version
    store.close()

    reopened = Store(file)

    assert _names(reopened) == ["Adler"]
    assert reopened.catalog.table("demo_hotel").definition.keys == HOTEL.keys
    assert reopened.next_version() == version + 1
    reopened.close()


def test_loaded_rows_get_what_the_platform_sets(store):
    """A loaded row has an id, times, an owner, a state and a version."""
    store.load_rows("demo_hotel", [{"demo_name": "Adler"}])

    row = store.database.execute(
        "SELECT length(demo_hotelid), createdon, ownerid = createdby, statecode, statuscode,"
        " owninguser = ownerid, versionnumber FROM demo_hotel"
    ).fetchone()
    assert row == (36, "2026-01-31T13:00:00Z", 1, 0, 1, 1, store.version)


def test_loaded_rows_may_say_what_the_platform_would(store):
    """A loaded row may have its own id, times and state."""
    given = {
        "demo_hotelid": "11111111-1111-4111-8111-111111111111",
        "createdon": "2020-01-01T00:00:00Z",
        "statecode": 1,
        "statuscode": 2,
    }

    store.load_rows("demo_hotel", [given])

    row = store.database.execute(
        "SELECT demo_hotelid, createdon, statecode, statuscode FROM demo_hotel"
    ).fetchone()
    assert row == tuple(given.values())


def test_loaded_lookups_with_several_targets_name_the_table(store):
    """The value of a lookup with several targets is a table and a GUID."""
    target = "11111111-1111-4111-8111-111111111111"

    store.load_rows("demo_hotel", [{"demo_ownerid": ("demo_brand", target)}])

    row = store.database.execute("SELECT demo_ownerid, demo_ownerid__target FROM demo_hotel")
    assert row.fetchone() == (target, "demo_brand")


def test_loaded_amounts_get_their_currency(store):
    """A loaded amount has a currency, and its value in the base currency."""
    store.load_rows("demo_hotel", [{"demo_price": 5}])

    row = store.database.execute("SELECT transactioncurrencyid, demo_price_base FROM demo_hotel")
    assert row.fetchone() == (store.setting("currency"), "5.0000")


def test_loading_checks_limits(store):
    """A loaded value beyond its column's limits is refused, and nothing is loaded."""
    with pytest.raises(DataverseError):
        store.load_rows("demo_hotel", [{"demo_name": "good"}, {"demo_code": "too long"}])

    assert _names(store) == []


def test_inner_transaction_is_undone_alone(store):
    """What an inner transaction wrote is undone without the outer one."""
    with store.transaction():
        store.load_rows("demo_hotel", [{"demo_name": "kept"}])
        with contextlib.suppress(RuntimeError), store.transaction():
            store.load_rows("demo_hotel", [{"demo_name": "undone"}])
            raise RuntimeError

    assert _names(store) == ["kept"]


def test_columns_come_and_go(store):
    """A column can be added to a table with rows, and removed with its values."""
    store.load_rows("demo_hotel", [{"demo_name": "Adler"}])

    store.add_column("demo_hotel", define.file("demo_Plan"))
    assert {"demo_plan", "demo_plan_name"} <= store.catalog.table("demo_hotel").columns.keys()

    store.drop_column("demo_hotel", "demo_plan")
    assert not {"demo_plan", "demo_plan_name"} & store.catalog.table("demo_hotel").columns.keys()
    assert _names(store) == ["Adler"]


def test_tables_bring_their_privileges_and_take_them_along(store):
    """The rows of `privilege` follow from the tables."""

    def privileges():
        sql = "SELECT count(*) FROM privilege WHERE entityname = 'demo_hotel'"
        return store.database.value(sql)

    assert privileges() == 8
    store.drop_table("demo_hotel")
    assert privileges() == 0


def test_decimals_compare_as_numbers(store):
    """Decimals are kept exactly and compare as numbers, not as text."""
    store.load_rows("demo_hotel", [{"demo_rate": 9}, {"demo_rate": 10}, {"demo_rate": -1}])

    rates = store.database.execute("SELECT demo_rate FROM demo_hotel ORDER BY demo_rate")
    assert [rate for (rate,) in rates] == ["-1.0000000000", "9.0000000000", "10.0000000000"]
