"""Puts an emulator together from what a person asked for: state, users, sample, ports.

Belongs here: the order of these steps and their failures in words. Does not belong here: the
command line (`cli/emulator.py`).
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from socket import socket

from starlette.routing import Mount, Router

from dv_sync_pipeline.emulator.process.certificates import (
    ServerCertificates,
    prepare_certificates,
    prepare_client_certificate,
)
from dv_sync_pipeline.emulator.process.identity import AnyToken, IssuedTokens, token_routes
from dv_sync_pipeline.emulator.process.private_files import write_private
from dv_sync_pipeline.emulator.process.proofs import ApplicationUser
from dv_sync_pipeline.emulator.process.server import ServedEnvironment, open_port, serve
from dv_sync_pipeline.emulator.process.sync_file import (
    Connection,
    write_environments_file,
    write_sync_file,
)
from dv_sync_pipeline.emulator.process.users import (
    ADMINISTRATOR,
    PIPELINE,
    TENANT_ID,
    USERS,
    add_users,
)
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment, Identity
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.samples import Sample
from dv_sync_pipeline.emulator.service.application import create_application
from dv_sync_pipeline.emulator.tables.system import (
    READER,
    assign_role,
    find_user,
    found_environment,
    intersect_table,
)
from dv_sync_pipeline.emulator.trouble.behaviour import Behaviour, surround
from dv_sync_pipeline.emulator.trouble.clock import AdjustableClock
from dv_sync_pipeline.errors import UsageError

__all__ = ["EmulatorOptions", "run_emulator"]

_SYNCHRONIZED = {"primary", "secondary"}


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """What a person asked for.

    Attributes:
        ports: environment name → port; 0 takes any free one.
        state: folder in which everything is kept; made if need be.
        sample: what a new environment is filled with; None leaves it empty.
        rows: size of the sample.
        seed: of the sample.
        plain_http: no TLS.
        any_token: every request is the administrator's.
        behaviour: under load, and on demand.

    """

    ports: Mapping[str, int]
    state: Path
    sample: Sample | None
    rows: int
    seed: int
    plain_http: bool
    any_token: bool
    behaviour: Behaviour = field(default_factory=Behaviour)


def run_emulator(
    options: EmulatorOptions, *, announce: Callable[[str, str], None], remark: Callable[[str], None]
) -> None:
    """Serve until SIGINT or SIGTERM.

    `announce` is told name and URL of each environment that is ready, `remark` what a person may
    not expect.
    Raises `UsageError` when a port or the state folder cannot be used.
    """
    with ExitStack() as stack:
        listeners = {
            name: stack.enter_context(open_port(port)) for name, port in options.ports.items()
        }
        with _state_in_words(options.state):
            keys = _prepare_state(options)
            environments = [
                stack.enter_context(_opened(name, listener, options, keys, remark=remark))
                for name, listener in listeners.items()
            ]
            _write_sync_file(environments, options)
        serve(
            environments,
            certificate=keys.server.server_file if keys.server else None,
            announce=lambda environment: announce(environment.name, environment.url),
        )


@dataclass(frozen=True, slots=True)
class _Keys:
    """What the state folder keeps besides data.

    Attributes:
        server: certificates for TLS; None when it is off.
        client_certificate: PEM certificate with which the pipeline may prove itself.
        token_key: signs tokens.

    """

    server: ServerCertificates | None
    client_certificate: bytes
    token_key: bytes

    @property
    def authority(self) -> Path | None:
        """PEM certificate of the emulator's own authority; None when TLS is off."""
        return self.server.ca_file if self.server else None


