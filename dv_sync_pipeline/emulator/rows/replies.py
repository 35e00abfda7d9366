"""What the emulator answers: replies, and the errors of DATAVERSE 4.7, each knowing its own code.

Belongs here: status, code and text of every error, and how a reply looks on the wire. Does not
belong here: when an error is due.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

__all__ = [
    "JSON_TYPE",
    "DataverseError",
    "Reply",
    "access_denied",
    "attribute_not_found",
    "bad_payload",
    "bad_query",
    "bad_status",
    "column_name_taken",
    "component_in_use",
    "duplicate_id",
    "duplicate_key",
    "encode_json",
    "entity_not_found",
    "invalid_argument",
    "key_name_taken",
    "key_not_defined",
    "key_not_failed",
    "key_not_found",
    "key_not_valid",
    "malformed_json",
    "metadata_not_found",
    "method_not_allowed",
    "no_http_resource",
    "no_roles",
    "not_customizable",
    "not_implemented",
    "number_out_of_range",
    "option_out_of_range",
    "plugin_refusal",
    "row_not_found",
    "schema_name_taken",
    "segment_not_found",
    "text_too_long",
    "too_many_aggregated_rows",
    "undeclared_property",
    "unknown_body_property",
    "unknown_query_property",
    "unsupported_media_type",
    "unsupported_message",
    "version_mismatch",
    "with_status",
    "wrong_date",
    "wrong_type",
]

JSON_TYPE = "application/json; odata.metadata=minimal"
_ENCODER = msgspec.json.Encoder(decimal_format="number")
encode_json = _ENCODER.encode


@dataclass(frozen=True, slots=True)
class Reply:
    """One complete answer.

    Attributes:
        status: HTTP status.
        headers: names as they are written, without `Content-Length`.
        body: all of it.

    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def json(
        cls, content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> "Reply":
        """An answer whose body is the content as JSON, decimals as exact numbers."""
        return cls(status, {"Content-Type": JSON_TYPE, **(headers or {})}, encode_json(content))


class DataverseError(Exception):
    """A request is refused, as Dataverse would refuse it.

    Attributes:
        status: HTTP status.
        code: such as `0x80040217`, or "".
        message: for the caller.
        headers: besides those of every answer.

    """

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def reply(self, *, annotated: bool = False) -> Reply:
        """The answer; `annotated` adds what `odata.include-annotations="*"` asks for (4.7)."""
        error = {"code": self.code, "message": self.message}
        if annotated:
            error |= {
                "@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus": "0",
                "@Microsoft.PowerApps.CDS.ErrorDetails.SubErrorCode": "0",
                "@Microsoft.PowerApps.CDS.HelpLink": _HELP_LINK.format(code=self.code),
                "@Microsoft.PowerApps.CDS.TraceText": "",
                "@Microsoft.PowerApps.CDS.InnerError.Message": self.message,
            }
        return Reply.json({"error": error}, status=self.status, headers=self.headers)


_HELP_LINK = (
    "http://go.microsoft.com/fwlink/?LinkID=398563&error=Microsoft.Crm.CrmException%3a{code}"
)


def not_implemented(what: str) -> DataverseError:
    """The emulator's own refusal: it does not guess what it was not taught."""
    return DataverseError(501, "0x80048d1a", f"The emulator does not implement {what}.")


# ---- addresses ----------------------------------------------------------------------------------


def segment_not_found(segment: str) -> DataverseError:
    """No entity set, function or navigation property of that name."""
    return DataverseError(404, "0x8006088a", f"Resource not found for the segment '{segment}'.")


def no_http_resource(url: str) -> DataverseError:
    """A function called by POST, an action by GET (DATAVERSE 2)."""
    text = f"No HTTP resource was found that matches the request URI '{url}'."
    return DataverseError(404, "", text)


def method_not_allowed(method: str) -> DataverseError:
    """The resource exists and does not know the method."""
    text = f"The requested resource does not support http method '{method}'."
    return DataverseError(405, "0x80060888", text)


def key_not_valid(table: str) -> DataverseError:
    """The key in the URL is no declared key (DATAVERSE 4.6)."""
    text = (
        "The key in the request URI is not valid for resource "
        f"'Microsoft.Dynamics.CRM.{table}'. Ensure that the names and number of key properties "
        "match the declared or alternate key properties for the resource."
    )
    return DataverseError(400, "0x80060888", text)


def key_not_defined(table: str) -> DataverseError:
    """The columns are no active alternate key (DATAVERSE 4.3)."""
    text = f"The specified key attributes are not a defined key for the {table} entity"
    return DataverseError(400, "0x80060890", text)


def key_syntax() -> DataverseError:
    """A key value with a forbidden character (DATAVERSE 4.6)."""
    return DataverseError(400, "0x80060888", "Bad Request - Error in query syntax.")


def unsupported_media_type(accepted: str) -> DataverseError:
    """`$metadata` is XML only (DATAVERSE 2)."""
    text = (
        f"A supported MIME type could not be found that matches the acceptable types '{accepted}'."
    )
    return DataverseError(415, "0x80060888", text)


# ---- rows ---------------------------------------------------------------------------------------


def row_not_found(table: str, row_id: str, *, status: int = 404) -> DataverseError:
    """No row of that GUID."""
    return DataverseError(status, "0x80040217", f"{table} With Id = {row_id} Does Not Exist")


def rows_not_found(table: str, row_ids: Iterable[str]) -> DataverseError:
    """As `row_not_found`, from a bulk message (DATAVERSE 8.2)."""
    text = f"{table} With Ids = {', '.join(row_ids)} Do Not Exist"
    return DataverseError(404, "0x80040217", text)


def key_not_found(table: str) -> DataverseError:
    """No row with those key values."""
    text = f"A record with the specified key values does not exist in {table} entity"
    return DataverseError(404, "0x80060891", text)


def duplicate_id(code: str) -> DataverseError:
    """A row with that GUID exists; which code it has is a switch (DATAVERSE 16)."""
    return DataverseError(412, code, "A record with matching key values already exists.")


def duplicate_key(key: str, columns: Iterable[str]) -> DataverseError:
    """A row with those key values exists."""
    text = (
        f"Entity Key {key} violated. A record with the same value for {', '.join(columns)} already "
        "exists. A duplicate record cannot be created. Select one or more unique values and try "
        "again."
    )
    return DataverseError(412, "0x80060892", text)


def row_exists() -> DataverseError:
    """`If-None-Match: *` met a row (DATAVERSE 4.3)."""
    return duplicate_id("0x80040237")


def version_mismatch() -> DataverseError:
    """`If-Match` names another version (DATAVERSE 4.5)."""
    text = "The version of the existing record doesn't match the RowVersion property provided."
    return DataverseError(412, "0x80060882", text)


def concurrency_not_enabled(table: str) -> DataverseError:
    """`If-Match` on a table without optimistic concurrency (DATAVERSE 4.5)."""
    text = (
        f"Optimistic concurrency isn't enabled for entity type {table}. The IfVersionMatches value "
        "of ConcurrencyBehavior can only be used if optimistic concurrency is enabled."
    )
    return DataverseError(400, "0x8006088d", text)


def unsupported_message() -> DataverseError:
    """The table does not know the message (DATAVERSE 8.1)."""
    text = "The method being invoked does not support provided entity type."
    return DataverseError(400, "0x80040800", text)


def bad_status(status: int, *, state: str, table: str, row_id: str = "") -> DataverseError:
    """A status reason that does not belong to the state (DATAVERSE 12)."""
    place = f" on {table} with Id {row_id}." if row_id else ""
    text = f"{status} is not a valid status code for state code {table}State.{state}{place}"
    return DataverseError(400, "0x80048408", text)


def inactive_row(table: str, row_id: str) -> DataverseError:
    """An inactive row is read-only, where that is so (DATAVERSE 12)."""
    text = f"The object {table} with id {row_id} is inactive and cannot be updated."
    return DataverseError(400, "0x80040230", text)


def transition_not_allowed() -> DataverseError:
    """A status reason that may not follow the present one (DATAVERSE 12)."""
    text = (
        "Action could not be taken for few records before of status reason transition restrictions."
    )
    return DataverseError(400, "0x8004f00e", text)


def plugin_refusal(message: str) -> DataverseError:
    """A customer's own plug-in threw (DATAVERSE 4.7)."""
    return DataverseError(400, "0x80040265", message)


# ---- payloads -----------------------------------------------------------------------------------


def malformed_json(detail: str) -> DataverseError:
    """The body is no JSON, or not of the shape it must have."""
    text = (
        "Error identified in Payload provided by the user for Entity :'', For more information on "
        f"this error please follow this help link. InnerException : {detail}"
    )
    return DataverseError(400, "0x80048d19", text)


def bad_payload(entity_set: str, detail: str) -> DataverseError:
    """The body cannot be understood (DATAVERSE 4.7)."""
    text = (
        f"Error identified in Payload provided by the user for Entity :'{entity_set}', For more "
        "information on this error please follow this help link "
        "https://go.microsoft.com/fwlink/?linkid=2195293  ---->  InnerException : "
        f"Microsoft.OData.ODataException: {detail}"
    )
    return DataverseError(400, "0x80048d19", text)


def undeclared_property(entity_set: str, name: str) -> DataverseError:
    """A wrong navigation property before `@odata.bind` (DATAVERSE 5)."""
    detail = (
        f"An undeclared property '{name}' which only has property annotations in the payload but "
        "no property value was found in the payload. In OData, only declared navigation properties "
        "and declared named streams can be represented as properties without values."
    )
    return bad_payload(entity_set, detail)


def unknown_body_property(table: str, name: str, *, code: str) -> DataverseError:
    """A property of the body that the table does not have (DATAVERSE 4.7)."""
    resource = f"Microsoft.Dynamics.CRM.{table}"
    text = (
        f"Invalid property '{name}' was found in entity '{resource}'. ---> "
        f"Microsoft.OData.ODataException: The property '{name}' does not exist on type "
        f"'{resource}'. Make sure to only use property names that are defined by the type."
    )
    return DataverseError(400, code, text)


def direct_lookup(name: str) -> DataverseError:
    """A body that sets `_column_value` (from memory: the service says it in these words)."""
    text = (
        "CRM do not support direct update of Entity Reference properties, Use Navigation "
        f"properties instead. Property: {name}"
    )
    return DataverseError(400, "0x80048d19", text)


def wrong_target(entity_set: str, *, property_name: str, found: str) -> DataverseError:
    """A reference to a table that the navigation property does not lead to."""
    detail = f"The navigation property '{property_name}' cannot refer to a row of '{found}'."
    return bad_payload(entity_set, detail)


def restricted_by_child(table: str, child: str, *, status: int) -> DataverseError:
    """A row that others restrict from being deleted: its status is a switch (DATAVERSE 4.4)."""
    text = (
        f"The {table} cannot be deleted because it is referenced by another record of type {child}."
    )
    return DataverseError(status, "0x80048d21", text)


def unexpected() -> DataverseError:
    """The platform's own failure: the one text that it gives for many mistakes."""
    return DataverseError(400, "0x80040216", "An unexpected error occurred.")


def row_access_denied(user_id: str, *, right: str, table: str, row_id: str) -> DataverseError:
    """The privilege does not reach this row (DATAVERSE 4.7)."""
    text = (
        f"Principal with id {user_id} does not have {right}Access right(s) for record with id "
        f"{row_id} of entity {table}"
    )
    return DataverseError(403, "0x80048306", text)


def invalid_argument(text: str) -> DataverseError:
    """A message parameter is missing or makes no sense."""
    return DataverseError(400, "0x80040203", text)


def required_column(table: str, column: str) -> DataverseError:
    """A column that must not be null is cleared (DATAVERSE 4.3)."""
    text = f"The attribute '{column}' of entity '{table}' cannot be set to NULL"
    return DataverseError(400, "0x80040200", text)


def with_status(error: DataverseError, *, status: int) -> DataverseError:
    """The same error with the status that a switch wants (DATAVERSE 16)."""
    return DataverseError(status, error.code, error.message)


def wrong_type(column: str, expected: str, value: object) -> DataverseError:
    """A JSON value that cannot be the column's."""
    shown = encode_json(value).decode()[:100]
    text = (
        f"An error occurred while validating input parameters: Microsoft.OData.ODataException: "
        f"Cannot convert the literal '{shown}' to the expected type '{expected}' of property "
        f"'{column}'."
    )
    return DataverseError(400, "0x80048d19", text)


def option_out_of_range(
    value: int, *, column: str, table: str, accepted: Iterable[int]
) -> DataverseError:
    """A number that is no option (DATAVERSE 4.7)."""
    listed = ",".join(str(number) for number in accepted)
    text = (
        f"A validation error occurred. The value {value} of '{column}' on record of type "
        f"'{table}' is outside the valid range. Accepted Values: {listed}"
    )
    return DataverseError(400, "0x8004431a", text)


def text_too_long(column: str, *, table: str, max_length: int) -> DataverseError:
    """More characters than the column holds."""
    text = (
        f"A validation error occurred. The length of the '{column}' attribute of the '{table}' "
        f"entity exceeded the maximum allowed length of '{max_length}'."
    )
    return DataverseError(400, "0x80044331", text)


def number_out_of_range(
    column: str, *, table: str, minimum: object, maximum: object, is_integer: bool
) -> DataverseError:
    """A number below the minimum or above the maximum."""
    text = (
        f"A validation error occurred. The value of '{column}' on record of type '{table}' is "
        f"outside the valid range ({minimum} to {maximum})."
    )
    return DataverseError(400, "0x8004432f" if is_integer else "0x80044330", text)


def wrong_date(column: str, value: object) -> DataverseError:
    """Before 1753, or no date at all (DATAVERSE 3.3)."""
    text = (
        "DateTime is less than minumum value supported by CrmDateTime. "
        f"Actual value: {value}, column: {column}"
    )
    return DataverseError(400, "0x80040239", text)


def not_a_picture(column: str) -> DataverseError:
    """Content of an image column that is no image (DATAVERSE 3.3)."""
    text = f"The content of '{column}' cannot be processed as an image."
    return DataverseError(400, "0x80072553", text)


def file_too_large(column: str, *, kilobytes: int) -> DataverseError:
    """More than the column holds (code from memory)."""
    text = f"The file for '{column}' exceeds the maximum size of {kilobytes} kilobytes."
    return DataverseError(400, "0x80044a02", text)


# ---- queries ------------------------------------------------------------------------------------


def bad_query(text: str, *, code: str = "0x80060888") -> DataverseError:
    """A query that cannot be understood."""
    return DataverseError(400, code, text)


def unknown_query_property(table: str, name: str, *, code: str) -> DataverseError:
    """A query names a property that the table does not have (DATAVERSE 4.7)."""
    text = f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table}'."
    return DataverseError(400, code, text)


