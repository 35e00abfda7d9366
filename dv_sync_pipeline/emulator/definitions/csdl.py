"""`$metadata`: the service as CSDL 4.0 in XML (DATAVERSE 2, 3.3).

Belongs here: entity types, sets, functions and actions, from the tables' definitions. Does not
belong here: EntityDefinitions, which say more in JSON (`metadata.py`).

    GET $metadata                     Accept must allow XML, else 415
    GET $metadata?annotations=true    with what is computed, what may be written, what is tracked
"""

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element, SubElement

from dv_sync_pipeline.emulator.definitions.csdl_operations import OPERATIONS, RESPONSES, Operation
from dv_sync_pipeline.emulator.queries.platform_functions import edm_type
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.service.handlers import Routes
from dv_sync_pipeline.emulator.service.requests import Call
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    KeyStatus,
    LookupDefinition,
    ManyToManyDefinition,
)

__all__ = ["ROUTES", "metadata_document"]

_NAMESPACE = "Microsoft.Dynamics.CRM"
_ALIAS = "mscrm"
_BASE = f"{_ALIAS}.crmbaseentity"
_PRINCIPAL = "principal"
_VOCABULARIES = {
    "OData.Community.Keys.V1": "Keys",
    "Org.OData.Capabilities.V1": "Capabilities",
    "Org.OData.Core.V1": "Core",
}
_XML_TYPES = ("application/xml", "application/*", "*/*", "text/xml")


def _read(call: Call) -> Reply:
    """The document, unless the client insists on JSON."""
    accepted = call.header("accept")
    if accepted and not any(xml_type in accepted for xml_type in _XML_TYPES):
        raise replies.unsupported_media_type(accepted)
    annotated = call.options.get("annotations", "").lower() == "true"
    return Reply(
        200,
        {"Content-Type": "application/xml"},
        metadata_document(call.catalog, annotated=annotated),
    )


def metadata_document(catalog: Catalog, *, annotated: bool = False) -> bytes:
    """The document as UTF-8."""
    root = Element(
        "edmx:Edmx",
        {"Version": "4.0", "xmlns:edmx": "http://docs.oasis-open.org/odata/ns/edmx"},
    )
    for vocabulary, alias in _VOCABULARIES.items():
        uri = f"http://vocabularies.odata.org/{vocabulary}.xml"
        reference = SubElement(root, "edmx:Reference", {"Uri": uri})
        SubElement(reference, "edmx:Include", {"Namespace": vocabulary, "Alias": alias})
    services = SubElement(root, "edmx:DataServices")
    _Document(catalog, annotated=annotated).write(services)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


