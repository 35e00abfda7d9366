"""How columns and their options are spelled as JSON (DATAVERSE 3.2 to 3.4).

Belongs here: AttributeMetadata of every class, option sets. Does not belong here: tables, keys and
relationships (`metadata.py`).
"""

from collections.abc import Callable, Iterable, Mapping

from dv_sync_pipeline.emulator.definitions.metadata_values import (
    TYPE_PREFIX,
    Json,
    MetadataObject,
    label,
    managed,
)
from dv_sync_pipeline.emulator.tables import metadata_ids
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    OptionDefinition,
    OptionSetDefinition,
    SourceType,
)

__all__ = ["ATTRIBUTE_TYPES", "attribute", "option_set"]

_TYPE_NAMES: Mapping[ColumnKind, tuple[str, str]] = {
    ColumnKind.STRING: ("StringAttributeMetadata", "String"),
    ColumnKind.MEMO: ("MemoAttributeMetadata", "Memo"),
    ColumnKind.INTEGER: ("IntegerAttributeMetadata", "Integer"),
    ColumnKind.BIG_INTEGER: ("BigIntAttributeMetadata", "BigInt"),
    ColumnKind.DECIMAL: ("DecimalAttributeMetadata", "Decimal"),
    ColumnKind.DOUBLE: ("DoubleAttributeMetadata", "Double"),
    ColumnKind.MONEY: ("MoneyAttributeMetadata", "Money"),
    ColumnKind.BOOLEAN: ("BooleanAttributeMetadata", "Boolean"),
    ColumnKind.DATE_TIME: ("DateTimeAttributeMetadata", "DateTime"),
    ColumnKind.CHOICE: ("PicklistAttributeMetadata", "Picklist"),
    ColumnKind.MULTI_CHOICE: ("MultiSelectPicklistAttributeMetadata", "Virtual"),
    ColumnKind.STATE: ("StateAttributeMetadata", "State"),
    ColumnKind.STATUS: ("StatusAttributeMetadata", "Status"),
    ColumnKind.LOOKUP: ("LookupAttributeMetadata", "Lookup"),
    ColumnKind.CUSTOMER: ("LookupAttributeMetadata", "Customer"),
    ColumnKind.OWNER: ("LookupAttributeMetadata", "Owner"),
    ColumnKind.UNIQUE_IDENTIFIER: ("UniqueIdentifierAttributeMetadata", "Uniqueidentifier"),
    ColumnKind.IMAGE: ("ImageAttributeMetadata", "Virtual"),
    ColumnKind.FILE: ("FileAttributeMetadata", "Virtual"),
    ColumnKind.VIRTUAL: ("AttributeMetadata", "Virtual"),
    ColumnKind.ENTITY_NAME: ("EntityNameAttributeMetadata", "EntityName"),
}

ATTRIBUTE_TYPES = frozenset(name for name, _ in _TYPE_NAMES.values())
"""The types to which a list of attributes can be cast."""

_SOURCE_TYPES = {SourceType.SIMPLE: 0, SourceType.CALCULATED: 1, SourceType.ROLLUP: 2}


def attribute(table: Table, column: ColumnDefinition) -> MetadataObject:
    """AttributeMetadata of a column, of the class that its kind has."""
    base = _base_properties(table, column)
    navigation: dict[str, Callable[[], MetadataObject | None]] = {}
    if column.kind.has_options:
        navigation = {
            "OptionSet": lambda: None if column.option_set else _local_options(table, column),
            "GlobalOptionSet": lambda: _global_options(column),
        }
    return MetadataObject(
        _TYPE_NAMES[column.kind][0],
        base | _typed_properties(column),
        base_names=frozenset(base),
        navigation=navigation,
    )


