"""Asking an address whether anybody is there; the one request that needs no token.

Belongs here: that request. Does not belong here: what follows from the answer.
"""

import httpx

from dv_sync_pipeline.errors import UnreachableError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.webapi.transport import NO_PROXY

__all__ = ["probe"]

_SECONDS_MAX = 10.0


async def probe(url: str) -> int:
    """The HTTP status with which the address answers; `UnreachableError` if it does not."""
    try:
        async with httpx.AsyncClient(timeout=_SECONDS_MAX, mounts=NO_PROXY) as client:
            return (await client.get(url)).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnreachableError(
            f"{url} does not answer",
            why=redact(str(error)) or type(error).__name__,
            mend="Start what should answer there, or correct the address in sync.yaml",
        ) from None
