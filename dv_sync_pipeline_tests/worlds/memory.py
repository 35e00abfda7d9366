"""Two Dataverse environments in memory, for tests of the domain: no HTTP, no clock, no chance.

It keeps the rules that the domain leans on, in its own words: ids and keys are unique, keys compare
as SQL does, state cannot be set by a create, a bad row is refused alone, lookups need their parent.
`Fault` breaks it on purpose. It is not the emulator: that one speaks HTTP and is much stricter.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.errors import (
    ChangeTrackingOffError,
    DeltaTokenLostError,
    SchemaMismatchError,
)
from dv_sync_pipeline.sync.engine import Engine
from dv_sync_pipeline.webapi.associations import Pair
from dv_sync_pipeline.webapi.client import ChangePage, Identity, Row
from dv_sync_pipeline.webapi.dependents import DeleteRule, Dependent
from dv_sync_pipeline.webapi.metadata import Association, Column, ColumnKind, Key, TableSchema
from dv_sync_pipeline.webapi.traffic import Traffic
from dv_sync_pipeline.webapi.write import Outcome, OutcomeKind, Reference, RowWrite

ACTIVE, INACTIVE = 0, 1
DEFAULT_STATUS = {ACTIVE: 1, INACTIVE: 2}
STATE_OF_STATUS = {1: ACTIVE, 2: INACTIVE, 100: ACTIVE}

ROWS_PER_PAGE = 4


class Killed(BaseException):
    """The process is killed here; nothing that runs afterwards may touch the outside world."""


@dataclass
class Boundary:
    """Counts the steps that reach the outside world, and dies just before one of them.

    A step is one row written or one commit of the ledger; to die after a step is to die before the
    next one.

    Attributes:
        dies_at: the number of the step that is not made any more; 0 for none.
        passed: steps so far.

    """

    dies_at: int = 0
    passed: int = 0

    def step(self) -> None:
        """Just before a step; once dead, no step is made at all."""
        self.passed += 1
        if self.dies_at and self.passed >= self.dies_at:
            raise Killed


def step_at_each_commit(engine: Engine, boundary: Boundary) -> None:
    """Let every commit of the engine's ledger be a step."""
    database = engine.ledger._engine  # noqa: SLF001 - the only way to die at a commit
    sa.event.listen(database, "commit", lambda _connection: boundary.step())


async def nothing_happens() -> None:
    """Between two steps."""


def row_id(number: int) -> str:
    """A GUID that is easy to read: the number at its end."""
    return str(UUID(int=number))


def table(
    name: str,
    columns: Sequence[Column],
    *,
    key: Sequence[str] = (),
    status: bool = True,
    tracked: bool = True,
) -> TableSchema:
    """A table with an id, a version, the columns, a key, and a state unless told otherwise."""
    state = [
        Column("statecode", ColumnKind.STATE, is_custom=False),
        Column("statuscode", ColumnKind.STATUS, is_custom=False),
    ]
    everything = [
        Column(f"{name}id", ColumnKind.UNIQUE_IDENTIFIER, valid_for_update=False),
        Column(
            "versionnumber",
            ColumnKind.BIG_INTEGER,
            valid_for_create=False,
            valid_for_update=False,
            is_custom=False,
        ),
        *columns,
        *(state if status else []),
    ]
    return TableSchema(
        name=name,
        entity_set=f"{name}s",
        primary_id=f"{name}id",
        primary_name=columns[0].name,
        columns={column.name: column for column in everything},
        keys=(Key(f"{name}_key", tuple(key), "Active"),) if key else (),
        default_status=DEFAULT_STATUS if status else {},
        change_tracking_enabled=tracked,
    )