@contextmanager
def _state_in_words(folder: Path) -> Iterator[None]:
    """The state folder's failures as messages for a person."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise UsageError(
            f"the state folder {folder} cannot be used",
            why=getattr(error, "strerror", None) or str(error),
            mend="Choose another folder with --state, or mend its permissions",
        ) from error


def _prepare_state(options: EmulatorOptions) -> _Keys:
    folder = options.state
    folder.mkdir(parents=True, exist_ok=True)
    secrets_folder = folder / "secrets"
    secrets_folder.mkdir(mode=0o700, exist_ok=True)
    return _Keys(
        server=None if options.plain_http else prepare_certificates(folder),
        client_certificate=prepare_client_certificate(
            secrets_folder / "pipeline-certificate.pem", common_name=PIPELINE.client_id
        ),
        token_key=_read_token_key(secrets_folder / "token-key"),
    )


def _read_token_key(file: Path) -> bytes:
    if not file.exists():
        write_private(file, secrets.token_bytes(32))
    return file.read_bytes()


@contextmanager
def _opened(
    name: str,
    listener: socket,
    options: EmulatorOptions,
    keys: _Keys,
    *,
    remark: Callable[[str], None],
) -> Iterator[ServedEnvironment]:
    """One environment with its store, filled if it is new, closed at the end."""
    scheme = "http" if options.plain_http else "https"
    url = f"{scheme}://localhost:{listener.getsockname()[1]}"
    clock = AdjustableClock(lambda: datetime.now(UTC))
    store = Store(options.state / f"{name}.db", clock=clock)
    try:
        if store.is_new:
            _fill(store, name, options)
        elif options.sample is not None:
            remark(f"{name} was found in {options.state}; the sample is not loaded again")
        tokens = _open_tokens(store, url, keys, clock)
        environment = EmulatedEnvironment(
            name=name,
            base_url=url,
            store=store,
            identity=_choose_identity(store, tokens, options),
            clock=clock,
        )
        routes = [*token_routes(tokens), Mount("/", app=create_application(environment))]
        application = surround(
            Router(routes),
            replace(options.behaviour, trusted=keys.authority),
            environment=environment,
            clock=clock,
            snapshots=options.state / "snapshots" / name,
        )
        yield ServedEnvironment(name, url, listener, application)
    finally:
        store.close()


def _fill(store: Store, name: str, options: EmulatorOptions) -> None:
    """All or nothing, so that a start that was interrupted is repeated from the beginning."""
    with store.transaction():
        found_environment(store, organization_name=name)
        add_users(store, environment=name)
        if options.sample is None:
            return
        side = options.sample.side(name)
        for definition in side.tables:
            store.create_table(definition)
        for relationship in side.relationships:
            store.create_many_to_many(relationship)
            store.create_table(intersect_table(relationship))
        for table, rows in side.rows(options.seed, options.rows):
            store.load_rows(table, rows)
        for user_id in side.readers:
            assign_role(store, user_id, role=READER)


def _open_tokens(
    store: Store, url: str, keys: _Keys, clock: Callable[[], datetime]
) -> IssuedTokens:
    users = [
        ApplicationUser(
            client_id=application.client_id,
            user_id=find_user(store, application.client_id) or "",
            client_secret=application.client_secret,
            certificate=keys.client_certificate if application is PIPELINE else None,
        )
        for application in USERS
    ]
    return IssuedTokens(
        base_url=url,
        tenant_id=TENANT_ID,
        users=users,
        signing_key=keys.token_key,
        now=clock,
    )


def _choose_identity(store: Store, tokens: IssuedTokens, options: EmulatorOptions) -> Identity:
    if options.any_token:
        return AnyToken(find_user(store, ADMINISTRATOR.client_id) or "")
    return tokens


def _write_sync_file(environments: Sequence[ServedEnvironment], options: EmulatorOptions) -> None:
    """How the pipeline reaches the two environments, and their tables if we know them.

    The pipeline speaks https only.
    """
    names = {environment.name for environment in environments}
    if names != _SYNCHRONIZED or options.plain_http:
        return
    connections = [
        Connection(
            environment.name,
            environment.url,
            TENANT_ID,
            PIPELINE.client_id,
            PIPELINE.client_secret,
            administrator_id=ADMINISTRATOR.client_id,
            administrator_secret=ADMINISTRATOR.client_secret,
        )
        for environment in sorted(environments, key=lambda environment: environment.name)
    ]
    if options.sample is None:
        write_environments_file(options.state, connections)
    else:
        write_sync_file(options.state, connections, tables=options.sample.sync_tables)
