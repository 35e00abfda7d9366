"""Which columns of a table a proposal maps, and what is to be said of each.

Belongs here: columns and lookups that both environments have. Pure. Does not belong here: keys and
the choice of tables (`proposal`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from dv_sync_pipeline.config import LookupTarget
from dv_sync_pipeline.sync.drift import Effect
from dv_sync_pipeline.sync.drift_rules import compare_columns
from dv_sync_pipeline.sync.survey import TableFacts
from dv_sync_pipeline.webapi.metadata import ColumnKind

__all__ = [
    "ProposedLookup",
    "own_columns",
    "propose_columns",
    "propose_lookups",
    "unmapped_columns",
]

MATCHED_BY: Mapping[str, str] = {
    "businessunit": "name",
    "systemuser": "domainname",
    "team": "name",
    "transactioncurrency": "isocurrencycode",
}
"""Tables that every environment fills by itself → the column by which a row is found again.

Their GUIDs differ between environments (DATAVERSE 13).
"""

_BOOKKEEPING = frozenset(
    {
        "exchangerate",
        "importsequencenumber",
        "overriddencreatedon",
        "processid",
        "stageid",
        "timezoneruleversionnumber",
        "traversedpath",
        "utcconversiontimezonecode",
    }
)
"""Writable columns in which the platform keeps notes for itself."""

_CURRENCY = "transactioncurrencyid"
_OWNER = "ownerid"


@dataclass(frozen=True, slots=True)
class ProposedLookup:
    """A lookup column.

    Attributes:
        column: logical name.
        targets: the tables it may point to; empty if none could be decided.
        remark: what could not be decided, or "".

    """

    column: str
    targets: tuple[LookupTarget, ...]
    remark: str


def propose_columns(facts: TableFacts) -> tuple[str, ...]:
    """The columns that can be kept equal: the one that people know rows by, then by name."""
    names = [
        name
        for name in _common(facts)
        if not facts.primary.columns[name].kind.is_lookup and not _obstacle(name, facts)
    ]
    return tuple(sorted(names, key=lambda name: name != facts.primary.primary_name))


def propose_lookups(facts: TableFacts, synchronized: Collection[str]) -> tuple[ProposedLookup, ...]:
    """The lookups that both sides have, by name, those included that point to nothing known."""
    has_money = any(
        facts.secondary.columns[name].kind is ColumnKind.MONEY for name in propose_columns(facts)
    )
    return tuple(
        _lookup(name, facts, synchronized)
        for name in _common(facts)
        if facts.primary.columns[name].kind.is_lookup
        and not _obstacle(name, facts)
        and (name != _CURRENCY or has_money)
    )


def unmapped_columns(facts: TableFacts) -> Iterator[str]:
    """A sentence for each column of the primary that is left out and would be missed."""
    for column in facts.primary.columns.values():
        if column.is_custom and column.name not in facts.secondary.columns:
            yield f"{column.name}: the secondary has no such column"
    for name in _common(facts):
        obstacle = _obstacle(name, facts)
        if obstacle:
            yield f"{name}: left out; {obstacle}"


def own_columns(facts: TableFacts) -> tuple[str, ...]:
    """Custom columns of the secondary alone: they are never written."""
    return tuple(
        sorted(
            column.name
            for column in facts.secondary.columns.values()
            if column.is_custom and column.name not in facts.primary.columns
        )
    )


def _common(facts: TableFacts) -> Iterator[str]:
    """Columns of both sides that people fill: in a custom table custom ones, in others any."""
    for name in sorted(facts.primary.columns.keys() & facts.secondary.columns.keys()):
        if name not in _excluded(facts) and _is_of_interest(name, facts):
            yield name


def _is_of_interest(name: str, facts: TableFacts) -> bool:
    """Of the platform's own columns: a currency, and in its own tables what can be written."""
    target = facts.secondary.columns[name]
    is_standard = not facts.summary.is_custom
    is_filled = is_standard and target.valid_for_create and target.valid_for_update
    return facts.primary.columns[name].is_custom or name == _CURRENCY or is_filled


def _excluded(facts: TableFacts) -> frozenset[str]:
    """The id, the state, notes of the platform, and the owner: security is the department's own."""
    own = {facts.primary.primary_id, facts.secondary.primary_id}
    return _BOOKKEEPING | own | {"statecode", "statuscode", _OWNER}


def _obstacle(name: str, facts: TableFacts) -> str:
    """Why the column cannot be kept equal; "" when it can."""
    stops = [each for each in compare_columns(facts.schemas, name) if each.effect is Effect.STOPS]
    return "; ".join(f"{each.environment}: {each.what} ({each.why})" for each in stops)


def _lookup(name: str, facts: TableFacts, synchronized: Collection[str]) -> ProposedLookup:
    there = facts.secondary.columns[name].targets
    here = facts.primary.columns[name].targets
    decided = tuple(
        LookupTarget(table=table)
        if table in synchronized
        else LookupTarget(table=table, by=MATCHED_BY[table])
        for table in here
        if table in there and (table in synchronized or table in MATCHED_BY)
    )
    open_ones = sorted(set(here) - {each.table for each in decided})
    return ProposedLookup(name, decided, _question_about(open_ones, has_others=bool(decided)))


def _question_about(tables: list[str], *, has_others: bool) -> str:
    if not tables:
        return ""
    names = f"{' and '.join(tables)} {'is' if len(tables) == 1 else 'are'}"
    consequence = "such lookups stay empty" if has_others else "left out"
    return (
        f"{consequence}, {names} not synchronized: synchronize it too, or say by which column "
        f"its rows are matched, {{table: {tables[0]}, by: ...}}"
    )
