"""Serves several environments from one process and one event loop, each on a port of its own.

Belongs here: sockets, TLS, uvicorn, signals. Does not belong here: what is answered; an environment
comes as an ASGI application.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from dv_sync_pipeline.emulator.process.spelling import spelled
from dv_sync_pipeline.errors import UsageError

__all__ = ["ServedEnvironment", "open_port", "serve"]

HOST = "127.0.0.1"
_SHUTDOWN_SECONDS = 2
_GOODBYE_SECONDS = 0.3
_KEEP_ALIVE_SECONDS = 75
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class ServedEnvironment:
    """One environment with the port that it answers on.

    Attributes:
        name: as the user named it.
        url: such as https://localhost:8801.
        listener: already listening.
        application: answers its requests.

    """

    name: str
    url: str
    listener: socket.socket
    application: ASGIApp


def open_port(port: int) -> socket.socket:
    """A socket that listens on that port of this machine alone; 0 takes any free one.

    It listens at once, because two sockets that do not may both be bound to one port. Raises
    `UsageError` when the port is in use or not ours to open.
    """
    # asyncio leaves Nagle's algorithm on where a socket does not name TCP: 75 times slower.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} cannot be opened",
            why=error.strerror or str(error),
            mend="Choose another port, or 0 for any free one",
        ) from None
    return listener


def serve(
    environments: Sequence[ServedEnvironment],
    *,
    certificate: Path | None,
    announce: Callable[[ServedEnvironment], None],
) -> None:
    """Answer until SIGINT or SIGTERM; `announce` is called for each environment once it answers.

    `certificate` is the server's key and chain; None serves plain HTTP.
    """
    servers = [_Server(environment, certificate, announce) for environment in environments]
    with _stopped_by_signals(servers):
        loop_factory = servers[0].config.get_loop_factory()
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_serve_together(servers))


async def _serve_together(servers: Sequence["_Server"]) -> None:
    await asyncio.gather(*(server.serve([server.environment.listener]) for server in servers))


class _Server(uvicorn.Server):
    """One port; announces itself, and leaves signals to `serve`, which stops all ports at once."""

    def __init__(
        self,
        environment: ServedEnvironment,
        certificate: Path | None,
        announce: Callable[[ServedEnvironment], None],
    ) -> None:
        super().__init__(_configure(environment.application, certificate))
        self.environment = environment
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce(self.environment)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Over TLS a connection ends when the client says goodbye; an idle one may never do so.
        asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, self._drop_connections)
        await super().shutdown(sockets)

    def _drop_connections(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _configure(application: ASGIApp, certificate: Path | None) -> uvicorn.Config:
    return uvicorn.Config(
        spelled(application),
        access_log=False,
        lifespan="off",
        log_config=None,
        server_header=False,
        ssl_certfile=certificate,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


@contextlib.contextmanager
def _stopped_by_signals(servers: Sequence[_Server]) -> Iterator[None]:
    """Signals are taken even if they were ignored when we started, as shells do for `command &`."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        for server in servers:
            server.should_exit = True

    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
