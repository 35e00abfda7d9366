"""The tables through which clients register webhooks and see what became of them (DATAVERSE 10.1).

Belongs here: their columns, and reading registrations. Does not belong here: the rows that follow
from the tables there are (`messages.py`), and delivering (`hooks.py`).
"""

from collections.abc import Sequence
from typing import Any

from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    OptionDefinition,
    Ownership,
    TableDefinition,
)
from dv_sync_pipeline.emulator.webhooks.webhook_payload import Endpoint, Image, Step

__all__ = ["WEBHOOK_TABLES", "read_steps"]

# ---- definitions --------------------------------------------------------------------------------


def _pointer(schema_name: str, to: str) -> ColumnDefinition:
    return define.lookup(schema_name, to=to, navigation_property=schema_name.lower())


def _platform_table(
    schema_name: str,
    code: int,
    *columns: ColumnDefinition,
    entity_set: str = "",
    **parts: Any,
) -> TableDefinition:
    return define.table(
        schema_name,
        entity_set=entity_set or f"{schema_name.lower()}s",
        object_type_code=code,
        columns=columns,
        is_custom=False,
        change_tracking_enabled=False,
        ownership=parts.pop("ownership", Ownership.NONE),
        primary_name=define.string("Name", max_length=256),
        **parts,
    )


_STEP_MODES = {0: "Synchronous", 1: "Asynchronous"}
_STEP_STAGES = {10: "Pre-validation", 20: "Pre-operation", 40: "Post-operation"}
_IMAGE_TYPES = {0: "PreImage", 1: "PostImage", 2: "Both"}
_AUTHENTICATION = {4: "WebhookKey", 5: "HttpHeader", 6: "HttpQueryString"}
_JOB_STATES = (
    OptionDefinition(0, "Ready", default_status=0),
    OptionDefinition(1, "Suspended", default_status=10),
    OptionDefinition(2, "Locked", default_status=20),
    OptionDefinition(3, "Completed", default_status=30),
)
_JOB_STATUSES = (
    OptionDefinition(0, "Waiting For Resources", state=0),
    OptionDefinition(10, "Waiting", state=1),
    OptionDefinition(20, "In Progress", state=2),
    OptionDefinition(30, "Succeeded", state=3),
    OptionDefinition(31, "Failed", state=3),
    OptionDefinition(32, "Canceled", state=3),
)

WEBHOOK_TABLES = (
    _platform_table("SdkMessage", 4606, states=()),
    _platform_table(
        "SdkMessageFilter",
        4607,
        define.string("PrimaryObjectTypeCode", max_length=128),
        define.string("SecondaryObjectTypeCode", max_length=128),
        define.boolean("IsCustomProcessingStepAllowed", default=True),
        _pointer("SdkMessageId", "sdkmessage"),
        states=(),
    ),
    _platform_table(
        "ServiceEndpoint",
        4618,
        define.memo("Description"),
        define.string("Url", max_length=2000),
        define.choice("Contract", {7: "Event Hub", 8: "Webhook"}, default=8),
        define.choice("AuthType", _AUTHENTICATION, default=4),
        define.string("AuthValue", max_length=2000, valid_for_read=False),
        define.choice("MessageFormat", {1: "Binary XML", 2: "Json", 3: "Text XML"}, default=2),
        define.choice("UserClaim", {1: "None", 2: "UserId", 3: "UserInfo"}, default=1),
        states=(),
    ),
    _platform_table(
        "SdkMessageProcessingStep",
        4608,
        define.memo("Description"),
        define.choice("Mode", _STEP_MODES, default=0),
        define.choice("Stage", _STEP_STAGES, default=40),
        define.integer("Rank"),
        define.integer("SupportedDeployment"),
        define.boolean("AsyncAutoDelete"),
        define.memo("FilteringAttributes", max_length=100_000),
        define.memo("Configuration", max_length=1_000_000),
        _pointer("SdkMessageId", "sdkmessage"),
        _pointer("SdkMessageFilterId", "sdkmessagefilter"),
        define.lookup(
            "EventHandler",
            to="serviceendpoint",
            navigation_property="eventhandler_serviceendpoint",
        ),
        states=(
            OptionDefinition(0, "Enabled", default_status=1),
            OptionDefinition(1, "Disabled", default_status=2),
        ),
        statuses=(
            OptionDefinition(1, "Enabled", state=0),
            OptionDefinition(2, "Disabled", state=1),
        ),
    ),
    _platform_table(
        "SdkMessageProcessingStepImage",
        4615,
        define.string("EntityAlias", max_length=256),
        define.choice("ImageType", _IMAGE_TYPES),
        define.string("MessagePropertyName", max_length=256),
        define.memo("Attributes", max_length=100_000),
        _pointer("SdkMessageProcessingStepId", "sdkmessageprocessingstep"),
        states=(),
    ),
    _platform_table(
        "AsyncOperation",
        4700,
        define.integer("OperationType"),
        define.memo("Message", max_length=1_000_000),
        define.memo("FriendlyMessage", max_length=1_000_000),
        define.integer("ErrorCode"),
        define.string("MessageName", max_length=160),
        define.string("PrimaryEntityType", max_length=128),
        define.unique_identifier("CorrelationId"),
        define.date_time("StartedOn"),
        define.date_time("CompletedOn"),
        define.memo("Data", max_length=1_000_000),
        _pointer("OwningExtensionId", "sdkmessageprocessingstep"),
        states=_JOB_STATES,
        statuses=_JOB_STATUSES,
        ownership=Ownership.USER,
    ),
)


# ---- registrations ------------------------------------------------------------------------------

_STEPS = """
    SELECT step.sdkmessageprocessingstepid, step.name, message.name,
           coalesce(filter.primaryobjecttypecode, ''), step.mode, step.stage,
           coalesce(step.filteringattributes, ''), coalesce(step.asyncautodelete, 0),
           endpoint.url, endpoint.authtype, coalesce(endpoint.authvalue, '')
    FROM sdkmessageprocessingstep AS step
    JOIN sdkmessage AS message ON message.sdkmessageid = step.sdkmessageid
    JOIN serviceendpoint AS endpoint ON endpoint.serviceendpointid = step.eventhandler
    LEFT JOIN sdkmessagefilter AS filter ON filter.sdkmessagefilterid = step.sdkmessagefilterid
    WHERE step.statecode = 0
    ORDER BY step.rank, step.versionnumber
"""
_IMAGES = """
    SELECT sdkmessageprocessingstepid, entityalias, imagetype, coalesce(attributes, '')
    FROM sdkmessageprocessingstepimage ORDER BY versionnumber
"""


def read_steps(store: Store) -> list[Step]:
    """All enabled steps whose handler is a service endpoint, in the order of their rank."""
    images: dict[str, list[Image]] = {}
    for step_id, alias, kind, columns in store.database.execute(_IMAGES):
        images.setdefault(step_id, []).append(Image(alias, kind, _names(columns)))
    rows = store.database.execute(_STEPS).fetchall()
    return [_step(row, images=tuple(images.get(row[0], ()))) for row in rows]


def _step(row: Sequence[Any], *, images: tuple[Image, ...]) -> Step:
    step_id, name, message, table, mode, stage, filtering, deletes_jobs, *endpoint = row
    return Step(
        id=step_id,
        name=name,
        message=message,
        table=table,
        mode=mode,
        stage=stage,
        filtering_columns=_names(filtering),
        deletes_jobs=bool(deletes_jobs),
        endpoint=Endpoint(*endpoint),
        images=images,
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())
