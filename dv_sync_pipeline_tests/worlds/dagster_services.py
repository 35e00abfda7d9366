"""Dagster as an estate runs it: services on PostgreSQL, two emulated environments, one judge.

Belongs here: putting the pieces together from the files in `docs/deployment`, and asking Dagster
over its GraphQL API, as its UI does.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx

from dv_sync_pipeline.cli.services import running_dagster
from dv_sync_pipeline.emulator.process.launch import RunningEmulator, running_emulator
from dv_sync_pipeline_tests.worlds.judge import Judge
from dv_sync_pipeline_tests.worlds.postgres import HOST, PASSWORD, USER, Postgres

DEPLOYMENT = Path(__file__).parents[2] / "docs" / "deployment"
LOCATION = "dv_sync_pipeline"
RUN_SECONDS_MAX = 300
ROWS = 60

_LAUNCH = """mutation($p: ExecutionParams!) {
  launchRun(executionParams: $p) { __typename ... on LaunchRunSuccess { run { runId } } }
}"""
_RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run {
  status
  tags { key value }
  eventConnection { events { ... on MessageEvent { message } } }
} } }"""
_INSTIGATORS = """query($r: RepositorySelector!) {
  repositoryOrError(repositorySelector: $r) { ... on Repository {
    schedules { name scheduleState { status } }
    sensors { name sensorState { status } }
  } }
}"""


@dataclass(frozen=True)
class Ui:
    """What the webserver answers.

    Attributes:
        port: where it listens.

    """

    port: int

    def ask(self, query: str, **variables: object) -> dict:
        """The data of one GraphQL answer without errors."""
        answer = httpx.post(
            f"http://{HOST}:{self.port}/graphql",
            json={"query": query, "variables": variables},
            timeout=60,
            trust_env=False,
        )
        document = answer.raise_for_status().json()
        assert "errors" not in document, document
        return document["data"]

    def launch(self, job: str = "reconcile_all", *assets: str) -> str:
        """Launch a run of a job or of some of its assets (`secondary/table`); its id."""
        selector = {**_REPOSITORY, "pipelineName": job}
        if assets:
            selector["assetSelection"] = [{"path": asset.split("/")} for asset in assets]
        parameters = {"selector": selector, "mode": "default"}
        launched = self.ask(_LAUNCH, p=parameters)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def wait_for(self, run_id: str) -> str:
        """How the run ended."""
        deadline = time.monotonic() + RUN_SECONDS_MAX
        while (status := self._run(run_id)["status"]) not in {"SUCCESS", "FAILURE", "CANCELED"}:
            assert time.monotonic() < deadline, status
            time.sleep(0.2)
        if status != "SUCCESS":
            print(*self._messages(run_id), sep="\n")  # noqa: T201 - for whoever reads the failure
        return status

    def _messages(self, run_id: str) -> list[str]:
        events = self._run(run_id)["eventConnection"]["events"]
        return [event["message"] for event in events if "message" in event]

    def tags(self, run_id: str) -> dict[str, str]:
        """The tags of a run."""
        return {tag["key"]: tag["value"] for tag in self._run(run_id)["tags"]}

    def _run(self, run_id: str) -> dict:
        return self.ask(_RUN, id=run_id)["runOrError"]

    def running_instigators(self) -> set[str]:
        """Names of the schedules and sensors that are switched on."""
        found = self.ask(_INSTIGATORS, r=_REPOSITORY)["repositoryOrError"]
        states = [(each["name"], each["scheduleState"]) for each in found["schedules"]]
        states += [(each["name"], each["sensorState"]) for each in found["sensors"]]
        return {name for name, state in states if state["status"] == "RUNNING"}


_REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}


@dataclass(frozen=True)
class Estate:
    """Services that answer.

    Attributes:
        ui: Dagster's webserver.
        home: DAGSTER_HOME.
        judge: reads both environments over HTTP of its own.
        variables: process environment of every service.

    """

    ui: Ui
    home: Path
    judge: Judge
    variables: Mapping[str, str]


@contextmanager
def running_estate(
    folder: Path,
    postgres: Postgres,
    *,
    port: int,
    settings: str,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Estate]:
    """Everything, with the text of a `dagster.yaml`; both Dagster and the ledger on PostgreSQL."""
    arguments = ["primary=0", "secondary=0", "--sample", "hotels", "--rows", str(ROWS)]
    with running_emulator(arguments, state=folder / "emulator") as emulator:
        home = folder / "home"
        home.mkdir(mode=0o700)
        (home / "dagster.yaml").write_text(settings)
        environment = _variables(emulator, postgres) | dict(variables or {})
        judge = Judge(emulator.sync_yaml)
        try:
            with running_dagster(home, port=port, variables=environment):
                yield Estate(Ui(port), home, judge, {**environment, "DAGSTER_HOME": str(home)})
        finally:
            judge.close()


def _variables(emulator: RunningEmulator, postgres: Postgres) -> dict[str, str]:
    text = emulator.sync_yaml.read_text()
    # A live run would occupy one of the workers whose work the tests count.
    assert "\nlive: true\n" in text
    text = text.replace("\nlive: true\n", "\nlive: false\n")
    emulator.sync_yaml.write_text(f"{text}\nledger: ${{DV_SYNC_LEDGER}}\n")
    database = f"dagster_{uuid4().hex}"
    postgres.run(f"CREATE DATABASE {database}")
    return {
        **os.environ,
        "DV_SYNC_CONFIG": str(emulator.sync_yaml),
        "DV_SYNC_LEDGER": postgres.address(database),
        "DAGSTER_PG_HOST": HOST,
        "DAGSTER_PG_PORT": str(postgres.port),
        "DAGSTER_PG_DB": database,
        "DAGSTER_PG_USER": USER,
        "DAGSTER_PG_PASSWORD": PASSWORD,
    }
