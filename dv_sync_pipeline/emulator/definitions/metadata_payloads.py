"""Metadata as clients send it, turned into definitions (DATAVERSE 3).

Belongs here: the JSON of tables, columns, keys, relationships and options, with its defaults and
its limits. Does not belong here: what is done with a definition (`metadata_writes.py`), and how a
definition is told to clients (`metadata_read.py`).

Types are written with or without `#`, and with or without `Complex` (the variants that actions
take). What the emulator has no use for, such as menus and `HasNotes`, is accepted and forgotten.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeAlias

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    DateTimeBehavior,
    DeleteRule,
    KeyDefinition,
    KeyStatus,
    LookupDefinition,
    ManyToManyDefinition,
    OptionDefinition,
    OptionSetDefinition,
    Ownership,
    RequiredLevel,
    SourceType,
    TableDefinition,
)

__all__ = [
    "Payload",
    "metadata_type",
    "parse_column",
    "parse_key",
    "parse_label",
    "parse_lookup",
    "parse_many_to_many",
    "parse_option",
    "parse_option_set",
    "parse_options",
    "parse_table",
    "update_column",
    "update_lookup",
    "update_table",
]

Payload: TypeAlias = Mapping[str, Any]
"""A JSON object."""

FIRST_OPTION_VALUE = 100_000_000
_ENGLISH = 1033
_KEY_COLUMNS_MAX = 16
_SCHEMA_NAME = re.compile(r"(?!mscrm)[A-Za-z][A-Za-z0-9]{1,7}_[A-Za-z0-9_]+")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TYPE = re.compile(r"#?Microsoft\.Dynamics\.CRM\.(?:Complex)?(\w+)")


# ---- words --------------------------------------------------------------------------------------


def metadata_type(payload: Payload) -> str:
    """Its `@odata.type` without namespace, such as `StringAttributeMetadata`; "" if it has none."""
    match = _TYPE.fullmatch(str(payload.get("@odata.type", "")))
    return match[1] if match else ""


def parse_label(value: Any) -> str:
    """The English text of a label, else its first; "" if it has none."""
    if not isinstance(value, dict):
        return ""
    labels = value.get("LocalizedLabels") or [value.get("UserLocalizedLabel") or {}]
    english = [label for label in labels if label.get("LanguageCode") == _ENGLISH]
    return str((english or labels)[0].get("Label") or "")


def _schema_name(payload: Payload, *, what: str) -> str:
    """A valid name; all but relationships' must start with a publisher's prefix."""
    name = payload.get("SchemaName") or payload.get("LogicalName")
    pattern = _IDENTIFIER if what == "relationship" else _SCHEMA_NAME
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise replies.invalid_argument(
            f"The name '{name}' of the {what} is invalid: it must be a publisher's prefix, an "
            "underscore, and letters, digits or underscores."
        )
    return name


def _managed(payload: Payload, name: str) -> Any:
    """The value of a property such as `RequiredLevel`, which is written `{"Value": ...}`."""
    value = payload.get(name)
    return value.get("Value") if isinstance(value, dict) else value


def _number(payload: Payload, name: str) -> Decimal | None:
    value = payload.get(name)
    return None if value is None else Decimal(str(value))


# ---- options ------------------------------------------------------------------------------------


def parse_option(payload: Payload, *, taken: Iterable[int]) -> OptionDefinition:
    """One option; without a value it gets the next one of the publisher's range."""
    value = payload.get("Value")
    if value is None:
        value = max((FIRST_OPTION_VALUE - 1, *taken)) + 1
    if value in taken:
        raise replies.invalid_argument(f"The option value {value} is used already.")
    return OptionDefinition(
        int(value),
        parse_label(payload.get("Label")),
        state=payload.get("State", payload.get("StateCode")),
        color=payload.get("Color") or "",
    )


def parse_options(payload: Payload) -> tuple[OptionDefinition, ...]:
    """The options of an option set, those of a boolean one in the order false, true."""
    if "TrueOption" in payload or "FalseOption" in payload:
        return tuple(
            OptionDefinition(value, parse_label((payload.get(name) or {}).get("Label")) or word)
            for value, (name, word) in enumerate((("FalseOption", "No"), ("TrueOption", "Yes")))
        )
    options: list[OptionDefinition] = []
    for option in payload.get("Options") or ():
        options.append(parse_option(option, taken=[known.value for known in options]))
    return tuple(options)


