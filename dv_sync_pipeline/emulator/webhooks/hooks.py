"""Webhooks: which writes set off which steps, and the delivery to the receiver (DATAVERSE 10).

Belongs here: choosing steps, synchronous and asynchronous delivery, one more attempt, the system
job that a failure leaves behind. Does not belong here: how steps are registered
(`webhook_tables.py`), what a delivery says (`webhook_payload.py`) and what goes wrong with it on
purpose (`faults.py`).

Asynchronous deliveries run side by side after the commit, so that their order is not promised; a
lost one stays lost. A synchronous delivery blocks the whole environment until the receiver has
answered, as its transaction is open: a receiver must not call back before it answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

import httpx

from dv_sync_pipeline.emulator.rows.replies import DataverseError
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.catalog import target_column
from dv_sync_pipeline.emulator.tables.webhook_tables import read_steps
from dv_sync_pipeline.emulator.trouble.faults import (
    AnyWebhookEffect,
    Notice,
    WebhookCorrupted,
    WebhookDelayed,
    WebhookDropped,
    WebhookDuplicated,
    WebhookReordered,
)
from dv_sync_pipeline.emulator.webhooks.origin import Origin, origin_of_request
from dv_sync_pipeline.emulator.webhooks.webhook_payload import (
    Endpoint,
    Organization,
    Payload,
    RowChange,
    Step,
    build_payload,
)

__all__ = ["Courier", "Delivery", "Webhooks"]

TIMEOUT_SECONDS = 60.0
_PARALLEL_DELIVERIES = 20
_RETRIED_STATUSES = (502, 503, 504)
_REGISTRATION_TABLES = frozenset(
    {"sdkmessageprocessingstep", "sdkmessageprocessingstepimage", "serviceendpoint"}
)
_SPECIAL_COLUMNS = frozenset({"statecode", "statuscode", "ownerid", target_column("ownerid")})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One payload on its way to one receiver.

    Attributes:
        step: that was set off.
        payload: what it gets.
        message: such as Create.
        table: logical name.
        user_id: whose request it was.
        correlation_id: of that request.

    """

    step: Step
    payload: Payload = field(repr=False)
    message: str
    table: str
    user_id: str
    correlation_id: str


# ---- choosing -----------------------------------------------------------------------------------


class Webhooks:
    """Watches what is written and sets off the steps that are registered for it.

    Args:
        store: where steps are registered.
        host: of the environment, such as `localhost:8801`.
        courier: delivers.

    """

    def __init__(self, store: Store, *, host: str, courier: "Courier") -> None:
        self._store = store
        self._host = host
        self._courier = courier
        self._steps: list[Step] | None = None
        self._has_uncommitted_steps = False

    def watches(self, message: str, table: str) -> bool:
        """Registrations themselves, and what some step is for."""
        if table in _REGISTRATION_TABLES:
            return True
        return any(
            step.message == message and step.table in ("", table) for step in self._known_steps()
        )

    def written(self, change: RowChange) -> None:
        """Deliver now, or once the transaction is committed."""
        if change.table in _REGISTRATION_TABLES:
            self._steps, self._has_uncommitted_steps = None, True
            self._store.database.after_commit(self.forget)
        origin = origin_of_request.get(None) or Origin(self._store.setting("system user"))
        for part in _fan_out(change):
            for step in self._known_steps():
                if step.concerns(part) and not origin.bypasses(step.id, mode=step.mode):
                    self._set_off(step, part, origin)

    def forget(self) -> None:
        """Read the registrations again when they are needed next."""
        self._steps, self._has_uncommitted_steps = None, False

    def _known_steps(self) -> list[Step]:
        """Kept only once committed: of a rollback nobody would tell us."""
        if self._steps is not None:
            return self._steps
        steps = read_steps(self._store)
        self._steps = None if self._has_uncommitted_steps else steps
        return steps

    def _set_off(self, step: Step, change: RowChange, origin: Origin) -> None:
        delivery = self._prepare(step, change, origin)
        if step.is_synchronous:
            self._courier.deliver_now(delivery)
        else:
            self._store.database.after_commit(lambda: self._courier.accept(delivery))

    def _prepare(self, step: Step, change: RowChange, origin: Origin) -> Delivery:
        payload = build_payload(
            change,
            step=step,
            table=self._store.catalog.table(change.table),
            origin=origin,
            organization=self._describe_organization(origin),
            operation_id=self._store.new_id(),
            now=self._store.clock(),
        )
        return Delivery(
            step, payload, change.message, change.table, origin.user_id, origin.correlation_id
        )

    def _describe_organization(self, origin: Origin) -> Organization:
        value = self._store.database.value
        unit = 'SELECT "businessunitid" FROM "systemuser" WHERE "systemuserid" = ?'
        return Organization(
            id=self._store.setting("organization"),
            name=str(value('SELECT "name" FROM "organization"')),
            host=self._host,
            business_unit_id=str(value(unit, (origin.user_id,))),
        )


