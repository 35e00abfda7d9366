"""One emulated environment: everything that a request may need, in one value.

Belongs here: the parts and their seams. Does not belong here: what any of them does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.rows.switches import Switches

__all__ = ["Challenge", "EmulatedEnvironment", "Identity"]


class Challenge(Protocol):
    """Why a request is answered 401."""

    @property
    def header(self) -> str:
        """The value of `WWW-Authenticate` (DATAVERSE 1.3)."""


class Identity(Protocol):
    """Who sends a request. `identity.py` implements it."""

    def identify(self, authorization: str) -> str | Challenge:
        """The user id that an `Authorization` header proves ("" if there is none), or a 401."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class EmulatedEnvironment:
    """One environment.

    Attributes:
        name: as the user named it, such as `primary`.
        base_url: such as `https://localhost:8801`, without a slash at the end.
        store: its rows; `system.found_environment` has been called on it.
        identity: tells who sends a request.
        switches: what DATAVERSE 16 leaves open.
        clock: the present, in UTC.

    """

    name: str
    base_url: str
    store: Store
    identity: Identity
    switches: Switches = field(default_factory=Switches)
    clock: Callable[[], datetime] = _utc_now

    @property
    def api_url(self) -> str:
        """Where the Web API starts, without a slash at the end."""
        return f"{self.base_url}/api/data/v9.2"
