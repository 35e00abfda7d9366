"""The tables of an environment, ready for use: what is looked up for every request.

Belongs here: finding columns, navigation properties and children by name. Does not belong here:
rows, SQL, or the wording of metadata.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.values import Decoder, decoder
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    KeyDefinition,
    KeyStatus,
    LookupDefinition,
    ManyToManyDefinition,
    OptionSetDefinition,
    RequiredLevel,
    SourceType,
    TableDefinition,
)

__all__ = ["Catalog", "Child", "Table", "target_column"]


def target_column(column: str) -> str:
    """The SQL column that holds the table to which a polymorphic lookup points."""
    return f"{column}__target"


class Table:
    """A definition with everything that is asked of it, computed once."""

    def __init__(self, definition: TableDefinition) -> None:
        self.definition = definition
        self.name = definition.name
        self.entity_set = definition.entity_set
        self.primary_id = definition.primary_id
        self.primary_name = definition.primary_name
        self.columns = {column.name: column for column in definition.columns}

    @cached_property
    def readable(self) -> tuple[ColumnDefinition, ...]:
        """The columns that a read without `$select` returns: no pictures."""
        return tuple(
            column for column in self.definition.columns if column.kind is not ColumnKind.IMAGE
        )

    @cached_property
    def properties(self) -> dict[str, ColumnDefinition]:
        """Columns by the name under which a query knows them."""
        return {column.property_name: column for column in self.definition.columns}

    @cached_property
    def navigation(self) -> dict[str, tuple[ColumnDefinition, tuple[LookupDefinition, ...]]]:
        """Single-valued navigation property → its column and the targets it may have."""
        found: dict[str, tuple[ColumnDefinition, tuple[LookupDefinition, ...]]] = {}
        for column in self.definition.columns:
            for lookup in column.lookups:
                _, others = found.get(lookup.navigation_property, (column, ()))
                found[lookup.navigation_property] = (column, (*others, lookup))
        return found

    @cached_property
    def decoders(self) -> dict[str, Decoder]:
        """The decoder of each column that is no lookup."""
        return {
            column.name: decoder(column, table=self.name)
            for column in self.definition.columns
            if not column.kind.is_lookup
        }

    @cached_property
    def creatable(self) -> dict[str, Decoder]:
        """The decoders of the columns that a create may set."""
        return self._writable(column for column in self._simple if column.valid_for_create)

    @cached_property
    def updatable(self) -> dict[str, Decoder]:
        """The decoders of the columns that an update may set."""
        return self._writable(column for column in self._simple if column.valid_for_update)

    @property
    def _simple(self) -> Iterator[ColumnDefinition]:
        """The columns whose values are not computed."""
        return (c for c in self.definition.columns if c.source_type is SourceType.SIMPLE)

    def _writable(self, columns: Iterable[ColumnDefinition]) -> dict[str, Decoder]:
        return {
            column.name: self.decoders[column.name]
            for column in columns
            if column.name in self.decoders and column.kind is not ColumnKind.FILE
        }

    @cached_property
    def required(self) -> frozenset[str]:
        """The columns that cannot be set to null (DATAVERSE 3.2)."""
        return frozenset(
            column.name
            for column in self.definition.columns
            if column.required is RequiredLevel.SYSTEM
        )

    @cached_property
    def secured(self) -> frozenset[str]:
        """The columns that need a field security profile (DATAVERSE 13)."""
        return frozenset(c.name for c in self.definition.columns if c.is_secured)

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The columns with a picture."""
        return tuple(c.name for c in self.definition.columns if c.kind is ColumnKind.IMAGE)

    @cached_property
    def amounts(self) -> tuple[str, ...]:
        """The columns with an amount of money in the row's currency."""
        return tuple(
            column.name
            for column in self._simple
            if column.kind is ColumnKind.MONEY and f"{column.name}_base" in self.columns
        )

    @cached_property
    def has_rules(self) -> bool:
        """Whether values of a row follow from others, or a plug-in looks at them."""
        return bool(self.amounts or self.images or self.definition.business_rules)

    @cached_property
    def has_state(self) -> bool:
        """Whether rows have a state and a status reason."""
        return "statecode" in self.columns

    @cached_property
    def sql_columns(self) -> tuple[str, ...]:
        """The SQL columns that hold values, in the order in which rows are inserted."""
        names: list[str] = []
        for column in self.definition.columns:
            if not column.generated:
                names.append(column.name)
            if column.is_polymorphic:
                names.append(target_column(column.name))
        return tuple(names)

    @cached_property
    def polymorphic(self) -> tuple[str, ...]:
        """The lookups whose target's table is stored beside its id."""
        return tuple(column.name for column in self.definition.columns if column.is_polymorphic)

    def active_key(self, columns: frozenset[str]) -> KeyDefinition | None:
        """The usable alternate key over exactly these columns."""
        for key in self.definition.keys:
            if key.status is KeyStatus.ACTIVE and frozenset(key.columns) == columns:
                return key
        return None


@dataclass(frozen=True, slots=True)
class Child:
    """A lookup that points to a table, seen from that table."""

    table: Table
    column: ColumnDefinition
    lookup: LookupDefinition


class Catalog:
    """All tables, by logical name and by entity set, and what connects them."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.many_to_many: dict[str, ManyToManyDefinition] = {}
        self.option_sets: dict[str, OptionSetDefinition] = {}
        self._by_entity_set: dict[str, Table] = {}
        self._children: dict[str, list[Child]] = {}

    def put(self, definition: TableDefinition) -> Table:
        """Add the table, or replace the one of the same name."""
        self.remove(definition.name)
        table = Table(definition)
        self.tables[table.name] = table
        self._by_entity_set[table.entity_set] = table
        self._children.clear()
        return table

    def remove(self, name: str) -> None:
        """Forget the table, if there is one of that name."""
        table = self.tables.pop(name, None)
        if table is not None:
            self._by_entity_set.pop(table.entity_set, None)
            self._children.clear()

    def table(self, name: str) -> Table:
        """The table of that logical name; `KeyError` if there is none."""
        return self.tables[name]

    def find_set(self, entity_set: str) -> Table | None:
        """The table of that entity set; the name is case-sensitive."""
        return self._by_entity_set.get(entity_set)

    def by_entity_set(self, entity_set: str) -> Table:
        """As `find_set`; raises Dataverse's 404 if there is none."""
        table = self._by_entity_set.get(entity_set)
        if table is None:
            raise replies.segment_not_found(entity_set)
        return table

    def children(self, name: str) -> list[Child]:
        """Every lookup of any table that points to this one."""
        if name not in self._children:
            self._children[name] = list(self._find_children(name))
        return self._children[name]

    def _find_children(self, name: str) -> Iterator[Child]:
        for table in self.tables.values():
            for column in table.definition.columns:
                for lookup in column.lookups:
                    if lookup.target == name:
                        yield Child(table, column, lookup)
