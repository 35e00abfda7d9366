"""dv-sync: thin commands over the packages below.

Belongs here: the list of commands, and how any of them ends. Each command imports what it needs
when it runs, so that `dv-sync --help` answers without waiting for Dagster, polars and MSAL.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from dv_sync_pipeline.cli.alerts import alerts
from dv_sync_pipeline.cli.complaints import describe_as_json, describe_as_text, exit_code_of
from dv_sync_pipeline.cli.demo import demo
from dv_sync_pipeline.cli.doctor import doctor
from dv_sync_pipeline.cli.emulator import emulator
from dv_sync_pipeline.cli.gateway import gateway
from dv_sync_pipeline.cli.init import init
from dv_sync_pipeline.cli.parked import parked
from dv_sync_pipeline.cli.plan import plan
from dv_sync_pipeline.cli.provision import provision
from dv_sync_pipeline.cli.removals import removals
from dv_sync_pipeline.cli.schema import schema
from dv_sync_pipeline.cli.status import status
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.cli.sync import sync
from dv_sync_pipeline.cli.verify import verify
from dv_sync_pipeline.errors import DvSyncError
from dv_sync_pipeline.redact import redact

__all__ = ["dv_sync", "main", "run"]

PRIVATE = 0o077
"""The permissions that new files lack: those of everybody but their owner."""

INTERRUPTED = 130
"""What shells expect of a command that Ctrl-C ended: 128 + SIGINT."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dv-sync-pipeline", message="dv-sync %(version)s")
def dv_sync() -> None:
    """Keep tables of one Dataverse environment (the primary) equal in another (the secondary).

    \b
    Try it on this machine:     dv-sync demo
    With your own environments: dv-sync init, then dv-sync plan, dv-sync sync, dv-sync verify

    DV_SYNC_CONFIG names the configuration; without it, ./sync.yaml is used. DAGSTER_HOME names the
    folder where Dagster keeps its runs; without it, one beside the ledger is used.
    """  # noqa: D301 - click wants the character, not its name


_COMMANDS = (
    demo,
    init,
    doctor,
    provision,
    sync,
    plan,
    verify,
    status,
    parked,
    removals,
    alerts,
    gateway,
    schema,
    emulator,
)

for _command in _COMMANDS:
    dv_sync.add_command(_command)


def main() -> NoReturn:
    """The console script `dv-sync`.

    Whatever it and its children write is for their user alone (RELIABILITY 5).
    """
    os.umask(PRIVATE)
    sys.exit(run(sys.argv[1:], Surroundings(variables=os.environ)))


def run(arguments: Sequence[str], surroundings: Surroundings) -> int:
    """Run one command and return its exit code; whatever goes wrong has been told by then."""
    as_json = "--json" in arguments
    try:
        code = dv_sync.main(
            list(arguments), prog_name="dv-sync", standalone_mode=False, obj=surroundings
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted. The same command again does what is left to do.", err=True)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: nobody sees a bare traceback
        _complain(error, as_json=as_json)
        return exit_code_of(error)
    return code or 0


def _complain(error: Exception, *, as_json: bool) -> None:
    """A block on standard error, or with --json an object on standard output.

    A traceback is shown for mistakes of ours only: a person cannot mend those.
    """
    if not isinstance(error, DvSyncError):
        click.echo(redact(traceback.format_exc()), err=True)
    if as_json:
        import msgspec  # noqa: PLC0415 - only where it is needed

        click.echo(msgspec.json.encode({"error": describe_as_json(error)}))
    else:
        click.echo(describe_as_text(error), err=True)
