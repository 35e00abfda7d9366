"""`dv-sync sync`."""

import click

from dv_sync_pipeline.cli.surroundings import Surroundings, json_option, tables_argument

__all__ = ["sync"]


@click.command(short_help="Make the secondary equal to the primary.")
@tables_argument
@click.option(
    "--mode",
    type=click.Choice(["reconcile", "changes", "auto"]),
    default="reconcile",
    show_default=True,
    help="reconcile: compare everything. changes: follow only what changed since last time. "
    "auto: changes, and reconcile the tables for which that is owed.",
)
@json_option
@click.pass_obj
def sync(surroundings: Surroundings, *, tables: tuple[str, ...], mode: str, as_json: bool) -> int:
    """Make the mapped columns of the secondary equal to the primary: TABLEs, or all tables.

    Reads both sides completely, compares, and writes only what differs; so the first load, a
    repair and a run that finds nothing to do are the same command. Rows that are gone in the
    primary are removed last, as `deletes` says; of named TABLEs only if every table that looks them
    up is named too. It may be interrupted and repeated at any time. Runs as a Dagster run in this
    process; the run shows in Dagster's UI.

    Only a reconcile proves that both sides are equal, so that is what happens without --mode. With
    --mode changes or auto, code 0 says that every change was applied which the primary has told of.

    \b
    Exit code  0  done, both sides are equal
               1  done, but rows are parked or wait for a parent, removals are held, or a
                  reconcile is owed
               2  wrong usage or configuration, or an environment that cannot be reached
               3  a table failed; tables that do not need it were done all the same
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import actions, next_steps, output, passes  # noqa: PLC0415 - see __init__

    outcome = actions.synchronize(surroundings, tables, mode=mode)
    code = passes.exit_code_of_sync(outcome)
    if as_json:
        output.print_json(synchronized=outcome)
    else:
        output.print_sync(outcome)
        next_steps.print_next_step("sync", code)
    return code
