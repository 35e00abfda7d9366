"""What `sync.yaml` says of a table, agreed with what both environments really have.

Belongs here: the checks before any write (DESIGN 4, Failures: stop rather than guess), and the
mapping that all later steps follow. Does not belong here: values of rows.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

import polars as pl

from dv_sync_pipeline.config import (
    Constant,
    LookupConfiguration,
    StatusColumn,
    TableConfiguration,
)
from dv_sync_pipeline.errors import IncompleteReadError, SchemaMismatchError
from dv_sync_pipeline.sync.deferral import self_lookups
from dv_sync_pipeline.sync.drift import SchemaDifference, raise_if_stopped
from dv_sync_pipeline.sync.drift_rules import STATUS_COLUMNS, Schemas, find_differences
from dv_sync_pipeline.sync.values import MAPPABLE_KINDS, VALUE_TYPES, frame_of_rows
from dv_sync_pipeline.webapi.metadata import Association, Column, ColumnKind, TableSchema

__all__ = [
    "CURRENCY_COLUMN",
    "FOLDED_KEY",
    "KEY",
    "PRIMARY_ID",
    "SECONDARY_ID",
    "STATUS_COLUMNS",
    "VERSION",
    "ConstantColumn",
    "MappedAssociation",
    "MappedColumn",
    "Parent",
    "TableMapping",
    "agree",
    "find_drift",
    "fingerprint",
]

# Names of our own columns in frames; logical names cannot begin with @.
PRIMARY_ID = "@primary_id"
SECONDARY_ID = "@secondary_id"
VERSION = "@version"
KEY = "@key"
"""The key as a person reads it."""
FOLDED_KEY = "@folded_key"
"""The key as Dataverse compares it; null when a part of it is."""

_VERSION_COLUMN = "versionnumber"
CURRENCY_COLUMN = "transactioncurrencyid"


@dataclass(frozen=True, slots=True)
class Parent:
    """A table that a lookup points to.

    Attributes:
        table: its name in the primary.
        target: its name in the secondary.
        by: the column by which its rows are matched when it is not synchronized; else "".

    """

    table: str
    target: str
    by: str = ""


_CURRENCY = Parent("transactioncurrency", "transactioncurrency", by="isocurrencycode")
"""How an amount's currency is found on the other side unless told otherwise (DATAVERSE 13)."""


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """A column that the pipeline owns in the secondary.

    Attributes:
        source: the column in the primary.
        target: the column in the secondary; its name is the column's name in every frame.
        parents: for a lookup, the tables that it may point to.
        must_be_known: a row whose parent is missing waits, instead of going without it.
        choices: for a choice, number in the primary → number in the secondary; others are kept.

    """

    source: Column
    target: Column
    parents: tuple[Parent, ...] = ()
    must_be_known: bool = False
    choices: Mapping[int, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The column's name in every frame."""
        return self.target.name


@dataclass(frozen=True, slots=True)
class ConstantColumn:
    """A column of the secondary that shows the same value in every row.

    Attributes:
        target: the column; its name is the column's name in every frame.
        value: as it is compared, in a frame of one row and one column.

    """

    target: Column
    value: pl.DataFrame

    @property
    def name(self) -> str:
        """The column's name in every frame."""
        return self.target.name


@dataclass(frozen=True, slots=True)
class MappedAssociation:
    """A many-to-many relationship whose pairs the pipeline owns between linked rows.

    Attributes:
        source: the relationship in the primary, seen from the table.
        target: the same in the secondary.
        other: the table on its other side.

    """

    source: Association
    target: Association
    other: Parent


@dataclass(frozen=True, slots=True)
class TableMapping:
    """One table as both environments and `sync.yaml` agree on it.

    Attributes:
        table: logical name in the primary.
        primary, secondary: the two schemas.
        columns: the mapped columns, lookups included.
        constants: columns that show the same value in every row.
        associations: many-to-many relationships that are compared with this table.
        filter: an OData condition on the rows of the primary; "" for all.
        key: names in the frames of the key columns; empty when rows are matched by GUID.
        deferred: names in the frames of lookups that are set after the tables they point to.
        has_status: state and status reason are read on both sides.
        sets_status: they are kept equal by us, and not by the secondary's automation.
        status_values: status reason in the primary → status reason in the secondary.
        status_column: of the secondary, holds the wanted status reason; None without one.
        drift: what of the two schemas does not stop the table, and is to be told all the same.

    """

    table: str
    primary: TableSchema
    secondary: TableSchema
    columns: tuple[MappedColumn, ...]
    constants: tuple[ConstantColumn, ...]
    associations: tuple[MappedAssociation, ...]
    filter: str
    key: tuple[str, ...]
    deferred: frozenset[str]
    has_status: bool
    sets_status: bool = False
    status_values: Mapping[int, int] = field(default_factory=dict)
    status_column: Column | None = None
    drift: tuple[SchemaDifference, ...] = ()

    @property
    def lookups(self) -> tuple[MappedColumn, ...]:
        """The mapped columns that point to rows."""
        return tuple(column for column in self.columns if column.parents)

    @property
    def contents(self) -> tuple[MappedColumn, ...]:
        """The mapped image and file columns, whose content travels on its own."""
        return tuple(column for column in self.columns if column.target.is_content)

    @property
    def own(self) -> Parent:
        """The table itself, as the parent of its own rows."""
        return Parent(self.table, self.secondary.name)

    @property
    def parents(self) -> tuple[Parent, ...]:
        """The other tables that it looks up, or is associated with."""
        looked_up = [parent for column in self.lookups for parent in column.parents]
        associated = [association.other for association in self.associations]
        parents = dict.fromkeys([*looked_up, *associated])
        return tuple(parent for parent in parents if parent != self.own)

    @property
    def chained(self) -> tuple[str, ...]:
        """Names in the frames of lookups to the same table, which are written last."""
        return tuple(column.name for column in self.lookups if self.own in column.parents)

    def without(self, names: Collection[str]) -> "TableMapping":
        """The same without the columns of these names in the frames."""
        columns = tuple(column for column in self.columns if column.name not in names)
        return replace(self, columns=columns, deferred=self.deferred - set(names))

    @property
    def only_deferred(self) -> "TableMapping":
        """The same with the key and the deferred lookups alone.

        The state stays: inactive rows may have to be made active for a while (DATAVERSE 12).
        """
        kept = {*self.key, *self.deferred}
        return replace(
            self,
            columns=tuple(column for column in self.columns if column.name in kept),
            constants=tuple(constant for constant in self.constants if constant.name in kept),
            associations=(),
            status_column=None,
            drift=(),
        )

    @property
    def compared(self) -> tuple[str, ...]:
        """Names in the frames of the columns that are compared and written, status left out."""
        return tuple(self._targets)

    @property
    def _targets(self) -> dict[str, Column]:
        mapped = {column.name: column.target for column in self.columns}
        constant = {constant.name: constant.target for constant in self.constants}
        return mapped | constant | self._status_target

    @property
    def _status_target(self) -> dict[str, Column]:
        return {self.status_column.name: self.status_column} if self.status_column else {}

    @property
    def compared_status(self) -> tuple[str, ...]:
        """State and status reason, if they are for us to set."""
        return STATUS_COLUMNS if self.sets_status else ()

    @property
    def primary_columns(self) -> dict[str, Column]:
        """What to read from the primary: name in the frame → column."""
        version = self.primary.columns.get(_VERSION_COLUMN)
        return {
            PRIMARY_ID: _id_column(self.primary),
            **({VERSION: version} if version else {}),
            **{column.name: column.source for column in self.columns},
            **self._status_columns(self.primary),
        }

    @property
    def secondary_columns(self) -> dict[str, Column]:
        """What to read from the secondary: name in the frame → column."""
        return {
            SECONDARY_ID: _id_column(self.secondary),
            **self._targets,
            **self._status_columns(self.secondary),
        }

    def _status_columns(self, schema: TableSchema) -> dict[str, Column]:
        return {name: schema.columns[name] for name in STATUS_COLUMNS if self.has_status}


def _id_column(schema: TableSchema) -> Column:
    return schema.columns.get(
        schema.primary_id, Column(schema.primary_id, ColumnKind.UNIQUE_IDENTIFIER)
    )


def fingerprint(configuration: TableConfiguration, mapping: TableMapping) -> str:
    """Changes whenever a row could be projected differently than before."""
    settings = configuration.model_dump_json(
        exclude={"group", "description", "deletes", "max_removals"}
    )
    columns = ",".join(f"{column.source.name}>{column.name}" for column in mapping.columns)
    return sha256(f"{settings}\n{columns}".encode()).hexdigest()


def agree(
    configuration: TableConfiguration,
    *,
    schemas: Schemas,
    targets: Mapping[str, str],
    deferred: Collection[str] = (),
) -> TableMapping:
    """Check everything that a pass needs of both schemas, before any write.

    `targets` gives the name in the secondary of every synchronized table, `deferred` the lookups
    that are set in a second pass. Raises `SchemaMismatchError` that names table, column and
    environment.
    """
    primary, secondary = schemas.primary, schemas.secondary
    second_pass = frozenset({*deferred, *self_lookups(configuration)})
    agreement = _Agreement(configuration, primary, secondary, targets, second_pass)
    names = {**configuration.target_columns, **agreement.other_columns()}
    drift = find_differences(configuration, schemas, names=names, targets=targets)
    raise_if_stopped(drift, table=configuration.table)
    columns = tuple(agreement.on_column(source, target) for source, target in names.items())
    has_status = configuration.status != "none" and set(STATUS_COLUMNS) <= primary.columns.keys()
    return TableMapping(
        table=configuration.table,
        primary=primary,
        secondary=secondary,
        columns=_with_currency(columns, configuration, primary, secondary),
        constants=tuple(
            _constant(name, value, secondary) for name, value in configuration.constants.items()
        ),
        associations=tuple(
            agreement.on_association(each.relationship, each.table)
            for each in configuration.associations
        ),
        filter=configuration.filter,
        key=() if configuration.matches_by_id else configuration.target_key,
        deferred=frozenset(configuration.target_columns[name] for name in deferred),
        has_status=has_status,
        sets_status=has_status and not _is_left_to_automation(configuration),
        status_values=configuration.status_values,
        status_column=_status_column(configuration, secondary) if has_status else None,
        drift=drift,
    )


def _is_left_to_automation(configuration: TableConfiguration) -> bool:
    return isinstance(configuration.status, StatusColumn) and configuration.status.automation


def _status_column(configuration: TableConfiguration, secondary: TableSchema) -> Column | None:
    return next((secondary.columns[name] for name in configuration.status_columns), None)


def find_drift(
    configuration: TableConfiguration, *, schemas: Schemas, targets: Mapping[str, str]
) -> tuple[SchemaDifference, ...]:
    """Everything in both schemas that is not as it should be, whatever it does to the table."""
    agreement = _Agreement(
        configuration,
        schemas.primary,
        schemas.secondary,
        targets,
        frozenset(self_lookups(configuration)),
    )
    names = {**configuration.target_columns, **agreement.other_columns()}
    return find_differences(configuration, schemas, names=names, targets=targets)


@dataclass(frozen=True, slots=True)
class _Agreement:
    """What both environments and `sync.yaml` say, on the way to a `TableMapping`."""

    configuration: TableConfiguration
    primary: TableSchema
    secondary: TableSchema
    targets: Mapping[str, str]
    second_pass: frozenset[str]

    def other_columns(self) -> dict[str, str]:
        """What `*` stands for: custom columns of both sides that can be kept equal by themselves.

        Lookups are named, because they need to be told where they point to.
        """
        if not self.configuration.takes_every_column:
            return {}
        named = self.configuration.target_columns
        own = {*self.configuration.constants, *self.configuration.status_columns}
        left_out = {*named, *named.values(), *own}
        candidates = self.primary.columns.keys() & self.secondary.columns.keys()
        return {
            name: name
            for name in sorted(candidates - left_out - self.configuration.exclude)
            if _is_equal_by_itself(self.primary.columns[name], self.secondary.columns[name])
        }

    def on_column(self, source_name: str, target_name: str) -> MappedColumn:
        source, target = self.primary.columns[source_name], self.secondary.columns[target_name]
        return MappedColumn(
            source=source,
            target=target,
            parents=self._parents(source, target),
            must_be_known=target.required or target_name in self.configuration.target_key,
            choices=self._choices(source, target),
        )

    def on_association(self, relationship: str, table: str) -> MappedAssociation:
        other = Parent(table, self.targets[table])
        return MappedAssociation(
            source=_find_association(relationship, other.table, self.primary, "primary"),
            target=_find_association(relationship, other.target, self.secondary, "secondary"),
            other=other,
        )

    def _choices(self, source: Column, target: Column) -> Mapping[int, int]:
        choices = self.configuration.values.get(source.name, {})
        if choices and not {source.kind, target.kind} <= MAPPABLE_KINDS:
            raise SchemaMismatchError(
                f"values are given for {source.name}, which is no choice",
                where=f"table {self.primary.name}",
                mend="Leave it out of values in sync.yaml",
            )
        return choices

    def _parents(self, source: Column, target: Column) -> tuple[Parent, ...]:
        lookup = self.configuration.lookups.get(source.name)
        if lookup is None:
            _check_is_no_lookup(source, self.primary)
            return ()
        if source.name in self.second_pass:
            _check_can_wait(target, self.secondary)
        return _parents_of(lookup, self.targets)


def _is_equal_by_itself(source: Column, target: Column) -> bool:
    return (
        target.is_custom
        and not source.kind.is_lookup
        and {source.kind, target.kind} <= VALUE_TYPES.keys()
        and source.valid_for_read
        and target.valid_for_read
        and target.valid_for_create
        and target.valid_for_update
    )


def _constant(name: str, value: Constant, secondary: TableSchema) -> ConstantColumn:
    target = secondary.columns[name]
    if target.kind not in VALUE_TYPES or target.kind.is_lookup or target.is_content:
        raise _unfit_constant(name, secondary, why=f"it is of type {target.kind}")
    try:
        return ConstantColumn(
            target, frame_of_rows([{target.property_name: value}], {name: target})
        )
    except IncompleteReadError as error:
        raise _unfit_constant(name, secondary, why=error.why) from None


def _unfit_constant(name: str, secondary: TableSchema, *, why: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"{secondary.name}.{name} cannot be given this constant",
        where="secondary",
        why=why,
        mend="Correct constants in sync.yaml",
    )


def _with_currency(
    columns: tuple[MappedColumn, ...],
    configuration: TableConfiguration,
    primary: TableSchema,
    secondary: TableSchema,
) -> tuple[MappedColumn, ...]:
    """An amount is nothing without its currency: that is mapped too, and must be known there."""
    if CURRENCY_COLUMN in configuration.exclude | configuration.constants.keys():
        return columns
    if all(column.target.kind is not ColumnKind.MONEY for column in columns):
        return columns
    others = tuple(column for column in columns if column.name != CURRENCY_COLUMN)
    mapped = [column for column in columns if column.name == CURRENCY_COLUMN]
    schemas = (primary, secondary)
    if not mapped and all(CURRENCY_COLUMN in schema.columns for schema in schemas):
        source, target = (schema.columns[CURRENCY_COLUMN] for schema in schemas)
        mapped = [MappedColumn(source, target, parents=(_CURRENCY,))]
    return (*others, *(replace(column, must_be_known=True) for column in mapped))


def _check_is_no_lookup(source: Column, primary: TableSchema) -> None:
    if source.kind.is_lookup:
        raise SchemaMismatchError(
            f"{source.name} is a lookup and stands in columns",
            where=f"table {primary.name}",
            mend=f"Write it under lookups, with the table it points to: {_listed(source.targets)}",
        )


def _check_can_wait(target: Column, secondary: TableSchema) -> None:
    if target.required:
        raise SchemaMismatchError(
            f"{secondary.name}.{target.name} is required, but can only be set in a second pass",
            where="secondary",
            mend="Write {table: ..., deferred: true} at another lookup of the circle in sync.yaml",
        )


def _parents_of(lookup: LookupConfiguration, targets: Mapping[str, str]) -> tuple[Parent, ...]:
    """A table that is matched and not synchronized has the same name on both sides."""
    return tuple(
        Parent(each.table, each.table if each.by else targets[each.table], each.by)
        for each in lookup.tables
    )


def _find_association(
    relationship: str, other: str, schema: TableSchema, environment: str
) -> Association:
    for association in schema.associations:
        if (association.name.lower(), association.other) == (relationship.lower(), other):
            return association
    known = (f"{each.name} to {each.other}" for each in schema.associations)
    raise SchemaMismatchError(
        f"the table {schema.name} has no many-to-many relationship {relationship} to {other}",
        where=environment,
        why=f"it has {_listed(known) or 'none'}",
        mend="Correct associations in sync.yaml",
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
