"""What a table looks like: columns, keys, lookups, status options.

Belongs here: the values that describe a table, and reading them from EntityDefinitions
(DATAVERSE 3). Does not belong here: any opinion on what a synchronization needs of a table.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TypeVar

import httpx
import msgspec

from dv_sync_pipeline.errors import (
    AccessError,
    RequestRefusedError,
    SchemaMismatchError,
)
from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.odata import address, literal
from dv_sync_pipeline.webapi.together import together
from dv_sync_pipeline.webapi.transport import Transport

__all__ = [
    "LOOKUP_TABLE",
    "Association",
    "Column",
    "ColumnKind",
    "Key",
    "Lookup",
    "StatusOption",
    "TableSchema",
    "describe",
    "entity_set_of",
]


LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
"""The annotation that names the table a lookup points to."""


class ColumnKind(StrEnum):
    """`AttributeTypeName.Value` (DATAVERSE 3.2: preferred to AttributeType)."""

    STRING = "StringType"
    MEMO = "MemoType"
    INTEGER = "IntegerType"
    BIG_INTEGER = "BigIntType"
    DECIMAL = "DecimalType"
    DOUBLE = "DoubleType"
    MONEY = "MoneyType"
    BOOLEAN = "BooleanType"
    DATE_TIME = "DateTimeType"
    CHOICE = "PicklistType"
    MULTI_CHOICE = "MultiSelectPicklistType"
    STATE = "StateType"
    STATUS = "StatusType"
    LOOKUP = "LookupType"
    CUSTOMER = "CustomerType"
    OWNER = "OwnerType"
    UNIQUE_IDENTIFIER = "UniqueidentifierType"
    IMAGE = "ImageType"
    FILE = "FileType"
    VIRTUAL = "VirtualType"
    ENTITY_NAME = "EntityNameType"
    MANAGED_PROPERTY = "ManagedPropertyType"
    PARTY_LIST = "PartyListType"
    CALENDAR_RULES = "CalendarRulesType"
    UNKNOWN = "UnknownType"

    @property
    def is_lookup(self) -> bool:
        """Whether the column points to rows and is read as `_name_value`."""
        return self in (ColumnKind.LOOKUP, ColumnKind.CUSTOMER, ColumnKind.OWNER)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: logical name.
        kind: its type.
        valid_for_create: a value sent in a create is used, not silently dropped (DATAVERSE 3.2).
        valid_for_update: likewise in an update.
        valid_for_read: its value comes back and not null.
        required: SystemRequired, the only level that the Web API enforces.
        max_length: in characters; None where it does not apply.
        precision: digits after the decimal point; None where it does not apply.
        date_time_behavior: "UserLocal", "DateOnly", "TimeZoneIndependent", or "".
        options: the accepted values of a choice; empty where it does not apply.
        targets: the tables that a lookup may point to.
        is_custom: it came with somebody's solution, and not with the platform.
        default: the choice that a row gets when none is given; None if there is none.
        max_kilobytes: how large an image or a file may be; None where it does not apply.

    """

    name: str
    kind: ColumnKind
    valid_for_create: bool = True
    valid_for_update: bool = True
    valid_for_read: bool = True
    required: bool = False
    max_length: int | None = None
    precision: int | None = None
    date_time_behavior: str = ""
    options: frozenset[int] = frozenset()
    targets: tuple[str, ...] = ()
    is_custom: bool = True
    default: int | None = None
    max_kilobytes: int | None = None

    @property
    def is_content(self) -> bool:
        """Whether its value is content that travels on its own; what is read changes with it."""
        return self.kind in (ColumnKind.IMAGE, ColumnKind.FILE)

    @property
    def property_name(self) -> str:
        """The name under which its value is selected and read (DATAVERSE 5).

        Of an image, the time of its last change instead of a thumbnail (DATAVERSE 3.3).
        """
        if self.kind is ColumnKind.IMAGE:
            return f"{self.name}_timestamp"
        return f"_{self.name}_value" if self.kind.is_lookup else self.name

    @property
    def is_polymorphic(self) -> bool:
        """Whether an id alone does not tell which table it belongs to."""
        return self.kind.is_lookup and len(self.targets) > 1

    @property
    def table_annotation(self) -> str:
        """Beside the value of a lookup: the table pointed to; absent when null (DATAVERSE 5)."""
        return f"{self.property_name}@{LOOKUP_TABLE}"


