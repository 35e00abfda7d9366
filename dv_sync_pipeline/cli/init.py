"""`dv-sync init`."""

from pathlib import Path

import click

from dv_sync_pipeline.cli.surroundings import Surroundings, json_option

__all__ = ["init"]


def _names(_context: click.Context, _option: click.Parameter, given: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in given.split(",") if name.strip())


@click.command(short_help="Propose a sync.yaml for two environments.")
@click.option("--primary-url", default="", help="Instead of the variable DV_PRIMARY_URL.")
@click.option("--secondary-url", default="", help="Instead of the variable DV_SECONDARY_URL.")
@click.option(
    "--environments",
    "source",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Take the environments from this sync.yaml; it needs no tables.",
)
@click.option(
    "--tables",
    default="",
    callback=_names,
    help="Only these tables: NAME,NAME,...; by default all custom ones that both have.",
)
@click.option(
    "--add", default="", callback=_names, help="These as well, such as account,contact: NAME,NAME."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("sync.yaml"),
    show_default=True,
    help="Where to write the proposal; - prints it.",
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
@json_option
@click.pass_obj
def init(  # noqa: PLR0913 - one argument for each option
    surroundings: Surroundings,
    *,
    primary_url: str,
    secondary_url: str,
    source: Path | None,
    tables: tuple[str, ...],
    add: tuple[str, ...],
    output: Path,
    force: bool,
    as_json: bool,
) -> int:
    """Read both environments and propose a sync.yaml: tables, keys, columns, lookups.

    It changes nothing in the environments. What it could not decide stands as comments at the top
    of the file and beside each table. Beside it sync.schema.json is written, by which editors
    complete and check it.

    \b
    How to reach the environments:
      1. Set these variables, and give both urls as options or variables:
           DV_TENANT, DV_PRIMARY_CLIENT, DV_PRIMARY_SECRET,
           DV_SECONDARY_CLIENT, DV_SECONDARY_SECRET
      2. Or write a file with `environments:` alone, for any other kind of credentials,
         and give it with --environments; everything in it but tables is taken over.

    \b
    Exit code  0  everything was decided
               1  written, and a person must decide what it lists
               2  wrong usage or configuration, or an environment that cannot be reached
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import initializing  # noqa: PLC0415 - see __init__
    from dv_sync_pipeline.sync.survey import TablesWanted  # noqa: PLC0415 - likewise

    request = initializing.Request(
        urls={"primary": primary_url, "secondary": secondary_url},
        source=source,
        wanted=TablesWanted(only=tables, besides=add),
        output=None if output == Path("-") else output,
        force=force,
    )
    return initializing.initialize(
        request, surroundings.variables, connect=surroundings.connector(), as_json=as_json
    )
