"""Nothing that is ever written holds a secret (RELIABILITY 3, O9).

A world in which every secret is a recognisable string does all that the product does, and some of
it wrongly. Then everything that it left behind is searched: what commands printed, logs, the
ledger, all of Dagster's databases, temporary files, command lines.
"""

import os
import sqlite3
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest
import trustme
import yaml

from dv_sync_pipeline.cli.dagster_home import make_dagster_home
from dv_sync_pipeline.cli.services import running_dagster, running_gateway
from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline.emulator.process.users import ADMINISTRATOR, PIPELINE, TENANT_ID
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.world.conftest import DV_SYNC
from dv_sync_pipeline_tests.worlds.canaries import find_traces, texts_below
from dv_sync_pipeline_tests.worlds.dagster_services import Ui
from dv_sync_pipeline_tests.worlds.supervised import find_free_port

pytestmark = pytest.mark.timeout(900)

ADLON = "7eb682f1-ca75-4511-80d4-00155d2a68d1"
OTHER_KINDS = ("certificate", "workload_identity", "managed_identity")
ATTEMPTED_SECONDS_MAX = 240
BEGINNING_OF_A_TOKEN = "eyJhbGciOiJIUzI1NiI"
"""Of every token that the emulator issues."""


def canary(name):
    """Long enough for a key, and unlike anything else on this machine."""
    return f"CANARY-{name}-{uuid4().hex}"


@dataclass
class World:
    """Everything that the product wrote, gathered while it worked.

    Attributes:
        folder: holds sync.yaml, state, Dagster's home, temporary files.
        variables: process environment; the only place where secrets are.
        canaries: what the secret is → the secret.
        said: what was done → everything that it said.
        answers: delivery → the gateway's status.
        failed_runs: how many runs failed.
        live_runs: how many live runs applied changes while the others were at work.
        exit_codes: what was done → exit code, where it tells that it was really done.

    """

    folder: Path
    variables: dict = field(default_factory=dict)
    canaries: dict = field(default_factory=dict)
    said: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    failed_runs: int = 0
    live_runs: int = 0
    exit_codes: dict = field(default_factory=dict)

    @property
    def sync_yaml(self):
        """The configuration; it names variables."""
        return self.folder / "sync.yaml"

    @property
    def secret_files(self):
        """Outside of what is searched."""
        return self.folder.with_name("secrets")

    @property
    def temporary(self):
        """Where processes put temporary files."""
        return self.folder / "temporary"

    def secret(self, variable, value, *, what):
        """Let a variable hold a secret; returns how sync.yaml names it."""
        self.variables[variable] = value
        self.canaries[what] = value
        return f"${{{variable}}}"

    def dv_sync(self, *arguments, **variables):
        """Run a command, keep what it says, and return its exit code."""
        done = subprocess.run(
            [*DV_SYNC, *arguments],
            env={**self.variables, **variables},
            capture_output=True,
            check=False,
            timeout=300,
            cwd=self.folder,
        )
        self.said[f"{' '.join(arguments)} {' '.join(variables)}"] = done.stdout + done.stderr
        return done.returncode

    def written(self):
        """Place → content of all that is left."""
        files = texts_below(self.folder, without=[self.folder / "dataverse"])
        return {**files, **{f"output of {name}": text for name, text in self.said.items()}}


def configure(world, emulator):
    """A sync.yaml whose secrets are all variables; one of its tables cannot be synchronized."""
    document = yaml.safe_load(emulator.sync_yaml.read_text())
    for name, environment in document["environments"].items():
        environment["ca_file"] = str(emulator.ca_file)
        for credential, application in (
            (environment["credentials"][0], PIPELINE),
            (environment["administrator"], ADMINISTRATOR),
        ):
            del credential["client_secret_file"]
            variable = f"{name}_{application.full_name.split()[0]}".upper().replace("-", "_")
            credential["client_secret"] = world.secret(
                variable, application.client_secret, what=application.full_name
            )
    document["gateway"] = {
        "keys": [world.secret("GATEWAY_KEY", canary("gateway-key"), what="gateway key")]
    }
    secrets = [canary("channel-user"), canary("channel-password"), canary("channel-path")]
    world.canaries |= {f"part {n} of the channel": each for n, each in enumerate(secrets)}
    user, password, path = secrets
    world.variables["CHANNEL"] = f"json://{user}:{password}@127.0.0.1:{find_free_port()}/{path}"
    document["alerts"] = {"channels": ["${CHANNEL}"]}
    document["state"] = "state"
    for table in document["tables"]:
        if table["table"] == "contoso_rateplan":
            table["columns"] = [*table["columns"], "contoso_nonsense"]
    world.sync_yaml.write_text(yaml.safe_dump(document, sort_keys=False))


