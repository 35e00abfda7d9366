"""By which steps a row comes to a state and status reason.

Belongs here: the way that the secondary's transitions allow, and the wanted pair in the secondary's
numbers. Pure. Does not belong here: sending it; that is `writer.py`.
"""

from collections import deque
from collections.abc import Mapping

import polars as pl

from dv_sync_pipeline.webapi.metadata import TableSchema

__all__ = ["in_numbers_of_the_secondary", "steps_to"]


def in_numbers_of_the_secondary(
    status: pl.Expr, state: pl.Expr, *, values: Mapping[int, int], schema: TableSchema
) -> tuple[pl.Expr, pl.Expr]:
    """State and status reason that the secondary must show.

    `values` is status reason in the primary → in the secondary; the state is the one to which that
    status reason belongs there.
    """
    wanted = status.replace(values)
    states = {option.value: option.state for option in schema.status_options}
    if not states:
        return state, wanted
    return wanted.replace_strict(states, default=state, return_dtype=pl.Int64), wanted


def steps_to(wanted: int, *, present: int | None, schema: TableSchema) -> list[int]:
    """The status reasons to set one after the other, the wanted one last.

    One step, unless the table forbids it and a detour of declared transitions is allowed
    (DATAVERSE 12). Where there is none, the secondary is to say no in its own words.
    """
    allowed = {option.value: option.next_values for option in schema.status_options}
    if not schema.enforces_transitions or present is None or allowed.get(present) is None:
        return [wanted]
    return _shortest_way(wanted, present=present, allowed=allowed) or [wanted]


def _shortest_way(
    wanted: int, *, present: int, allowed: Mapping[int, frozenset[int] | None]
) -> list[int]:
    """Only by transitions that are declared; empty if there is no such way."""
    ways = deque([[present]])
    seen = {present}
    while ways:
        way = ways.popleft()
        if way[-1] == wanted:
            return way[1:]
        following = sorted((allowed.get(way[-1]) or frozenset()) - seen)
        seen.update(following)
        ways.extend([*way, status] for status in following)
    return []
