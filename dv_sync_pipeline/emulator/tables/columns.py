"""Short constructors for columns and keys, one per kind of DATAVERSE 3.3.

Belongs here: the defaults of each kind, and the columns that come along with files and pictures.
Does not belong here: what the parts mean (`schema.py`), and whole tables (`define.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TypedDict, Unpack

from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    DateTimeBehavior,
    DeleteRule,
    KeyDefinition,
    LookupDefinition,
    OptionDefinition,
    RequiredLevel,
    SourceType,
)

__all__ = [
    "big_integer",
    "boolean",
    "choice",
    "companions",
    "customer",
    "date_only",
    "date_time",
    "decimal",
    "double",
    "file",
    "image",
    "integer",
    "key",
    "lookup",
    "memo",
    "money",
    "multi_choice",
    "owner",
    "primary_id",
    "read_only",
    "string",
    "unique_identifier",
]

_INTEGER_LIMIT = Decimal(2_147_483_647)
_BIG_INTEGER_LIMIT = Decimal(9_223_372_036_854_775_807)
_DECIMAL_LIMIT = Decimal(100_000_000_000)
_MONEY_LIMIT = Decimal(922_337_203_685_477)


class Traits(TypedDict, total=False):
    """What any column may have besides what its kind needs; see `ColumnDefinition`."""

    display_name: str
    description: str
    required: RequiredLevel
    valid_for_create: bool
    valid_for_update: bool
    valid_for_read: bool
    is_primary_name: bool
    is_secured: bool
    is_custom: bool
    source_type: SourceType
    formula: str
    generated: str
    attribute_of: str


def string(
    schema_name: str, *, max_length: int = 100, text_format: str = "Text", **traits: Unpack[Traits]
) -> ColumnDefinition:
    """One line of text."""
    return ColumnDefinition(
        schema_name, ColumnKind.STRING, max_length=max_length, format=text_format, **traits
    )


def memo(schema_name: str, *, max_length: int = 2000, **traits: Unpack[Traits]) -> ColumnDefinition:
    """Text of several lines."""
    return ColumnDefinition(
        schema_name, ColumnKind.MEMO, max_length=max_length, format="TextArea", **traits
    )


def integer(
    schema_name: str,
    *,
    minimum: int = -2_147_483_648,
    maximum: int = 2_147_483_647,
    **traits: Unpack[Traits],
) -> ColumnDefinition:
    """A whole number of 32 bits."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.INTEGER,
        minimum=Decimal(minimum),
        maximum=Decimal(maximum),
        format="None",
        **traits,
    )


def big_integer(schema_name: str, **traits: Unpack[Traits]) -> ColumnDefinition:
    """A whole number of 64 bits."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.BIG_INTEGER,
        minimum=-_BIG_INTEGER_LIMIT - 1,
        maximum=_BIG_INTEGER_LIMIT,
        **traits,
    )


def decimal(
    schema_name: str,
    *,
    precision: int = 10,
    minimum: Decimal = -_DECIMAL_LIMIT,
    maximum: Decimal = _DECIMAL_LIMIT,
    **traits: Unpack[Traits],
) -> ColumnDefinition:
    """An exact number with `precision` digits after the point, 0 to 10 (DATAVERSE 3.3)."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.DECIMAL,
        precision=precision,
        minimum=minimum,
        maximum=maximum,
        **traits,
    )


def double(
    schema_name: str,
    *,
    precision: int = 5,
    minimum: Decimal = -_DECIMAL_LIMIT,
    maximum: Decimal = _DECIMAL_LIMIT,
    **traits: Unpack[Traits],
) -> ColumnDefinition:
    """A floating-point number; `precision` is 0 to 5 (DATAVERSE 3.3)."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.DOUBLE,
        precision=precision,
        minimum=minimum,
        maximum=maximum,
        **traits,
    )


def money(
    schema_name: str, *, precision: int = 4, precision_source: int = 0, **traits: Unpack[Traits]
) -> ColumnDefinition:
    """An amount; `table()` adds the currency, the rate and the `_base` column (DATAVERSE 3.3)."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.MONEY,
        precision=precision,
        precision_source=precision_source,
        minimum=-_MONEY_LIMIT,
        maximum=_MONEY_LIMIT,
        **traits,
    )


def boolean(
    schema_name: str,
    *,
    labels: tuple[str, str] = ("No", "Yes"),
    default: bool | None = False,
    **traits: Unpack[Traits],
) -> ColumnDefinition:
    """Yes or no; `labels` are those of false and true."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.BOOLEAN,
        options=tuple(OptionDefinition(value, label) for value, label in enumerate(labels)),
        default=None if default is None else int(default),
        **traits,
    )


def date_time(
    schema_name: str,
    *,
    behavior: DateTimeBehavior = DateTimeBehavior.USER_LOCAL,
    **traits: Unpack[Traits],
) -> ColumnDefinition:
    """A point in time (DATAVERSE 3.3)."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.DATE_TIME,
        date_time_behavior=behavior,
        format="DateOnly" if behavior is DateTimeBehavior.DATE_ONLY else "DateAndTime",
        **traits,
    )


def date_only(schema_name: str, **traits: Unpack[Traits]) -> ColumnDefinition:
    """A calendar day."""
    return date_time(schema_name, behavior=DateTimeBehavior.DATE_ONLY, **traits)


