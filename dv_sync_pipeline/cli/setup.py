"""What `dv-sync provision` does: joins configuration, connections and decisions.

Belongs here: opening both environments as their administrators, and exit codes. Does not belong
here: what is missing and how it is provided (`sync/provisioning.py`), how it is shown
(`setup_output.py`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

from dv_sync_pipeline.cli.passes import DIFFERENCES_REMAIN, DONE, TABLE_FAILED
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.sync.engine import Engine
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.provisioning import (
    Gateway,
    Provided,
    Provision,
    describe_situation,
    find_missing,
    provide,
)
from dv_sync_pipeline.sync.webhooks import endpoint_name
from dv_sync_pipeline.webapi.client import DataverseClient
from dv_sync_pipeline.webapi.steps import RegistrationChange

__all__ = [
    "Missing",
    "exit_code_of_missing",
    "exit_code_of_provided",
    "find_what_is_missing",
    "provide_missing",
    "remove_webhooks",
]

_Result = TypeVar("_Result")
_Work: TypeAlias = Callable[[DataverseClient, DataverseClient], Awaitable[_Result]]
"""Given the primary and the secondary."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What a look at both environments came to.

    Attributes:
        provisions: what is missing.
        knows_gateway: whether webhooks were considered: without a gateway there are none.

    """

    provisions: tuple[Provision, ...]
    knows_gateway: bool


def find_what_is_missing(surroundings: Surroundings, *, gateway_url: str | None) -> Missing:
    """What `provide_missing` would provide; nothing is changed."""
    configuration = surroundings.configuration()
    gateway = _gateway(configuration, url=gateway_url)

    async def find(primary: DataverseClient, secondary: DataverseClient) -> Missing:
        situation = await describe_situation(
            configuration, primary=primary, secondary=secondary, gateway=gateway
        )
        return Missing(find_missing(configuration, situation), gateway is not None)

    return _with_both(surroundings, configuration, find)


def provide_missing(
    surroundings: Surroundings,
    *,
    gateway_url: str | None,
    listener: Callable[[Provision], None] = lambda _provision: None,
) -> list[Provided]:
    """Provide what is missing, and tell what became of each; the listener hears what is begun."""
    configuration = surroundings.configuration()
    gateway = _gateway(configuration, url=gateway_url)

    async def find_and_provide(
        primary: DataverseClient, secondary: DataverseClient
    ) -> list[Provided]:
        situation = await describe_situation(
            configuration, primary=primary, secondary=secondary, gateway=gateway
        )
        return await provide(
            find_missing(configuration, situation),
            administrations={each.name: each.administration for each in (primary, secondary)},
            wanted=situation.wanted,
            listener=listener,
        )

    return _with_both(surroundings, configuration, find_and_provide)


def remove_webhooks(surroundings: Surroundings) -> tuple[RegistrationChange, ...]:
    """Remove our webhooks from the primary, and tell what was removed."""
    configuration = surroundings.configuration()
    primary = configuration.environments.primary.for_administrator

    async def remove() -> tuple[RegistrationChange, ...]:
        async with surroundings.connector()("primary", primary) as client:
            await client.identify()
            return await client.administration.remove_webhooks(endpoint_name(configuration))

    return asyncio.run(remove())


def exit_code_of_missing(missing: Missing) -> int:
    """0 when nothing is missing."""
    return DIFFERENCES_REMAIN if missing.provisions else DONE


def exit_code_of_provided(provided: Sequence[Provided]) -> int:
    """0 when everything could be provided."""
    return TABLE_FAILED if any(each.error for each in provided) else DONE


def _with_both(
    surroundings: Surroundings, configuration: Configuration, work: _Work[_Result]
) -> _Result:
    async def run() -> _Result:
        async with _administrators(surroundings, configuration) as (primary, secondary):
            return await work(primary, secondary)

    return asyncio.run(run())


@asynccontextmanager
async def _administrators(
    surroundings: Surroundings, configuration: Configuration
) -> AsyncIterator[tuple[DataverseClient, DataverseClient]]:
    """Both environments, spoken to by their administrators, and certainly the right ones."""
    connect = surroundings.connector()
    environments = configuration.environments
    async with (
        connect("primary", environments.primary.for_administrator) as primary,
        connect("secondary", environments.secondary.for_administrator) as secondary,
    ):
        with Ledger.open(configuration.ledger_url) as ledger:
            engine = Engine(configuration, primary, secondary, ledger, lambda: datetime.now(tz=UTC))
            await engine.check_environments()
        yield primary, secondary


def _gateway(configuration: Configuration, *, url: str | None) -> Gateway | None:
    """The gateway that webhooks are to wake; None where there is none.

    Of its keys the first is registered; while keys are changed, put the new one first.
    """
    url = url or configuration.gateway.url
    return Gateway(url, configuration.gateway.read_keys()[0]) if url else None
