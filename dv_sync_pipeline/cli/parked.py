"""`dv-sync parked`."""

import click

from dv_sync_pipeline.cli.surroundings import Surroundings, json_option, tables_argument

__all__ = ["parked"]


@click.group(short_help="Rows that wait for a person or a parent.")
def parked() -> None:
    """Show, retry or forget the rows that could not be written or removed.

    Each has a reason, the server's own words, since when, and how often it was tried. Every
    reconcile tries again, so what was mended in the meantime needs no command.
    """


@parked.command("list", short_help="Show the rows that wait.")
@tables_argument
@json_option
@click.pass_obj
def list_parked(surroundings: Surroundings, *, tables: tuple[str, ...], as_json: bool) -> int:
    """Show the parked rows of TABLEs, or of all tables.

    \b
    Exit code  0  no row waits
               1  rows wait
               2  wrong usage or configuration
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import output, passes, waiting  # noqa: PLC0415 - see __init__

    rows = waiting.parked_rows(surroundings, tables)
    due = waiting.next_reconcile(surroundings)
    if as_json:
        documents = [output.parked_document(row) for row in rows]
        output.print_json_document({"parked": documents, "next_reconcile": due})
    else:
        output.print_parked_rows(rows, next_reconcile=due)
    return passes.DIFFERENCES_REMAIN if rows else passes.DONE


@parked.command(short_help="Try them again now.")
@tables_argument
@json_option
@click.pass_obj
def retry(surroundings: Surroundings, *, tables: tuple[str, ...], as_json: bool) -> int:
    """Reconcile those of TABLEs, or of all tables, that have parked rows.

    Ends as `dv-sync sync` does.
    """
    from dv_sync_pipeline.cli import actions, output, passes, waiting  # noqa: PLC0415 - likewise

    waiting_tables = waiting.tables_with_parked_rows(surroundings, tables)
    if not waiting_tables:
        output.print_nothing_parked(as_json=as_json)
        return passes.DONE
    outcome = actions.synchronize(surroundings, waiting_tables)
    if as_json:
        output.print_json(synchronized=outcome)
    else:
        output.print_sync(outcome)
    return passes.exit_code_of_sync(outcome)


@parked.command(short_help="Forget that rows wait.")
@click.argument("table")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@json_option
@click.pass_obj
def drop(surroundings: Surroundings, *, table: str, keys: tuple[str, ...], as_json: bool) -> int:
    """Forget the parked rows of TABLE, or only those with these KEYs, as `list` shows them.

    Nothing is written anywhere else. A row that still cannot be written is parked anew by the next
    reconcile, with the count of its attempts begun again.
    """
    from dv_sync_pipeline.cli import output, passes, waiting  # noqa: PLC0415 - likewise

    dropped = waiting.drop_parked_rows(surroundings, table, keys)
    if as_json:
        output.print_json_document({"dropped": dropped})
    else:
        output.print_dropped(dropped)
    return passes.DONE
