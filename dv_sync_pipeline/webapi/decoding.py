"""Answers that must be JSON of a certain shape, or are asked for again.

Belongs here: what happens when a body that arrived is not what it should be (RELIABILITY 4, rows 3
and 6: never a part of it). Does not belong here: answers that did not arrive; see `transport.py`.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from dv_sync_pipeline.errors import IncompleteReadError
from dv_sync_pipeline.redact import redact

__all__ = ["ATTEMPTS_MAX", "read_decoded"]

_log = logging.getLogger(__name__)

ATTEMPTS_MAX = 3
"""How often an answer is asked for that cannot be decoded."""

Decoded = TypeVar("Decoded")


async def read_decoded(
    fetch: Callable[[], Awaitable[bytes]], decode: Callable[[bytes], Decoded], *, where: str
) -> Decoded:
    """The whole answer, decoded; one that cannot be decoded is fetched again as a whole.

    Raises `IncompleteReadError` when none of them can.
    """
    why = ""
    for _ in range(ATTEMPTS_MAX):
        body = await fetch()
        try:
            return decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            why = redact(str(error))
            _log.warning("%s: an answer could not be decoded: %s", where, why)
    raise IncompleteReadError(
        "a read did not prove itself complete",
        where=where,
        why=why,
        mend="Run it again; nothing was concluded from this read",
    )
