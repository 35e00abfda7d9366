"""What is shown where there is no `sync.yaml`: the sample `hotels`, to look at and not to run.

So a clone loads in Dagster, and in CI, before anybody has configured anything.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dv_sync_pipeline.config import Configuration, parse
from dv_sync_pipeline.defs.resources import Engine
from dv_sync_pipeline.errors import ConfigurationError

__all__ = ["NO_CONFIGURATION", "refuse_to_open", "sample_configuration"]

NO_CONFIGURATION = "no configuration; the sample `hotels` is shown and cannot be run"

_ENVIRONMENTS = """\
environments:
  primary:
    url: https://primary.example
    credentials: [{kind: client_secret, tenant_id: none, client_id: none, client_secret_file: none}]
  secondary:
    url: https://secondary.example
    credentials: [{kind: client_secret, tenant_id: none, client_id: none, client_secret_file: none}]
"""


def sample_configuration() -> Configuration:
    """The tables of the sample, with environments that do not exist."""
    from dv_sync_pipeline.emulator.samples.hotels_sync import (  # noqa: PLC0415 - slow, rarely used
        HOTELS_SYNC_TABLES,
    )

    return parse(_ENVIRONMENTS + HOTELS_SYNC_TABLES, {}, file=Path("sample-hotels.yaml"))


@asynccontextmanager
async def refuse_to_open(_configuration: Configuration) -> AsyncIterator[Engine]:
    """An engine opener for a configuration that only serves to be looked at."""
    raise ConfigurationError(
        "no configuration", mend="Set DV_SYNC_CONFIG to a sync.yaml, or run dv-sync demo"
    )
    yield
