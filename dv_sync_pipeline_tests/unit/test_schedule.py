"""When the next reconcile is due."""

from datetime import UTC, datetime

import pytest

from dv_sync_pipeline.config.schedule import Schedule


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 1, 16, 1, tzinfo=UTC)),
        (datetime(2026, 7, 15, 12, tzinfo=UTC), datetime(2026, 7, 16, 0, tzinfo=UTC)),
    ],
    ids=["winter", "summer"],
)
def test_it_is_meant_in_its_time_zone(now, expected):
    """Two o'clock in Berlin, told in UTC."""
    schedule = Schedule(reconcile="0 2 * * *", timezone="Europe/Berlin")

    assert expected == schedule.next_reconcile(now)


@pytest.mark.parametrize("reconcile", [None, "61 2 * * *"], ids=["never", "no such minute"])
def test_without_a_schedule_none_is_due(reconcile):
    """One that cannot be read is complained of by Dagster's definitions, and foretells nothing."""
    schedule = Schedule(reconcile=reconcile)

    assert schedule.next_reconcile(datetime(2026, 1, 15, tzinfo=UTC)) is None