def use_commands(world):
    """Every command that reads a secret, and mistakes that might repeat one."""
    wrong = canary("wrong-secret")
    world.canaries["wrong secret"] = wrong
    gateway = ("--gateway-url", f"http://127.0.0.1:{find_free_port()}/wake-ups")
    world.exit_codes["provision --apply"] = world.dv_sync("provision", "--apply", *gateway)
    world.dv_sync("doctor")
    world.dv_sync("sync")
    world.exit_codes["sync --mode changes"] = world.dv_sync(
        "sync", "contoso_brand", "--mode", "changes"
    )
    world.dv_sync("plan", "--json")
    world.dv_sync("verify", "contoso_hotel", "--json")
    world.dv_sync("provision", "--json")
    world.dv_sync("alerts", "test")
    world.dv_sync("init", "--environments", str(world.sync_yaml), "--output", "proposed.yaml")
    world.dv_sync("sync", "contoso_brand", PRIMARY_DV_SYNC=wrong)
    world.dv_sync("doctor", "--json", SECONDARY_DV_SYNC=wrong)
    password = canary("ledger-password")
    world.canaries["password of the ledger"] = password
    address = f"postgresql+psycopg://dv_sync:{password}@127.0.0.1:{find_free_port()}/dv_sync"
    ledgered = world.folder / "ledgered.yaml"
    ledgered.write_text(world.sync_yaml.read_text() + "ledger: ${LEDGER}\n")
    world.dv_sync("status", DV_SYNC_CONFIG=str(ledgered), LEDGER=address)


def use_other_credentials(world):
    """Each other kind, refused: what is refused is what might be repeated."""
    header = canary("identity-header")
    world.canaries["header of the managed identity"] = header
    endpoint = {
        "IDENTITY_ENDPOINT": f"http://127.0.0.1:{find_free_port()}/msi/token",
        "IDENTITY_HEADER": header,
    }
    document = yaml.safe_load(world.sync_yaml.read_text())
    application = {"tenant_id": TENANT_ID, "client_id": PIPELINE.client_id}
    for kind, proof in (
        ("certificate", {**application, "certificate_file": certificate_file(world)}),
        ("workload_identity", {**application, "token_file": token_file(world)}),
        ("managed_identity", {}),
    ):
        for environment in document["environments"].values():
            environment["credentials"] = [{"kind": kind, **proof}]
        file = world.folder / f"{kind}.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        variables = {"DV_SYNC_CONFIG": str(file), **endpoint}
        for command in (["doctor", "--json"], ["sync", "contoso_brand"]):
            name = f"{command[0]} with {kind}"
            world.exit_codes[name] = world.dv_sync(*command, **variables)


def certificate_file(world):
    """A certificate and its private key, of which every line is a secret."""
    authority = trustme.CA()
    pem = authority.issue_cert(
        "pipeline.example", key_type=trustme.KeyType.RSA
    ).private_key_and_cert_chain_pem.bytes()
    key, _, _ = pem.decode().partition("-----END")
    for number, line in enumerate(key.splitlines()[1:]):
        world.canaries[f"line {number} of the private key"] = line
    return secret_file(world, "pipeline.pem", pem)


def token_file(world):
    """A token of another identity provider, which nobody trusts."""
    token = jwt.encode({"sub": "pipeline"}, canary("key-of-the-provider"), algorithm="HS256")
    world.canaries["federated token"] = token
    return secret_file(world, "token", token.encode())


def secret_file(world, name, content):
    """A file that somebody else has put there; it is not searched."""
    file = world.secret_files / name
    file.parent.mkdir(exist_ok=True, mode=0o700)
    file.write_bytes(content)
    return str(file)


def use_gateway(world, url):
    """The right key, a wrong one, none, and the right one in the query."""
    key, wrong = world.variables["GATEWAY_KEY"], canary("wrong-key")
    world.canaries["wrong gateway key"] = wrong
    row = {"table": "contoso_hotel", "id": ADLON}
    for name, headers, query in (
        ("right", {"x-dv-sync-key": key}, {}),
        ("wrong", {"x-dv-sync-key": wrong}, {}),
        ("none", {}, {}),
        ("in the query", {}, {"code": key}),
    ):
        answer = httpx.post(url, json=row, headers=headers, params=query, timeout=60)
        world.answers[name] = answer.status_code
        world.said[f"the gateway to a key that is {name}"] = answer.content