@dataclass(frozen=True, slots=True)
class Key:
    """An alternate key; usable only when `index_status` is "Active" (DATAVERSE 3.5)."""

    name: str
    columns: tuple[str, ...]
    index_status: str

    @property
    def is_active(self) -> bool:
        """Whether rows can be addressed by it."""
        return self.index_status == "Active"


@dataclass(frozen=True, slots=True)
class Lookup:
    """One direction in which a lookup column may point (DATAVERSE 5).

    Attributes:
        column: logical name of the lookup column.
        target: logical name of the table pointed to.
        navigation_property: its exact case is needed before `@odata.bind`.

    """

    column: str
    target: str
    navigation_property: str


@dataclass(frozen=True, slots=True)
class Association:
    """A many-to-many relationship, seen from one of its two tables (DATAVERSE 3.5).

    Attributes:
        name: schema name.
        intersect: logical name of the table that holds the pairs.
        column: where that table has the id of this table's row.
        other: logical name of the table on the other side.
        other_column: where the intersect table has the id of its row.
        navigation_property: on this table, for `$ref`.

    """

    name: str
    intersect: str
    column: str
    other: str
    other_column: str
    navigation_property: str


@dataclass(frozen=True, slots=True)
class StatusOption:
    """A status reason (DATAVERSE 3.4, 12).

    Attributes:
        value: its number.
        state: the state that it belongs to.
        next_values: status reasons that may follow; None if no transition is declared.

    """

    value: int
    state: int
    next_values: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table as EntityDefinitions describe it.

    Attributes:
        name: logical name.
        entity_set: the name in URLs; never derived from `name` (DATAVERSE 3.1).
        primary_id: logical name of the GUID column.
        primary_name: logical name of the column shown to people.
        columns: by logical name; label shadows of other columns left out.
        keys: alternate keys.
        lookups: every direction of every lookup column.
        associations: its many-to-many relationships.
        status_options: status reasons with their states; empty for tables without a state.
        default_status: state → its default status reason.
        change_tracking_enabled: whether deltas can be asked for.
        enforces_transitions: a status reason may only follow some others.

    """

    name: str
    entity_set: str
    primary_id: str
    primary_name: str
    columns: Mapping[str, Column]
    keys: tuple[Key, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    associations: tuple[Association, ...] = ()
    status_options: tuple[StatusOption, ...] = ()
    default_status: Mapping[int, int] = field(default_factory=dict)
    change_tracking_enabled: bool = False
    enforces_transitions: bool = False

    def lookup(self, column: str, target: str) -> Lookup:
        """The direction of `column` towards `target`; `KeyError` if there is none."""
        for lookup in self.lookups:
            if lookup.column == column and lookup.target in (target, _USER_OR_TEAM):
                return lookup
        raise KeyError(f"{self.name}.{column} does not point to {target}")


_USER_OR_TEAM = "owner"
"""The one direction of every owner column; its rows are users and teams (DATAVERSE 5)."""


async def describe(transport: Transport, table: str) -> TableSchema:
    """Ask what a table looks like: one request for the whole, then one for each kind of detail.

    Raises `SchemaMismatchError` if there is no such table.
    """
    definition = await _definition(transport, table, _Definition, **_DEFINITION_OPTIONS)
    attributes = [each for each in definition.attributes if each.attribute_of is None]
    casts = sorted({_CASTS[each.kind] for each in attributes if each.kind in _CASTS})
    answers = await together(_details(transport, table, cast) for cast in casts)
    details = {each.logical_name: each for answer in answers for each in answer}
    return _schema(definition, attributes, details)


async def entity_set_of(transport: Transport, table: str) -> str:
    """The name of a table in URLs; it cannot be guessed (DATAVERSE 3.1)."""
    options = {"select": "LogicalName,EntitySetName"}
    return (await _definition(transport, table, _Names, **options)).entity_set_name


_DEFINITION_OPTIONS = {
    "select": "LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,"
    "ChangeTrackingEnabled,EnforceStateTransitions",
    "expand": "Attributes($select=LogicalName,AttributeType,AttributeTypeName,AttributeOf,"
    "IsValidForCreate,IsValidForUpdate,IsValidForRead,IsCustomAttribute,RequiredLevel),"
    "Keys($select=LogicalName,KeyAttributes,EntityKeyIndexStatus),"
    "ManyToOneRelationships($select=ReferencingAttribute,ReferencedEntity,"
    "ReferencingEntityNavigationPropertyName),"
    "ManyToManyRelationships($select=SchemaName,IntersectEntityName,"
    "Entity1LogicalName,Entity1IntersectAttribute,Entity1NavigationPropertyName,"
    "Entity2LogicalName,Entity2IntersectAttribute,Entity2NavigationPropertyName)",
}

_OPTION_SETS = "OptionSet($select=Options),GlobalOptionSet($select=Options)"
_OPTION_SET = "OptionSet($select=Options)"

_Cast = tuple[str, str, str]
"""A type of attribute, what to select of it, what to expand."""

_CHOICE_PROPERTIES = "LogicalName,DefaultFormValue"
_LOOKUP_CAST = ("LookupAttributeMetadata", "LogicalName,Targets", "")

_CASTS: Mapping[ColumnKind, _Cast] = {
    ColumnKind.STRING: ("StringAttributeMetadata", "LogicalName,MaxLength", ""),
    ColumnKind.MEMO: ("MemoAttributeMetadata", "LogicalName,MaxLength", ""),
    ColumnKind.DECIMAL: ("DecimalAttributeMetadata", "LogicalName,Precision", ""),
    ColumnKind.DOUBLE: ("DoubleAttributeMetadata", "LogicalName,Precision", ""),
    ColumnKind.MONEY: ("MoneyAttributeMetadata", "LogicalName,Precision", ""),
    ColumnKind.DATE_TIME: ("DateTimeAttributeMetadata", "LogicalName,DateTimeBehavior", ""),
    ColumnKind.CHOICE: ("PicklistAttributeMetadata", _CHOICE_PROPERTIES, _OPTION_SETS),
    ColumnKind.MULTI_CHOICE: (
        "MultiSelectPicklistAttributeMetadata",
        _CHOICE_PROPERTIES,
        _OPTION_SETS,
    ),
    ColumnKind.STATE: ("StateAttributeMetadata", "LogicalName", _OPTION_SET),
    ColumnKind.STATUS: ("StatusAttributeMetadata", "LogicalName", _OPTION_SET),
    ColumnKind.LOOKUP: _LOOKUP_CAST,
    ColumnKind.CUSTOMER: _LOOKUP_CAST,
    ColumnKind.OWNER: _LOOKUP_CAST,
    ColumnKind.IMAGE: ("ImageAttributeMetadata", "LogicalName,MaxSizeInKB", ""),
    ColumnKind.FILE: ("FileAttributeMetadata", "LogicalName,MaxSizeInKB", ""),
}
"""Details that the base class of attributes does not show (DATAVERSE 3.1)."""


_KINDS = {kind.value: kind for kind in ColumnKind}


class _Wire(msgspec.Struct, rename="pascal"):
    """An object of the metadata as it comes; what we do not name is skipped."""


class _Value(_Wire):
    value: str


class _Attribute(_Wire):
    logical_name: str
    attribute_type_name: _Value | None = None
    attribute_of: str | None = None
    is_valid_for_create: bool = True
    is_valid_for_update: bool = True
    is_valid_for_read: bool = True
    is_custom_attribute: bool = False
    required_level: _Value | None = None

    @property
    def kind(self) -> ColumnKind:
        name = self.attribute_type_name.value if self.attribute_type_name else ""
        return _KINDS.get(name, ColumnKind.UNKNOWN)


class _KeyDefinition(_Wire):
    logical_name: str
    key_attributes: list[str]
    entity_key_index_status: str


class _Relationship(_Wire):
    referencing_attribute: str
    referenced_entity: str
    referencing_entity_navigation_property_name: str


class _ManyToMany(_Wire):
    schema_name: str
    intersect_entity_name: str
    entity1_logical_name: str
    entity1_intersect_attribute: str
    entity1_navigation_property_name: str
    entity2_logical_name: str
    entity2_intersect_attribute: str
    entity2_navigation_property_name: str


class _Names(_Wire):
    logical_name: str
    entity_set_name: str


class _Definition(_Names):
    primary_id_attribute: str
    attributes: list[_Attribute]
    keys: list[_KeyDefinition]
    many_to_one_relationships: list[_Relationship]
    many_to_many_relationships: list[_ManyToMany]
    primary_name_attribute: str | None = None
    change_tracking_enabled: bool = False
    enforce_state_transitions: bool | None = None


class _Option(_Wire):
    value: int
    state: int | None = None
    default_status: int | None = None
    transition_data: str | None = None


class _OptionSet(_Wire):
    options: list[_Option]


class _Detail(_Wire):
    logical_name: str
    max_length: int | None = None
    precision: int | None = None
    date_time_behavior: _Value | None = None
    option_set: _OptionSet | None = None
    global_option_set: _OptionSet | None = None
    targets: list[str] | None = None
    default_form_value: int | None = None
    max_kilobytes: int | None = msgspec.field(default=None, name="MaxSizeInKB")

    @property
    def options(self) -> list[_Option]:
        chosen = self.option_set or self.global_option_set
        return chosen.options if chosen else []


class _Details(msgspec.Struct):
    value: list[_Detail]


_Shape = TypeVar("_Shape")


async def _definition(
    transport: Transport, table: str, shape: type[_Shape], **options: str
) -> _Shape:
    try:
        resource = address(_definition_path(table), **options)
        return await _read_as(transport, resource, shape, table=table)
    except RequestRefusedError as error:
        if error.status == httpx.codes.FORBIDDEN:
            raise _without_role(transport, error) from None
        if error.status != httpx.codes.NOT_FOUND:
            raise
        raise SchemaMismatchError(
            f"the table {table} does not exist",
            where=transport.name,
            mend="Check the name in sync.yaml: it is the logical name, in lower case",
        ) from None


def _without_role(transport: Transport, error: RequestRefusedError) -> AccessError:
    """Every role may read definitions, so whoever may not has none (DATAVERSE 13)."""
    return AccessError(
        "the application user may not even read definitions: it has no security role",
        where=transport.name,
        why=error.why,
        mend="Give it a role in its own business unit that can read, and in the secondary write, "
        "the tables of sync.yaml; Basic User is enough for definitions. dv-sync doctor shows what "
        "is missing",
    )


async def _details(transport: Transport, table: str, cast: _Cast) -> list[_Detail]:
    type_name, select, expand = cast
    path = f"{_definition_path(table)}/Attributes/Microsoft.Dynamics.CRM.{type_name}"
    options = {"select": select, "expand": expand} if expand else {"select": select}
    return (await _read_as(transport, address(path, **options), _Details, table=table)).value


async def _read_as(
    transport: Transport, resource: str, shape: type[_Shape], *, table: str
) -> _Shape:
    return await read_decoded(
        partial(transport.read, resource),
        msgspec.json.Decoder(shape).decode,
        where=f"{transport.name}: {table}",
    )


def _definition_path(table: str) -> str:
    return f"EntityDefinitions(LogicalName={literal(table)})"


def _schema(
    definition: _Definition, attributes: Iterable[_Attribute], details: Mapping[str, _Detail]
) -> TableSchema:
    columns = {each.logical_name: _column(each, details) for each in attributes}
    states = _options_of(ColumnKind.STATE, columns, details)
    statuses = _options_of(ColumnKind.STATUS, columns, details)
    return TableSchema(
        name=definition.logical_name,
        entity_set=definition.entity_set_name,
        primary_id=definition.primary_id_attribute,
        primary_name=definition.primary_name_attribute or "",
        columns=columns,
        keys=tuple(_key(each) for each in definition.keys),
        lookups=tuple(_lookup(each) for each in definition.many_to_one_relationships),
        associations=tuple(
            _association(each, definition.logical_name)
            for each in definition.many_to_many_relationships
        ),
        status_options=tuple(
            StatusOption(each.value, each.state, _next_values(each.transition_data))
            for each in statuses
            if each.state is not None
        ),
        default_status={
            each.value: each.default_status for each in states if each.default_status is not None
        },
        change_tracking_enabled=definition.change_tracking_enabled,
        enforces_transitions=bool(definition.enforce_state_transitions),
    )


_NEXT_STATUS = re.compile(r'\btostatusid="(\d+)"')
_NO_DEFAULT = -1


def _next_values(transition_data: str | None) -> frozenset[int] | None:
    """Of the XML of DATAVERSE 3.4, the numbers are all that matters."""
    if transition_data is None:
        return None
    return frozenset(map(int, _NEXT_STATUS.findall(transition_data)))


def _column(attribute: _Attribute, details: Mapping[str, _Detail]) -> Column:
    detail = details.get(attribute.logical_name) or _Detail(attribute.logical_name)
    level = attribute.required_level
    behavior = detail.date_time_behavior
    default = detail.default_form_value
    return Column(
        name=attribute.logical_name,
        kind=attribute.kind,
        valid_for_create=attribute.is_valid_for_create,
        valid_for_update=attribute.is_valid_for_update,
        valid_for_read=attribute.is_valid_for_read,
        required=level is not None and level.value == "SystemRequired",
        max_length=detail.max_length,
        precision=detail.precision,
        date_time_behavior=behavior.value if behavior else "",
        options=frozenset(each.value for each in detail.options),
        targets=tuple(detail.targets or ()),
        is_custom=attribute.is_custom_attribute,
        default=None if default == _NO_DEFAULT else default,
        max_kilobytes=detail.max_kilobytes,
    )


def _key(definition: _KeyDefinition) -> Key:
    columns = tuple(definition.key_attributes)
    return Key(definition.logical_name, columns, definition.entity_key_index_status)


def _lookup(relationship: _Relationship) -> Lookup:
    return Lookup(
        column=relationship.referencing_attribute,
        target=relationship.referenced_entity,
        navigation_property=relationship.referencing_entity_navigation_property_name,
    )


def _association(relationship: _ManyToMany, table: str) -> Association:
    """Seen from `table`; from its first side, if it is on both."""
    first = (
        relationship.entity1_logical_name,
        relationship.entity1_intersect_attribute,
        relationship.entity1_navigation_property_name,
    )
    second = (
        relationship.entity2_logical_name,
        relationship.entity2_intersect_attribute,
        relationship.entity2_navigation_property_name,
    )
    (_, column, navigation_property), (other, other_column, _) = (
        (first, second) if first[0] == table else (second, first)
    )
    return Association(
        name=relationship.schema_name,
        intersect=relationship.intersect_entity_name,
        column=column,
        other=other,
        other_column=other_column,
        navigation_property=navigation_property,
    )


def _options_of(
    kind: ColumnKind, columns: Mapping[str, Column], details: Mapping[str, _Detail]
) -> Iterator[_Option]:
    """The options of the one column of that kind, if the table has one."""
    for column in columns.values():
        if column.kind is kind and column.name in details:
            yield from details[column.name].options
