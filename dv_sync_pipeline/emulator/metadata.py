"""How definitions are spelled as JSON: EntityMetadata and its parts (DATAVERSE 3.1 to 3.5).

Belongs here: property names and shapes. Does not belong here: URLs, `$select` and `$filter`
(`metadata_read.py`) and changing definitions (`metadata_writes.py`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dv_sync_pipeline.emulator import metadata_ids, privileges
from dv_sync_pipeline.emulator.catalog import Catalog, Table
from dv_sync_pipeline.emulator.schema import (
    ColumnDefinition,
    ColumnKind,
    KeyDefinition,
    LookupDefinition,
    ManyToManyDefinition,
    OptionDefinition,
    OptionSetDefinition,
    SourceType,
    metadata_id,
)

__all__ = [
    "MetadataObject",
    "attribute",
    "entity",
    "key",
    "many_to_many",
    "many_to_one",
    "option_set",
    "relationships",
]

_LANGUAGE = 1033
_PREFIX = "#Microsoft.Dynamics.CRM."


@dataclass(frozen=True, slots=True)
class MetadataObject:
    """One object of metadata.

    Attributes:
        type_name: such as `StringAttributeMetadata`.
        properties: plain and complex ones, by name.
        base_names: those that its base class has; all of them if it has no base class.
        navigation: what `$expand` may ask for, computed when asked.

    """

    type_name: str
    properties: Mapping[str, Any]
    base_names: frozenset[str] = frozenset()
    navigation: Mapping[str, Callable[[], "MetadataObject | Sequence[MetadataObject] | None"]] = (
        field(default_factory=dict)
    )

    @property
    def is_typed(self) -> bool:
        """Whether lists hold several types, so that each object names its own."""
        return bool(self.base_names) or self.type_name.endswith("RelationshipMetadata")

    @property
    def odata_type(self) -> str:
        """The value of `@odata.type`."""
        return f"{_PREFIX}{self.type_name}"


Json: TypeAlias = dict[str, Any]


def label(text: str, *path: str) -> Json:
    """A Label with one language; empty if there is no text."""
    if not text:
        return {"LocalizedLabels": [], "UserLocalizedLabel": None}
    localized = {
        "Label": text,
        "LanguageCode": _LANGUAGE,
        "IsManaged": False,
        "MetadataId": metadata_id("label", *path, text),
        "HasChanged": None,
    }
    return {"LocalizedLabels": [localized], "UserLocalizedLabel": localized}


def managed(name: str, *, value: bool) -> Json:
    """A managed property, which filters through `/Value`."""
    return {"Value": value, "CanBeChanged": True, "ManagedPropertyLogicalName": name}


# ---- tables -------------------------------------------------------------------------------------


def entity(catalog: Catalog, table: Table) -> MetadataObject:
    """EntityMetadata of a table."""
    return MetadataObject(
        "EntityMetadata",
        _entity_properties(table),
        navigation={
            "Attributes": lambda: [attribute(table, c) for c in table.definition.columns],
            "Keys": lambda: [key(table, part) for part in table.definition.keys],
            "ManyToOneRelationships": lambda: list(_pointing_from(table)),
            "OneToManyRelationships": lambda: list(_pointing_to(catalog, table)),
            "ManyToManyRelationships": lambda: list(_pairs_of(catalog, table)),
        },
    )


def _entity_properties(table: Table) -> Json:
    definition = table.definition
    return {
        "MetadataId": metadata_ids.table_id(table.name),
        "LogicalName": table.name,
        "SchemaName": definition.schema_name,
        "EntitySetName": table.entity_set,
        "LogicalCollectionName": table.entity_set,
        "CollectionSchemaName": definition.schema_name + "s",
        "PrimaryIdAttribute": table.primary_id,
        "PrimaryNameAttribute": table.primary_name or None,
        "PrimaryImageAttribute": next(
            (c.name for c in definition.columns if c.is_primary_image), None
        ),
        "ObjectTypeCode": definition.object_type_code,
        "OwnershipType": str(definition.ownership),
        "TableType": "Standard",
        "IsIntersect": definition.is_intersect,
        "IsCustomEntity": definition.is_custom,
        "IsActivity": False,
        "IsPrivate": False,
        "IsLogicalEntity": False,
        "IsManaged": not definition.is_custom,
        "IsStateModelAware": table.has_state,
        "EnforceStateTransitions": definition.enforce_state_transitions,
        "ChangeTrackingEnabled": definition.change_tracking_enabled,
        "CanChangeTrackingBeEnabled": managed(
            "canchangetrackingbeenabled", value=not definition.is_intersect
        ),
        "IsOptimisticConcurrencyEnabled": definition.optimistic_concurrency_enabled,
        "IsCustomizable": managed("iscustomizable", value=True),
        "IsAuditEnabled": managed("canmodifyauditsettings", value=False),
        "IsValidForAdvancedFind": True,
        "HasActivities": False,
        "HasNotes": False,
        "DataProviderId": None,
        "DisplayName": label(definition.display_name, "table", table.name),
        "DisplayCollectionName": label(definition.display_collection_name, "tables", table.name),
        "Description": label(definition.description, "table description", table.name),
        "Privileges": [_privilege(table, action) for action in privileges.ACTIONS],
        "HasChanged": None,
    }


def _privilege(table: Table, action: str) -> Json:
    name = privileges.privilege_name(table.definition, action)
    return {
        "CanBeBasic": True,
        "CanBeDeep": True,
        "CanBeGlobal": True,
        "CanBeLocal": True,
        "Name": name,
        "PrivilegeId": privileges.privilege_id(name),
        "PrivilegeType": action,
    }


# ---- columns ------------------------------------------------------------------------------------

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
            type_name = {"@odata.type": f"{_PREFIX}StateOptionMetadata"}
            extra = {"DefaultStatus": option.default_status, "InvariantName": option.label}
            return type_name | described | extra
        case "Status":
            type_name = {"@odata.type": f"{_PREFIX}StatusOptionMetadata"}
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


# ---- keys and relationships ---------------------------------------------------------------------


def key(table: Table, definition: KeyDefinition) -> MetadataObject:
    """EntityKeyMetadata."""
    return MetadataObject(
        "EntityKeyMetadata",
        {
            "MetadataId": metadata_ids.key_id(table.name, definition.name),
            "LogicalName": definition.name,
            "SchemaName": definition.schema_name,
            "EntityLogicalName": table.name,
            "KeyAttributes": list(definition.columns),
            "EntityKeyIndexStatus": str(definition.status),
            "AsyncJob": None,
            "IsCustomizable": managed("iscustomizable", value=True),
            "IsManaged": False,
            "IsSynchronous": False,
            "DisplayName": label(
                definition.display_name or definition.schema_name, "key", definition.name
            ),
            "HasChanged": None,
        },
    )


def relationships(catalog: Catalog) -> list[MetadataObject]:
    """All relationships of all tables."""
    found: list[MetadataObject] = []
    for table in catalog.tables.values():
        found += _pointing_from(table)
    return found + [many_to_many(pairs) for pairs in catalog.many_to_many.values()]


def _pointing_from(table: Table) -> Iterable[MetadataObject]:
    for column in table.definition.columns:
        if column.kind is ColumnKind.OWNER:
            yield _owner_relationship(table, column)
        else:
            yield from (many_to_one(table, column, lookup) for lookup in column.lookups)


def _pointing_to(catalog: Catalog, table: Table) -> Iterable[MetadataObject]:
    for child in catalog.children(table.name):
        if child.column.kind is not ColumnKind.OWNER:
            yield many_to_one(child.table, child.column, child.lookup)


def _pairs_of(catalog: Catalog, table: Table) -> Iterable[MetadataObject]:
    for pairs in catalog.many_to_many.values():
        if table.name in (pairs.first, pairs.second):
            yield many_to_many(pairs)


def many_to_one(table: Table, column: ColumnDefinition, lookup: LookupDefinition) -> MetadataObject:
    """OneToManyRelationshipMetadata, which describes both directions."""
    return _one_to_many(
        table,
        column,
        schema_name=lookup.schema_name,
        target=lookup.target,
        target_id=f"{lookup.target}id",
        navigation_property=lookup.navigation_property,
        collection_property=lookup.collection_property,
        on_delete=str(lookup.on_delete),
    )


def _owner_relationship(table: Table, column: ColumnDefinition) -> MetadataObject:
    """Towards `owner`, which stands for users and teams."""
    name = f"owner_{table.name}"
    return _one_to_many(
        table,
        column,
        schema_name=name,
        target="owner",
        target_id="ownerid",
        navigation_property="ownerid",
        collection_property=name,
        on_delete="NoCascade",
    )


def _one_to_many(
    table: Table,
    column: ColumnDefinition,
    *,
    schema_name: str,
    target: str,
    target_id: str,
    navigation_property: str,
    collection_property: str,
    on_delete: str,
) -> MetadataObject:
    return MetadataObject(
        "OneToManyRelationshipMetadata",
        {
            "MetadataId": metadata_ids.relationship_id(schema_name),
            "SchemaName": schema_name,
            "RelationshipType": "OneToManyRelationship",
            "ReferencingEntity": table.name,
            "ReferencingAttribute": column.name,
            "ReferencedEntity": target,
            "ReferencedAttribute": target_id,
            "ReferencingEntityNavigationPropertyName": navigation_property,
            "ReferencedEntityNavigationPropertyName": collection_property,
            "CascadeConfiguration": _cascades(on_delete),
            "IsCustomRelationship": column.is_custom,
            "IsHierarchical": False,
            "IsManaged": not column.is_custom,
            "IsValidForAdvancedFind": True,
            "SecurityTypes": "Append",
            "HasChanged": None,
        },
    )


def _cascades(on_delete: str) -> Json:
    others = ("Assign", "Merge", "Reparent", "Share", "Unshare", "RollupView")
    return {**dict.fromkeys(others, "NoCascade"), "Delete": on_delete}


def many_to_many(pairs: ManyToManyDefinition) -> MetadataObject:
    """ManyToManyRelationshipMetadata."""
    return MetadataObject(
        "ManyToManyRelationshipMetadata",
        {
            "MetadataId": metadata_ids.relationship_id(pairs.schema_name),
            "SchemaName": pairs.schema_name,
            "RelationshipType": "ManyToManyRelationship",
            "IntersectEntityName": pairs.intersect,
            "Entity1LogicalName": pairs.first,
            "Entity1IntersectAttribute": pairs.first_column,
            "Entity1NavigationPropertyName": pairs.first_property,
            "Entity2LogicalName": pairs.second,
            "Entity2IntersectAttribute": pairs.second_column,
            "Entity2NavigationPropertyName": pairs.second_property,
            "IsCustomRelationship": True,
            "IsManaged": False,
            "IsValidForAdvancedFind": True,
            "SecurityTypes": "None",
            "HasChanged": None,
        },
    )
