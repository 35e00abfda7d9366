"""Writes a `sync.yaml` that synchronizes two emulated environments, with the secrets beside it.

Belongs here: the text of the `environments` part. Does not belong here: the tables, which come with
the sample, and reading such a file (`config`).
"""

from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

from dv_sync_pipeline.emulator.process.private_files import write_private

__all__ = ["Connection", "write_environments_file", "write_sync_file"]


@dataclass(frozen=True, slots=True)
class Connection:
    """How the pipeline reaches one environment.

    Attributes:
        name: "primary" or "secondary".
        url: such as https://localhost:8801.
        tenant_id: of its application user.
        client_id: of its application user.
        client_secret: of its application user.
        administrator_id: client id of an application user that may change the environment itself.
        administrator_secret: of that user.

    """

    name: str
    url: str
    tenant_id: str
    client_id: str
    client_secret: str
    administrator_id: str
    administrator_secret: str


def write_sync_file(folder: Path, connections: list[Connection], *, tables: str) -> Path:
    """Write `sync.yaml`, and in `secrets` what it refers to.

    `tables` is the part of the file about tables.

    Raises `OSError` when the folder cannot be written.
    """
    return _write(folder / "sync.yaml", _HEAD, connections, tables=tables)


def write_environments_file(folder: Path, connections: list[Connection]) -> Path:
    """Write `environments.yaml`, a `sync.yaml` without tables, for `dv-sync init`; likewise."""
    return _write(folder / "environments.yaml", _HEAD_WITHOUT_TABLES, connections, tables="")


def _write(file: Path, head: str, connections: list[Connection], *, tables: str) -> Path:
    secrets = file.parent / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    for connection in connections:
        write_private(secrets / connection.name, connection.client_secret.encode())
        administrator = secrets / f"{connection.name}-administrator"
        write_private(administrator, connection.administrator_secret.encode())
    _make_gateway_key(secrets / "gateway")
    environments = "".join(_describe(connection) for connection in connections)
    parts = (f"{head}{_RULES}{environments}", _SCHEDULE, _LIVE, _GATEWAY, tables)
    file.write_text("\n".join(part for part in parts if part), encoding="utf-8")
    return file


_HEAD = """\
# Written by `dv-sync emulator`. Use it in another terminal:
#
#     DV_SYNC_CONFIG=<this file> dv-sync sync
#
"""

_HEAD_WITHOUT_TABLES = """\
# Written by `dv-sync emulator`. Once both environments have tables, in another terminal:
#
#     dv-sync init --environments <this file> --output <this folder>/sync.yaml
#
"""

_RULES = """\
# Relative paths count from the folder of this file. Values may be taken from variables: ${NAME}, or
# ${NAME:-default}. Secrets stand in files or variables, never here.
environments:
"""

_SCHEDULE = """\
# Every night everything is compared and repaired.
schedule:
  reconcile: "0 2 * * *"
  timezone: Europe/Berlin
"""

_LIVE = """\
# A long run of Dagster's applies changes within a second or two; without it, sensors start runs.
live: true
"""

_GATEWAY = """\
# `dv-sync gateway` takes the webhooks of the primary; this is what they must show.
gateway:
  key_files: [secrets/gateway]
"""
_GATEWAY_KEY_BYTES = 32


def _make_gateway_key(file: Path) -> None:
    """Once: the primary keeps webhooks that show it."""
    if not file.exists():
        write_private(file, token_urlsafe(_GATEWAY_KEY_BYTES).encode())


def _describe(connection: Connection) -> str:
    return f"""\
  {connection.name}:
    url: {connection.url}
    # A real environment needs neither of these two: its tokens come from Microsoft.
    authority: {connection.url}
    ca_file: ca.pem
    credentials:
      - kind: client_secret
        tenant_id: {connection.tenant_id}
        client_id: {connection.client_id}
        client_secret_file: secrets/{connection.name}
    # Only `dv-sync provision` speaks as this user: the one above needs no such rights.
    administrator:
      kind: client_secret
      tenant_id: {connection.tenant_id}
      client_id: {connection.administrator_id}
      client_secret_file: secrets/{connection.name}-administrator
"""
