"""How definitions are spelled as JSON: EntityMetadata and its parts (DATAVERSE 3.1 to 3.5).

Belongs here: property names and shapes of tables, keys and relationships. Does not belong here:
columns (`metadata_columns.py`), URLs, `$select` and `$filter` (`metadata_read.py`), and changing
definitions (`metadata_writes.py`).
"""

from collections.abc import Iterable

from dv_sync_pipeline.emulator.definitions.metadata_columns import attribute
from dv_sync_pipeline.emulator.definitions.metadata_values import (
    Json,
    MetadataObject,
    label,
    managed,
)
from dv_sync_pipeline.emulator.tables import metadata_ids, privileges
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    KeyDefinition,
    LookupDefinition,
    ManyToManyDefinition,
)

__all__ = ["entity", "key", "many_to_many", "many_to_one", "relationships"]

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