def _fan_out(change: RowChange) -> Iterable[RowChange]:
    """State and owner, mixed with other columns, are an update of their own (DATAVERSE 10.5)."""
    special = {name: value for name, value in change.submitted.items() if name in _SPECIAL_COLUMNS}
    ordinary = {name: change.submitted[name] for name in change.submitted if name not in special}
    if change.message != "Update" or not special or not ordinary:
        return [change]
    return [replace(change, submitted=ordinary), replace(change, submitted=special)]


# ---- delivering ---------------------------------------------------------------------------------

FaultsOn: TypeAlias = Callable[[Notice], list[AnyWebhookEffect]]


class Failure(Exception):  # noqa: N818 - the outcome of a delivery, with Dataverse's code
    """The receiver did not take it.

    Attributes:
        code: 0x80050201 to 0x80050207 (DATAVERSE 10.4).
        text: for the system job, or for the caller of a synchronous step.

    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Courier:
    """Carries deliveries to their receivers.

    Args:
        store: gets the system jobs.
        client: sends asynchronous deliveries.
        blocking_client: sends synchronous ones.
        faults_on: what goes wrong on purpose.
        sleep: waits for delayed ones.

    """

    def __init__(
        self,
        store: Store,
        *,
        client: httpx.AsyncClient,
        blocking_client: httpx.Client,
        faults_on: FaultsOn,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._client = client
        self._blocking_client = blocking_client
        self._faults_on = faults_on
        self._sleep = sleep
        self._under_way: set[asyncio.Task[None]] = set()
        self._held: list[_HeldDelivery] = []
        self._places = asyncio.Semaphore(_PARALLEL_DELIVERIES)

    def accept(self, delivery: Delivery) -> None:
        """Deliver in the background, with whatever goes wrong."""
        effects = self._faults_on(Notice(delivery.message, delivery.table, delivery.user_id))
        fate = _decide_fate(delivery, effects)
        if not fate.places:
            self._start(fate)
        for held in self._held:
            held.places_left -= 1
        self._release([held for held in self._held if held.places_left <= 0])
        if fate.places:
            self._held.append(_HeldDelivery(fate, fate.places))

    async def settle(self) -> None:
        """Return when nothing is under way; what was held back is sent first."""
        self._release(list(self._held))
        while self._under_way:
            await asyncio.wait(self._under_way)

    def deliver_now(self, delivery: Delivery) -> None:
        """Deliver while the caller waits; `DataverseError` when the receiver does not take it."""
        request = self._blocking_client.build_request
        try:
            for is_last in (False, True):
                status = self._post_blocking(delivery, request)
                if _is_settled(status, is_last=is_last):
                    return
        except Failure as failure:
            raise DataverseError(400, failure.code, failure.text) from None

    def _start(self, fate: "_Fate") -> None:
        for _ in range(fate.copies):
            task = asyncio.get_running_loop().create_task(self._run(fate))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _release(self, ready: list["_HeldDelivery"]) -> None:
        for held in ready:
            self._held.remove(held)
            self._start(held.fate)

    async def _run(self, fate: "_Fate") -> None:
        delivery = fate.delivery
        if fate.delay_seconds:
            await self._sleep(fate.delay_seconds)
        async with self._places:
            started = self._store.clock()
            failure = await self._attempt_twice(delivery)
        if failure or not delivery.step.deletes_jobs:
            self._write_job(delivery, failure, started)

    async def _attempt_twice(self, delivery: Delivery) -> Failure | None:
        try:
            for is_last in (False, True):
                status = await self._post(delivery)
                if _is_settled(status, is_last=is_last):
                    break
        except Failure as failure:
            return failure
        return None

    async def _post(self, delivery: Delivery) -> int:
        try:
            response = await self._client.send(_request(delivery, self._client.build_request))
        except httpx.HTTPError as error:
            raise _failure_of(error) from error
        return response.status_code

    def _post_blocking(self, delivery: Delivery, build: "BuildRequest") -> int:
        try:
            return self._blocking_client.send(_request(delivery, build)).status_code
        except httpx.HTTPError as error:
            raise _failure_of(error) from error

    def _write_job(self, delivery: Delivery, failure: Failure | None, started: datetime) -> None:
        """The only trace that a lost delivery leaves (DATAVERSE 10.4)."""
        job: dict[str, Any] = {
            "name": delivery.step.name,
            "operationtype": _SYSTEM_EVENT,
            "statecode": _COMPLETED,
            "statuscode": _FAILED if failure else _SUCCEEDED,
            "message": failure.text if failure else None,
            "errorcode": _signed(failure.code) if failure else None,
            "messagename": delivery.message,
            "primaryentitytype": delivery.table,
            "correlationid": delivery.correlation_id,
            "startedon": _text(started),
            "completedon": _text(self._store.clock()),
            "owningextensionid": delivery.step.id,
        }
        self._store.load_rows("asyncoperation", [job])


@dataclass(frozen=True, slots=True)
class _Fate:
    """What becomes of a delivery.

    Attributes:
        delivery: perhaps with another body.
        copies: how often it is sent; 0 loses it.
        delay_seconds: wait before.
        places: how many later ones overtake it.

    """

    delivery: Delivery
    copies: int = 1
    delay_seconds: float = 0.0
    places: int = 0


def _decide_fate(delivery: Delivery, effects: Iterable[AnyWebhookEffect]) -> _Fate:
    fate = _Fate(delivery)
    for effect in effects:
        match effect:
            case WebhookDropped():
                fate = replace(fate, copies=0)
            case WebhookDuplicated(copies=copies):
                fate = replace(fate, copies=copies)
            case WebhookDelayed(seconds=seconds):
                fate = replace(fate, delay_seconds=fate.delay_seconds + seconds)
            case WebhookReordered(places=places):
                fate = replace(fate, places=fate.places + places)
            case WebhookCorrupted(body=body):
                payload = replace(delivery.payload, body=body.encode())
                fate = replace(fate, delivery=replace(delivery, payload=payload))
    return fate


@dataclass(slots=True)
class _HeldDelivery:
    """One that waits until later ones have overtaken it."""

    fate: _Fate
    places_left: int


_SYSTEM_EVENT, _COMPLETED, _SUCCEEDED, _FAILED = 1, 3, 30, 31
_FIRST_ERROR_STATUS = 300


def _is_settled(status: int, *, is_last: bool) -> bool:
    """Whether the receiver took it; exactly one more attempt is made for three statuses."""
    if 200 <= status < _FIRST_ERROR_STATUS:  # noqa: PLR2004 - any 2xx is a success
        return True
    if status in _RETRIED_STATUSES and not is_last:
        return False
    raise Failure(
        "0x80050201",
        f"The webhook call failed because the http request received a non-success httpStatus code:"
        f" {status}.",
    )


def _failure_of(error: httpx.HTTPError) -> Failure:
    if isinstance(error, httpx.TimeoutException):
        text = "The webhook call failed because the http request timed out at client side."
        return Failure("0x80050202", text)
    return Failure("0x80050205", f"The webhook call failed during http post: {error}")


def _signed(code: str) -> int:
    """As the platform stores error codes: a signed number of 32 bits."""
    number = int(code, 16)
    return number - 2**32 if number >= 2**31 else number


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- authentication -----------------------------------------------------------------------------

BuildRequest: TypeAlias = Callable[..., httpx.Request]


def _request(delivery: Delivery, build: BuildRequest) -> httpx.Request:
    """The HTTP request of a delivery, with the receiver's key in it (DATAVERSE 10.1)."""
    endpoint = delivery.step.endpoint
    return build(
        "POST",
        httpx.URL(endpoint.url).copy_merge_params(_query_of(endpoint)),
        headers={**delivery.payload.headers, **_headers_of(endpoint)},
        content=delivery.payload.body,
        timeout=TIMEOUT_SECONDS,
    )


_WEBHOOK_KEY, _HTTP_HEADER, _HTTP_QUERY = 4, 5, 6


def _query_of(endpoint: Endpoint) -> dict[str, str]:
    if endpoint.authentication == _WEBHOOK_KEY:
        return {"code": endpoint.secret}
    if endpoint.authentication == _HTTP_QUERY:
        return _settings(endpoint.secret, code="0x80050204")
    return {}


def _headers_of(endpoint: Endpoint) -> dict[str, str]:
    if endpoint.authentication == _HTTP_HEADER:
        return _settings(endpoint.secret, code="0x80050203")
    return {}


def _settings(text: str, *, code: str) -> dict[str, str]:
    """The pairs of `<settings><setting name="x-key" value="…"/></settings>`."""
    try:
        root = ET.fromstring(text)  # noqa: S314 - written by the owner of this emulator
        return {setting.attrib["name"]: setting.attrib["value"] for setting in root}
    except (ET.ParseError, KeyError):
        raise Failure(
            code, "The webhook call failed because of invalid http headers or query in authValue."
        ) from None
