"""The demo: two emulated environments, a first full sync, its proof, and Dagster's UI.

Belongs here: the order of these steps. The emulator, the sync and Dagster run as everywhere else;
the demo only points them at each other through `DV_SYNC_CONFIG`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from dv_sync_pipeline.cli import actions
from dv_sync_pipeline.cli.dagster_home import HOME_VARIABLE, make_dagster_home
from dv_sync_pipeline.cli.output import print_json, print_sync, print_verification
from dv_sync_pipeline.cli.passes import exit_code_of_sync, exit_code_of_verify
from dv_sync_pipeline.cli.services import interruptible, running_dagster, wait_for_any
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.config import CONFIGURATION_VARIABLE
from dv_sync_pipeline.emulator.process.launch import RunningEmulator, running_emulator

__all__ = ["demonstrate"]

_DIFFERENCES_SHOWN = 10

_TRY_NEXT = """
Dagster's UI    http://127.0.0.1:{port}/asset-groups
primary         {primary}
secondary       {secondary}
configuration   {configuration}

Look at the lineage: one asset for each table, in the order of its lookups. Press "Materialize all":
everything is compared again and nothing is written. Or, in another terminal:

  export DV_SYNC_CONFIG={configuration}
  dv-sync verify
  dv-sync plan contoso_hotel

Ctrl-C ends it all.
"""


def demonstrate(
    surroundings: Surroundings,
    sample: Sequence[str],
    *,
    state: Path | None,
    as_json: bool,
    port: int | None,
) -> int:
    """Run the demo and return its exit code; with a `port`, serve the UI there until interrupted.

    `sample` are the emulator's arguments about the sample data.
    """
    with interruptible(), _emulated(surroundings, sample, state=state) as (emulator, demo):
        code = _synchronize_and_verify(demo, as_json=as_json)
        if port is not None:
            _serve(demo, emulator, port=port)
    return code


@contextmanager
def _emulated(
    surroundings: Surroundings, sample: Sequence[str], *, state: Path | None
) -> Iterator[tuple[RunningEmulator, Surroundings]]:
    """The emulator, and the surroundings in which commands find its configuration.

    The person's own DAGSTER_HOME is left alone: runs of the demo do not belong there.
    """
    click.echo("Starting two Dataverse environments with sample hotels …", err=True)
    arguments = ["primary=0", "secondary=0", "--sample", "hotels", *sample]
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


def _serve(demo: Surroundings, emulator: RunningEmulator, *, port: int) -> None:
    """Until Ctrl-C, which is how this is meant to end."""
    click.echo("Starting Dagster …", err=True)
    home = make_dagster_home(demo.configuration().state)
    with running_dagster(home, port=port, variables=demo.variables) as services:
        click.echo(_TRY_NEXT.format(port=port, configuration=emulator.sync_yaml, **emulator.urls))
        try:
            wait_for_any(services)
        except KeyboardInterrupt:
            click.echo("Ending …", err=True)
