"""What a synchronization needs both environments to have, and providing what is missing.

Belongs here: the decision, from `sync.yaml` and descriptions of tables (`find_missing`, pure), and
carrying it out one by one (`provide`). Does not belong here: the requests (`webapi/`), and whether
a missing thing keeps a table from being synchronized (`sync/examination/`).
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dv_sync_pipeline.config import Configuration, TableConfiguration
from dv_sync_pipeline.errors import DvSyncError
from dv_sync_pipeline.sync.webhooks import wanted_endpoint
from dv_sync_pipeline.webapi.administration import Administration
from dv_sync_pipeline.webapi.client import DataverseClient
from dv_sync_pipeline.webapi.metadata import TableSchema
from dv_sync_pipeline.webapi.steps import Endpoint, FoundEndpoint, differences

__all__ = [
    "Gateway",
    "Provided",
    "Provision",
    "ProvisionKind",
    "Situation",
    "describe_situation",
    "find_missing",
    "provide",
]


class ProvisionKind(StrEnum):
    """What can be provided."""

    KEY = "alternate key"
    KEY_INDEX = "index of a key"
    STATUS_COLUMN = "status column"
    CHANGE_TRACKING = "change tracking"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Provision:
    """One thing that is missing, or not as it should be.

    Attributes:
        kind: what it is.
        environment: primary or secondary.
        table: logical name there; "" for what concerns the environment as a whole.
        what: for people, as a noun: `alternate key on contoso_code`.
        why: what it is needed for, or what is wrong with it.
        columns: of a key; or the column that is missing.
        failed_key: logical name of a key whose index could not be built before.

    """

    kind: ProvisionKind
    environment: str
    table: str
    what: str
    why: str
    columns: tuple[str, ...] = ()
    failed_key: str = ""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway as the primary reaches it.

    Attributes:
        url: where deliveries go.
        key: that they carry.

    """

    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Situation:
    """Both environments as they are.

    Attributes:
        primaries: table → its schema in the primary.
        secondaries: table, by its name in the primary → its schema in the secondary.
        wanted: the webhook registration that there should be; None without a gateway.
        found: the one that there is.

    """

    primaries: Mapping[str, TableSchema]
    secondaries: Mapping[str, TableSchema]
    wanted: Endpoint | None = None
    found: FoundEndpoint | None = None


async def describe_situation(
    configuration: Configuration,
    *,
    primary: DataverseClient,
    secondary: DataverseClient,
    gateway: Gateway | None = None,
) -> Situation:
    """Ask both environments; `SchemaMismatchError` for a table that does not exist."""
    tables = configuration.tables
    primaries = {table.table: await primary.describe(table.table) for table in tables}
    secondaries = {table.table: await secondary.describe(table.target) for table in tables}
    if gateway is None:
        return Situation(primaries, secondaries)
    wanted = wanted_endpoint(configuration, primaries, url=gateway.url, key=gateway.key)
    found = await primary.administration.find_webhooks(wanted.name)
    return Situation(primaries, secondaries, wanted, found)


# ---- what is missing ----------------------------------------------------------------------------


def find_missing(configuration: Configuration, situation: Situation) -> tuple[Provision, ...]:
    """Everything that `provide` has to do, in the order in which it can be done."""
    return (
        *_missing_status_columns(configuration, situation),
        *_missing_keys(configuration, situation),
        *_missing_tracking(configuration, situation),
        *_missing_webhooks(situation),
    )


def _missing_status_columns(
    configuration: Configuration, situation: Situation
) -> Iterator[Provision]:
    why = "the wanted status reason is written there first, with the data"
    for table in configuration.tables:
        schema = situation.secondaries[table.table]
        for name in table.status_columns:
            if name not in schema.columns:
                kind, what = ProvisionKind.STATUS_COLUMN, f"column {name}"
                yield Provision(kind, "secondary", schema.name, what, why, (name,))


def _missing_keys(configuration: Configuration, situation: Situation) -> Iterator[Provision]:
    for table in configuration.tables:
        if not table.matches_by_id:
            yield from _missing_key(table, situation.secondaries[table.table])