def entity_not_found(name: str) -> DataverseError:
    """FetchXML names a table that does not exist."""
    text = (
        f"The entity with a name = '{name}' with namemapping = 'Logical' was not found in the "
        "MetadataCache."
    )
    return DataverseError(400, "0x80041102", text)


def too_many_aggregated_rows() -> DataverseError:
    """An aggregate over more than 50,000 rows (DATAVERSE 6.1)."""
    text = "The maximum record limit is exceeded. Reduce the number of records."
    return DataverseError(400, "0x8004e023", text)


# ---- security -----------------------------------------------------------------------------------


def no_roles(user_id: str) -> DataverseError:
    """An application user without any role: only WhoAmI works (DATAVERSE 1.2)."""
    text = (
        f"The user with id {user_id} has not been assigned any roles. They need a role with the "
        "prvReadUserSettings privilege."
    )
    return DataverseError(403, "0x80042f09", text)


def no_impersonation(user_id: str) -> DataverseError:
    """The sender may not act on behalf of others (DATAVERSE 11)."""
    text = f"Principal user (Id={user_id}) is missing prvActOnBehalfOfAnotherUser privilege."
    return DataverseError(403, "0x80040220", text)


def secured_column(user_id: str, *, column: str, right: str) -> DataverseError:
    """No field security profile of the user allows it (DATAVERSE 13; code from memory)."""
    text = f"Caller user with Id {user_id} does not have {right} permissions for a {column} column."
    return DataverseError(403, "0x80040220", text)


