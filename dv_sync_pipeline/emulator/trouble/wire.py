"""What passes between the socket and an environment, where limits, latency and faults take hold.

Belongs here: a request and its answer as values, interceptors around them, and ways to send an
answer badly. Does not belong here: why one is delayed, refused or broken (`limits.py`,
`latency.py`, `faults.py`).

Without interceptors this module is not in the way: `intercept` returns the application itself.
"""

import os
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "Answer",
    "ConnectionLost",
    "HeaderPair",
    "Interceptor",
    "Proceed",
    "WireRequest",
    "intercept",
    "send_short",
    "send_slowly",
]

HeaderPair: TypeAlias = tuple[bytes, bytes]
"""Name in lower case, value."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request, read completely.

    Attributes:
        method: in capitals.
        path: with the query, decoded, such as `/api/data/v9.2/accounts?$top=1`.
        headers: in the order of arrival.
        body: all of it.
        user_id: who sent it, or "" when that is not known.
        scope: the same as ASGI describes it.

    """

    method: str
    path: str
    headers: tuple[HeaderPair, ...] = ()
    body: bytes = b""
    user_id: str = ""
    scope: Scope = field(default_factory=dict, repr=False, compare=False)

    def header(self, name: bytes) -> str:
        """The value of the header with that name in lower case, or ""."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")

    @property
    def is_data(self) -> bool:
        """Whether it speaks to the Web API, and not to the token endpoint or the controls."""
        return self.path.startswith("/api/")


Transmission: TypeAlias = Callable[["Answer", Send], Awaitable[None]]
"""How an answer is put on the wire."""


async def send_whole(answer: "Answer", send: Send) -> None:
    """As an honest server does."""
    await send(_start(answer, length=len(answer.body)))
    await send({"type": "http.response.body", "body": answer.body})


async def send_short(answer: "Answer", send: Send) -> None:
    """Announce the whole body, send half of it, close the connection."""
    await send(_start(answer, length=len(answer.body)))
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    raise ConnectionLost(abruptly=False)


async def send_slowly(
    answer: "Answer",
    send: Send,
    *,
    chunk_bytes: int,
    pause_seconds: float,
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """In small pieces with a pause after each."""
    await send(_start(answer, length=len(answer.body)))
    for position in range(0, len(answer.body), chunk_bytes):
        piece = answer.body[position : position + chunk_bytes]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await sleep(pause_seconds)
    await send({"type": "http.response.body", "body": b""})


def _start(answer: "Answer", *, length: int) -> Message:
    headers = [pair for pair in answer.headers if pair[0] != b"content-length"]
    if answer.status not in _STATUSES_WITHOUT_BODY:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


_STATUSES_WITHOUT_BODY = (204, 304)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, not yet sent.

    Attributes:
        status: HTTP status.
        headers: `content-length` is added when it is sent.
        body: all of it.
        transmission: how it is sent.

    """

    status: int
    headers: tuple[HeaderPair, ...] = ()
    body: bytes = b""
    transmission: Transmission = field(default=send_whole, repr=False)

    def with_headers(self, *added: HeaderPair) -> "Answer":
        """The same answer with more headers."""
        return replace(self, headers=(*self.headers, *added))

    def header(self, name: bytes) -> str:
        """The value of the header with that name in lower case, or ""."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")


class ConnectionLost(Exception):  # noqa: N818 - an event that is carried out, not an error
    """The connection shall be closed without a (further) answer.

    Attributes:
        abruptly: reset it, rather than close it after what was written has left.

    """

    def __init__(self, *, abruptly: bool) -> None:
        super().__init__(abruptly)
        self.abruptly = abruptly


Proceed: TypeAlias = Callable[[WireRequest], Awaitable[Answer]]
"""Everything that lies behind an interceptor."""


class Interceptor(Protocol):
    """Stands between the socket and the environment."""

    async def __call__(self, request: WireRequest, *, proceed: Proceed) -> Answer:
        """Answer, by asking what lies behind or not; `ConnectionLost` closes the connection."""


def intercept(
    application: ASGIApp,
    *,
    interceptors: Sequence[Interceptor],
    identify: Callable[[str], str],
) -> ASGIApp:
    """The application with interceptors around it, the first of them outermost.

    `identify` turns an `Authorization` header into a user id, or "" when it proves nobody.
    """
    if not interceptors:
        return application
    proceed: Proceed = partial(_ask, application)
    for interceptor in reversed(interceptors):
        proceed = partial(interceptor, proceed=proceed)
    return _Intercepted(application, proceed=proceed, identify=identify)


class _Intercepted:
    """An ASGI application that reads whole requests and sends whole answers."""

    def __init__(
        self, application: ASGIApp, *, proceed: Proceed, identify: Callable[[str], str]
    ) -> None:
        self._application = application
        self._proceed = proceed
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        request = await self._read(scope, receive)
        try:
            answer = await self._proceed(request)
            await answer.transmission(answer, send)
        except ConnectionLost as loss:
            await _lose_connection(send, receive, abruptly=loss.abruptly)

    async def _read(self, scope: Scope, receive: Receive) -> WireRequest:
        headers = tuple(scope["headers"])
        query = scope["query_string"].decode("latin-1")
        request = WireRequest(
            method=scope["method"],
            path=scope["path"] + (f"?{unquote(query)}" if query else ""),
            headers=headers,
            body=await _read_body(receive),
            scope=scope,
        )
        return replace(request, user_id=self._identify(request.header(b"authorization")))


async def _read_body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _ask(application: ASGIApp, request: WireRequest) -> Answer:
    """What the application answers, held back until all of it is there."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def collect(message: Message) -> None:
        messages.append(message)

    await application(request.scope, receive, collect)
    start, *parts = messages
    body = b"".join(part.get("body", b"") for part in parts)
    headers = tuple((name.lower(), value) for name, value in start.get("headers", ()))
    return Answer(start["status"], headers, body)


async def _lose_connection(send: Send, receive: Receive, *, abruptly: bool) -> None:
    """Close the socket beneath an ASGI server, which has no message for that.

    `send` of uvicorn is a method of the object that owns the transport.
    """
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise TypeError("connections can only be broken beneath uvicorn's own send")
    if abruptly:
        _reset_on_close(transport.get_extra_info("socket").fileno())
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _reset_on_close(descriptor: int) -> None:
    """Without lingering, the kernel sends a reset instead of an orderly end."""
    with socket.socket(fileno=os.dup(descriptor)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
