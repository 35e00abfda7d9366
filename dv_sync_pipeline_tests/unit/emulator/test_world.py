"""What happens to an environment behind its Web API."""

import pytest

from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.schema import ColumnKind
from dv_sync_pipeline.emulator.trouble.world import StoredWorld

HOTEL = define.table(
    "contoso_Hotel",
    entity_set="contoso_hotels",
    primary_name=define.string("contoso_Name"),
    columns=(define.string("contoso_Code", max_length=20), define.integer("contoso_Stars")),
    keys=(define.key("contoso_code_key", "contoso_code"),),
)


@pytest.fixture
def store():
    """One hotel."""
    kept = Store()
    kept.create_table(HOTEL)
    kept.load_rows("contoso_hotel", [{"contoso_name": "Adlon", "contoso_code": "a"}])
    yield kept
    kept.close()


@pytest.fixture
def world(store):
    """The world of that store."""
    return StoredWorld(store)


def versions(store):
    """Of all hotels by name."""
    return dict(store.database.execute("SELECT contoso_name, versionnumber FROM contoso_hotel"))


def columns(store):
    """Of hotels, by name."""
    return store.catalog.table("contoso_hotel").columns


def test_a_late_commit_has_an_old_version(store, world):
    """Only what came after that version gets older."""
    before = world.highest_version()
    store.load_rows("contoso_hotel", [{"contoso_name": "Bristol"}])

    assert 1 == world.lower_versions(above=before, by=1)
    assert {"Adlon": before, "Bristol": before} == versions(store)


def test_versions_stay_positive(store, world):
    """However late the commit is."""
    world.lower_versions(above=0, by=1000)

    assert {"Adlon": 1} == versions(store)


def test_tombstones_can_be_late_too(store, world):
    """A delete that committed late."""
    before = world.highest_version()
    store.bury("contoso_hotel", "some-id")

    assert 1 == world.lower_versions(above=before, by=1)


def test_primary_id(world):
    """By the name in URLs."""
    assert "contoso_hotelid" == world.primary_id("contoso_hotels")
    assert "" == world.primary_id("nothings")


def test_removed(store, world):
    """The column is gone, and the key that needed it."""
    world.change_schema(table="contoso_hotel", column="contoso_code", change="removed")

    assert "contoso_code" not in columns(store)
    assert () == store.catalog.table("contoso_hotel").definition.keys


def test_renamed(store, world):
    """The values move along."""
    world.change_schema(table="contoso_hotel", column="contoso_code", change="renamed")

    assert "contoso_code" not in columns(store)
    assert "a" == store.database.value("SELECT contoso_coderenamed FROM contoso_hotel")


def test_shortened(store, world):
    """Hardly anything fits into it."""
    world.change_schema(table="contoso_hotel", column="contoso_code", change="shortened")

    assert 3 == columns(store)["contoso_code"].max_length


@pytest.mark.parametrize(
    ("column", "kind"),
    [("contoso_code", ColumnKind.INTEGER), ("contoso_stars", ColumnKind.STRING)],
)
def test_retyped(store, world, column, kind):
    """Text becomes a number, all else becomes text."""
    world.change_schema(table="contoso_hotel", column=column, change="retyped")

    assert kind is columns(store)[column].kind


def test_added(store, world):
    """One column more."""
    world.change_schema(table="contoso_hotel", column="contoso_Surprise", change="added")

    assert "contoso_surprise" in columns(store)


def test_a_column_that_is_not_there(world):
    """Cannot be changed."""
    with pytest.raises(KeyError):
        world.change_schema(table="contoso_hotel", column="nothing", change="removed")
