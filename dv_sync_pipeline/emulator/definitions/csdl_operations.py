"""The functions and actions that `$metadata` names, written as tables.

Belongs here: names, parameters and types of what the emulator answers. Does not belong here: the
XML (`csdl.py`), and carrying them out (`functions.py`, `bulk.py`, `metadata_routes.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["OPERATIONS", "RESPONSES", "Operation"]

_ROWS = "Collection(mscrm.crmbaseentity)"


@dataclass(frozen=True, slots=True)
class Operation:
    """A function or an action.

    Attributes:
        kind: `Function` (by GET) or `Action` (by POST).
        name: in the namespace of the service.
        parameters: name → type.
        returns: a complex type of the service, or "".
        bound_to: the type that it is called on, or "".

    """

    kind: str
    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""
    bound_to: str = ""


RESPONSES: Mapping[str, Mapping[str, str]] = {
    "WhoAmIResponse": {
        "BusinessUnitId": "Edm.Guid",
        "UserId": "Edm.Guid",
        "OrganizationId": "Edm.Guid",
    },
    "RetrieveVersionResponse": {"Version": "Edm.String"},
    "EntityRecordCountCollection": {
        "Count": "Edm.Int32",
        "IsReadOnly": "Edm.Boolean",
        "Keys": "Collection(Edm.String)",
        "Values": "Collection(Edm.Int64)",
    },
    "RetrieveTotalRecordCountResponse": {
        "EntityRecordCountCollection": "mscrm.EntityRecordCountCollection"
    },
    "CreateMultipleResponse": {"Ids": "Collection(Edm.Guid)"},
    "InsertOptionValueResponse": {"NewOptionValue": "Edm.Int32"},
    "CreateCustomerRelationshipsResponse": {
        "AttributeId": "Edm.Guid",
        "RelationshipIds": "Collection(Edm.Guid)",
    },
    "CreatePolymorphicLookupAttributeResponse": {
        "AttributeId": "Edm.Guid",
        "RelationshipIds": "Collection(Edm.Guid)",
    },
}

_OPTION = {
    "OptionSetName": "Edm.String",
    "AttributeLogicalName": "Edm.String",
    "EntityLogicalName": "Edm.String",
}

OPERATIONS: tuple[Operation, ...] = (
    Operation("Function", "WhoAmI", returns="WhoAmIResponse"),
    Operation("Function", "RetrieveVersion", returns="RetrieveVersionResponse"),
    Operation(
        "Function",
        "RetrieveTotalRecordCount",
        {"EntityNames": "Collection(Edm.String)"},
        returns="RetrieveTotalRecordCountResponse",
    ),
    Operation(
        "Action",
        "CreateMultiple",
        {"Targets": _ROWS},
        returns="CreateMultipleResponse",
        bound_to=_ROWS,
    ),
    Operation("Action", "UpdateMultiple", {"Targets": _ROWS}, bound_to=_ROWS),
    Operation("Action", "UpsertMultiple", {"Targets": _ROWS}, bound_to=_ROWS),
    Operation("Action", "PublishXml", {"ParameterXml": "Edm.String"}),
    Operation("Action", "PublishAllXml"),
    Operation(
        "Action",
        "ReactivateEntityKey",
        {"EntityLogicalName": "Edm.String", "EntityKeyLogicalName": "Edm.String"},
    ),
    Operation(
        "Action",
        "InsertOptionValue",
        {**_OPTION, "Value": "Edm.Int32"},
        returns="InsertOptionValueResponse",
    ),
    Operation("Action", "UpdateOptionValue", {**_OPTION, "Value": "Edm.Int32"}),
    Operation("Action", "DeleteOptionValue", {**_OPTION, "Value": "Edm.Int32"}),
    Operation("Action", "OrderOption", {**_OPTION, "Values": "Collection(Edm.Int32)"}),
)
"""Those whose parameters can be told without the types of metadata."""
