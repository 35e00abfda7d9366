"""What an environment says of itself in the headers of its answers.

Belongs here: reading them. Does not belong here: what follows from them (`verdict.py` for one
request, `sync/examination/` for a person).
"""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

__all__ = ["Signals", "read_signals"]


@dataclass(frozen=True, slots=True)
class Signals:
    """Signs of the latest answer.

    Attributes:
        server_time: what the clock there showed, to the second; None if it did not say.
        parallelism_hint: how many requests at a time it recommends (DATAVERSE 9.1), likewise.

    """

    server_time: datetime | None = None
    parallelism_hint: int | None = None


def read_signals(headers: httpx.Headers) -> Signals:
    """The signs that these headers give."""
    hint = headers.get("x-ms-dop-hint", "").strip()
    return Signals(
        server_time=_moment(headers.get("date", "")),
        parallelism_hint=int(hint) if hint.isdecimal() else None,
    )


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
