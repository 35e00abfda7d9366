"""What is read of two environments before a `sync.yaml` is proposed."""

import asyncio
from contextlib import ExitStack

import pytest

from dv_sync_pipeline import config
from dv_sync_pipeline.sync.survey import SharedValues, TablesWanted, survey
from dv_sync_pipeline_tests.worlds.emulated_pair import VARIABLES
from dv_sync_pipeline_tests.worlds.hand_made import hand_made_pair

THEIRS = "00000000-0000-4000-8000-0000000000a{number}"


async def _surveyed(pair, secondary_rows):
    """What is found of hotels, with these hotels in the secondary under GUIDs of its own."""
    for number, values in enumerate(secondary_rows):
        await pair.secondary.put("contoso_hotels", THEIRS.format(number=number), values)
    environments = config.load(pair.folder / "sync.yaml", VARIABLES).environments
    wanted = TablesWanted(only=("contoso_hotel",))
    async with (
        pair.connect("primary", environments.primary) as primary,
        pair.connect("secondary", environments.secondary) as secondary,
    ):
        found = await survey(primary, secondary, wanted=wanted, looking_at=lambda _tables: None)
    (hotel,) = found.tables
    return hotel


@pytest.mark.parametrize(
    ("secondary_rows", "shared"),
    [
        ([{"contoso_code": "B-1"}, {"contoso_code": "X-9"}], ["contoso_code"]),
        ([{"contoso_code": "B-1"}, {"contoso_code": "B-1"}], []),
        ([{"contoso_code": "X-9"}], []),
        ([], []),
    ],
)
def test_columns_whose_values_tell_rows_apart(tmp_path, secondary_rows, shared):
    """Without an alternate key: those of which one row of each side has the same value."""
    with ExitStack() as stack:
        pair = asyncio.run(hand_made_pair(tmp_path, stack))
        hotel = asyncio.run(_surveyed(pair, secondary_rows))

    found = {each: SharedValues(each, looked_at=1, found=1) for each in shared}
    assert found == {each.column: each for each in hotel.shared_values}


@pytest.mark.parametrize("empty", [{}, {"contoso_code": "B-1"}])
def test_a_column_that_is_empty_or_alike_in_the_primary_tells_nothing_apart(tmp_path, empty):
    """One row without a code, or two with the same, and it is no candidate."""
    with ExitStack() as stack:
        pair = asyncio.run(hand_made_pair(tmp_path, stack))
        row_id = THEIRS.format(number=9)
        asyncio.run(pair.primary.put("contoso_hotels", row_id, {"contoso_name": "Savoy", **empty}))
        hotel = asyncio.run(_surveyed(pair, [{"contoso_code": "B-1"}]))

    assert () == hotel.shared_values
