"""Two emulated environments in this process, without sockets, and the real engine between them.

The engine speaks HTTP to them through httpx's ASGI transport, so every request is parsed and every
answer is read as if it had travelled. Rows are put in and looked at over the same HTTP, by hand.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import trustme

from dv_sync_pipeline.config import Configuration, EnvironmentConfiguration, parse
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.rows.switches import Switches
from dv_sync_pipeline.emulator.service.application import create_application
from dv_sync_pipeline.emulator.tables.system import create_application_user, found_environment
from dv_sync_pipeline.sync.engine import Engine, open_engine
from dv_sync_pipeline.sync.report import TableReport, TableVerdict
from dv_sync_pipeline.webapi.client import DataverseClient, connect
from dv_sync_pipeline_tests.worlds.memory_hotels import ENVIRONMENTS_YAML
from dv_sync_pipeline_tests.worlds.served import TokenIsUser

VARIABLES = {"SECRET": "no-secret"}
AUTHORITY = "https://login.microsoftonline.com"


@dataclass
class Side:
    """One environment.

    Attributes:
        name: primary or secondary.
        store: its rows, to fill in tables before anything is asked over HTTP.
        user: id of the application user; administrators may do everything.
        users: client id → id of its application user; if given, Entra knows no others.
        seconds_ahead: by how much its clock is wrong.
        headers: what else every answer bears.
        asked: every request, as method and path with query.
        switches: behaviours of Dataverse that could not be verified.

    """

    name: str
    store: Store
    user: str
    asked: list[str] = field(default_factory=list)
    users: dict[str, str] = field(default_factory=dict)
    seconds_ahead: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    switches: Switches = field(init=False)

    def __post_init__(self) -> None:
        environment = EmulatedEnvironment(
            self.name, f"https://{self.name}.example", self.store, TokenIsUser()
        )
        self._application = create_application(environment)
        self.switches = environment.switches

    def transport(self) -> httpx.AsyncBaseTransport:
        """Carries requests to the environment, and keeps note of them."""
        return _Noting(httpx.ASGITransport(self._application), self)

    def entra(self) -> httpx.BaseTransport:
        """An authority that knows these users."""
        return httpx.MockTransport(lambda request: _token(request, self))

    async def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request by hand; it must succeed."""
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self._application),
            base_url=f"https://{self.name}.example/api/data/v9.2",
            headers={"Authorization": f"Bearer {self.user}"},
        ) as client:
            answer = await client.request(method, path, **arguments)
        assert answer.is_success, answer.text
        return answer

    async def put(self, entity_set: str, row_id: str, values: Mapping[str, Any]) -> None:
        """A person creates or changes a row."""
        await self.send("PATCH", f"/{entity_set}({row_id})", json=values)

    async def rows(self, entity_set: str, **headers: str) -> list[dict[str, Any]]:
        """Every column of every row."""
        return (await self.send("GET", f"/{entity_set}", headers=headers)).json()["value"]


class _Noting(httpx.AsyncBaseTransport):
    """Notes each request, and tells the time in each answer as servers do."""

    def __init__(self, inner: httpx.AsyncBaseTransport, side: Side) -> None:
        self._inner = inner
        self._side = side

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._side.asked.append(f"{request.method} {request.url.raw_path.decode()}")
        answer = await self._inner.handle_async_request(request)
        moment = datetime.now(UTC) + timedelta(seconds=self._side.seconds_ahead)
        answer.headers.update(self._side.headers)
        answer.headers["date"] = format_datetime(moment, usegmt=True)
        return answer


def _token(request: httpx.Request, side: Side) -> httpx.Response:
    tenant = request.url.path.split("/")[1]
    if request.url.path.endswith("openid-configuration"):
        base = f"{AUTHORITY}/{tenant}"
        return httpx.Response(
            200,
            json={
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            },
        )
    client_id = httpx.QueryParams(request.content.decode())["client_id"]
    if side.users and client_id not in side.users:
        answer = {"error": "invalid_client", "error_description": "AADSTS700016: Unknown."}
        return httpx.Response(401, json=answer)
    user = side.users.get(client_id, side.user)
    return httpx.Response(
        200, json={"access_token": user, "expires_in": 3600, "token_type": "Bearer"}
    )


@dataclass
class EmulatedPair:
    """The world.

    Attributes:
        folder: holds the ledger.
        tables_yaml: the `tables` part of sync.yaml.
        primary, secondary: the two environments.

    """

    folder: Path
    tables_yaml: str
    primary: Side
    secondary: Side

    @classmethod
    def open(
        cls,
        folder: Path,
        stack: ExitStack,
        *,
        tables_yaml: str,
        define: Callable[[Store, str], None],
    ) -> "EmulatedPair":
        """Both environments, founded; `define(store, name)` makes their tables."""
        trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
        sides = [_found(folder, name, stack, define) for name in ("primary", "secondary")]
        return cls(folder, tables_yaml, *sides)

    @property
    def configuration(self) -> Configuration:
        """As sync.yaml says."""
        return parse(self.sync_yaml, VARIABLES, file=self.folder / "sync.yaml")

    @property
    def sync_yaml(self) -> str:
        """The text of the configuration, which needs `VARIABLES`."""
        environments = ENVIRONMENTS_YAML.replace(
            "    credentials:", "    ca_file: ca.pem\n    credentials:"
        )
        return environments + self.tables_yaml

    def connect(
        self, name: str, configuration: EnvironmentConfiguration
    ) -> AbstractAsyncContextManager[DataverseClient]:
        """Our client of the environment of that name."""
        side = {"primary": self.primary, "secondary": self.secondary}[name]
        return connect(
            name,
            configuration,
            transport=side.transport(),
            authority_transport=side.entra(),
        )

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        """The engine, connected to both."""

        def clock() -> datetime:
            return datetime.now(UTC)

        async with open_engine(self.configuration, clock=clock, connect=self.connect) as engine:
            yield engine

    async def sync(self) -> dict[str, TableReport]:
        """Reconcile every table in order, then set deferred lookups; reports by title."""
        async with self.engine() as engine:
            reports = [await engine.reconcile(name) for name in engine.tables_in_order]
            for name in engine.tables_with_deferred_lookups:
                reports.append(await engine.set_deferred_lookups(name))  # noqa: PERF401 - in turn
            return {report.title: report for report in reports}

    async def remove(self) -> dict[str, TableReport]:
        """Remove what the last `sync` found to be gone, children before parents."""
        async with self.engine() as engine:
            return {name: await engine.remove(name) for name in reversed(engine.tables_in_order)}

    async def verify(self) -> dict[str, TableVerdict]:
        """Verify every table in order."""
        async with self.engine() as engine:
            return {name: await engine.verify(name) for name in engine.tables_in_order}


def _found(folder: Path, name: str, stack: ExitStack, define: Callable[[Store, str], None]) -> Side:
    store = Store(folder / f"{name}.db", clock=lambda: datetime.now(UTC))
    stack.callback(store.close)
    found_environment(store, organization_name=name)
    define(store, name)
    application = "11111111-0000-4000-8000-000000000000"
    user = create_application_user(store, application_id=application, full_name="sync")
    return Side(name, store, user)
