"""The request behind a change, as those know it who are set off by the change.

Belongs here: what is read from the headers of a request for them. Does not belong here: what is set
off (`hooks.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from dv_sync_pipeline.emulator.rows.values import guid

__all__ = ["NO_ID", "Origin", "describe_origin", "origin_of_request"]

NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Origin:
    """The request behind a change.

    Attributes:
        user_id: who sent it.
        user_agent: what they sent it with.
        correlation_id: joins everything that one request set off.
        tag: the query option of that name, for loop protection (DATAVERSE 11).
        bypassed_modes: steps of these modes are not set off (DATAVERSE 11).
        bypassed_steps: ids of single steps that are not set off.

    """

    user_id: str
    user_agent: str = ""
    correlation_id: str = NO_ID
    tag: str = ""
    bypassed_modes: frozenset[int] = frozenset()
    bypassed_steps: frozenset[str] = frozenset()

    def bypasses(self, step_id: str, *, mode: int) -> bool:
        """Whether the request asked not to set off this step."""
        return mode in self.bypassed_modes or step_id in self.bypassed_steps


origin_of_request: ContextVar[Origin] = ContextVar("origin_of_request")
"""The request that is being carried out."""


def describe_origin(
    headers: Mapping[str, str], *, user_id: str, tag: str, new_id: Callable[[], str]
) -> Origin:
    """What webhooks need to know of a request, from its headers by name in lower case."""
    chosen = (guid(headers.get(name)) for name in _CORRELATION_HEADERS)
    step_ids = headers.get("mscrm.bypassbusinesslogicexecutionstepids", "")
    return Origin(
        user_id=user_id,
        user_agent=headers.get("user-agent", ""),
        correlation_id=next(filter(None, chosen), None) or new_id(),
        tag=tag or headers.get("tag", ""),
        bypassed_modes=frozenset(_bypassed_modes(headers)),
        bypassed_steps=frozenset(part.strip().lower() for part in step_ids.split(",")),
    )


_CORRELATION_HEADERS = ("x-ms-correlation-request-id", "x-ms-correlation-id")


def _bypassed_modes(headers: Mapping[str, str]) -> Iterable[int]:
    """Steps of ours are custom logic (DATAVERSE 11); that they can be bypassed is not verified."""
    kinds = headers.get("mscrm.bypassbusinesslogicexecution", "").lower().split(",")
    older = headers.get("mscrm.bypasscustompluginexecution", "").lower() == "true"
    if older or "customsync" in map(str.strip, kinds):
        yield 0
    if "customasync" in map(str.strip, kinds):
        yield 1
