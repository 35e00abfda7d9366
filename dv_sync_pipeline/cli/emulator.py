"""`dv-sync emulator`."""

import json
import re
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from dv_sync_pipeline.cli.surroundings import json_option
from dv_sync_pipeline.emulator.samples import SAMPLES
from dv_sync_pipeline.emulator.trouble.latency import LATENCY_PROFILES
from dv_sync_pipeline.emulator.trouble.limits import LIMIT_PROFILES

__all__ = ["emulator"]

_ENVIRONMENT = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_-]{0,62})=(?P<port>[0-9]{1,5})")
_PORT_MAX = 65_535


@click.command(short_help="Run Dataverse environments on this machine.")
@click.argument("environments", metavar="NAME=PORT...", nargs=-1, required=True)
@click.option(
    "--sample",
    type=click.Choice(sorted(SAMPLES)),
    help="Fill new environments with sample data. The environment named secondary becomes the one"
    " to be synchronized; all others are primaries.",
)
@click.option("--rows", type=click.IntRange(min=0), help="Size of the sample: its number of rooms.")
@click.option("--seed", default=0, show_default=True, help="Another seed makes other sample data.")
@click.option("--plain-http", is_flag=True, help="No TLS. Microsoft's token libraries refuse that.")
@click.option("--any-token", is_flag=True, help="Every request is the administrator's.")
@click.option(
    "--limits",
    type=click.Choice(list(LIMIT_PROFILES)),
    default="none",
    show_default=True,
    help="Service protection: 429 and Retry-After as documented, or thirty times sooner.",
)
@click.option(
    "--latency",
    type=click.Choice(list(LATENCY_PROFILES)),
    default="none",
    show_default=True,
    help="Answer as slowly as environments that were measured.",
)
@click.option(
    "--control",
    is_flag=True,
    help="Let tests on this machine reset, restore, set the clock and order faults: URL/control/.",
)
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this folder and find it there again; otherwise it is gone at the end.",
)
@json_option
def emulator(  # noqa: PLR0913 - one argument for each option
    environments: tuple[str, ...],
    *,
    sample: str | None,
    rows: int | None,
    seed: int,
    plain_http: bool,
    any_token: bool,
    limits: str,
    latency: str,
    control: bool,
    state: Path | None,
    as_json: bool,
) -> None:
    """Run Dataverse environments on this machine, each on its own port (0: any free one).

    Prints NAME URL ready for each (with --json one object a line), and runs until Ctrl-C. With a
    sample and the names primary and secondary it writes STATE/sync.yaml, so that in another
    terminal this works:

    \b
        DV_SYNC_CONFIG=STATE/sync.yaml dv-sync sync

    Without a sample it writes STATE/environments.yaml. Once you have made tables in both:

    \b
        dv-sync init --environments STATE/environments.yaml --output STATE/sync.yaml

    \b
    Exit code  0  ended by Ctrl-C or SIGTERM
               2  wrong usage, or a port or folder that cannot be used
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.emulator.process.run import (  # noqa: PLC0415 - see __init__
        EmulatorOptions,
        run_emulator,
    )
    from dv_sync_pipeline.emulator.trouble.behaviour import Behaviour  # noqa: PLC0415 - see __init__

    with ExitStack() as stack:
        options = EmulatorOptions(
            ports=_read_ports(environments),
            state=state or Path(stack.enter_context(_temporary_folder())),
            sample=SAMPLES[sample] if sample else None,
            rows=_choose_rows(rows, sample),
            seed=seed,
            plain_http=plain_http,
            any_token=any_token,
            behaviour=Behaviour(limits, latency, seed=seed, is_controlled=control),
        )
        run_emulator(
            options,
            announce=_announce_as_json if as_json else _announce_as_text,
            remark=partial(click.echo, err=True),
        )


def _announce_as_text(name: str, url: str) -> None:
    click.echo(f"{name} {url} ready")


def _announce_as_json(name: str, url: str) -> None:
    click.echo(json.dumps({"environment": name, "url": url, "ready": True}))


def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="dv-sync-emulator-")


def _choose_rows(rows: int | None, sample: str | None) -> int:
    if sample is None:
        if rows is not None:
            raise click.UsageError("--rows is the size of a sample: give --sample as well.")
        return 0
    default = SAMPLES[sample].rows_default
    if rows is not None and default == 0:
        raise click.UsageError(f"--rows does not fit: the sample {sample} has a fixed size.")
    return default if rows is None else rows


def _read_ports(environments: tuple[str, ...]) -> dict[str, int]:
    """Environment name → port; `click.UsageError` for what is not NAME=PORT."""
    ports: dict[str, int] = {}
    for text in environments:
        match = _ENVIRONMENT.fullmatch(text)
        if match is None or int(match["port"]) > _PORT_MAX:
            raise click.UsageError(f"{text!r} is not NAME=PORT, such as primary=8801.")
        if match["name"] in ports:
            raise click.UsageError(f"{match['name']} is given twice.")
        ports[match["name"]] = int(match["port"])
    return ports
