"""The way of one delivery: who is it, what does it say, is it stored; only then the answer.

Belongs here: the order of steps. Each step is told elsewhere: `admission.py`, `payload.py`,
`storage.py`.
"""

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dv_sync_pipeline.config import Gateway
from dv_sync_pipeline.gateway.admission import Keys, read_body
from dv_sync_pipeline.gateway.metrics import Metrics
from dv_sync_pipeline.gateway.payload import Payload, read_payload
from dv_sync_pipeline.gateway.refusals import Refusal, refusal_response
from dv_sync_pipeline.gateway.storage import Storage

__all__ = ["Receiver"]

_IN_PROGRESS_MAX = 1_000
"""Requests whose bodies may be in memory at a time."""


class Receiver:
    """Takes deliveries.

    Args:
        settings: the limits.
        keys: that senders must show.
        tables: whose rows are woken.
        storage: where wake-ups go.
        metrics: count what becomes of deliveries.
        clock: tells the time.

    """

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
            return refusal_response(outcome)
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
