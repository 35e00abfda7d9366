"""Parents go first."""

import pytest

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline.sync.ordering import in_dependency_order


def a_table(name, **lookups) -> TableConfiguration:
    """A table with these lookups."""
    return TableConfiguration(table=name, key=("code",), columns={"code": "code"}, lookups=lookups)


def test_tables_come_after_the_tables_they_look_up():
    """Whatever their order in sync.yaml."""
    tables = [a_table("room", hotelid="hotel"), a_table("hotel", brandid="brand"), a_table("brand")]

    order = [table.table for table in in_dependency_order(tables)]

    assert ["brand", "hotel", "room"] == order


def test_a_cycle_is_refused_by_name():
    """The message shows the way round."""
    tables = [a_table("hotel", roomid="room"), a_table("room", hotelid="hotel")]

    with pytest.raises(ConfigurationError, match=r"not supported yet: (hotel → room → hotel|room)"):
        in_dependency_order(tables)


def test_a_lookup_to_itself_is_refused():
    """A chain of hotels within one table is a cycle too."""
    with pytest.raises(ConfigurationError, match="hotel → hotel"):
        in_dependency_order([a_table("hotel", chainid="hotel")])
