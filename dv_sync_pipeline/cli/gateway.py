"""`dv-sync gateway`."""

import click

from dv_sync_pipeline.cli.surroundings import Surroundings, json_option

__all__ = ["gateway"]


@click.command(short_help="Receive webhooks, so that changes are noticed within a second.")
@click.option("--host", help="Address to listen on.  [default: gateway.host in sync.yaml]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="To listen on; 0 takes any free one.  [default: gateway.port in sync.yaml]",
)
@json_option
@click.pass_obj
def gateway(
    surroundings: Surroundings, *, host: str | None, port: int | None, as_json: bool
) -> int:
    """Receive webhooks of the primary and wake-ups of flows, and keep them in the ledger.

    Runs until Ctrl-C or SIGTERM. Whoever posts must show one of the keys under gateway: in
    sync.yaml. A wake-up is answered with 202 once it is stored durably; live sync or the sensor
    acts upon it. /healthz tells whether it can store, /metrics has figures for Prometheus.

    \b
    Exit code  0  it was told to end
               2  wrong usage, no key, or the port is taken
               3  the ledger cannot be used
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli.receiving import receive  # noqa: PLC0415 - see __init__

    receive(surroundings, host=host, port=port, as_json=as_json)
    return 0