def parse_option_set(payload: Payload) -> OptionSetDefinition:
    """A global choice."""
    name = payload.get("Name")
    if not isinstance(name, str) or not _SCHEMA_NAME.fullmatch(name):
        raise replies.invalid_argument(f"The name '{name}' of the option set is invalid.")
    return OptionSetDefinition(
        name.lower(),
        display_name=parse_label(payload.get("DisplayName")) or name,
        options=parse_options(payload),
        is_boolean=metadata_type(payload) == "BooleanOptionSetMetadata",
    )


# ---- columns ------------------------------------------------------------------------------------

FindOptionSet: TypeAlias = Callable[[str], OptionSetDefinition]
"""A global choice by its name or its id; raises the 404."""

_REFERENCE = re.compile(r".*GlobalOptionSetDefinitions\((?:Name=)?'?([^')]+)'?\)")


def parse_column(payload: Payload, *, find_option_set: FindOptionSet) -> ColumnDefinition:
    """A column of any type but lookups, which come with a relationship (DATAVERSE 3.3)."""
    kind = metadata_type(payload)
    make = _COLUMNS.get(kind)
    if make is None:
        raise replies.bad_payload(
            "attributes", f"The type '{payload.get('@odata.type')}' cannot be created as a column."
        )
    if payload.get("AutoNumberFormat"):
        raise replies.not_implemented("autonumber columns")
    column = make(_schema_name(payload, what="attribute"), payload)
    if kind in _OPTION_SET_COLUMNS:
        column = _with_options(column, payload, find_option_set)
    return replace(column, **_traits(payload, column))


def _traits(payload: Payload, column: ColumnDefinition) -> dict[str, Any]:
    """What the payload says and every column may have; nothing that it does not say."""
    traits: dict[str, Any] = {
        trait: parse(payload[name])
        for name, (trait, parse) in _TRAITS.items()
        if payload.get(name) is not None
    }
    if not column.display_name and "display_name" not in traits:
        traits["display_name"] = column.schema_name.rpartition("_")[2]
    if payload.get("SourceType") in _COMPUTED:
        traits |= {
            "source_type": _COMPUTED[payload["SourceType"]],
            "formula": payload.get("FormulaDefinition") or "",
            "valid_for_create": False,
            "valid_for_update": False,
        }
    return traits


def _required_level(value: Any) -> RequiredLevel:
    text = value.get("Value") if isinstance(value, dict) else value
    try:
        return RequiredLevel(str(text))
    except ValueError:
        raise replies.bad_payload("attributes", f"'{text}' is no RequiredLevel.") from None


_TRAITS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "DisplayName": ("display_name", parse_label),
    "Description": ("description", parse_label),
    "RequiredLevel": ("required", _required_level),
    "IsPrimaryName": ("is_primary_name", bool),
    "IsSecured": ("is_secured", bool),
}
_COMPUTED = {1: SourceType.CALCULATED, 2: SourceType.ROLLUP, 3: SourceType.CALCULATED}


def _string(name: str, payload: Payload) -> ColumnDefinition:
    text_format = _managed(payload, "FormatName") or payload.get("Format") or "Text"
    return define.string(
        name, max_length=_length(payload, default=100, maximum=4000), text_format=text_format
    )


def _memo(name: str, payload: Payload) -> ColumnDefinition:
    return define.memo(name, max_length=_length(payload, default=2000, maximum=1_048_576))


def _length(payload: Payload, *, default: int, maximum: int) -> int:
    length = payload.get("MaxLength") or default
    if not 1 <= length <= maximum:
        raise replies.invalid_argument(f"MaxLength must be between 1 and {maximum}.")
    return int(length)