@dataclass
class MemoryDataverse:
    """One environment; implements `Dataverse`.

    Attributes:
        name: primary or secondary.
        organization_id: what WhoAmI answers.
        schemas: its tables.
        rows: table → id → column → value.
        writes: everything that a write call asked for, in order: (message, table, id, values).
        refuse: gives (code, message) for a write that the environment's own rules forbid.
        lose: says whether the answer to a row is lost; the write is made all the same.
        drop: says whether a row never arrives; its outcome is unknown as well.
        rules: (table, lookup) → what a delete of the parent does; else it is restricted.
        boundary: counts the rows written, and may kill the process before one of them.
        tombstones: (table, id) → version of the delete, those of rows that came back included.
        forgets_tokens_before: delta tokens of an older version have expired.
        pause: is awaited before each request: something else may happen there.

    """

    name: str
    organization_id: str
    schemas: dict[str, TableSchema] = field(default_factory=dict)
    rows: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    writes: list[tuple[str, str, str, dict[str, object]]] = field(default_factory=list)
    refuse: Callable[[str, RowWrite], tuple[str, str] | None] = lambda _table, _write: None
    lose: Callable[[str, RowWrite], bool] = lambda _message, _write: False
    drop: Callable[[str, RowWrite], bool] = lambda _message, _write: False
    rules: dict[tuple[str, str], DeleteRule] = field(default_factory=dict)
    boundary: Boundary = field(default_factory=Boundary)
    requests: int = 0
    tombstones: dict[tuple[str, str], int] = field(default_factory=dict)
    forgets_tokens_before: int = 0
    pause: Callable[[], Awaitable[None]] = nothing_happens
    _versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1000))

    @property
    def traffic(self) -> Traffic:
        """Requests so far."""
        return Traffic(requests=self.requests)

    def add(self, schema: TableSchema) -> None:
        """Create a table."""
        self.schemas[schema.name] = schema
        self.rows[schema.name] = {}

    def put(self, table_name: str, id_: str, **values: object) -> None:
        """A person creates or changes a row; nothing is checked."""
        row = self.rows[table_name].setdefault(id_, self._blank(table_name))
        row |= values | {"versionnumber": next(self._versions)}

    def delete(self, table_name: str, id_: str) -> None:
        """A person deletes a row."""
        del self.rows[table_name][id_]
        self._note_delete(table_name, id_)

    def _note_delete(self, table_name: str, id_: str) -> None:
        self.tombstones[table_name, id_] = next(self._versions)

    def _blank(self, table_name: str) -> dict[str, object]:
        row: dict[str, object] = dict.fromkeys(self.schemas[table_name].columns)
        return row | ({"statecode": ACTIVE, "statuscode": 1} if "statecode" in row else {})

    async def identify(self) -> Identity:
        """Who we are there."""
        return Identity(self.organization_id, row_id(1))

    async def describe(self, table: str) -> TableSchema:
        """What the table looks like."""
        if table not in self.schemas:
            raise SchemaMismatchError(f"there is no table {table}", where=self.name)
        return self.schemas[table]

    async def count(self, schema: TableSchema, *, condition: str = "") -> int | None:
        """How many rows there are."""
        return len(self._ids(schema, condition))

    def _ids(self, schema: TableSchema, condition: str) -> list[str]:
        """Of one kind of condition: `column eq number`."""
        rows = self.rows[schema.name]
        column, _, number = condition.partition(" eq ")
        return sorted(id_ for id_ in rows if not column or rows[id_][column] == int(number))

    async def read_pages(
        self, schema: TableSchema, columns: Sequence[str], *, condition: str = ""
    ) -> AsyncIterator[list[Row]]:
        """All rows, a few at a time, so that every read has several pages."""
        ids = self._ids(schema, condition)
        for start in range(0, max(len(ids), 1), ROWS_PER_PAGE):
            self.requests += 1
            await self.pause()
            there = [
                id_ for id_ in ids[start : start + ROWS_PER_PAGE] if id_ in self.rows[schema.name]
            ]
            yield [self._read(schema, id_, columns) for id_ in there]

    async def read_rows(
        self,
        schema: TableSchema,
        ids: Sequence[str],
        columns: Sequence[str],
        *,
        condition: str = "",
    ) -> list[Row]:
        """Those of the rows that exist and meet the condition."""
        self.requests += 1
        await self.pause()
        present = set(self._ids(schema, condition)) & set(ids)
        return [self._read(schema, id_, columns) for id_ in present]

    def _read(self, schema: TableSchema, id_: str, columns: Sequence[str]) -> Row:
        row = self.rows[schema.name][id_]
        answer: Row = {schema.primary_id: id_}
        for column in (schema.columns[name] for name in columns):
            value = row[column.name]
            if isinstance(value, Reference):
                answer |= {column.table_annotation: value.table, column.property_name: value.id}
            else:
                answer[column.property_name] = value
        return answer

    async def read_rows_by_key(
        self, schema: TableSchema, keys: Sequence[Mapping[str, object]], columns: Sequence[str]
    ) -> list[Row]:
        """The rows found under these keys."""
        self.requests += bool(keys)
        await self.pause()
        wanted = [[fold(value) for value in key.values()] for key in keys]
        names = list(keys[0]) if keys else []
        found = [
            id_
            for id_, row in self.rows[schema.name].items()
            if keys and [fold(row[name]) for name in names] in wanted
        ]
        return [self._read(schema, id_, columns) for id_ in found]

    async def begin_changes(self, schema: TableSchema, columns: Sequence[str]) -> str:
        """A token for what changes from now on."""
        self.requests += 1
        if not schema.change_tracking_enabled:
            raise ChangeTrackingOffError(f"{schema.name} does not track changes")
        return f"{schema.name}?{','.join(columns)}!{next(self._versions)}"

    async def read_changes(
        self, schema: TableSchema, columns: Sequence[str], *, token: str
    ) -> AsyncIterator[ChangePage]:
        """What changed since the token: rows by version, then deletes, a few at a time."""
        asked, _, version = token.partition("!")
        assert asked == f"{schema.name}?{','.join(columns)}"
        if int(version) < self.forgets_tokens_before:
            raise DeltaTokenLostError(f"the delta token of {schema.name} has expired")
        since, closing = int(version), f"{asked}!{next(self._versions)}"
        rows = [self._read(schema, id_, columns) for id_ in self._changed(schema.name, since)]
        deleted = [
            id_ for (name, id_), at in self.tombstones.items() if name == schema.name and at > since
        ]
        pages = [ChangePage(rows[n : n + ROWS_PER_PAGE], (), "") for n in _steps(rows)]
        pages += [ChangePage((), deleted[n : n + ROWS_PER_PAGE], "") for n in _steps(deleted)]
        *others, last = pages or [ChangePage((), (), "")]
        for page in (*others, replace(last, token=closing)):
            self.requests += 1
            await self.pause()
            yield page

    def _changed(self, table_name: str, since: int) -> list[str]:
        versions = {id_: row["versionnumber"] for id_, row in self.rows[table_name].items()}
        return sorted((id_ for id_ in versions if versions[id_] > since), key=versions.__getitem__)

    async def create_rows(self, schema: TableSchema, rows: Sequence[RowWrite]) -> list[Outcome]:
        """Create rows; one that exists already is refused."""
        return await self._call("create", schema, rows)

    async def update_rows(self, schema: TableSchema, rows: Sequence[RowWrite]) -> list[Outcome]:
        """Change rows that exist."""
        return await self._call("update", schema, rows)

    async def associate_rows(
        self, schema: TableSchema, association: Association, pairs: Sequence[Pair]
    ) -> list[Outcome]:
        """Make pairs; one that exists is done."""
        return [self._pair("associate", schema, association, pair) for pair in pairs]

    async def disassociate_rows(
        self, schema: TableSchema, association: Association, pairs: Sequence[Pair]
    ) -> list[Outcome]:
        """Undo pairs; one that is gone is done."""
        return [self._pair("disassociate", schema, association, pair) for pair in pairs]

    async def find_pairs(self, association: Association, pairs: Sequence[Pair]) -> set[Pair]:
        """Those of the pairs that exist."""
        self.requests += 1
        return self.pairs(association) & set(pairs)

    def pairs(self, association: Association) -> set[Pair]:
        """Every pair that there is."""
        rows = self.rows[association.intersect].values()
        return {
            Pair(str(row[association.column]), str(row[association.other_column])) for row in rows
        }

    def relate(self, association: Association, id_: str, other_id: str) -> None:
        """A person makes a pair."""
        ends = {association.column: id_, association.other_column: other_id}
        self.put(association.intersect, _pair_id(id_, other_id), **ends)

    def separate(self, association: Association, id_: str, other_id: str) -> None:
        """A person undoes a pair."""
        self.rows[association.intersect].pop(_pair_id(id_, other_id), None)

    def _pair(
        self, message: str, schema: TableSchema, association: Association, pair: Pair
    ) -> Outcome:
        self.boundary.step()
        write = RowWrite(pair.id, {association.name: pair.other_id})
        self.writes.append((message, schema.name, pair.id, dict(write.values)))
        if self.drop(message, write):
            return Outcome(pair.id, OutcomeKind.UNKNOWN, message="the connection broke")
        refusal = self.refuse(schema.name, write) or self._lacks_an_end(schema, association, pair)
        if refusal:
            return Outcome(pair.id, OutcomeKind.REFUSED, 400, *refusal)
        make = self.relate if message == "associate" else self.separate
        make(association, pair.id, pair.other_id)
        if self.lose(message, write):
            return Outcome(pair.id, OutcomeKind.UNKNOWN, message="the answer was lost")
        return Outcome(pair.id, OutcomeKind.DONE)

    def _lacks_an_end(
        self, schema: TableSchema, association: Association, pair: Pair
    ) -> tuple[str, str] | None:
        ends = ((schema.name, pair.id), (association.other, pair.other_id))
        for name, id_ in ends:
            if id_ not in self.rows[name]:
                return "0x80040217", f"{name} With Id = {id_} Does Not Exist"
        return None

    async def delete_rows(self, schema: TableSchema, ids: Sequence[str]) -> list[Outcome]:
        """Delete rows; one that is not there is done."""
        self.requests += 1
        await self.pause()
        return [self._delete(schema, id_) for id_ in ids]

    def _delete(self, schema: TableSchema, id_: str) -> Outcome:
        self.boundary.step()
        self.writes.append(("delete", schema.name, id_, {}))
        write = RowWrite(id_, {})
        if self.drop("delete", write):
            return Outcome(id_, OutcomeKind.UNKNOWN, message="the connection broke")
        refusal = self.refuse(schema.name, write) or self._restriction(schema, id_)
        if refusal:
            code, text = refusal
            return Outcome(id_, OutcomeKind.REFUSED, 400, code, text)
        for dependent in self._dependents(schema):
            self._follow(dependent, id_)
        if self.rows[schema.name].pop(id_, None) is not None:
            self._note_delete(schema.name, id_)
        if self.lose("delete", write):
            return Outcome(id_, OutcomeKind.UNKNOWN, message="the answer was lost")
        return Outcome(id_, OutcomeKind.DONE)

    def _restriction(self, schema: TableSchema, id_: str) -> tuple[str, str] | None:
        for dependent in self._dependents(schema):
            if dependent.rule is DeleteRule.RESTRICT and self._children(dependent, id_):
                return "0x80048d21", f"The record is referenced by {dependent.table}."
        return None

    def _follow(self, dependent: Dependent, id_: str) -> None:
        for child in self._children(dependent, id_):
            if dependent.rule is DeleteRule.CASCADE:
                del self.rows[dependent.table][child]
            else:
                self.put(dependent.table, child, **{dependent.column: None})

    def _children(self, dependent: Dependent, id_: str) -> list[str]:
        rows = self.rows[dependent.table].items()
        return [child for child, row in rows if row[dependent.column] == id_]

    def _dependents(self, schema: TableSchema) -> list[Dependent]:
        return [
            Dependent(other.name, column.name, other.entity_set, self._rule(other, column))
            for other in self.schemas.values()
            for column in other.columns.values()
            if schema.name in column.targets
        ]

    def _rule(self, table: TableSchema, column: Column) -> DeleteRule:
        return self.rules.get((table.name, column.name), DeleteRule.RESTRICT)

    async def dependents_of(self, schema: TableSchema) -> tuple[Dependent, ...]:
        """Lookups that a delete would follow."""
        return tuple(self._dependents(schema))

    async def ids_with_dependents(self, dependent: Dependent, ids: Sequence[str]) -> set[str]:
        """Rows that others point to."""
        self.requests += 1
        return {id_ for id_ in ids if self._children(dependent, id_)}

    async def _call(
        self, message: str, schema: TableSchema, rows: Sequence[RowWrite]
    ) -> list[Outcome]:
        self.requests += 1
        await self.pause()
        return [self._write(message, schema, write) for write in rows]

    def _write(self, message: str, schema: TableSchema, write: RowWrite) -> Outcome:
        self.boundary.step()
        self.writes.append((message, schema.name, write.id, dict(write.values)))
        if self.drop(message, write):
            return Outcome(write.id, OutcomeKind.UNKNOWN, message="the connection broke")
        refusal = self.refuse(schema.name, write) or self._refusal(message, schema, write)
        if refusal:
            code, text = refusal
            return Outcome(write.id, OutcomeKind.REFUSED, 400, code, text)
        self.put(schema.name, write.id, **self._stored(message, schema, write))
        if self.lose(message, write):
            return Outcome(write.id, OutcomeKind.UNKNOWN, message="the answer was lost")
        return Outcome(write.id, OutcomeKind.DONE)

    def _stored(self, message: str, schema: TableSchema, write: RowWrite) -> dict[str, object]:
        """A lookup to one table is kept as an id, one to several tables as a `Reference`."""
        values = {
            name: value.id
            if isinstance(value, Reference) and not schema.columns[name].is_polymorphic
            else value
            for name, value in write.values.items()
        }
        if message == "create":
            values.pop("statecode", None)
        return values

    def _refusal(
        self, message: str, schema: TableSchema, write: RowWrite
    ) -> tuple[str, str] | None:
        rows = self.rows[schema.name]
        if message == "create" and write.id in rows:
            return "0x80040237", "A record with matching key values already exists."
        if message == "update" and write.id not in rows:
            return "0x80040217", f"{schema.name} With Id = {write.id} Does Not Exist"
        for value in write.values.values():
            if isinstance(value, Reference) and value.id not in self.rows[value.table]:
                return "0x80040217", f"{value.table} With Id = {value.id} Does Not Exist"
        wanted = rows.get(write.id, self._blank(schema.name)) | self._stored(message, schema, write)
        return self._broken_rule(schema, write, wanted)

    def _broken_rule(
        self, schema: TableSchema, write: RowWrite, wanted: dict[str, object]
    ) -> tuple[str, str] | None:
        for name, value in wanted.items():
            limit = schema.columns[name].max_length
            if limit is not None and isinstance(value, str) and len(value) > limit:
                return "0x80044331", f"The length of {name} exceeded {limit}."
        if "statecode" in wanted and STATE_OF_STATUS[wanted["statuscode"]] != wanted["statecode"]:
            return "0x80048408", f"{wanted['statuscode']} is not a valid status code"
        for key in schema.keys:
            mine = [fold(wanted[name]) for name in key.columns]
            others = (row for id_, row in self.rows[schema.name].items() if id_ != write.id)
            if None not in mine and mine in ([fold(o[n]) for n in key.columns] for o in others):
                return "0x80060892", f"Entity Key {key.name} violated."
        return None


def _pair_id(id_: str, other_id: str) -> str:
    return str(UUID(int=(UUID(id_).int << 64) % (1 << 128) | UUID(other_id).int % (1 << 64)))


def _steps(entries: Sequence[object]) -> range:
    return range(0, len(entries), ROWS_PER_PAGE)


def fold(value: object) -> object:
    """A key value as the database compares it."""
    return value.casefold().rstrip(" ") if isinstance(value, str) else value


@dataclass
class TickingClock:
    """Every look at it finds some time more gone, a second unless told otherwise."""

    now: datetime = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
    step: timedelta = timedelta(seconds=1)

    def __call__(self) -> datetime:
        """The time."""
        self.now += self.step
        return self.now


def connect_to(*environments: MemoryDataverse):
    """Stands in for `webapi.client.connect`."""
    by_name = {environment.name: environment for environment in environments}

    @asynccontextmanager
    async def connect(name: str, _configuration: Configuration):
        yield by_name[name]

    return connect
