"""What a table looks like: columns, keys, lookups, status options.

Belongs here: the values that describe a table, and reading them from EntityDefinitions
(DATAVERSE 3). Does not belong here: any opinion on what a synchronization needs of a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Column", "ColumnKind", "Key", "Lookup", "StatusOption", "TableSchema"]


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

    @property
    def property_name(self) -> str:
        """The name under which its value is selected and read (DATAVERSE 5)."""
        return f"_{self.name}_value" if self.kind.is_lookup else self.name


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
class StatusOption:
    """A status reason and the state that it belongs to (DATAVERSE 3.4, 12)."""

    value: int
    state: int


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
        status_options: status reasons with their states; empty for tables without a state.
        default_status: state → its default status reason.
        change_tracking_enabled: whether deltas can be asked for.

    """

    name: str
    entity_set: str
    primary_id: str
    primary_name: str
    columns: Mapping[str, Column]
    keys: tuple[Key, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    status_options: tuple[StatusOption, ...] = ()
    default_status: Mapping[int, int] = field(default_factory=dict)
    change_tracking_enabled: bool = False

    def lookup(self, column: str, target: str) -> Lookup:
        """The direction of `column` towards `target`; `KeyError` if there is none."""
        for lookup in self.lookups:
            if (lookup.column, lookup.target) == (column, target):
                return lookup
        raise KeyError(f"{self.name}.{column} does not point to {target}")
