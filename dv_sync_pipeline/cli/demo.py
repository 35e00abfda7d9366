"""`dv-sync demo`."""

from pathlib import Path

import click

from dv_sync_pipeline.cli.surroundings import Surroundings, json_option

__all__ = ["demo"]


@click.command(short_help="See it run on two emulated environments on this machine.")
@click.option("--once", is_flag=True, help="Synchronize, verify, print the result, and stop.")
@click.option("--rows", type=click.IntRange(min=0), help="How many rooms.  [default: 15000]")
@click.option("--seed", default=0, show_default=True, help="Another seed makes other sample data.")
@click.option("--port", default=3000, show_default=True, help="Of Dagster's UI.")
@click.option("--gateway-port", default=8900, show_default=True, help="Of the gateway.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this folder and find it there again; otherwise it is gone at the end.",
)
@json_option
@click.pass_obj
def demo(
    surroundings: Surroundings,
    *,
    once: bool,
    rows: int | None,
    seed: int,
    port: int,
    gateway_port: int,
    state: Path | None,
    as_json: bool,
) -> int:
    """Start two Dataverse environments on this machine, fill them with hotels, synchronize, verify.

    Without --once, Dagster's UI then runs on http://127.0.0.1:3000, with schedule and sensors on,
    and webhooks of the primary reach the gateway, until Ctrl-C. Nothing leaves this machine, and
    nothing else is needed.

    \b
    Exit code  0  both sides are proven equal
               1  there is a difference
               2  wrong usage, or something could not be started
               3  a table failed
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli.demonstration import Ports, demonstrate  # noqa: PLC0415 - see __init__
    from dv_sync_pipeline.cli.services import refuse_taken_port  # noqa: PLC0415

    if not once:
        refuse_taken_port(port, purpose="Dagster's UI", option="--port")
        refuse_taken_port(gateway_port, purpose="the gateway", option="--gateway-port")
    size = [] if rows is None else ["--rows", str(rows)]
    return demonstrate(
        surroundings,
        ["--seed", str(seed), *size],
        state=state.absolute() if state else None,
        as_json=as_json,
        ports=None if once else Ports(dagster=port, gateway=gateway_port),
    )
