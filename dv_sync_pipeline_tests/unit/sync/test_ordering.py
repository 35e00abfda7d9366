"""Parents go first."""

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.sync.ordering import in_dependency_order


def a_table(name, **lookups) -> TableConfiguration:
    """A table with these lookups."""
    return TableConfiguration(table=name, key=("code",), columns={"code": "code"}, lookups=lookups)


def test_tables_come_after_the_tables_they_look_up():
    """Whatever their order in sync.yaml."""
    tables = [a_table("room", hotelid="hotel"), a_table("hotel", brandid="brand"), a_table("brand")]

    order = [table.table for table in in_dependency_order(tables)]

    assert ["brand", "hotel", "room"] == order


def test_a_deferred_lookup_does_not_count():
    """The hotel goes first, although it names a room."""
    tables = [a_table("room", hotelid="hotel"), a_table("hotel", roomid="room", chainid="hotel")]

    order = [table.table for table in in_dependency_order(tables)]

    assert ["hotel", "room"] == order
