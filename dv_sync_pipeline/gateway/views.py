"""What can be looked at: health, the figures, the status page.

Belongs here: who may look, and what is answered while the ledger cannot be read. Does not belong
here: what is shown (`metrics.py`, `status_page.py`).
"""

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dv_sync_pipeline.errors import LedgerError
from dv_sync_pipeline.gateway.admission import Keys
from dv_sync_pipeline.gateway.refusals import Refusal, refusal_response
from dv_sync_pipeline.gateway.storage import Storage

__all__ = ["HealthView", "TextView"]


class HealthView:
    """Whether a wake-up could be stored right now."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def show(self, _request: Request) -> Response:
        """For load balancers; a transaction is tried, so that it is no guess."""
        refusal = await self._storage.store(())
        if refusal is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": refusal.text}, refusal.status)


class TextView:
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
            return refusal_response(Refusal.WRONG_KEY)
        try:
            async with self._turn:
                text = await asyncio.to_thread(self._render)
        except LedgerError:
            return JSONResponse({"status": "the ledger cannot be read"}, 503)
        return Response(text, headers=self._headers)