def _base_properties(table: Table, column: ColumnDefinition) -> Json:
    return {
        "MetadataId": metadata_ids.column_id(table.name, column.name),
        "LogicalName": column.name,
        "SchemaName": column.schema_name,
        "EntityLogicalName": table.name,
        "AttributeType": _TYPE_NAMES[column.kind][1],
        "AttributeTypeName": {"Value": str(column.kind)},
        "AttributeOf": column.attribute_of or None,
        "ColumnNumber": table.definition.columns.index(column) + 1,
        "IsValidForCreate": column.valid_for_create,
        "IsValidForUpdate": column.valid_for_update,
        "IsValidForRead": column.valid_for_read,
        "IsPrimaryId": column.is_primary_id,
        "IsPrimaryName": column.is_primary_name,
        "IsSecured": column.is_secured,
        "IsLogical": False,
        "IsCustomAttribute": column.is_custom,
        "IsManaged": not column.is_custom,
        "IsRetrievable": True,
        "IsFilterable": True,
        "IsSearchable": False,
        "CanBeSecuredForRead": column.is_custom,
        "IsValidForAdvancedFind": managed("canmodifysearchsettings", value=True),
        "IsAuditEnabled": managed("canmodifyauditsettings", value=False),
        "IsCustomizable": managed("iscustomizable", value=True),
        "RequiredLevel": {
            "Value": str(column.required),
            "CanBeChanged": True,
            "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings",
        },
        "SourceType": _SOURCE_TYPES[column.source_type],
        "DisplayName": label(
            column.display_name or column.schema_name, "column", table.name, column.name
        ),
        "Description": label(column.description, "column description", table.name, column.name),
        "HasChanged": None,
    }


def _typed_properties(column: ColumnDefinition) -> Json:
    describe = _TYPED.get(column.kind)
    return describe(column) if describe else {}


def _text(column: ColumnDefinition) -> Json:
    return {
        "MaxLength": column.max_length,
        "Format": column.format,
        "FormatName": {"Value": column.format},
        "FormulaDefinition": column.formula,
        "IsLocalizable": False,
    }


def _number(column: ColumnDefinition) -> Json:
    as_number = int if column.kind in (ColumnKind.INTEGER, ColumnKind.BIG_INTEGER) else float
    return {
        "MinValue": None if column.minimum is None else as_number(column.minimum),
        "MaxValue": None if column.maximum is None else as_number(column.maximum),
        "FormulaDefinition": column.formula,
        **({"Precision": column.precision} if column.precision is not None else {}),
        **({"Format": column.format} if column.kind is ColumnKind.INTEGER else {}),
    }


def _money(column: ColumnDefinition) -> Json:
    is_base = column.source_type is SourceType.CALCULATED
    return {
        **_number(column),
        "PrecisionSource": column.precision_source,
        "IsBaseCurrency": is_base,
        "CalculationOf": column.name.removesuffix("_base") if is_base else None,
    }


def _calendar(column: ColumnDefinition) -> Json:
    return {
        "Format": column.format,
        "DateTimeBehavior": {"Value": str(column.date_time_behavior)},
        "CanChangeDateTimeBehavior": managed("canchangedatetimebehavior", value=True),
        "ImeMode": "Inactive",
        "FormulaDefinition": column.formula,
    }


def _choice(column: ColumnDefinition) -> Json:
    default = -1 if column.default is None else column.default
    if column.kind is ColumnKind.BOOLEAN:
        return {"DefaultValue": bool(column.default), "FormulaDefinition": column.formula}
    return {"DefaultFormValue": default}


def _pointer(column: ColumnDefinition) -> Json:
    return {"Targets": list(dict.fromkeys(column.targets)), "Format": "None"}


def _binary(column: ColumnDefinition) -> Json:
    return {
        "MaxSizeInKB": column.max_kilobytes,
        **(
            {"IsPrimaryImage": column.is_primary_image, "CanStoreFullImage": True}
            if column.kind is ColumnKind.IMAGE
            else {}
        ),
    }


