"""Who may come in, and how much they may bring.

Belongs here: the key, which is compared in constant time, and the limits of a body, which hold
before any of it is parsed (RELIABILITY 5). Does not belong here: what the body says.
"""

import asyncio
import hmac
from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request

from dv_sync_pipeline.config.gateway import KEY_HEADER
from dv_sync_pipeline.gateway.refusals import Refusal

__all__ = ["KEY_HEADER", "KEY_PARAMETER", "Keys", "read_body"]

KEY_PARAMETER = "code"
"""Dataverse's WebhookKey appends `?code=...` (DATAVERSE 10.1). The header is better: addresses end
up in the logs of proxies, headers do not."""


class Keys:
    """The keys that are accepted: one, or two while the one is replaced by the other."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def admit(self, request: Request) -> bool:
        """Whether header or query carries one of them; each is compared, whatever matches."""
        given = request.headers.get(KEY_HEADER) or request.query_params.get(KEY_PARAMETER) or ""
        # Every value that a header or query can carry has bytes in this encoding.
        candidate = given.encode("utf-8", "surrogatepass")
        matches = [hmac.compare_digest(candidate, key) for key in self._keys]
        return any(matches)


async def read_body(request: Request, *, bytes_max: int, seconds_max: float) -> bytes | Refusal:
    """The body, or why it was not read to its end."""
    if not _is_json(request):
        return Refusal.NOT_JSON
    # The server has checked that the length is a number, and holds the sender to it.
    if int(request.headers.get("content-length", 0)) > bytes_max:
        return Refusal.TOO_LARGE
    try:
        async with asyncio.timeout(seconds_max):
            return await _read_stream(request, bytes_max=bytes_max)
    except TimeoutError:
        return Refusal.TOO_SLOW
    except ClientDisconnect:
        return Refusal.CUT_OFF


def _is_json(request: Request) -> bool:
    content_type = request.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower() == "application/json"


async def _read_stream(request: Request, *, bytes_max: int) -> bytes | Refusal:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            return Refusal.TOO_LARGE
    return bytes(body)
