"""The gateway as an ASGI application: which address leads where, and the way of one delivery.

Belongs here: routes, composed in one place, and the order of steps. Each step is told elsewhere:
admission, payload, storage, metrics. Does not belong here: sockets and signals (`serve.py`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dv_sync_pipeline.config import Configuration, Gateway
from dv_sync_pipeline.errors import LedgerError
from dv_sync_pipeline.gateway.admission import Keys, read_body
from dv_sync_pipeline.gateway.metrics import Metrics
from dv_sync_pipeline.gateway.payload import Payload, read_payload
from dv_sync_pipeline.gateway.refusals import Refusal
from dv_sync_pipeline.gateway.status_page import render_status_page
from dv_sync_pipeline.gateway.storage import Storage
from dv_sync_pipeline.sync.health import health
from dv_sync_pipeline.sync.ledger import Ledger

__all__ = ["WAKE_UPS_PATH", "create_application"]

WAKE_UPS_PATH = "/wake-ups"

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PAGE_TYPE = "text/html; charset=utf-8"
_IN_PROGRESS_MAX = 1_000
"""Requests whose bodies may be in memory at a time."""
_CLOSE = {"connection": "close"}
"""The rest of the body is not waited for."""
_TRY_AGAIN = {"retry-after": "1"}


def create_application(
    configuration: Configuration, ledger: Ledger, *, clock: Callable[[], datetime]
) -> Starlette:
    """The whole gateway; it stores in this ledger, which whoever opened it closes afterwards.

    Raises `ConfigurationError` when there is no usable key.
    """
    settings = configuration.gateway
    tables = tuple(table.table for table in configuration.tables)
    keys = Keys(settings.read_keys())
    metrics = Metrics(configuration, ledger, clock=clock)
    storage = Storage(
        ledger.store_wake_ups,
        waiting_max=settings.waiting_max,
        seconds_max=settings.store_seconds_max,
    )
    receiver = _Receiver(
        settings, keys=keys, tables=frozenset(tables), storage=storage, metrics=metrics, clock=clock
    )
    viewers = keys if settings.metrics_need_key else None
    figures = _View(metrics.text, content_type=_METRICS_TYPE, keys=viewers)

    def page() -> str:
        return render_status_page(health(configuration, ledger, now=clock()))

    @contextlib.asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        yield
        storage.close()

    return Starlette(
        routes=[
            Route(WAKE_UPS_PATH, receiver.receive, methods=["POST"]),
            Route("/healthz", _Health(storage).show),
            Route("/metrics", figures.show),
            Route("/", _View(page, content_type=_PAGE_TYPE, keys=viewers).show),
        ],
        lifespan=lifespan,
    )


class _Receiver:
    """Takes deliveries."""

    def __init__(
        self,
        settings: Gateway,
        *,
        keys: Keys,
        tables: frozenset[str],
        storage: Storage,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._tables = tables
        self._storage = storage
        self._metrics = metrics
        self._clock = clock
        self._in_progress = 0

    async def receive(self, request: Request) -> Response:
        """Answer once the wake-ups are durable, or say why they are not."""
        self._metrics.received()
        outcome = await self._admit(request)
        if isinstance(outcome, Refusal):
            self._metrics.refused(outcome)
            return _refusal_response(outcome)
        stored, ignored = len(outcome.wake_ups), sorted(set(outcome.ignored))
        return JSONResponse({"stored": stored, "ignored": ignored}, 202)

    async def _admit(self, request: Request) -> Payload | Refusal:
        """Only who has a key and finds room; nothing is read before."""
        if not self._keys.admit(request):
            return Refusal.WRONG_KEY
        if self._in_progress >= _IN_PROGRESS_MAX:
            return Refusal.BUSY
        self._in_progress += 1
        try:
            return await self._take(request, received=self._clock())
        finally:
            self._in_progress -= 1

    async def _take(self, request: Request, *, received: datetime) -> Payload | Refusal:
        """One step after the other; the first that refuses ends it."""
        body = await read_body(
            request,
            bytes_max=self._settings.body_bytes_max,
            seconds_max=self._settings.body_seconds_max,
        )
        if isinstance(body, Refusal):
            return body
        payload = read_payload(body, tables=self._tables, received=received)
        if isinstance(payload, Refusal):
            return payload
        return await self._store(payload, received=received)

    async def _store(self, payload: Payload, *, received: datetime) -> Payload | Refusal:
        if payload.wake_ups:
            refusal = await self._storage.store(payload.wake_ups)
            if refusal is not None:
                return refusal
            seconds = (self._clock() - received).total_seconds()
            self._metrics.stored(payload.wake_ups, seconds=seconds)
        self._metrics.ignored(payload.ignored)
        return payload


def _refusal_response(refusal: Refusal) -> Response:
    headers = _TRY_AGAIN if refusal.is_passing else _CLOSE
    return JSONResponse({"refused": refusal.text}, refusal.status, headers=headers)


class _Health:
    """Whether a wake-up could be stored right now."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def show(self, _request: Request) -> Response:
        """For load balancers; a transaction is tried, so that it is no guess."""
        refusal = await self._storage.store(())
        if refusal is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": refusal.text}, refusal.status)


class _View:
    """Something to look at: the figures for Prometheus, the status page.

    Args:
        render: makes the text; asks the ledger, so it runs in a thread.
        content_type: what the text is.
        keys: needed to see it; None lets everybody.

    """

    def __init__(
        self, render: Callable[[], str | bytes], *, content_type: str, keys: Keys | None
    ) -> None:
        self._render = render
        self._headers = {"content-type": content_type}
        self._keys = keys
        self._turn = asyncio.Lock()

    async def show(self, request: Request) -> Response:
        """The text, or 503 while the ledger cannot be read; one reading at a time."""
        if self._keys is not None and not self._keys.admit(request):
            return _refusal_response(Refusal.WRONG_KEY)
        try:
            async with self._turn:
                text = await asyncio.to_thread(self._render)
        except LedgerError:
            return JSONResponse({"status": "the ledger cannot be read"}, 503)
        return Response(text, headers=self._headers)
