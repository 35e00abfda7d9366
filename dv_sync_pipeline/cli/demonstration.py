"""The demo: two emulated environments, a first full sync, its proof, and Dagster's UI.

Belongs here: the order of these steps. The emulator, the sync and Dagster run as everywhere else;
the demo only points them at each other through `DV_SYNC_CONFIG`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from dv_sync_pipeline.cli import actions
from dv_sync_pipeline.cli.dagster_home import HOME_VARIABLE, make_dagster_home
from dv_sync_pipeline.cli.output import print_json, print_sync, print_verification
from dv_sync_pipeline.cli.passes import exit_code_of_sync, exit_code_of_verify
from dv_sync_pipeline.cli.services import (
    HOST,
    interruptible,
    running_dagster,
    running_gateway,
    wait_for_any,
)
from dv_sync_pipeline.cli.setup import provide_missing
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.config import CONFIGURATION_VARIABLE
from dv_sync_pipeline.emulator.process.launch import RunningEmulator, running_emulator
from dv_sync_pipeline.gateway.app import WAKE_UPS_PATH

__all__ = ["demonstrate"]

_DIFFERENCES_SHOWN = 10

_TRY_NEXT = """
Dagster's UI    http://127.0.0.1:{port}/asset-groups
status page     http://127.0.0.1:{gateway_port}/
primary         {primary}
secondary       {secondary}
gateway         {gateway}, registered in the primary
configuration   {configuration}

Look at the lineage: one asset for each table, in the order of its lookups. Press "Materialize all":
everything is compared again and nothing is written. Or, in another terminal:

  export DV_SYNC_CONFIG={configuration}
  dv-sync verify
  dv-sync plan contoso_hotel

Then change something in the primary, and see it arrive in the secondary a second or two later:
the run `live` shows it at http://127.0.0.1:{port}/runs, and so does the page of the table.

  curl --cacert {certificate} -X PATCH -H "Authorization: Bearer anybody" \\
    -H "Content-Type: application/json" -d '{{"contoso_name": "A new name"}}' \\
    "{primary}/api/data/v9.2/contoso_hotels(contoso_code='H-0001')"
  curl --cacert {certificate} -H "Authorization: Bearer anybody" \\
    "{secondary}/api/data/v9.2/contoso_hotels(contoso_code='H-0001')?\\$select=contoso_name"

Ctrl-C ends it all.
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the demo answers on this machine.

    Attributes:
        dagster: port of Dagster's UI.
        gateway: port of the gateway.

    """

    dagster: int
    gateway: int


def demonstrate(
    surroundings: Surroundings,
    sample: Sequence[str],
    *,
    state: Path | None,
    as_json: bool,
    ports: Ports | None,
) -> int:
    """Run the demo and return its exit code; with `ports`, serve there until interrupted.

    `sample` are the emulator's arguments about the sample data.
    """
    with interruptible(), _emulated(surroundings, sample, state=state) as (emulator, demo):
        code = _synchronize_and_verify(demo, as_json=as_json)
        if ports is not None:
            _serve(demo, emulator, ports)
    return code


@contextmanager
def _emulated(
    surroundings: Surroundings, sample: Sequence[str], *, state: Path | None
) -> Iterator[tuple[RunningEmulator, Surroundings]]:
    """The emulator, and the surroundings in which commands find its configuration.

    The person's own DAGSTER_HOME is left alone: runs of the demo do not belong there.
    """
    click.echo("Starting two Dataverse environments with sample hotels …", err=True)
    # Any token, so that a person can change something with a single command.
    arguments = ["primary=0", "secondary=0", "--sample", "hotels", "--any-token", *sample]
    with running_emulator(arguments, state=state) as emulator:
        variables = {**surroundings.variables, CONFIGURATION_VARIABLE: str(emulator.sync_yaml)}
        variables.pop(HOME_VARIABLE, None)
        yield emulator, replace(surroundings, variables=variables)


def _synchronize_and_verify(demo: Surroundings, *, as_json: bool) -> int:
    synchronized = actions.synchronize(demo, ())
    verified = actions.verify(demo, ())
    if as_json:
        print_json(synchronized=synchronized, verified=verified)
    else:
        print_sync(synchronized)
        print_verification(verified, shown_max=_DIFFERENCES_SHOWN)
    return max(exit_code_of_sync(synchronized), exit_code_of_verify(verified))


def _serve(demo: Surroundings, emulator: RunningEmulator, ports: Ports) -> None:
    """Until Ctrl-C, which is how this is meant to end."""
    click.echo("Starting the gateway and Dagster …", err=True)
    home = make_dagster_home(demo.configuration().state)
    with (
        running_gateway(home, port=ports.gateway, variables=demo.variables) as gateway,
        running_dagster(home, port=ports.dagster, variables=demo.variables) as services,
    ):
        address = f"http://{HOST}:{ports.gateway}{WAKE_UPS_PATH}"
        _register_webhooks(demo, address)
        click.echo(
            _TRY_NEXT.format(
                port=ports.dagster,
                gateway_port=ports.gateway,
                gateway=address,
                configuration=emulator.sync_yaml,
                certificate=emulator.ca_file,
                **emulator.urls,
            )
        )
        try:
            wait_for_any([gateway, *services])
        except KeyboardInterrupt:
            click.echo("Ending …", err=True)


def _register_webhooks(demo: Surroundings, address: str) -> None:
    """As `dv-sync provision --apply` does; what it cannot provide is told."""
    for provided in provide_missing(demo, gateway_url=address):
        if provided.error:
            click.echo(f"Not provided: {provided.error}", err=True)
