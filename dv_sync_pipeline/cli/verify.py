"""`dv-sync verify`."""

import click

from dv_sync_pipeline.cli.surroundings import (
    Surroundings,
    all_option,
    json_option,
    limit_option,
    tables_argument,
)

__all__ = ["verify"]


@click.command(short_help="Compare both sides completely, writing nothing.")
@tables_argument
@limit_option
@all_option
@click.option(
    "--foreign",
    "shows_foreign",
    is_flag=True,
    help="Also list rows that only the secondary has: its own, or left over from before.",
)
@json_option
@click.pass_obj
def verify(
    surroundings: Surroundings,
    *,
    tables: tuple[str, ...],
    limit: int,
    show_all: bool,
    shows_foreign: bool,
    as_json: bool,
) -> int:
    """Compare every mapped column of every row of TABLEs, or of all tables; writes nothing.

    "Verified through" is the moment when reading began: what changed later may not be seen. JSON
    always holds every difference, and of each table the first thousand rows that only the
    secondary has. Such rows are no difference: nobody but their owners may touch them.

    \b
    Exit code  0  both sides are equal
               1  there is a difference
               2  wrong usage or configuration, or an environment that cannot be reached
               3  a table could not be compared
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import actions, next_steps, output, passes  # noqa: PLC0415 - see __init__

    outcome = actions.verify(surroundings, tables)
    code = passes.exit_code_of_verify(outcome)
    if as_json:
        output.print_json(verified=outcome)
    else:
        shown_max = None if show_all else limit
        output.print_verification(outcome, shown_max=shown_max)
        if shows_foreign:
            output.print_foreign_rows(outcome.results, shown_max=shown_max)
        next_steps.print_next_step("verify", code)
    return code
