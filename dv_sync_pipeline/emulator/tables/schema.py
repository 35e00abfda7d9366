"""What a table is: columns, keys, lookups, options, as frozen values.

Belongs here: descriptions, and what follows from them alone (names, ids). Does not belong here:
short constructors for them (`define.py`), SQL (`store.py`), values of rows (`values.py`), and how
the Web API spells a description as JSON (`metadata.py`).
"""

import uuid
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

__all__ = [
    "BusinessRule",
    "ColumnDefinition",
    "ColumnKind",
    "DateTimeBehavior",
    "DeleteRule",
    "KeyDefinition",
    "KeyStatus",
    "LookupDefinition",
    "ManyToManyDefinition",
    "OptionDefinition",
    "OptionSetDefinition",
    "Ownership",
    "RequiredLevel",
    "SourceType",
    "TableDefinition",
    "metadata_id",
]


class ColumnKind(StrEnum):
    """`AttributeTypeName.Value` (DATAVERSE 3.2, 3.3)."""

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

    @property
    def is_lookup(self) -> bool:
        """Whether the column points to rows and is read as `_name_value` (DATAVERSE 5)."""
        return self in (ColumnKind.LOOKUP, ColumnKind.CUSTOMER, ColumnKind.OWNER)

    @property
    def has_options(self) -> bool:
        """Whether its values are numbered options with labels (DATAVERSE 3.4)."""
        return self in _KINDS_WITH_OPTIONS


_KINDS_WITH_OPTIONS = (
    ColumnKind.CHOICE,
    ColumnKind.MULTI_CHOICE,
    ColumnKind.STATE,
    ColumnKind.STATUS,
    ColumnKind.BOOLEAN,
)


class RequiredLevel(StrEnum):
    """`RequiredLevel.Value`; only SystemRequired is enforced by the Web API (DATAVERSE 3.2)."""

    NONE = "None"
    SYSTEM = "SystemRequired"
    APPLICATION = "ApplicationRequired"
    RECOMMENDED = "Recommended"


class DateTimeBehavior(StrEnum):
    """`DateTimeBehavior.Value` (DATAVERSE 3.3)."""

    USER_LOCAL = "UserLocal"
    DATE_ONLY = "DateOnly"
    TIME_ZONE_INDEPENDENT = "TimeZoneIndependent"


class Ownership(StrEnum):
    """`OwnershipType` (DATAVERSE 13)."""

    USER = "UserOwned"
    ORGANIZATION = "OrganizationOwned"
    NONE = "None"


class DeleteRule(StrEnum):
    """`CascadeConfiguration.Delete`: what deleting the parent does to its children (3.5)."""

    CASCADE = "Cascade"
    REMOVE_LINK = "RemoveLink"
    RESTRICT = "Restrict"
    NO_CASCADE = "NoCascade"


class KeyStatus(StrEnum):
    """`EntityKeyIndexStatus`; only an Active key is usable (DATAVERSE 3.5)."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    ACTIVE = "Active"
    FAILED = "Failed"


class SourceType(StrEnum):
    """`SourceType`, spelled as a word; the number is a matter of `metadata.py`."""

    SIMPLE = "simple"
    CALCULATED = "calculated"
    ROLLUP = "rollup"


@dataclass(frozen=True, slots=True)
class OptionDefinition:
    """One option of a choice.

    Attributes:
        value: the number that is stored.
        label: its text in the language 1033.
        state: of a status reason, the state that it belongs to (DATAVERSE 3.4).
        default_status: of a state, the status reason that it brings along.
        color: such as `#0000ff`, or "".
        next_statuses: of a status reason, the reasons that may follow it; None allows all.

    """

    value: int
    label: str
    state: int | None = None
    default_status: int | None = None
    color: str = ""
    next_statuses: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class OptionSetDefinition:
    """A global choice (DATAVERSE 3.1).

    Attributes:
        name: unique in the environment.
        display_name: shown to people.
        options: in order of display.
        is_boolean: a two-options set.

    """

    name: str
    display_name: str = ""
    options: tuple[OptionDefinition, ...] = ()
    is_boolean: bool = False


@dataclass(frozen=True, slots=True)
class LookupDefinition:
    """One direction in which a lookup column may point: a one-to-many relationship (DATAVERSE 5).

    Attributes:
        target: logical name of the table pointed to.
        navigation_property: case-sensitive name before `@odata.bind`.
        schema_name: of the relationship.
        collection_property: navigation property on the target, towards the rows that point to it.
        on_delete: what deleting the target does.

    """

    target: str
    navigation_property: str
    schema_name: str
    collection_property: str
    on_delete: DeleteRule = DeleteRule.REMOVE_LINK


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """One column. Build it with the constructors below, one per kind.

    Attributes:
        schema_name: such as `contoso_Name`; the logical name is its lower case.
        kind: its type.
        display_name: shown to people.
        description: shown to people.
        required: see `RequiredLevel`.
        valid_for_create: a value sent in a create is used, not silently dropped (DATAVERSE 3.2).
        valid_for_update: likewise in an update.
        valid_for_read: its value comes back and not null.
        max_length: of text, in characters.
        format: of text and times, such as `Email`, `DateOnly`, `DateAndTime`.
        minimum, maximum: of numbers, inclusive.
        precision: digits after the decimal point.
        precision_source: of money: 0 column, 1 organisation, 2 currency.
        date_time_behavior: of times.
        options: of choices; of a boolean, 0 and 1.
        option_set: name of the global choice whose options these are, or "".
        default: the value of a row that is created without one.
        lookups: the directions of a lookup.
        is_primary_id: the GUID of the row.
        is_primary_name: the text shown for the row.
        is_secured: needs a field security profile (DATAVERSE 13).
        is_custom: made by a customer, not by the platform.
        source_type: simple, calculated or rollup; the latter two are read-only.
        formula: of a calculated column, the text the customer gave.
        generated: SQL over other columns of the row, if the platform computes it; else "".
        attribute_of: the column that this is a shadow of, or "".
        is_primary_image: the one image that a create may set (DATAVERSE 3.3).
        max_kilobytes: of files and images.

    """

    schema_name: str
    kind: ColumnKind
    display_name: str = ""
    description: str = ""
    required: RequiredLevel = RequiredLevel.NONE
    valid_for_create: bool = True
    valid_for_update: bool = True
    valid_for_read: bool = True
    max_length: int | None = None
    format: str = ""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    precision: int | None = None
    precision_source: int = 0
    date_time_behavior: DateTimeBehavior = DateTimeBehavior.USER_LOCAL
    options: tuple[OptionDefinition, ...] = ()
    option_set: str = ""
    default: int | str | None = None
    lookups: tuple[LookupDefinition, ...] = ()
    is_primary_id: bool = False
    is_primary_name: bool = False
    is_secured: bool = False
    is_custom: bool = True
    source_type: SourceType = SourceType.SIMPLE
    formula: str = ""
    generated: str = ""
    attribute_of: str = ""
    is_primary_image: bool = False
    max_kilobytes: int = 32768

    @property
    def name(self) -> str:
        """Logical name."""
        return self.schema_name.lower()

    @property
    def property_name(self) -> str:
        """The name under which its value is selected and read (DATAVERSE 5)."""
        return f"_{self.name}_value" if self.kind.is_lookup else self.name

    @property
    def targets(self) -> tuple[str, ...]:
        """Logical names of the tables that a lookup may point to."""
        return tuple(lookup.target for lookup in self.lookups)

    @property
    def is_polymorphic(self) -> bool:
        """Whether the target's table must be stored beside its id."""
        return len(set(self.targets)) > 1