def owner_without_privilege(owner_id: str, *, table: str) -> DataverseError:
    """The new owner could not even read the row (DATAVERSE 13)."""
    text = (
        f"The user with id {owner_id} cannot own a row of {table}: the target does not hold "
        "required privileges."
    )
    return DataverseError(403, "0x80040231", text)


def access_denied(
    user_id: str, *, privilege: str, table: str, object_type_code: int
) -> DataverseError:
    """No role of the user has the privilege (DATAVERSE 4.7)."""
    text = (
        f"Principal user (Id={user_id}, type=8, roleCount=1, privilegeCount=1, accessMode=4) is "
        f"missing {privilege} privilege on OTC={object_type_code} for entity '{table}'."
    )
    return DataverseError(403, "0x80040220", text)


# ---- metadata writes ----------------------------------------------------------------------------


def attribute_not_found(table: str, column: str) -> DataverseError:
    """FetchXML or a key names a column that the table does not have (DATAVERSE 4.7)."""
    text = f"'{table}' entity doesn't contain attribute with Name = '{column}'."
    return DataverseError(400, "0x80041103", text)


def metadata_not_found(kind: str, name: str) -> DataverseError:
    """No table, column, key, relationship or option set of that name or id."""
    text = f"Could not find the {kind} '{name}' in the metadata cache."
    return DataverseError(404, "0x80040217", text)


