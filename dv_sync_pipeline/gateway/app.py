"""The gateway as an ASGI application: which address leads where.

Belongs here: the routes, composed in one place. Does not belong here: what happens at an address
(`receiver.py`, `views.py`), sockets and signals (`serve.py`).
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.routing import Route

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.gateway.admission import Keys
from dv_sync_pipeline.gateway.metrics import Metrics
from dv_sync_pipeline.gateway.receiver import Receiver
from dv_sync_pipeline.gateway.status_page import render_status_page
from dv_sync_pipeline.gateway.storage import Storage
from dv_sync_pipeline.gateway.views import HealthView, TextView
from dv_sync_pipeline.sync.health import health
from dv_sync_pipeline.sync.ledger import Ledger

__all__ = ["WAKE_UPS_PATH", "create_application"]

WAKE_UPS_PATH = "/wake-ups"

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PAGE_TYPE = "text/html; charset=utf-8"


def create_application(
    configuration: Configuration, ledger: Ledger, *, clock: Callable[[], datetime]
) -> Starlette:
    """The whole gateway; it stores in this ledger, which whoever opened it closes afterwards.

    Raises `ConfigurationError` when there is no usable key.
    """
    settings = configuration.gateway
    keys = Keys(settings.read_keys())
    metrics = Metrics(configuration, ledger, clock=clock)
    storage = Storage(
        ledger.store_wake_ups,
        waiting_max=settings.waiting_max,
        seconds_max=settings.store_seconds_max,
    )
    receiver = Receiver(
        settings,
        keys=keys,
        tables=frozenset(table.table for table in configuration.tables),
        storage=storage,
        metrics=metrics,
        clock=clock,
    )

    def page() -> str:
        return render_status_page(health(configuration, ledger, now=clock()))

    viewers = keys if settings.metrics_need_key else None
    routes = [
        Route(WAKE_UPS_PATH, receiver.receive, methods=["POST"]),
        Route("/healthz", HealthView(storage).show),
        Route("/metrics", TextView(metrics.text, content_type=_METRICS_TYPE, keys=viewers).show),
        Route("/", TextView(page, content_type=_PAGE_TYPE, keys=viewers).show),
    ]
    return Starlette(routes=routes, lifespan=lambda _: _closing(storage))


@contextlib.asynccontextmanager
async def _closing(storage: Storage) -> AsyncIterator[None]:
    yield
    storage.close()
