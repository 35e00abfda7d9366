"""One environment as an ASGI application.

Belongs here: HTTP on one side, `routes.answer` on the other: reading a request completely, who
sends it, and answering in one piece. Does not belong here: sockets and TLS (`server.py`) and what
is answered.
"""

import gc
import logging
import re
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.service.requests import Request
from dv_sync_pipeline.emulator.service.routes import answer

__all__ = ["create_application"]

_LOGGER = logging.getLogger(__name__)
# Clients add "/api" to an address that ends in a slash already: environments forgive that.
_API_PATH = re.compile(rb"^/+api/data/(v9\.[0-2])/?(.*)$", re.DOTALL)
_URL_LENGTH_MAX = 32_768


def create_application(environment: EmulatedEnvironment) -> ASGIApp:
    """The application that answers below `/api/data/v9.x/`."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _read_body(receive)
        await _send_reply(send, _reply(environment, scope, body))

    return application


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send_reply(send: Send, reply: Reply) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in reply.headers.items()
    ]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _reply(environment: EmulatedEnvironment, scope: Scope, body: bytes) -> Reply:
    headers = _headers(scope)
    identified = environment.identity.identify(headers.get("authorization", ""))
    if not isinstance(identified, str):
        return Reply(401, {"WWW-Authenticate": identified.header})
    match = _API_PATH.match(scope.get("raw_path") or scope["path"].encode())
    if match is None:
        return Reply(404, {"Content-Type": "text/plain"}, b"Not found")
    request = Request(
        method=scope["method"],
        path=match[2].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        user_id=identified,
        version=match[1].decode("latin-1"),
    )
    return _with_common_headers(_answer_or_fail(environment, request), environment)


def _headers(scope: Scope) -> dict[str, str]:
    """Names in lower case; a header sent twice counts as one with both values."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _answer_or_fail(environment: EmulatedEnvironment, request: Request) -> Reply:
    if len(request.path) + len(request.query) > _URL_LENGTH_MAX:
        return replies.bad_query("The request URI is too long.").reply()
    # Thousands of rows are made of no cycles: looking for some between them doubles the time.
    gc.disable()
    try:
        return answer(environment, request)
    except Exception:
        # A mistake of the emulator itself must not look like a closed connection.
        _LOGGER.exception("%s %s failed", request.method, request.path)
        return replies.DataverseError(500, "0x80040216", "The emulator itself failed.").reply()
    finally:
        gc.enable()


def _with_common_headers(reply: Reply, environment: EmulatedEnvironment) -> Reply:
    request_id = environment.store.new_id()
    common: Mapping[str, str] = {
        "OData-Version": "4.0",
        "x-ms-service-request-id": request_id,
        "REQ_ID": request_id,
    }
    return Reply(reply.status, {**common, **reply.headers}, reply.body)