Options = Mapping[int, str] | Iterable[OptionDefinition]
"""Values with their labels, or whole options."""


def choice(
    schema_name: str,
    options: Options,
    *,
    default: int | None = None,
    option_set: str = "",
    **traits: Unpack[Traits],
) -> ColumnDefinition:
    """One of the options; `option_set` names the global choice, if they are that choice's."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.CHOICE,
        options=_options(options),
        default=default,
        option_set=option_set,
        **traits,
    )


def multi_choice(
    schema_name: str, options: Options, *, option_set: str = "", **traits: Unpack[Traits]
) -> ColumnDefinition:
    """Any of the options."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.MULTI_CHOICE,
        options=_options(options),
        option_set=option_set,
        **traits,
    )


def _options(options: Options) -> tuple[OptionDefinition, ...]:
    if isinstance(options, Mapping):
        return tuple(OptionDefinition(value, label) for value, label in options.items())
    return tuple(options)


def unique_identifier(schema_name: str, **traits: Unpack[Traits]) -> ColumnDefinition:
    """A GUID that points nowhere."""
    return ColumnDefinition(schema_name, ColumnKind.UNIQUE_IDENTIFIER, **traits)


def primary_id(schema_name: str) -> ColumnDefinition:
    """The GUID of the row: given or assigned at creation, never changed."""
    return ColumnDefinition(
        schema_name,
        ColumnKind.UNIQUE_IDENTIFIER,
        required=RequiredLevel.SYSTEM,
        valid_for_update=False,
        is_primary_id=True,
        is_custom=False,
    )


def lookup(
    schema_name: str,
    *,
    to: str | tuple[str, ...],
    navigation_property: str = "",
    relationship: str = "",
    on_delete: DeleteRule = DeleteRule.REMOVE_LINK,
    **traits: Unpack[Traits],
) -> ColumnDefinition:
    """A pointer to a row of `to`; of one of several tables, if `to` is a tuple (DATAVERSE 5)."""
    property_name = navigation_property or schema_name
    targets = (to,) if isinstance(to, str) else to
    return ColumnDefinition(
        schema_name,
        ColumnKind.LOOKUP,
        lookups=tuple(
            LookupDefinition(
                target=target,
                navigation_property=property_name
                if len(targets) == 1
                else f"{property_name}_{target}",
                schema_name=relationship,
                collection_property="",
                on_delete=on_delete,
            )
            for target in targets
        ),
        **traits,
    )


def customer(schema_name: str, **traits: Unpack[Traits]) -> ColumnDefinition:
    """A pointer to an account or a contact."""
    column = lookup(schema_name, to=("account", "contact"), **traits)
    return replace(column, kind=ColumnKind.CUSTOMER)


def owner() -> ColumnDefinition:
    """The user or team that owns the row (DATAVERSE 13): two targets, one navigation property."""
    column = read_only(
        lookup("OwnerId", to=("systemuser", "team"), on_delete=DeleteRule.NO_CASCADE)
    )
    one_property = tuple(
        replace(lookup, navigation_property="ownerid") for lookup in column.lookups
    )
    return replace(
        column,
        kind=ColumnKind.OWNER,
        lookups=one_property,
        valid_for_create=True,
        valid_for_update=True,
        required=RequiredLevel.SYSTEM,
    )


def image(
    schema_name: str, *, is_primary_image: bool = False, **traits: Unpack[Traits]
) -> ColumnDefinition:
    """A picture; a create may set the primary one only (DATAVERSE 3.3)."""
    column = ColumnDefinition(
        schema_name, ColumnKind.IMAGE, is_primary_image=is_primary_image, **traits
    )
    return replace(column, valid_for_create=is_primary_image, max_kilobytes=30 * 1024)


def file(
    schema_name: str, *, max_kilobytes: int = 32768, **traits: Unpack[Traits]
) -> ColumnDefinition:
    """A file, written by requests of its own (DATAVERSE 3.3)."""
    return ColumnDefinition(schema_name, ColumnKind.FILE, max_kilobytes=max_kilobytes, **traits)


def companions(column: ColumnDefinition) -> tuple[ColumnDefinition, ...]:
    """The columns that the platform adds beside a file or an image (DATAVERSE 3.3)."""
    make = _COMPANIONS.get(column.kind)
    added = make(column.schema_name) if make else ()
    return tuple(replace(read_only(each), attribute_of=column.name) for each in added)


_COMPANIONS: Mapping[ColumnKind, Callable[[str], tuple[ColumnDefinition, ...]]] = {
    ColumnKind.FILE: lambda name: (string(f"{name}_Name", max_length=255),),
    ColumnKind.IMAGE: lambda name: (
        unique_identifier(f"{name}Id"),
        big_integer(f"{name}_Timestamp"),
        string(f"{name}_URL", max_length=500),
    ),
}


def key(schema_name: str, *columns: str) -> KeyDefinition:
    """An alternate key over columns given by logical name."""
    return KeyDefinition(schema_name, columns)


def read_only(column: ColumnDefinition) -> ColumnDefinition:
    """The column as one of the platform's own, whose written values are ignored."""
    return replace(column, valid_for_create=False, valid_for_update=False, is_custom=False)
