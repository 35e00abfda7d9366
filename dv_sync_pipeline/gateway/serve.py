"""The gateway as a server on a port, until it is told to end.

Belongs here: uvicorn and its settings. Nothing is logged about single requests: their addresses may
carry the key, and garbage must not fill the disk.
"""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from dv_sync_pipeline.errors import UsageError

__all__ = ["configure", "serve"]

_KEEP_ALIVE_SECONDS = 75
_SHUTDOWN_SECONDS = 5
_BACKLOG = 2_048


def serve(application: ASGIApp, *, host: str, port: int, announce: Callable[[int], None]) -> None:
    """Answer until SIGINT or SIGTERM; requests that are being answered are finished.

    `announce` is given the port once it answers; 0 takes any free one. Raises `UsageError` when the
    port cannot be opened.
    """
    try:
        _Server(configure(application, host=host, port=port), announce).run()
    except SystemExit:  # uvicorn's way to say so, after it has logged why
        raise UsageError(
            f"the gateway cannot listen on {host}, port {port}",
            mend="Choose others with --host and --port, or under gateway: in sync.yaml",
        ) from None


def configure(application: ASGIApp, *, host: str, port: int) -> uvicorn.Config:
    """How uvicorn serves it."""
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        access_log=False,
        backlog=_BACKLOG,
        date_header=False,
        lifespan="on",
        # Slower than httptools, which would keep a head of any length in memory.
        http="h11",
        log_config=None,
        log_level="error",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


class _Server(uvicorn.Server):
    """Announces itself, and takes signals as wishes to end in order.

    It binds its port itself: on a socket that asyncio is handed, small answers may wait for 40 ms.
    """

    def __init__(self, config: uvicorn.Config, announce: Callable[[int], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port: int = self.servers[0].sockets[0].getsockname()[1]
            self._announce(port)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Even if they were ignored when we started, as shells do for `command &`."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