class _Document:
    """Writes the one schema of the service."""

    def __init__(self, catalog: Catalog, *, annotated: bool) -> None:
        self._catalog = catalog
        self._annotated = annotated

    def write(self, services: Element) -> None:
        schema = SubElement(
            services,
            "Schema",
            {
                "Namespace": _NAMESPACE,
                "Alias": _ALIAS,
                "xmlns": "http://docs.oasis-open.org/odata/ns/edm",
            },
        )
        SubElement(schema, "EntityType", {"Name": "crmbaseentity", "Abstract": "true"})
        self._write_principal(schema)
        for table in self._catalog.tables.values():
            self._write_entity_type(schema, table)
        for name, properties in RESPONSES.items():
            _write_complex_type(schema, name, properties)
        for operation in OPERATIONS:
            _write_operation(schema, operation)
        self._write_container(schema)

    # ---- entity types ---------------------------------------------------------------------------

    def _write_principal(self, schema: Element) -> None:
        """What an owner is: users and teams have it in common."""
        element = SubElement(schema, "EntityType", {"Name": _PRINCIPAL, "BaseType": _BASE})
        SubElement(SubElement(element, "Key"), "PropertyRef", {"Name": "ownerid"})
        SubElement(element, "Property", {"Name": "ownerid", "Type": "Edm.Guid"})

    def _write_entity_type(self, schema: Element, table: Table) -> None:
        element = SubElement(schema, "EntityType", {"Name": table.name, "BaseType": _BASE})
        SubElement(SubElement(element, "Key"), "PropertyRef", {"Name": table.primary_id})
        for column in table.definition.columns:
            self._write_property(element, column)
        for name, (column, lookups) in table.navigation.items():
            _write_pointer(element, name, column, lookups, self._catalog)
        for name, target, partner in self._collections(table):
            attributes = {"Name": name, "Type": f"Collection({_ALIAS}.{target})"}
            SubElement(element, "NavigationProperty", attributes | partner)
        _write_alternate_keys(element, table)

    def _write_property(self, entity_type: Element, column: ColumnDefinition) -> None:
        attributes = {"Name": column.property_name, "Type": edm_type(column)}
        if column.is_primary_id:
            attributes["Nullable"] = "false"
        if column.kind in _SCALED:
            attributes["Scale"] = "Variable"
        element = SubElement(entity_type, "Property", attributes)
        if self._annotated:
            _annotate(element, column)

    def _collections(self, table: Table) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Name and target of each, and the property that leads back."""
        for child in self._catalog.children(table.name):
            if child.column.kind is not ColumnKind.OWNER:
                back = {"Partner": child.lookup.navigation_property}
                yield child.lookup.collection_property, child.table.name, back
        for pairs in self._catalog.many_to_many.values():
            yield from _pair_ends(pairs, table.name)

    # ---- the container --------------------------------------------------------------------------

    def _write_container(self, schema: Element) -> None:
        container = SubElement(schema, "EntityContainer", {"Name": "System"})
        for table in self._catalog.tables.values():
            self._write_entity_set(container, table)
        for operation in OPERATIONS:
            if not operation.bound_to:
                kind = operation.kind
                attributes = {"Name": operation.name, kind: f"{_NAMESPACE}.{operation.name}"}
                SubElement(container, f"{kind}Import", attributes)

    def _write_entity_set(self, container: Element, table: Table) -> None:
        attributes = {"Name": table.entity_set, "EntityType": f"{_NAMESPACE}.{table.name}"}
        element = SubElement(container, "EntitySet", attributes)
        for path, target in self._bindings(table):
            set_name = self._catalog.table(target).entity_set
            SubElement(element, "NavigationPropertyBinding", {"Path": path, "Target": set_name})
        if self._annotated:
            _annotate_tracking(element, table)

    def _bindings(self, table: Table) -> Iterator[tuple[str, str]]:
        for name, (column, lookups) in table.navigation.items():
            if column.kind is not ColumnKind.OWNER and lookups[0].target in self._catalog.tables:
                yield name, lookups[0].target
        for name, target, _ in self._collections(table):
            yield name, target


_SCALED = (ColumnKind.DECIMAL, ColumnKind.MONEY)


def _pair_ends(
    pairs: ManyToManyDefinition, table: str
) -> Iterator[tuple[str, str, dict[str, str]]]:
    if pairs.first == table:
        yield pairs.first_property, pairs.second, {"Partner": pairs.second_property}
    if pairs.second == table and (
        pairs.first != table or pairs.first_property != pairs.second_property
    ):
        yield pairs.second_property, pairs.first, {"Partner": pairs.first_property}


def _write_pointer(
    entity_type: Element,
    name: str,
    column: ColumnDefinition,
    lookups: tuple[LookupDefinition, ...],
    catalog: Catalog,
) -> None:
    """A single-valued navigation property, tied to the property that holds the id."""
    target = catalog.tables.get(lookups[0].target)
    if target is None:
        return
    is_owner = column.kind is ColumnKind.OWNER
    attributes = {"Name": name, "Type": f"{_ALIAS}.{_PRINCIPAL if is_owner else target.name}"}
    if not is_owner:
        attributes["Partner"] = lookups[0].collection_property
    element = SubElement(entity_type, "NavigationProperty", attributes)
    referenced = "ownerid" if is_owner else target.primary_id
    SubElement(
        element,
        "ReferentialConstraint",
        {"Property": column.property_name, "ReferencedProperty": referenced},
    )


def _write_alternate_keys(entity_type: Element, table: Table) -> None:
    """The usable keys, in the vocabulary that the community agreed upon."""
    keys = [key for key in table.definition.keys if key.status is KeyStatus.ACTIVE]
    if not keys:
        return
    term = {"Term": "OData.Community.Keys.V1.AlternateKeys"}
    collection = SubElement(SubElement(entity_type, "Annotation", term), "Collection")
    for key in keys:
        record = SubElement(collection, "Record", {"Type": "OData.Community.Keys.V1.AlternateKey"})
        value = SubElement(record, "PropertyValue", {"Property": "Key"})
        parts = SubElement(value, "Collection")
        for name in key.columns:
            path = table.columns[name].property_name
            part = SubElement(parts, "Record", {"Type": "OData.Community.Keys.V1.PropertyRef"})
            SubElement(part, "PropertyValue", {"Property": "Alias", "String": name})
            SubElement(part, "PropertyValue", {"Property": "Name", "PropertyPath": path})


# ---- annotations --------------------------------------------------------------------------------


def _annotate(element: Element, column: ColumnDefinition) -> None:
    if column.description:
        SubElement(
            element,
            "Annotation",
            {"Term": "Org.OData.Core.V1.Description", "String": column.description},
        )
    if column.kind.is_lookup or not (column.valid_for_create or column.valid_for_update):
        SubElement(element, "Annotation", {"Term": "Org.OData.Core.V1.Computed", "Bool": "true"})
        permissions = SubElement(element, "Annotation", {"Term": "Org.OData.Core.V1.Permissions"})
        SubElement(permissions, "EnumMember").text = "Org.OData.Core.V1.Permission/Read"


def _annotate_tracking(element: Element, table: Table) -> None:
    annotation = SubElement(
        element, "Annotation", {"Term": "Org.OData.Capabilities.V1.ChangeTracking"}
    )
    record = SubElement(annotation, "Record")
    supported = "true" if table.definition.change_tracking_enabled else "false"
    SubElement(record, "PropertyValue", {"Property": "Supported", "Bool": supported})


# ---- operations ---------------------------------------------------------------------------------


def _write_complex_type(schema: Element, name: str, properties: Mapping[str, str]) -> None:
    element = SubElement(schema, "ComplexType", {"Name": name})
    for property_name, type_name in properties.items():
        SubElement(element, "Property", {"Name": property_name, "Type": type_name})


def _write_operation(schema: Element, operation: Operation) -> None:
    attributes = {"Name": operation.name}
    if operation.bound_to:
        attributes["IsBound"] = "true"
    element = SubElement(schema, operation.kind, attributes)
    if operation.bound_to:
        SubElement(element, "Parameter", {"Name": "entityset", "Type": operation.bound_to})
    for name, type_name in operation.parameters.items():
        SubElement(element, "Parameter", {"Name": name, "Type": type_name})
    if operation.returns:
        returned = {"Type": f"{_ALIAS}.{operation.returns}", "Nullable": "false"}
        SubElement(element, "ReturnType", returned)


ROUTES: Routes = {("GET", "$metadata"): _read}
