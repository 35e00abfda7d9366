"""`dv-sync status`."""

import click

from dv_sync_pipeline.cli.surroundings import Surroundings, json_option

__all__ = ["status"]


@click.command(short_help="Per table: in sync, behind or stopped; what waits; the last runs.")
@json_option
@click.pass_obj
def status(surroundings: Surroundings, *, as_json: bool) -> int:
    """Show how each table is, as the last runs found it. No environment is asked.

    `dv-sync verify` asks both and proves it.

    \b
    Exit code  0  every table is in sync and nothing waits for a person
               1  a table is behind or stopped, or rows are parked or removals held
               2  wrong usage or configuration
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import health_table, output, passes  # noqa: PLC0415 - see __init__

    found = health_table.read_health(surroundings)
    if as_json:
        output.print_json_document(health_table.as_document(found))
    else:
        health_table.print_health(found)
    return passes.DONE if found.is_well else passes.DIFFERENCES_REMAIN
