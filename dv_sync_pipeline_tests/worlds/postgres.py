"""A PostgreSQL server of our own, from Debian's packages, that lives as long as a test run.

Belongs here: finding its programs, starting and ending it. It refuses to run as root, so then it
runs as the user that its package made. Nothing survives a crash of the machine: no fsync.
"""

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
import sqlalchemy as sa

from dv_sync_pipeline_tests.worlds.supervised import find_free_port

PASSWORD = "only-for-tests-of-this-machine"
USER = "dv_sync"
DATABASE = "postgres"
HOST = "127.0.0.1"
START_SECONDS_MAX = 60
_UNPRIVILEGED = "postgres"


@dataclass(frozen=True)
class Postgres:
    """A server that answers on loopback, with one database and any number of schemas in it.

    Attributes:
        port: where it listens.

    """

    port: int

    def address(self, name: object) -> str:
        """SQLAlchemy address of a schema of its own for each name, made when first asked for."""
        schema = f"s{sha256(str(name).encode()).hexdigest()[:20]}"
        self.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        return self.url.set(query={"options": f"-csearch_path={schema}"}).render_as_string(
            hide_password=False
        )

    @property
    def url(self) -> sa.URL:
        """Address of the database, with the driver that the ledger is documented with."""
        return sa.URL.create(
            "postgresql+psycopg", USER, PASSWORD, host=HOST, port=self.port, database=DATABASE
        )

    def run(self, statement: str) -> None:
        """One statement, committed."""
        with self.connect() as connection:
            connection.execute(statement)

    def connect(self) -> psycopg.Connection:
        """A connection that commits each statement."""
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=DATABASE,
            autocommit=True,
        )


def find_programs() -> Path | None:
    """The folder with `initdb` and `postgres`, the newest one; None where there is none."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if not folders and on_path:
        return Path(on_path).resolve().parent
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


@contextmanager
def running_postgres(programs: Path) -> Iterator[Postgres]:
    """A new server with nothing in it; it and its files are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="dv-sync-postgres-"))
    try:
        user = _give_to_unprivileged(folder)
        _make_cluster(programs, folder, user)
        with _server(programs, folder, user) as server:
            yield server
    finally:
        shutil.rmtree(folder)


def _give_to_unprivileged(folder: Path) -> str:
    """Who the server runs as."""
    if os.geteuid() != 0:
        return getpass.getuser()
    shutil.chown(folder, user=_UNPRIVILEGED)
    return _UNPRIVILEGED


def _make_cluster(programs: Path, folder: Path, user: str) -> None:
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    users = ["--username", USER, "--pwfile", str(password_file), "--auth", "scram-sha-256"]
    texts = ["--encoding", "UTF8", "--locale", "C.UTF-8"]
    subprocess.run(
        [programs / "initdb", "--no-sync", *users, *texts, "-D", str(folder / "data")],
        user=user,
        check=True,
        capture_output=True,
    )


@contextmanager
def _server(programs: Path, folder: Path, user: str) -> Iterator[Postgres]:
    server = Postgres(find_free_port())
    settings = {
        "listen_addresses": HOST,
        "port": server.port,
        "unix_socket_directories": folder,
        "max_connections": 50,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }
    options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [programs / "postgres", "-D", str(folder / "data"), *options],
            user=user,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            _wait_for(server, process, log)
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing is worth saving


def _wait_for(server: Postgres, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.05)
        else:
            return
