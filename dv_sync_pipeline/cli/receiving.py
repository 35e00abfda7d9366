"""The gateway, run from the command line: its ledger, its port, its log.

Belongs here: what `dv-sync gateway` opens and closes around `gateway/`.
"""

import logging
from datetime import UTC, datetime

import click

from dv_sync_pipeline.cli.output import print_json_document
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.gateway.app import WAKE_UPS_PATH, create_application
from dv_sync_pipeline.gateway.serve import serve
from dv_sync_pipeline.sync.ledger import Ledger

__all__ = ["receive"]

_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def receive(
    surroundings: Surroundings, *, host: str | None, port: int | None, as_json: bool
) -> None:
    """Answer until a signal ends it; `None` stands for what sync.yaml says."""
    configuration = surroundings.configuration()
    settings = configuration.gateway
    listening_host = host or settings.host

    def announce(bound_port: int) -> None:
        address = f"http://{listening_host}:{bound_port}{WAKE_UPS_PATH}"
        if as_json:
            print_json_document({"address": address})
        else:
            click.echo(f"Wake-ups are received at {address}")

    logging.basicConfig(level=logging.WARNING, format=_LOG_FORMAT)
    # Senders wait while the ledger is busy, so it gives up sooner here than in a run.
    seconds_max = settings.store_seconds_max
    with Ledger.open(configuration.ledger_url, busy_seconds_max=seconds_max) as ledger:
        serve(
            create_application(configuration, ledger, clock=lambda: datetime.now(UTC)),
            host=listening_host,
            port=settings.port if port is None else port,
            announce=announce,
        )
