"""What two environments have, read for a proposal; writes nothing.

Belongs here: which tables both have, what they look like, and whether their rows share GUIDs or, if
not, values that tell them apart. Does not belong here: what follows from it (`proposal`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dv_sync_pipeline.errors import ConfigurationError, TableError
from dv_sync_pipeline.sync.drift_rules import Schemas
from dv_sync_pipeline.webapi.client import Dataverse
from dv_sync_pipeline.webapi.metadata import ColumnKind, TableSchema
from dv_sync_pipeline.webapi.tables import TableSummary
from dv_sync_pipeline.webapi.together import together

__all__ = ["GuidEvidence", "SharedValues", "Survey", "TableFacts", "TablesWanted", "survey"]

_ROWS_LOOKED_UP = 20

Row = Mapping[str, object]


class Surveyed(Dataverse, Protocol):
    """An environment that can also tell which tables it has."""

    async def list_tables(self) -> list[TableSummary]:
        """Every table that holds rows of its own, by name."""


@dataclass(frozen=True, slots=True)
class TablesWanted:
    """Which tables a proposal is asked for.

    Attributes:
        only: these and no others; empty for every custom table that both environments have.
        besides: these as well.

    """

    only: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuidEvidence:
    """Whether rows of both environments share GUIDs.

    Attributes:
        looked_up: how many rows of the primary were looked up in the secondary.
        found: how many of them exist there under the same GUID.
        secondary_is_empty: there is no row at all.

    """

    looked_up: int
    found: int
    secondary_is_empty: bool


@dataclass(frozen=True, slots=True)
class SharedValues:
    """A text column that tells rows apart, as far as rows were looked at.

    Attributes:
        column: its name in both environments.
        looked_at: so many rows of the primary; each has a value of its own.
        found: so many of these values one row of the secondary has, each.

    """

    column: str
    looked_at: int
    found: int


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table that both environments have.

    Attributes:
        summary: as the primary describes it.
        schemas: what it looks like on each side.
        guids: whether rows can be matched by GUID.
        shared_values: columns by which they might be, where no GUID and no alternate key serves.

    """

    summary: TableSummary
    schemas: Schemas
    guids: GuidEvidence
    shared_values: tuple[SharedValues, ...] = ()

    @property
    def primary(self) -> TableSchema:
        """What it looks like in the primary."""
        return self.schemas.primary

    @property
    def secondary(self) -> TableSchema:
        """What it looks like in the secondary."""
        return self.schemas.secondary


@dataclass(frozen=True, slots=True)
class Survey:
    """Both environments, as far as a proposal needs them.

    Attributes:
        tables: those that were asked for, and that both have.
        unreadable: tables that both have, with the reason why they could not be looked at.
        only_primary, only_secondary: custom tables of one side alone.

    """

    tables: tuple[TableFacts, ...]
    unreadable: Mapping[str, str]
    only_primary: tuple[str, ...]
    only_secondary: tuple[str, ...]


async def survey(
    primary: Surveyed,
    secondary: Surveyed,
    *,
    wanted: TablesWanted,
    looking_at: Callable[[Sequence[str]], None],
) -> Survey:
    """Look at every wanted table of both sides; `looking_at` is told their names before.

    Raises `ConfigurationError` for a wanted table that one side lacks.
    """
    ours = {table.name: table for table in await primary.list_tables()}
    theirs = {table.name: table for table in await secondary.list_tables()}
    names = _choose(ours, theirs, wanted)
    looking_at(names)

    async def look_at(name: str) -> TableFacts | TableError:
        try:
            return await _look_at(primary, secondary, ours[name])
        except TableError as error:
            return error

    # All at once: how many requests are in flight is the clients' affair.
    findings = dict(zip(names, await together(map(look_at, names)), strict=True))
    return Survey(
        tables=tuple(each for each in findings.values() if isinstance(each, TableFacts)),
        unreadable={
            name: str(each) for name, each in findings.items() if isinstance(each, TableError)
        },
        only_primary=_custom_only(ours, theirs),
        only_secondary=_custom_only(theirs, ours),
    )


def _choose(
    ours: Mapping[str, TableSummary], theirs: Mapping[str, TableSummary], wanted: TablesWanted
) -> list[str]:
    for name in (*wanted.only, *wanted.besides):
        _check_exists(name, ours, environment="primary")
        _check_exists(name, theirs, environment="secondary")
    custom = [name for name in ours.keys() & theirs.keys() if ours[name].is_custom]
    return sorted({*(wanted.only or custom), *wanted.besides})


def _check_exists(name: str, tables: Collection[str], *, environment: str) -> None:
    if name not in tables:
        raise ConfigurationError(
            f"the table {name} does not exist",
            where=environment,
            mend="Check the name: it is the logical name, in lower case",
        )


def _custom_only(
    here: Mapping[str, TableSummary], there: Mapping[str, TableSummary]
) -> tuple[str, ...]:
    return tuple(sorted(name for name in here.keys() - there.keys() if here[name].is_custom))


async def _look_at(primary: Dataverse, secondary: Dataverse, summary: TableSummary) -> TableFacts:
    ours = await primary.describe(summary.name)
    theirs = await secondary.describe(summary.name)
    guids = await _compare_guids(primary, secondary, ours=ours, theirs=theirs)
    schemas = Schemas(ours, theirs)
    if guids.found or guids.secondary_is_empty or any(key.is_active for key in theirs.keys):
        return TableFacts(summary, schemas, guids)
    values = await _compare_values(primary, secondary, schemas)
    return TableFacts(summary, schemas, guids, tuple(values))


async def _compare_guids(
    primary: Dataverse, secondary: Dataverse, *, ours: TableSchema, theirs: TableSchema
) -> GuidEvidence:
    rows = (await _first_rows(primary, ours, []))[:_ROWS_LOOKED_UP]
    ids = [str(row[ours.primary_id]) for row in rows]
    found = await secondary.read_rows(theirs, ids, []) if ids else []
    is_empty = await secondary.count(theirs) == 0
    return GuidEvidence(looked_up=len(ids), found=len(found), secondary_is_empty=is_empty)


async def _compare_values(
    primary: Dataverse, secondary: Dataverse, schemas: Schemas
) -> Iterator[SharedValues]:
    """Of the first page of each side: enough for a guess, and more a guess is not."""
    columns = [name for name in schemas.primary.columns if _is_text(name, schemas)]
    ours = await _first_rows(primary, schemas.primary, columns)
    theirs = await _first_rows(secondary, schemas.secondary, columns)
    shared = (_shared_values(name, ours, theirs) for name in columns)
    return (each for each in shared if each.found)


def _is_text(name: str, schemas: Schemas) -> bool:
    both = schemas.primary.columns.get(name), schemas.secondary.columns.get(name)
    return all(column is not None and column.kind is ColumnKind.STRING for column in both)


def _shared_values(column: str, ours: Sequence[Row], theirs: Sequence[Row]) -> SharedValues:
    """None are found of a column that is empty in a row of the primary, or alike in two."""
    here, there = (Counter(row.get(column) for row in rows) for rows in (ours, theirs))
    tells_apart = None not in here and len(here) == len(ours)
    found = sum(there[value] == 1 for value in here) if tells_apart else 0
    return SharedValues(column, looked_at=len(ours), found=found)


async def _first_rows(
    environment: Dataverse, schema: TableSchema, columns: Sequence[str]
) -> Sequence[Row]:
    async for page in environment.read_pages(schema, columns):
        return page
    return ()
