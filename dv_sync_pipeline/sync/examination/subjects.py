"""What is examined: the pipeline, its two environments, and each table.

Belongs here: opening environments for every application user by itself, and asking each question
only once. Does not belong here: any opinion on the answers (`environments.py`, `tables.py`,
`rights.py`, `pipeline.py`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from dv_sync_pipeline.config import (
    Configuration,
    Credential,
    EnvironmentConfiguration,
    TableConfiguration,
)
from dv_sync_pipeline.errors import DvSyncError
from dv_sync_pipeline.webapi.administration import Administration
from dv_sync_pipeline.webapi.client import DataverseClient, Identity
from dv_sync_pipeline.webapi.metadata import TableSchema
from dv_sync_pipeline.webapi.rights import Depth, Right

__all__ = [
    "AdmittedUser",
    "Connect",
    "ExaminedEnvironment",
    "ExaminedTable",
    "ExaminedUser",
    "Pipeline",
    "RefusedUser",
    "examined_environment",
]


class Connect(Protocol):
    """Opens the conversation with one environment."""

    def __call__(
        self, name: str, configuration: EnvironmentConfiguration, /
    ) -> AbstractAsyncContextManager[DataverseClient]:
        """`name` is "primary" or "secondary"."""


@dataclass(frozen=True, slots=True)
class AdmittedUser:
    """An application user that the environment admits.

    Attributes:
        name: for people.
        client: speaks as this user alone.
        identity: who it is there.

    """

    name: str
    client: DataverseClient
    identity: Identity


@dataclass(frozen=True, slots=True)
class RefusedUser:
    """An application user that cannot speak to the environment.

    Attributes:
        name: for people.
        error: why.

    """

    name: str
    error: DvSyncError


ExaminedUser = AdmittedUser | RefusedUser


class _Answers:
    """Each question is asked once, however many checks want the answer, at the same time too."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def once(self, question: Hashable, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The answer, or the error that asking raised."""
        if question not in self._tasks:
            self._tasks[question] = asyncio.ensure_future(ask())
        return await self._tasks[question]


class ExaminedEnvironment:
    """One environment and everybody who may speak to it.

    Args:
        name: primary or secondary.
        configuration: its part of `sync.yaml`.
        users: those of `credentials`.
        administrator: the one of `administrator`, if there is one.
        clock: ours, in UTC.

    """

    def __init__(
        self,
        name: str,
        configuration: EnvironmentConfiguration,
        *,
        users: tuple[ExaminedUser, ...],
        administrator: ExaminedUser | None,
        clock: Callable[[], datetime],
    ) -> None:
        self.name = name
        self.configuration = configuration
        self.users = users
        self.administrator = administrator
        self.clock = clock
        self._answers = _Answers()

    @property
    def admitted(self) -> tuple[AdmittedUser, ...]:
        """The users that may be asked with; raises the first one's error if there are none."""
        admitted = tuple(user for user in self.users if isinstance(user, AdmittedUser))
        if not admitted:
            raise next(user.error for user in self.users if isinstance(user, RefusedUser))
        return admitted

    @property
    def administration(self) -> Administration:
        """Spoken to by the administrator if there is one, who may see more."""
        user = self.administrator
        chosen = user if isinstance(user, AdmittedUser) else self.admitted[0]
        return chosen.client.administration

    async def schema(self, table: str) -> TableSchema:
        """What a table looks like; raises as `describe` does."""
        client = self.admitted[0].client
        schema: TableSchema = await self._answers.once(
            ("schema", table), lambda: client.describe(table)
        )
        return schema

    async def rights(self, user: AdmittedUser, table: str) -> dict[Right, Depth]:
        """How deep each right of a user on a table reaches."""
        administration = user.client.administration
        user_id = user.identity.user_id
        privileges: Mapping[str, Depth] = await self._answers.once(
            ("privileges", user.name), lambda: administration.privileges_of(user_id)
        )
        rights: dict[Right, Depth] = await self._answers.once(
            ("rights", user.name, table), lambda: administration.rights_on(table, privileges)
        )
        return rights


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All of it.

    Attributes:
        configuration: all of `sync.yaml`.
        primary, secondary: the two environments.
        clock: ours, in UTC.
        probe: asks an address, and answers with the HTTP status; raises `UnreachableError`.

    """

    configuration: Configuration
    primary: ExaminedEnvironment
    secondary: ExaminedEnvironment
    clock: Callable[[], datetime]
    probe: Callable[[str], Awaitable[int]]

    @property
    def environments(self) -> tuple[ExaminedEnvironment, ExaminedEnvironment]:
        """Both of them."""
        return self.primary, self.secondary


@dataclass(frozen=True, slots=True)
class ExaminedTable:
    """One table on both sides.

    Attributes:
        settings: what `sync.yaml` says of it.
        pipeline: what it is part of.

    """

    settings: TableConfiguration
    pipeline: Pipeline

    async def primary_schema(self) -> TableSchema:
        """What it looks like in the primary."""
        return await self.pipeline.primary.schema(self.settings.table)

    async def secondary_schema(self) -> TableSchema:
        """What it looks like in the secondary."""
        return await self.pipeline.secondary.schema(self.settings.target)

    @property
    def targets(self) -> dict[str, str]:
        """Every synchronized table → its name in the secondary."""
        return {table.table: table.target for table in self.pipeline.configuration.tables}


@asynccontextmanager
async def examined_environment(
    name: str,
    configuration: EnvironmentConfiguration,
    *,
    connect: Connect,
    clock: Callable[[], datetime],
) -> AsyncIterator[ExaminedEnvironment]:
    """The environment, with a connection for each application user; raises nothing by itself."""
    async with AsyncExitStack() as stack:

        async def admit(credential: Credential, role: str = "") -> ExaminedUser:
            alone = configuration.model_copy(update={"credentials": (credential,)})
            user = f"{role}{_name_of(credential)}"
            try:
                client = await stack.enter_async_context(connect(name, alone))
                return AdmittedUser(user, client, await client.identify())
            except DvSyncError as error:
                return RefusedUser(user, error)

        administrator = configuration.administrator
        yield ExaminedEnvironment(
            name,
            configuration,
            users=tuple([await admit(credential) for credential in configuration.credentials]),
            administrator=await admit(administrator, _ADMINISTRATOR) if administrator else None,
            clock=clock,
        )


_ADMINISTRATOR = "the administrator, "


def _name_of(credential: Credential) -> str:
    client_id = getattr(credential, "client_id", None)
    return f"application {client_id}" if client_id else "the managed identity"