def _limited(column: ColumnDefinition, payload: Payload) -> ColumnDefinition:
    """The number column with the limits and the precision that the payload gives."""
    minimum, maximum = _number(payload, "MinValue"), _number(payload, "MaxValue")
    precision = payload.get("Precision")
    return replace(
        column,
        minimum=column.minimum if minimum is None else minimum,
        maximum=column.maximum if maximum is None else maximum,
        precision=column.precision if precision is None else _precision(column.kind, precision),
    )


def _precision(kind: ColumnKind, precision: int) -> int:
    maximum = _PRECISION_MAX[kind]
    if not 0 <= precision <= maximum:
        raise replies.invalid_argument(f"Precision must be between 0 and {maximum}.")
    return int(precision)


_PRECISION_MAX = {
    ColumnKind.DECIMAL: 10,
    ColumnKind.DOUBLE: 5,
    ColumnKind.MONEY: 4,
}
"""Digits after the point (DATAVERSE 3.3)."""


def _money(name: str, payload: Payload) -> ColumnDefinition:
    source = payload.get("PrecisionSource") or 0
    return _limited(define.money(name, precision_source=source), payload)


def _boolean(name: str, payload: Payload) -> ColumnDefinition:
    options = parse_options(payload.get("OptionSet") or {"TrueOption": None})
    labels = (options[0].label, options[1].label)
    return define.boolean(name, labels=labels, default=bool(payload.get("DefaultValue")))


def _date_time(name: str, payload: Payload) -> ColumnDefinition:
    behavior = DateTimeBehavior(_managed(payload, "DateTimeBehavior") or "UserLocal")
    column = define.date_time(name, behavior=behavior)
    return replace(column, format=payload.get("Format") or column.format)


def _choice(name: str, payload: Payload) -> ColumnDefinition:
    default = payload.get("DefaultFormValue")
    return define.choice(name, (), default=None if default in (None, -1) else int(default))


def _file(name: str, payload: Payload) -> ColumnDefinition:
    return define.file(name, max_kilobytes=payload.get("MaxSizeInKB") or 32_768)


def _image(name: str, payload: Payload) -> ColumnDefinition:
    column = define.image(name, is_primary_image=bool(payload.get("IsPrimaryImage")))
    return replace(column, max_kilobytes=payload.get("MaxSizeInKB") or 10_240)


_COLUMNS: Mapping[str, Callable[[str, Payload], ColumnDefinition]] = {
    "StringAttributeMetadata": _string,
    "MemoAttributeMetadata": _memo,
    "IntegerAttributeMetadata": lambda name, payload: _limited(define.integer(name), payload),
    "BigIntAttributeMetadata": lambda name, _payload: define.big_integer(name),
    "DecimalAttributeMetadata": lambda name, payload: _limited(define.decimal(name), payload),
    "DoubleAttributeMetadata": lambda name, payload: _limited(define.double(name), payload),
    "MoneyAttributeMetadata": _money,
    "BooleanAttributeMetadata": _boolean,
    "DateTimeAttributeMetadata": _date_time,
    "PicklistAttributeMetadata": _choice,
    "MultiSelectPicklistAttributeMetadata": lambda name, _payload: define.multi_choice(name, ()),
    "FileAttributeMetadata": _file,
    "ImageAttributeMetadata": _image,
}
_OPTION_SET_COLUMNS = ("PicklistAttributeMetadata", "MultiSelectPicklistAttributeMetadata")


def _with_options(
    column: ColumnDefinition, payload: Payload, find_option_set: FindOptionSet
) -> ColumnDefinition:
    """The choice column with the options of a global choice, or with its own."""
    name = _global_option_set(payload)
    if name:
        option_set = find_option_set(name)
        return replace(column, options=option_set.options, option_set=option_set.name)
    return replace(column, options=parse_options(payload.get("OptionSet") or {}))


def _global_option_set(payload: Payload) -> str:
    """Name or id of the global choice that a column names, "" if its options are its own."""
    bound = payload.get("GlobalOptionSet@odata.bind")
    match = _REFERENCE.fullmatch(bound) if isinstance(bound, str) else None
    if match:
        return match[1]
    for name in ("GlobalOptionSet", "OptionSet"):
        option_set = payload.get(name) or {}
        if option_set.get("IsGlobal"):
            return str(option_set.get("Name") or option_set.get("MetadataId") or "")
    return ""


