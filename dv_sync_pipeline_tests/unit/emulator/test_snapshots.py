"""Snapshots of an environment."""

import pytest

from dv_sync_pipeline.emulator.rows.snapshots import Snapshots
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables import define

HOTEL = define.table(
    "contoso_Hotel",
    entity_set="contoso_hotels",
    primary_name=define.string("contoso_Name"),
    columns=(define.string("contoso_Code"),),
    keys=(define.key("contoso_code_key", "contoso_code"),),
)


@pytest.fixture(params=["file", "memory"])
def store(request, tmp_path):
    """One hotel, in a file or in memory."""
    kept = Store(tmp_path / "primary.db" if request.param == "file" else None)
    kept.create_table(HOTEL)
    add_hotel(kept, "Adlon")
    yield kept
    kept.close()


@pytest.fixture
def snapshots(store, tmp_path):
    """None yet."""
    return Snapshots(store, folder=tmp_path / "snapshots")


def add_hotel(store, name):
    """One more row."""
    store.load_rows("contoso_hotel", [{"contoso_name": name, "contoso_code": name}])


def names(store):
    """Of all hotels."""
    return {name for (name,) in store.database.execute("SELECT contoso_name FROM contoso_hotel")}


def test_restore_brings_rows_back(store, snapshots):
    """What came after is gone, what went is there again."""
    snapshots.save("one-hotel")
    add_hotel(store, "Bristol")

    snapshots.restore("one-hotel")

    assert {"Adlon"} == names(store)


def test_restore_brings_tables_back(store, snapshots):
    """A dropped table is known again."""
    snapshots.save("before")
    store.drop_table("contoso_hotel")

    snapshots.restore("before")

    assert HOTEL.name in store.catalog.tables
    assert {"Adlon"} == names(store)


def test_restore_brings_the_version_counter_back(store, snapshots):
    """As a restored database would; delta tokens from after the snapshot are then ahead of it."""
    before = store.version
    snapshots.save("before")
    add_hotel(store, "Bristol")

    snapshots.restore("before")

    assert before == store.version


def test_a_restored_environment_can_be_written(store, snapshots):
    """Its indexes work: a duplicate key is noticed."""
    snapshots.save("one")
    snapshots.restore("one")
    add_hotel(store, "Bristol")

    assert {"Adlon", "Bristol"} == names(store)
    with pytest.raises(Exception, match="UNIQUE"):
        add_hotel(store, "adlon ")


def test_saving_again_replaces(store, snapshots):
    """The latest of that name counts."""
    snapshots.save("latest")
    add_hotel(store, "Bristol")
    snapshots.save("latest")

    snapshots.restore("latest")

    assert {"Adlon", "Bristol"} == names(store)


def test_names(snapshots):
    """In alphabetical order, without half-written ones."""
    snapshots.save("b")
    snapshots.save("a")

    assert ["a", "b"] == snapshots.names()


def test_unknown_name(snapshots):
    """Nothing is restored."""
    with pytest.raises(KeyError):
        snapshots.restore("nothing")


@pytest.mark.parametrize("name", ["", "../secrets", "a/b", "a.b", "x" * 65])
def test_a_name_cannot_leave_the_folder(snapshots, name):
    """Names come over HTTP."""
    with pytest.raises(ValueError, match="no name for a snapshot"):
        snapshots.save(name)