def _missing_key(table: TableConfiguration, schema: TableSchema) -> Iterator[Provision]:
    columns = table.target_key
    what = f"alternate key on {', '.join(columns)}"
    same = [key for key in schema.keys if set(key.columns) == set(columns)]
    if not same:
        why = "rows are matched by it"
        yield Provision(ProvisionKind.KEY, "secondary", schema.name, what, why, columns)
    elif not any(key.is_active for key in same):
        yield Provision(
            ProvisionKind.KEY_INDEX,
            "secondary",
            schema.name,
            f"index of the {what}",
            f"it is {same[0].index_status}, and can be used only when it is Active",
            columns,
            failed_key=same[0].name if same[0].index_status == "Failed" else "",
        )


def _missing_tracking(configuration: Configuration, situation: Situation) -> Iterator[Provision]:
    why = "without it, changes are found by the nightly reconcile alone"
    for table in configuration.tables:
        schema = situation.primaries[table.table]
        if not schema.change_tracking_enabled:
            kind = ProvisionKind.CHANGE_TRACKING
            yield Provision(kind, "primary", schema.name, "change tracking", why)


def _missing_webhooks(situation: Situation) -> Iterator[Provision]:
    if situation.wanted is None:
        return
    for change in differences(situation.wanted, situation.found):
        yield Provision(
            ProvisionKind.WEBHOOK,
            "primary",
            change.step.table if change.step else "",
            f"webhook on {change.step.message}" if change.step else "webhook endpoint",
            change.why or "it wakes the pipeline when something changes",
        )


# ---- providing it -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Provided:
    """What became of a provision.

    Attributes:
        provision: what was missing.
        error: why it still is; None when it was provided.

    """

    provision: Provision
    error: DvSyncError | None = None


KEY_SECONDS_MAX = 900.0
"""An index over millions of rows takes minutes; after that, a person looks again later."""


async def provide(
    missing: Sequence[Provision],
    *,
    administrations: Mapping[str, Administration],
    wanted: Endpoint | None = None,
    listener: Callable[[Provision], None] = lambda _provision: None,
) -> list[Provided]:
    """Provide each of them; one that cannot be provided does not stop the others.

    `administrations` are those of both environments, by name; `wanted` is the webhook registration,
    which is made as a whole. The listener is told of each provision before it is begun.
    """
    provided = []
    for provision in missing:
        if provision.kind is not ProvisionKind.WEBHOOK:
            listener(provision)
            work = _carry_out(administrations[provision.environment], provision)
            provided.append(Provided(provision, await _error_of(work)))
    webhooks = [each for each in missing if each.kind is ProvisionKind.WEBHOOK]
    if webhooks and wanted is not None:
        listener(webhooks[0])
        error = await _error_of(administrations["primary"].register_webhooks(wanted))
        provided += [Provided(each, error) for each in webhooks]
    return provided


async def _error_of(work: Awaitable[object]) -> DvSyncError | None:
    try:
        await work
    except DvSyncError as error:
        return error
    return None


async def _carry_out(administration: Administration, provision: Provision) -> None:
    match provision.kind:
        case ProvisionKind.CHANGE_TRACKING:
            await administration.track_changes(provision.table)
        case ProvisionKind.STATUS_COLUMN:
            await _create_status_column(administration, provision)
        case ProvisionKind.KEY:
            await administration.create_key(provision.table, provision.columns)
            await _wait_for_key(administration, provision)
        case ProvisionKind.KEY_INDEX:
            if provision.failed_key:
                await administration.rebuild_key(provision.table, provision.failed_key)
            await _wait_for_key(administration, provision)
        case ProvisionKind.WEBHOOK:
            raise AssertionError(provision)


async def _create_status_column(administration: Administration, provision: Provision) -> None:
    (name,) = provision.columns
    await administration.create_integer_column(
        provision.table,
        name,
        title="Status reason wanted",
        description="The status reason that this row has in the primary. Written by dv-sync.",
    )


async def _wait_for_key(administration: Administration, provision: Provision) -> None:
    await administration.wait_for_key(
        provision.table, provision.columns, seconds_max=KEY_SECONDS_MAX
    )
