"""Which changes in the primary wake the pipeline: the webhooks that it needs.

Belongs here: tables, columns and names of a registration, from what `sync.yaml` says. Does not
belong here: registering (`webapi/registration.py`), or what a delivery leads to (`gateway/`).
"""

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.sync.mapping import STATUS_COLUMNS, TableMapping
from dv_sync_pipeline.webapi.client import DataverseClient
from dv_sync_pipeline.webapi.steps import Endpoint, RegistrationChange, watching

__all__ = ["endpoint_name", "register_webhooks", "wanted_endpoint", "watched_columns"]

_WORD = re.compile(r"[a-z_][a-z0-9_]*")


def endpoint_name(configuration: Configuration) -> str:
    """The name of our registration; several pipelines may start at one primary."""
    return f"dv-sync to {urlsplit(configuration.environments.secondary.url).netloc}"


def watched_columns(mapping: TableMapping) -> frozenset[str]:
    """Columns of the primary whose updates matter: mapped, decisive for `filter`, or the state."""
    mapped = {column.source.name for column in mapping.columns}
    words = set(_WORD.findall(mapping.filter))
    filtering = {
        name
        for name, column in mapping.primary.columns.items()
        if words & {name, column.property_name}
    }
    return frozenset(mapped | filtering | (mapping.primary.columns.keys() & {*STATUS_COLUMNS}))


def wanted_endpoint(
    configuration: Configuration, mappings: Iterable[TableMapping], *, url: str, key: str
) -> Endpoint:
    """The registration for these tables, with the gateway at `url` and the key it knows."""
    mappings = list(mappings)
    tables = {mapping.table: watched_columns(mapping) for mapping in mappings}
    pairs = [each.source.name for mapping in mappings for each in mapping.associations]
    return Endpoint(endpoint_name(configuration), url, key, watching(tables, pairs=pairs))


async def register_webhooks(
    environment: DataverseClient,
    *,
    url: str,
    key: str,
    tables: Mapping[str, Iterable[str]],
    pairs: Collection[str] = (),
    name: str = "dv-sync",
) -> tuple[RegistrationChange, ...]:
    """Let the environment post to `url` whenever a row of these tables changes.

    `tables` is logical name → columns whose updates matter (none: all), `pairs` the many-to-many
    relationships that matter, `name` what the registration is found by. What was changed is
    returned: nothing the second time.
    """
    wanted = Endpoint(name, url, key, watching(tables, pairs=pairs))
    return await environment.register_webhooks(wanted)