@dataclass(frozen=True, slots=True)
class KeyDefinition:
    """An alternate key (DATAVERSE 3.5).

    Attributes:
        schema_name: such as `contoso_code_key`; the logical name is its lower case.
        columns: logical names.
        status: only an Active key is usable.
        display_name: shown to people.

    """

    schema_name: str
    columns: tuple[str, ...]
    status: KeyStatus = KeyStatus.ACTIVE
    display_name: str = ""

    @property
    def name(self) -> str:
        """Logical name."""
        return self.schema_name.lower()


@dataclass(frozen=True, slots=True)
class ManyToManyDefinition:
    """A many-to-many relationship and its intersect table (DATAVERSE 3.5).

    Attributes:
        schema_name: of the relationship.
        intersect: logical name of the intersect table.
        first, second: logical names of the two tables.
        first_property, second_property: navigation property on the first, on the second.
        first_column, second_column: their id columns in the intersect table.

    """

    schema_name: str
    intersect: str
    first: str
    second: str
    first_property: str
    second_property: str
    first_column: str
    second_column: str


@dataclass(frozen=True, slots=True)
class BusinessRule:
    """A plug-in of the customer's that refuses a value, in its plainest form (DATAVERSE 4.7).

    Attributes:
        column: logical name.
        refused: the value, as JSON shows it.
        message: what the plug-in says.

    """

    column: str
    refused: str | int | bool
    message: str


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """One table. Build it with `table()`, which adds the platform's own columns.

    Attributes:
        schema_name: such as `contoso_Hotel`; the logical name is its lower case.
        entity_set: the name in URLs; never derived (DATAVERSE 3.1).
        columns: all of them, the platform's included.
        keys: alternate keys.
        display_name, display_collection_name: shown to people.
        description: shown to people.
        ownership: user-owned tables have an owner, others not.
        object_type_code: the table's number; 0 until the store assigns one.
        change_tracking_enabled: whether deltas can be asked for; never switched off again.
        optimistic_concurrency_enabled: whether ETags can be used (DATAVERSE 4.5).
        enforce_state_transitions: whether `next_statuses` are enforced (DATAVERSE 3.4).
        is_custom: made by a customer, not by the platform.
        is_intersect: holds the pairs of a many-to-many relationship.
        supports_bulk: has CreateMultiple, UpdateMultiple, UpsertMultiple (DATAVERSE 8.1).
        can_create: has the Create message at all.
        business_rules: what plug-ins refuse.

    """

    schema_name: str
    entity_set: str
    columns: tuple[ColumnDefinition, ...]
    keys: tuple[KeyDefinition, ...] = ()
    display_name: str = ""
    display_collection_name: str = ""
    description: str = ""
    ownership: Ownership = Ownership.USER
    object_type_code: int = 0
    change_tracking_enabled: bool = True
    optimistic_concurrency_enabled: bool = True
    enforce_state_transitions: bool = False
    is_custom: bool = True
    is_intersect: bool = False
    supports_bulk: bool = True
    can_create: bool = True
    business_rules: tuple[BusinessRule, ...] = ()

    @property
    def name(self) -> str:
        """Logical name."""
        return self.schema_name.lower()

    @property
    def primary_id(self) -> str:
        """Logical name of the GUID column."""
        return next(column.name for column in self.columns if column.is_primary_id)

    @property
    def primary_name(self) -> str:
        """Logical name of the column shown to people, or ""."""
        return next((column.name for column in self.columns if column.is_primary_name), "")

    def column(self, name: str) -> ColumnDefinition | None:
        """The column of that logical name."""
        return next((column for column in self.columns if column.name == name), None)


_NAMESPACE = uuid.UUID("5b1d4a8e-2f0c-4a37-9c65-0d8a3c1f7b42")


def metadata_id(*path: str) -> str:
    """The `MetadataId` of what the path names; the same in every environment and every run."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(path)))
