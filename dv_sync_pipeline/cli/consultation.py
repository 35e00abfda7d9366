"""What `dv-sync doctor` does: joins configuration, connections and checks.

Belongs here: patience, and the exit code. Does not belong here: the checks (`sync/examination/`),
how they are shown (`doctor_output.py`).
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.sync.examination import Finding, Level, examine
from dv_sync_pipeline.webapi.probe import probe

__all__ = ["consult", "exit_code_of_findings"]

_EXIT_CODES = {Level.OK: 0, Level.UNKNOWN: 1, Level.WARNING: 1, Level.PROBLEM: 2}


def consult(surroundings: Surroundings, *, gateway_url: str | None = None) -> tuple[Finding, ...]:
    """All findings; `ConfigurationError` when `sync.yaml` itself cannot be read.

    `gateway_url` is where the primary reaches the gateway, if `sync.yaml` does not say it.
    """
    return asyncio.run(
        examine(
            _with_gateway(surroundings.configuration(), gateway_url),
            connect=surroundings.connector(),
            clock=lambda: datetime.now(tz=UTC),
            probe=probe,
        )
    )


def _with_gateway(configuration: Configuration, url: str | None) -> Configuration:
    if url is None:
        return configuration
    gateway = configuration.gateway.model_copy(update={"url": url})
    return configuration.model_copy(update={"gateway": gateway})


def exit_code_of_findings(findings: Sequence[Finding]) -> int:
    """That of the worst finding."""
    return max(_EXIT_CODES[finding.level] for finding in findings)
