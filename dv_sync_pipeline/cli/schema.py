"""`dv-sync schema`."""

from pathlib import Path

import click

from dv_sync_pipeline.errors import UsageError

__all__ = ["schema"]


@click.command(short_help="Print the JSON Schema of sync.yaml, for editors.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file instead; one that exists is replaced.",
)
@click.option("--json", "as_json", is_flag=True, help="It is JSON in any case.")
def schema(*, output: Path | None, as_json: bool) -> None:  # noqa: ARG001 - as every command
    """Print the JSON Schema of sync.yaml, by which editors complete and check it.

    With the YAML extension of VS Code, and in JetBrains' editors, the first line of the file says
    where it is:

    \b
        dv-sync schema --output sync.schema.json
        # yaml-language-server: $schema=sync.schema.json

    \b
    Exit code  0  printed or written
               2  the file cannot be written
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.config.json_schema import schema_text  # noqa: PLC0415 - see __init__

    if output is None:
        click.echo(schema_text(), nl=False)
        return
    try:
        output.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written", why=error.strerror or "") from None
