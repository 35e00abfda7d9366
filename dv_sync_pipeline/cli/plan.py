"""`dv-sync plan`."""

import click

from dv_sync_pipeline.cli.surroundings import (
    Surroundings,
    all_option,
    json_option,
    limit_option,
    tables_argument,
)

__all__ = ["plan"]


@click.command(short_help="Show what a sync would change, writing nothing.")
@tables_argument
@limit_option
@all_option
@json_option
@click.pass_obj
def plan(
    surroundings: Surroundings,
    *,
    tables: tuple[str, ...],
    limit: int,
    show_all: bool,
    as_json: bool,
) -> int:
    """Show row by row what `dv-sync sync` would change in TABLEs, or in all; writes nothing.

    JSON always holds every row.

    \b
    Exit code  0  nothing would change
               1  something would
               2  wrong usage or configuration, or an environment that cannot be reached
               3  a table cannot be synchronized as configured
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import actions, next_steps, output, passes  # noqa: PLC0415 - see __init__

    outcome = actions.plan(surroundings, tables)
    code = passes.exit_code_of_plan(outcome)
    if as_json:
        output.print_json(planned=outcome)
    else:
        output.print_plan(outcome, shown_max=None if show_all else limit)
        next_steps.print_next_step("plan", code)
    return code
