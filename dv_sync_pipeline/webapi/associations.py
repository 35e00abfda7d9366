"""Pairs of a many-to-many relationship: made and undone with `$ref` (DATAVERSE 5).

Belongs here: the requests, and which answers mean that a pair already is as it should be. Does not
belong here: which pairs there should be. To read all pairs needs nothing of its own: the intersect
table is read like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from dv_sync_pipeline.webapi import odata
from dv_sync_pipeline.webapi.batch import Part, send_parts
from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.metadata import Association, TableSchema
from dv_sync_pipeline.webapi.together import together
from dv_sync_pipeline.webapi.transport import Transport
from dv_sync_pipeline.webapi.verdict import Verdict
from dv_sync_pipeline.webapi.write import Outcome

__all__ = ["Pair", "associate", "disassociate", "find_pairs"]

_PAIR_EXISTS = "0x80040237"
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows that belong together: `id` of this table, `other_id` of the other one."""

    id: str
    other_id: str


_PAIRS_PER_QUESTION = 12
"""`(a eq x and b eq y) or ...`: as long as the question for 25 rows by id (`read.py`)."""


class _Pairs(msgspec.Struct):
    value: list[dict[str, object]]


_PAIRS = msgspec.json.Decoder(_Pairs)


async def find_pairs(
    transport: Transport, association: Association, pairs: Sequence[Pair], *, entity_set: str
) -> set[Pair]:
    """Those of the pairs that exist; `entity_set` is the name of the intersect table in URLs."""
    steps = range(0, len(pairs), _PAIRS_PER_QUESTION)
    groups = [pairs[start : start + _PAIRS_PER_QUESTION] for start in steps]
    found = await together(_find(transport, association, each, entity_set) for each in groups)
    return set[Pair]().union(*found)


async def _find(
    transport: Transport, association: Association, pairs: Sequence[Pair], entity_set: str
) -> set[Pair]:
    names = association.column, association.other_column
    condition = " or ".join(
        f"({names[0]} eq {odata.guid(pair.id)} and {names[1]} eq {odata.guid(pair.other_id)})"
        for pair in pairs
    )
    resource = odata.address(entity_set, select=",".join(names), filter=condition)
    where = f"{transport.name}: {association.intersect}"
    answer = await read_decoded(partial(transport.read, resource), _PAIRS.decode, where=where)
    return {Pair(*(str(row.get(name)).lower() for name in names)) for row in answer.value}


async def associate(
    transport: Transport,
    schema: TableSchema,
    association: Association,
    pairs: Sequence[Pair],
    *,
    other_set: str,
    pairs_per_call: int,
) -> list[Outcome]:
    """Make pairs; one that exists counts as done.

    `other_set` is the absolute address of the other table's rows.
    """
    parts = [_making(pair, schema, association, other_set=other_set) for pair in pairs]
    return await send_parts(
        transport, parts, parts_per_call=pairs_per_call, is_settled=_pair_exists
    )


def _making(pair: Pair, schema: TableSchema, association: Association, *, other_set: str) -> Part:
    resource = f"{odata.row(schema.entity_set, pair.id)}/{association.navigation_property}/$ref"
    content = {"@odata.id": odata.row(other_set, pair.other_id)}
    return Part(pair.id, "POST", resource, msgspec.json.encode(content))


async def disassociate(
    transport: Transport,
    schema: TableSchema,
    association: Association,
    pairs: Sequence[Pair],
    *,
    pairs_per_call: int,
) -> list[Outcome]:
    """Undo pairs; one that is gone counts as done."""
    parts = [_undoing(pair, schema, association) for pair in pairs]
    return await send_parts(
        transport, parts, parts_per_call=pairs_per_call, is_settled=_pair_is_gone
    )


def _undoing(pair: Pair, schema: TableSchema, association: Association) -> Part:
    row = odata.row(schema.entity_set, pair.id)
    other = odata.row(association.navigation_property, pair.other_id)
    return Part(pair.id, "DELETE", f"{row}/{other}/$ref")


def _pair_exists(verdict: Verdict) -> bool:
    return verdict.code == _PAIR_EXISTS


def _pair_is_gone(verdict: Verdict) -> bool:
    return verdict.status == _NOT_FOUND