_TYPED: Mapping[ColumnKind, Callable[[ColumnDefinition], Json]] = {
    ColumnKind.STRING: _text,
    ColumnKind.MEMO: _text,
    ColumnKind.INTEGER: _number,
    ColumnKind.BIG_INTEGER: _number,
    ColumnKind.DECIMAL: _number,
    ColumnKind.DOUBLE: _number,
    ColumnKind.MONEY: _money,
    ColumnKind.DATE_TIME: _calendar,
    ColumnKind.BOOLEAN: _choice,
    ColumnKind.CHOICE: _choice,
    ColumnKind.MULTI_CHOICE: _choice,
    ColumnKind.STATE: _choice,
    ColumnKind.STATUS: _choice,
    ColumnKind.LOOKUP: _pointer,
    ColumnKind.CUSTOMER: _pointer,
    ColumnKind.OWNER: _pointer,
    ColumnKind.IMAGE: _binary,
    ColumnKind.FILE: _binary,
}


# ---- options ------------------------------------------------------------------------------------


def option_set(definition: OptionSetDefinition) -> MetadataObject:
    """A global choice."""
    properties = _option_set_properties(
        definition.name,
        definition.options,
        kind="Boolean" if definition.is_boolean else "Picklist",
        is_global=True,
        display_name=definition.display_name,
    )
    return MetadataObject(_option_set_type(is_boolean=definition.is_boolean), properties)


def _local_options(table: Table, column: ColumnDefinition) -> MetadataObject:
    properties = _option_set_properties(
        f"{table.name}_{column.name}",
        column.options,
        kind=_OPTION_SET_KINDS.get(column.kind, "Picklist"),
        is_global=False,
        display_name=column.display_name,
    )
    is_boolean = column.kind is ColumnKind.BOOLEAN
    return MetadataObject(_option_set_type(is_boolean=is_boolean), properties)


_OPTION_SET_KINDS = {
    ColumnKind.STATE: "State",
    ColumnKind.STATUS: "Status",
    ColumnKind.BOOLEAN: "Boolean",
}


def _option_set_type(*, is_boolean: bool) -> str:
    return "BooleanOptionSetMetadata" if is_boolean else "OptionSetMetadata"


def _global_options(column: ColumnDefinition) -> MetadataObject | None:
    if not column.option_set:
        return None
    return option_set(OptionSetDefinition(column.option_set, options=column.options))


def _option_set_properties(
    name: str,
    options: Iterable[OptionDefinition],
    *,
    kind: str,
    is_global: bool,
    display_name: str,
) -> Json:
    head = {
        "MetadataId": metadata_ids.option_set_id(name),
        "Name": name,
        "IsGlobal": is_global,
        "IsCustomOptionSet": True,
        "IsManaged": False,
        "OptionSetType": kind,
        "DisplayName": label(display_name, "option set", name),
        "Description": label(""),
        "HasChanged": None,
    }
    described = [_option(name, option, kind) for option in options]
    if kind == "Boolean":
        return head | {"FalseOption": described[0], "TrueOption": described[1]}
    return head | {"Options": described}


def _option(name: str, option: OptionDefinition, kind: str) -> Json:
    described: Json = {
        "Value": option.value,
        "Color": option.color or None,
        "IsManaged": False,
        "ExternalValue": "",
        "ParentValues": [],
        "MetadataId": None,
        "HasChanged": None,
        "Label": label(option.label, "option", name, str(option.value)),
        "Description": label(""),
    }
    match kind:
        case "State":
            type_name = {"@odata.type": f"{TYPE_PREFIX}StateOptionMetadata"}
            extra = {"DefaultStatus": option.default_status, "InvariantName": option.label}
            return type_name | described | extra
        case "Status":
            type_name = {"@odata.type": f"{TYPE_PREFIX}StatusOptionMetadata"}
            transitions = {"State": option.state, "TransitionData": _transition_data(option)}
            return type_name | described | transitions
        case _:
            return described


def _transition_data(option: OptionDefinition) -> str | None:
    """The XML of DATAVERSE 3.4."""
    if option.next_statuses is None:
        return None
    allowed = "".join(
        f'<allowedtransition sourcestatusid="{option.value}" tostatusid="{status}"/>'
        for status in option.next_statuses
    )
    namespace = "http://schemas.microsoft.com/crm/2009/WebServices"
    return f'<allowedtransitions xmlns="{namespace}">{allowed}</allowedtransitions>'
