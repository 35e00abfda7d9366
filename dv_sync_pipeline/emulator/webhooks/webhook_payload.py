"""What a webhook receives: a RemoteExecutionContext as .NET serializes it (DATAVERSE 10.2, 10.3).

Belongs here: body and headers of a delivery, computed from what was written. Does not belong here:
which steps are registered (`webhook_tables.py`) and how a delivery is sent (`hooks.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dv_sync_pipeline.emulator.rows.replies import encode_json
from dv_sync_pipeline.emulator.rows.values import formatter
from dv_sync_pipeline.emulator.tables.catalog import Table, target_column
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind
from dv_sync_pipeline.emulator.webhooks.origin import NO_ID, Origin

__all__ = [
    "Endpoint",
    "Image",
    "Pair",
    "Payload",
    "RowChange",
    "Step",
    "build_payload",
]

_BODY_BYTES_MAX = 256 * 1024
_STRIPPED = ("ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages")

Kept = Mapping[str, Any]
"""A row as the store keeps it: SQL column → kept value (`values.py`)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where deliveries go.

    Attributes:
        url: of the receiver.
        authentication: 4 WebhookKey, 5 HttpHeader, 6 HttpQueryString.
        secret: the `authvalue`.

    """

    url: str
    authentication: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of the row that a step wants to have along.

    Attributes:
        alias: its name in the payload.
        kind: 0 before, 1 after, 2 both.
        columns: logical names; empty means all.

    """

    alias: str
    kind: int
    columns: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """One registration of a webhook.

    Attributes:
        id: of the `sdkmessageprocessingstep` row.
        name: of that row.
        message: such as Update.
        table: logical name; "" for messages without a table.
        mode: 0 synchronous, 1 asynchronous.
        stage: 10, 20 or 40.
        filtering_columns: an Update must contain one of these columns; empty: any.
        deletes_jobs: leaves no trace of deliveries that succeeded.
        endpoint: where to.
        images: what to have along.

    """

    id: str
    name: str
    message: str
    table: str
    mode: int
    stage: int
    filtering_columns: frozenset[str]
    deletes_jobs: bool
    endpoint: Endpoint
    images: tuple[Image, ...] = ()

    @property
    def is_synchronous(self) -> bool:
        """Runs inside the request, and can make it fail."""
        return self.mode == 0

    def concerns(self, change: "RowChange") -> bool:
        """Whether the change sets this step off (DATAVERSE 10.1)."""
        if self.message != change.message or self.table not in ("", change.table):
            return False
        is_filtered = change.message == "Update" and self.filtering_columns
        return not is_filtered or not self.filtering_columns.isdisjoint(change.submitted)