def schema_name_taken(kind: str, name: str) -> DataverseError:
    """A table, relationship or option set of that name exists."""
    text = f"The {kind} with the schema name {name} is not unique: the same name already exists."
    return DataverseError(400, "0x80044363", text)


def column_name_taken(table: str, name: str) -> DataverseError:
    """DuplicateAttributeSchemaName."""
    text = f"A column named {name} already exists in the table {table}."
    return DataverseError(400, "0x80047013", text)


def key_name_taken(name: str) -> DataverseError:
    """EntityKeyNameExists."""
    text = f"The specified key name {name} already exists in the entity."
    return DataverseError(400, "0x80060893", text)


def key_not_failed(name: str) -> DataverseError:
    """`ReactivateEntityKey` of a key whose index did not fail (DATAVERSE 3.5)."""
    text = f"The key {name} cannot be reactivated: only a failed key can."
    return DataverseError(400, "0x80060897", text)


def component_in_use(kind: str, name: str, *, dependents: Iterable[str]) -> DataverseError:
    """Something else needs what should be deleted."""
    text = (
        f"The {kind} ({name}) component cannot be deleted because it is referenced by: "
        f"{', '.join(dependents)}."
    )
    return DataverseError(400, "0x8004f01f", text)


def not_customizable(kind: str, name: str) -> DataverseError:
    """A part of the platform itself."""
    text = f"The {kind} {name} is a system component and cannot be changed or deleted this way."
    return DataverseError(400, "0x80047009", text)