def update_column(column: ColumnDefinition, payload: Payload) -> ColumnDefinition:
    """The column as a PUT of its whole definition wants it; its name and type stay.

    Options are changed by actions of their own, not here.
    """
    kind = metadata_type(payload)
    if kind in _COLUMNS and _COLUMNS[kind](column.schema_name, payload).kind is not column.kind:
        raise replies.invalid_argument(f"The type of the attribute {column.name} cannot change.")
    changed = _UPDATES.get(column.kind, _unchanged)(column, payload)
    traits = _traits(payload, column)
    traits.pop("is_primary_name", None)
    return replace(changed, **traits)


def _unchanged(column: ColumnDefinition, _payload: Payload) -> ColumnDefinition:
    return column


def _update_text(column: ColumnDefinition, payload: Payload) -> ColumnDefinition:
    maximum = 4000 if column.kind is ColumnKind.STRING else 1_048_576
    default = column.max_length or 100
    text_format = _managed(payload, "FormatName") or column.format
    return replace(
        column,
        max_length=_length(payload, default=default, maximum=maximum),
        format=text_format,
    )


def _update_date_time(column: ColumnDefinition, payload: Payload) -> ColumnDefinition:
    behavior = DateTimeBehavior(_managed(payload, "DateTimeBehavior") or column.date_time_behavior)
    if behavior is column.date_time_behavior:
        return replace(column, format=payload.get("Format") or column.format)
    if column.date_time_behavior is not DateTimeBehavior.USER_LOCAL:
        raise replies.invalid_argument("The behavior changes once, from UserLocal only.")
    date_only = behavior is DateTimeBehavior.DATE_ONLY
    return replace(
        column, date_time_behavior=behavior, format="DateOnly" if date_only else column.format
    )


_UPDATES: Mapping[ColumnKind, Callable[[ColumnDefinition, Payload], ColumnDefinition]] = {
    ColumnKind.STRING: _update_text,
    ColumnKind.MEMO: _update_text,
    ColumnKind.INTEGER: _limited,
    ColumnKind.DECIMAL: _limited,
    ColumnKind.DOUBLE: _limited,
    ColumnKind.MONEY: _limited,
    ColumnKind.DATE_TIME: _update_date_time,
}


# ---- tables -------------------------------------------------------------------------------------


def parse_table(payload: Payload, *, find_option_set: FindOptionSet) -> TableDefinition:
    """A table with the columns inside of it; one of them must be the primary name."""
    if payload.get("TableType") == "Elastic" or payload.get("IsActivity"):
        raise replies.not_implemented("elastic tables and activities")
    schema_name = _schema_name(payload, what="entity")
    attributes = payload.get("Attributes") or ()
    columns = [parse_column(item, find_option_set=find_option_set) for item in attributes]
    names = [column for column in columns if column.is_primary_name]
    if len(names) != 1 or names[0].kind is not ColumnKind.STRING:
        raise replies.invalid_argument("One attribute of type String must be the primary name.")
    definition = define.table(
        schema_name,
        entity_set=payload.get("EntitySetName") or _plural(schema_name.lower()),
        primary_name=names[0],
        columns=[column for column in columns if column is not names[0]],
        ownership=Ownership(payload.get("OwnershipType") or Ownership.USER),
        change_tracking_enabled=bool(payload.get("ChangeTrackingEnabled")),
    )
    return update_table(definition, payload)


def _plural(name: str) -> str:
    """The entity set that the platform makes of a logical name (DATAVERSE 3.1)."""
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "z", "ch", "sh")) else f"{name}s"


def update_table(definition: TableDefinition, payload: Payload) -> TableDefinition:
    """The table as a PUT of its definition wants it; its columns are not touched."""
    if definition.change_tracking_enabled and payload.get("ChangeTrackingEnabled") is False:
        raise replies.invalid_argument("Change tracking cannot be turned off (DATAVERSE 3.5).")
    changes = {
        trait: parse(payload[name])
        for name, (trait, parse) in _TABLE_TRAITS.items()
        if payload.get(name) is not None
    }
    return replace(definition, **changes)


