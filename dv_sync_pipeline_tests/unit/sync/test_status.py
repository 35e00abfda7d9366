"""The way to a status reason that the secondary's transitions allow."""

from dataclasses import replace

import pytest

from dv_sync_pipeline.sync.status import steps_to
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, StatusOption
from dv_sync_pipeline_tests.worlds.memory import table

FREE = table("hotel", [Column("code", ColumnKind.STRING)])


def restricted(**following):
    """A table whose status reasons may be followed by these; `_1=None` declares nothing."""
    options = tuple(
        StatusOption(int(name[1:]), 0, None if after is None else frozenset(after))
        for name, after in following.items()
    )
    return replace(FREE, status_options=options, enforces_transitions=True)


@pytest.mark.parametrize(
    ("schema", "steps"),
    [
        (FREE, [3]),
        (replace(restricted(_1=[2], _2=[3], _3=[]), enforces_transitions=False), [3]),
        (restricted(_1=[2, 3], _2=[3], _3=[]), [3]),
        (restricted(_1=[2, 4], _2=[3], _3=[], _4=[5], _5=[3]), [2, 3]),
        (restricted(_1=[2], _2=[1], _3=[]), [3]),
        (restricted(_1=None, _2=[3], _3=[]), [3]),
        (restricted(_1=[2], _2=None, _3=[]), [3]),
    ],
    ids=["free", "not enforced", "direct", "shortest", "no way", "unknown", "unknown on the way"],
)
def test_the_shortest_declared_way_is_taken(schema, steps):
    """Without one the wanted status is tried all the same, for the secondary to say no."""
    assert steps == steps_to(3, present=1, schema=schema)
