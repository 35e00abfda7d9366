"""`dv-sync removals`."""

import click

from dv_sync_pipeline.cli.surroundings import (
    Surroundings,
    all_option,
    json_option,
    limit_option,
    tables_argument,
)

__all__ = ["removals"]


@click.group(short_help="Rows and pairs that are gone in the primary and wait to be removed.")
def removals() -> None:
    """Show the rows and pairs that are to be removed, and approve lists that are held.

    Many removals at once, or an empty primary, may be a mistake: such a list is held until a person
    approves exactly this list. The next `dv-sync sync` removes it, if it is still the same. Pairs
    are those of a many-to-many relationship; each relationship has a list of its own.
    """


@removals.command("list", short_help="Show what is to be removed.")
@tables_argument
@limit_option
@all_option
@json_option
@click.pass_obj
def list_removals(
    surroundings: Surroundings,
    *,
    tables: tuple[str, ...],
    limit: int,
    show_all: bool,
    as_json: bool,
) -> int:
    """Show the removals of TABLEs, or of all tables, as the last reconcile found them.

    JSON always holds every row.

    \b
    Exit code  0  nothing is to be removed
               1  something is
               2  wrong usage or configuration
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import output, passes, waiting  # noqa: PLC0415 - see __init__

    lists = waiting.removal_lists(surroundings, tables)
    if as_json:
        output.print_json_document({"removals": lists})
    else:
        output.print_removals(lists, shown_max=None if show_all else limit)
    return passes.DIFFERENCES_REMAIN if lists else passes.DONE


@removals.command(short_help="Approve the lists of a table.")
@click.argument("table")
@click.option("--digest", help="Approve only the list that has this digest, as `list` shows it.")
@json_option
@click.pass_obj
def approve(surroundings: Surroundings, *, table: str, digest: str | None, as_json: bool) -> int:
    """Approve exactly the removals of TABLE that `dv-sync removals list` shows, rows and pairs.

    Should a run find others to remove than these, it asks again.
    """
    from dv_sync_pipeline.cli import output, passes, waiting  # noqa: PLC0415 - see __init__

    approved = waiting.approve_removals(surroundings, table, digest=digest)
    if as_json:
        output.print_json_document({"approved": approved})
    else:
        output.print_approved(approved)
    return passes.DONE