_TABLE_TRAITS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "DisplayName": ("display_name", parse_label),
    "DisplayCollectionName": ("display_collection_name", parse_label),
    "Description": ("description", parse_label),
    "EntitySetName": ("entity_set", str),
    "ChangeTrackingEnabled": ("change_tracking_enabled", bool),
    "EnforceStateTransitions": ("enforce_state_transitions", bool),
}


# ---- keys and relationships ---------------------------------------------------------------------

_KEY_KINDS = (
    ColumnKind.DECIMAL,
    ColumnKind.INTEGER,
    ColumnKind.STRING,
    ColumnKind.DATE_TIME,
    ColumnKind.LOOKUP,
    ColumnKind.CHOICE,
)


def parse_key(payload: Payload, *, table: TableDefinition) -> KeyDefinition:
    """An alternate key whose index is still to be built (DATAVERSE 3.5)."""
    names = tuple(str(name).lower() for name in payload.get("KeyAttributes") or ())
    if not 1 <= len(names) <= _KEY_COLUMNS_MAX:
        raise replies.invalid_argument(f"A key has 1 to {_KEY_COLUMNS_MAX} columns.")
    for name in names:
        column = table.column(name)
        if column is None:
            raise replies.attribute_not_found(table.name, name)
        if column.kind not in _KEY_KINDS or column.is_secured or column.is_polymorphic:
            raise replies.invalid_argument(f"The column {name} cannot be part of a key.")
    schema_name = _schema_name(payload, what="key")
    return KeyDefinition(
        schema_name,
        names,
        status=KeyStatus.PENDING,
        display_name=parse_label(payload.get("DisplayName")) or schema_name,
    )


def parse_lookup(
    lookup: Payload, relationships: Iterable[Payload], *, kind: ColumnKind = ColumnKind.LOOKUP
) -> ColumnDefinition:
    """The lookup column of one or more one-to-many relationships (DATAVERSE 5)."""
    schema_name = _schema_name(lookup, what="attribute")
    sources = tuple(relationships)
    column = ColumnDefinition(
        schema_name,
        kind,
        lookups=tuple(
            _direction(source, schema_name, alone=len(sources) == 1) for source in sources
        ),
    )
    return replace(column, **_traits(lookup, column))


def _direction(payload: Payload, column: str, *, alone: bool) -> LookupDefinition:
    """A relationship, seen from its lookup column."""
    name = _schema_name(payload, what="relationship")
    target = str(payload.get("ReferencedEntity", "")).lower()
    property_name = column if alone else f"{column}_{target}"
    direction = LookupDefinition(
        target=target,
        navigation_property=payload.get("ReferencingEntityNavigationPropertyName") or property_name,
        schema_name=name,
        collection_property=payload.get("ReferencedEntityNavigationPropertyName") or name,
    )
    return update_lookup(direction, payload)


def update_lookup(direction: LookupDefinition, payload: Payload) -> LookupDefinition:
    """The relationship with the rule for deletes that the payload gives."""
    cascade = payload.get("CascadeConfiguration") or {}
    rule = cascade.get("Delete") or direction.on_delete
    try:
        return replace(direction, on_delete=DeleteRule(rule))
    except ValueError:
        raise replies.bad_payload("relationships", f"'{rule}' is no CascadeType.") from None


def parse_many_to_many(payload: Payload) -> ManyToManyDefinition:
    """A many-to-many relationship; of a table with itself the columns end in `one` and `two`."""
    name = _schema_name(payload, what="relationship")
    first = str(payload.get("Entity1LogicalName", "")).lower()
    second = str(payload.get("Entity2LogicalName", "")).lower()
    suffixes = ("one", "two") if first == second else ("", "")
    return ManyToManyDefinition(
        schema_name=name,
        intersect=str(payload.get("IntersectEntityName") or name).lower(),
        first=first,
        second=second,
        first_property=payload.get("Entity1NavigationPropertyName") or name,
        second_property=payload.get("Entity2NavigationPropertyName") or name,
        first_column=payload.get("Entity1IntersectAttribute") or f"{first}id{suffixes[0]}",
        second_column=payload.get("Entity2IntersectAttribute") or f"{second}id{suffixes[1]}",
    )