@dataclass(frozen=True, slots=True)
class Pair:
    """What an Associate or Disassociate connects to the row.

    Attributes:
        relationship: schema name.
        related: (table, id) of each row at the other end.

    """

    relationship: str
    related: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that was written, in the transaction that wrote it.

    Attributes:
        message: Create, Update, Delete, Associate, Disassociate.
        table: logical name.
        row_id: of the row.
        submitted: of a create or update, the kept values of the columns in the request.
        before: the row as it was; None if it was not there.
        after: the row as it is; None if it is gone.
        pair: what was connected.

    """

    message: str
    table: str
    row_id: str
    submitted: Kept = field(default_factory=dict)
    before: Kept | None = None
    after: Kept | None = None
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """One delivery, ready to be sent.

    Attributes:
        headers: besides those of authentication.
        body: JSON.

    """

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Organization:
    """The environment as a payload names it.

    Attributes:
        id: of the organisation.
        name: unique name.
        host: such as `localhost:8801`.
        business_unit_id: of the user.

    """

    id: str
    name: str
    host: str
    business_unit_id: str


def build_payload(
    change: RowChange,
    *,
    step: Step,
    table: Table,
    origin: Origin,
    organization: Organization,
    operation_id: str,
    now: datetime,
) -> Payload:
    """The delivery of a change to a step; stripped when it is larger than 256 KB."""
    context = {
        **_describe_request(origin, organization, change),
        **_describe_operation(step, operation_id=operation_id, now=now),
        "InputParameters": _input_parameters(change, table),
        "OutputParameters": _output_parameters(change),
        "SharedVariables": _shared_variables(origin),
        "PreEntityImages": _images(change.before, step, table, wanted=_BEFORE),
        "PostEntityImages": _images(change.after, step, table, wanted=_AFTER),
    }
    parent = {**context, "Stage": 30, "ParentContext": None, "PreEntityImages": []}
    content = {**context, "ParentContext": {**parent, "PostEntityImages": []}}
    headers = _headers(change, origin, organization)
    body = _serialize(content)
    if len(body) <= _BODY_BYTES_MAX:
        return Payload(headers, body)
    stripped = {name: value for name, value in content.items() if name not in _STRIPPED}
    return Payload({**headers, "x-ms-dynamics-msg-size-exceeded": "true"}, _serialize(stripped))


def _headers(change: RowChange, origin: Origin, organization: Organization) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "x-ms-dynamics-organization": organization.host,
        "x-ms-dynamics-entity-name": change.table,
        "x-ms-dynamics-request-name": change.message,
        "x-ms-correlation-request-id": origin.correlation_id,
    }


def _serialize(content: Any) -> bytes:
    """JSON as the .NET serializer writes it: slashes, which occur in strings only, are escaped."""
    return encode_json(content).replace(b"/", rb"\/")


def _describe_request(
    origin: Origin, organization: Organization, change: RowChange
) -> dict[str, Any]:
    return {
        "BusinessUnitId": organization.business_unit_id,
        "CorrelationId": origin.correlation_id,
        "Depth": 1,
        "InitiatingUserAgent": origin.user_agent,
        "InitiatingUserAzureActiveDirectoryObjectId": NO_ID,
        "InitiatingUserId": origin.user_id,
        "MessageName": change.message,
        "OrganizationId": organization.id,
        "OrganizationName": organization.name,
        "PrimaryEntityId": change.row_id,
        "PrimaryEntityName": change.table,
        "RequestId": origin.correlation_id,
        "SecondaryEntityName": "none",
        "UserId": origin.user_id,
    }


def _describe_operation(step: Step, *, operation_id: str, now: datetime) -> dict[str, Any]:
    return {
        "IsExecutingOffline": False,
        "IsInTransaction": step.is_synchronous,
        "IsOfflinePlayback": False,
        "IsolationMode": 1,
        "Mode": step.mode,
        "OperationCreatedOn": _date(now, zone="+0000"),
        "OperationId": operation_id,
        "OwningExtension": _reference("sdkmessageprocessingstep", step.id, name=step.name),
        "Stage": step.stage,
    }


def _shared_variables(origin: Origin) -> list[dict[str, Any]]:
    tag = [{"key": "tag", "value": origin.tag}] if origin.tag else []
    return [*tag, {"key": "IsAutoTransact", "value": True}]


# ---- parameters ---------------------------------------------------------------------------------


def _input_parameters(change: RowChange, table: Table) -> list[dict[str, Any]]:
    """Of a Delete the Target is a reference; else it holds what was submitted."""
    if change.pair is not None:
        return _pair_parameters(change, change.pair)
    if change.message == "Delete":
        target = _typed("EntityReference", _reference(change.table, change.row_id))
    else:
        target = _typed("Entity", _entity(_submitted(change), table, change.row_id))
    return [{"key": "Target", "value": target}]


def _submitted(change: RowChange) -> dict[str, Any]:
    """What was in the request, and what the platform set along with it."""
    after = change.after or {}
    stamps = {name: after[name] for name in _STAMPS[change.message] if name in after}
    targets = {
        name: after.get(name) for name in map(target_column, change.submitted) if name in after
    }
    return {**change.submitted, **targets, **stamps}


_STAMPS = {
    "Create": ("createdon", "createdby", "modifiedon", "modifiedby", "statecode", "statuscode"),
    "Update": ("modifiedon", "modifiedby"),
}


def _pair_parameters(change: RowChange, pair: Pair) -> list[dict[str, Any]]:
    """As far as is known; the shape is not documented (DATAVERSE 10.3)."""
    related = [_typed("EntityReference", _reference(*row)) for row in pair.related]
    return [
        {
            "key": "Target",
            "value": _typed("EntityReference", _reference(change.table, change.row_id)),
        },
        {
            "key": "Relationship",
            "value": _typed(
                "Relationship", {"PrimaryEntityRole": None, "SchemaName": pair.relationship}
            ),
        },
        {"key": "RelatedEntities", "value": related},
    ]


def _output_parameters(change: RowChange) -> list[dict[str, Any]]:
    return [{"key": "id", "value": change.row_id}] if change.message == "Create" else []


_BEFORE, _AFTER = (0, 2), (1, 2)
_NAME_IMAGE = "AsynchronousStepPrimaryName"


def _images(
    row: Kept | None, step: Step, table: Table, *, wanted: tuple[int, ...]
) -> list[dict[str, Any]]:
    """The images that were asked for; an asynchronous step always has one with the name."""
    if row is None:
        return []
    images = [image for image in step.images if image.kind in wanted]
    if wanted is _AFTER and not step.is_synchronous and table.primary_name:
        images.append(Image(_NAME_IMAGE, 1, frozenset({table.primary_name})))
    row_id = row[table.primary_id]
    return [
        {"key": image.alias, "value": _entity(_picked(row, image, table), table, row_id)}
        for image in images
    ]


def _picked(row: Kept, image: Image, table: Table) -> dict[str, Any]:
    """The columns of an image that have a value, and the id."""
    names = (image.columns or set(table.columns)) | {table.primary_id}
    targets = {target_column(name) for name in names}
    return {
        name: value
        for name, value in row.items()
        if (name in names or name in targets) and value is not None
    }


# ---- values -------------------------------------------------------------------------------------


def _typed(name: str, content: dict[str, Any]) -> dict[str, Any]:
    """`__type` comes first, or .NET does not see it."""
    return {"__type": f"{name}:http://schemas.microsoft.com/xrm/2011/Contracts", **content}


def _reference(table: str, row_id: str, *, name: str | None = None) -> dict[str, Any]:
    return {
        "Id": row_id,
        "KeyAttributes": [],
        "LogicalName": table,
        "Name": name,
        "RowVersion": None,
    }


def _entity(row: Kept, table: Table, row_id: str) -> dict[str, Any]:
    columns = [table.columns[name] for name in row if name in table.columns]
    attributes = [{"key": column.name, "value": _value(column, row)} for column in columns]
    if table.primary_id not in row:
        attributes.append({"key": table.primary_id, "value": row_id})
    return {
        "Attributes": attributes,
        "EntityState": None,
        "FormattedValues": list(_formatted(columns, row)),
        "Id": row_id,
        "KeyAttributes": [],
        "LogicalName": table.name,
        "RelatedEntities": [],
        "RowVersion": None,
    }


def _formatted(columns: Iterable[ColumnDefinition], row: Kept) -> Iterable[dict[str, Any]]:
    for column in columns:
        shown = formatter(column) if column.kind.has_options else None
        if shown is not None and row[column.name] is not None:
            yield {"key": column.name, "value": shown(row[column.name])}


def _value(column: ColumnDefinition, row: Kept) -> Any:
    kept = row[column.name]
    if kept is None:
        return None
    if column.kind.is_lookup:
        target = row.get(target_column(column.name)) or column.targets[0]
        return _typed("EntityReference", _reference(target, kept))
    convert = _VALUES.get(column.kind)
    return convert(kept) if convert else kept


def _money(kept: str) -> dict[str, Any]:
    return _typed("Money", {"Value": Decimal(kept)})


def _option(kept: int) -> dict[str, Any]:
    return _typed("OptionSetValue", {"Value": kept})


def _options(kept: str) -> list[dict[str, Any]]:
    """A collection of options; its shape is not verified (DATAVERSE 10.3)."""
    return [_option(int(number)) for number in kept.split(",")]


def _moment(kept: str) -> str:
    """Times are milliseconds since 1970; a day is its midnight."""
    moment = datetime.fromisoformat(kept)
    return _date(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _date(moment: datetime, *, zone: str = "") -> str:
    return f"/Date({int(moment.timestamp() * 1000)}{zone})/"


_VALUES: Mapping[ColumnKind, Callable[[Any], Any]] = {
    ColumnKind.MONEY: _money,
    ColumnKind.DECIMAL: Decimal,
    ColumnKind.BOOLEAN: bool,
    ColumnKind.CHOICE: _option,
    ColumnKind.STATE: _option,
    ColumnKind.STATUS: _option,
    ColumnKind.MULTI_CHOICE: _options,
    ColumnKind.DATE_TIME: _moment,
    ColumnKind.IMAGE: list,
}
