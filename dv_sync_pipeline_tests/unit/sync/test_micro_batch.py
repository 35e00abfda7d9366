"""What is done together."""

from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.sync.micro_batch import micro_batches
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ORDER = ["brand", "hotel", "room"]


def woken(table, row_id, kind=WakeUpKind.UPDATE):
    """A row of which somebody spoke."""
    return WakeUp(table, row_id, kind, NOON)


def test_one_batch_for_each_table_parents_first():
    """Whatever came in first; each row once, and no table that is not synchronized."""
    batches = micro_batches(
        [woken("room", "r"), woken("city", "c"), woken("hotel", "h"), woken("room", "q")],
        order=ORDER,
    )

    assert [("hotel", ["h"]), ("room", ["q", "r"])] == [
        (batch.table, batch.row_ids) for batch in batches
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (WakeUpKind.CREATE, True),
        (WakeUpKind.PAIRS, True),
        (WakeUpKind.UPDATE, False),
        (WakeUpKind.DELETE, False),
    ],
)
def test_behind_which_kinds_a_new_row_may_be(kind, expected):
    """Of all rows of the batch, one is enough."""
    (batch,) = micro_batches([woken("hotel", "h"), woken("hotel", "i", kind)], order=ORDER)

    assert expected == batch.may_bring_rows
