"""Which batches of one round may be done side by side."""

from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.sync.micro_batch import micro_batches, waves
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PARENTS = {"brand": set(), "hotel": {"brand"}, "room": {"hotel"}, "plan": {"hotel"}}


def groups(**kinds):
    """Names of the tables of each wave, given what woke them."""
    wake_ups = [WakeUp(table, "a", kind, NOON) for table, kind in kinds.items()]
    batches = micro_batches(wake_ups, order=list(PARENTS))
    found = waves(batches, parents_of=PARENTS.__getitem__)
    return [[batch.table for batch in wave] for wave in found]


def test_updates_are_done_side_by_side():
    """Every row that is pointed to is there already."""
    update = WakeUpKind.UPDATE

    assert [["brand", "hotel", "room"]] == groups(brand=update, hotel=update, room=update)


@pytest.mark.parametrize("kind", [WakeUpKind.CREATE, WakeUpKind.PAIRS])
def test_children_come_after_a_table_that_may_bring_rows(kind):
    """Behind changed pairs, too, there may be a new row; what others need comes first."""
    update = WakeUpKind.UPDATE

    assert [["brand", "hotel"], ["room", "plan"]] == groups(
        brand=update, hotel=kind, room=update, plan=update
    )


def test_tables_that_do_not_look_it_up_do_not_wait():
    """New rooms hold nobody up."""
    assert [["room", "plan"]] == groups(room=WakeUpKind.CREATE, plan=WakeUpKind.UPDATE)


def test_generations_come_one_after_the_other():
    """A new hotel of a new brand, with a new room."""
    create = WakeUpKind.CREATE

    assert [["brand"], ["hotel"], ["room"]] == groups(brand=create, hotel=create, room=create)