def use_dagster(world, ui, ledger):
    """A run that fails, its alert, a channel that does not take that, and a live run that leads.

    The gateway has been woken: in the end the wake-ups are settled.
    """
    world.failed_runs += ui.wait_for(ui.launch("reconcile_all")) == "FAILURE"
    deadline = time.monotonic() + ATTEMPTED_SECONDS_MAX
    while (
        not any(alert.attempts for alert in ledger.waiting_alerts())
        or ledger.wake_ups(1)
        or ledger.leader() is None
    ):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    world.live_runs += "dv_sync/live" in ui.tags(ledger.leader().run_id)


def use_services(world):
    """Dagster and the gateway, until all is done."""
    home = make_dagster_home(world.folder / "state")
    ledger = Ledger.open(f"sqlite:///{world.folder / 'state' / 'ledger.db'}")
    port, gateway_port = find_free_port(), find_free_port()
    with (
        running_gateway(home, port=gateway_port, variables=world.variables),
        running_dagster(home, port=port, variables=world.variables),
    ):
        use_gateway(world, f"http://127.0.0.1:{gateway_port}/wake-ups")
        use_dagster(world, Ui(port), ledger)
        world.said |= command_lines()
    ledger.close()


def command_lines():
    """Of every process of this machine that can be seen."""
    lines = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines[f"command line {file.parent.name}"] = file.read_bytes()
        except OSError:
            continue  # it has ended
    return lines


@pytest.fixture
def world(tmp_path):
    """All of it done, nothing running any more."""
    world = World(tmp_path / "canaries")
    world.temporary.mkdir(mode=0o700, parents=True)
    arguments = ["primary=0", "secondary=0", "--sample", "hotels", "--rows", "20"]
    with running_emulator(arguments, state=world.folder / "dataverse") as emulator:
        kept = {name: os.environ[name] for name in os.environ if name != "DAGSTER_HOME"}
        world.variables |= kept | {"TMPDIR": str(world.temporary)}
        world.variables["DV_SYNC_CONFIG"] = str(world.sync_yaml)
        world.canaries["any token"] = BEGINNING_OF_A_TOKEN
        configure(world, emulator)
        use_commands(world)
        use_other_credentials(world)
        use_services(world)
    return world


def open_to_others(world):
    """Path → mode of what others may read; what the test itself has made does not count."""
    ours = {*world.folder.glob("*.yaml"), world.folder / "dataverse"} - {
        world.folder / "proposed.yaml"
    }
    return {
        str(path.relative_to(world.folder)): oct(path.stat().st_mode & 0o777)
        for path in world.folder.rglob("*")
        if not ours & {path, *path.parents} and path.exists() and path.stat().st_mode & 0o077
    }


def test_nothing_that_is_written_holds_a_secret_or_can_be_read_by_others(world):
    """After commands that worked and that failed, a failed run, right and wrong keys.

    One test, because the world takes long to make.
    """
    databases = {Path(place).name for place in world.written() if place.endswith(".db")}

    assert {"right": 202, "wrong": 401, "none": 401, "in the query": 202} == world.answers
    assert (1, 1) == (world.failed_runs, world.live_runs)
    assert {
        "provision --apply": 0,
        "sync --mode changes": 0,
        **{f"doctor with {kind}": 2 for kind in OTHER_KINDS},
        **{f"sync with {kind}": 2 for kind in OTHER_KINDS},
    } == world.exit_codes
    assert {"ledger.db", "runs.db", "schedules.db"} <= databases
    assert b"AADSTS7000215" in world.said["sync contoso_brand PRIMARY_DV_SYNC"]
    assert find_traces(world.canaries, world.written()) == set()
    assert open_to_others(world) == {}


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(lambda secret: secret, id="plain"),
        pytest.param(lambda secret: f'{{"error": "for {secret}?"}}', id="in an error text"),
        pytest.param(
            lambda secret: __import__("base64").b64encode(f"u:{secret}".encode()).decode(),
            id="as a basic authorization",
        ),
    ],
)
def test_the_search_finds_a_planted_leak(tmp_path, leak):
    """In a log, and in a row of a database."""
    secret = canary("planted")
    (tmp_path / "daemon.log").write_text(f"2026-03-01 INFO {leak(secret)}\n")
    with sqlite3.connect(tmp_path / "runs.db") as database:
        database.execute("CREATE TABLE event_logs (event TEXT)")
        database.execute("INSERT INTO event_logs VALUES (?)", [leak(secret)])
    database.close()

    assert find_traces({"planted": secret}, texts_below(tmp_path)) == {
        ("planted", str(tmp_path / "daemon.log")),
        ("planted", str(tmp_path / "runs.db")),
    }
