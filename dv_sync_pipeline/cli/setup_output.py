"""How `dv-sync provision` shows what is missing, and what became of it.

Belongs here: layout and words of this command. Every text passes through `redact` on its way out.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import click
from rich.text import Text

from dv_sync_pipeline.cli.complaints import describe_as_json, describe_as_text
from dv_sync_pipeline.cli.output import console_for_people, print_json_document
from dv_sync_pipeline.cli.setup import Missing
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.provisioning import Provided, Provision
from dv_sync_pipeline.webapi.steps import RegistrationChange

__all__ = ["print_beginning", "print_missing", "print_provided", "print_removed"]


def print_missing(missing: Missing, *, as_json: bool) -> None:
    """What is missing, by environment."""
    if as_json:
        print_json_document({"missing": missing.provisions})
        return
    console = console_for_people()
    for environment, provisions in groupby(missing.provisions, key=_environment):
        console.print(Text(environment, style="bold"))
        for group in _alike(provisions):
            console.print(Text(redact(f"  {_title(group)}")))
            console.print(Text(redact(f"      {group[0].why}"), style="dim"))
    for line in _conclusions(missing):
        console.print(line)


def _conclusions(missing: Missing) -> Iterator[str]:
    if not missing.knows_gateway:
        yield "Webhooks are left out: gateway.url in sync.yaml names no gateway."
    match len(missing.provisions):
        case 0:
            yield "Nothing is missing."
        case 1:
            yield f"One thing is missing. {_NEXT}"
        case number:
            yield f"{number} things are missing. {_NEXT}"


_NEXT = "dv-sync provision --apply provides what is missing."


def print_beginning(provision: Provision) -> None:
    """That it is being provided, on standard error: an index may take minutes."""
    click.echo(redact(f"… {provision.environment}  {_title([provision])}"), err=True)


def print_provided(provided: Sequence[Provided], *, as_json: bool) -> None:
    """What became of each thing that was missing."""
    if as_json:
        print_json_document({"provided": [_as_dict(each) for each in provided]})
        return
    console = console_for_people()
    if not provided:
        console.print("Nothing was missing.")
    for error, group in groupby(provided, key=lambda each: each.error):
        mark, style = ("✗", "red") if error else ("✓", "green")
        for alike in _alike(each.provision for each in group):
            title = f"{mark} {alike[0].environment}  {_title(alike)}"
            console.print(Text(redact(title), style=style))
        if error:
            console.print(Text(describe_as_text(error), style="red"))
    if provided and not any(each.error for each in provided):
        console.print("\nEverything is provided. Next: dv-sync doctor")


def print_removed(removed: Sequence[RegistrationChange], *, as_json: bool) -> None:
    """Which webhooks are gone."""
    titles = [change.title for change in removed]
    if as_json:
        print_json_document({"removed": titles})
        return
    console = console_for_people()
    if not removed:
        console.print("There was no webhook of ours.")
    for title in titles:
        console.print(Text(f"✓ removed  primary  {title}", style="green"))


def _as_dict(provided: Provided) -> dict[str, object]:
    error = describe_as_json(provided.error) if provided.error else None
    return {"provision": provided.provision, "error": error}


def _environment(provision: Provision) -> str:
    return provision.environment


def _alike(provisions: Iterable[Provision]) -> Iterator[list[Provision]]:
    """Those of one table and one kind together, if they are needed for the same."""
    groups = groupby(
        provisions, key=lambda each: (each.environment, each.table, each.kind, each.why)
    )
    for _, group in groups:
        yield list(group)


def _title(provisions: Sequence[Provision]) -> str:
    table = f"{provisions[0].table}: " if provisions[0].table else ""
    return f"{table}{', '.join(each.what for each in provisions)}"
