"""Which changes in the primary wake the pipeline: the webhooks that it needs.

Belongs here: tables, columns and names of a registration, from what `sync.yaml` says. Does not
belong here: registering (`webapi/registration.py`), or what a delivery leads to (`gateway/`).
"""

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from dv_sync_pipeline.config import Configuration, TableConfiguration
from dv_sync_pipeline.sync.mapping import CURRENCY_COLUMN, STATUS_COLUMNS
from dv_sync_pipeline.webapi.client import DataverseClient
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, TableSchema
from dv_sync_pipeline.webapi.steps import Endpoint, RegistrationChange, watching

__all__ = ["endpoint_name", "register_webhooks", "wanted_endpoint", "watched_columns"]

_WORDS = re.compile(r"[a-z_][a-z0-9_]*")


def endpoint_name(configuration: Configuration) -> str:
    """The name of our registration; several pipelines may start at one primary."""
    return f"dv-sync to {urlsplit(configuration.environments.secondary.url).netloc}"


def watched_columns(table: TableConfiguration, primary: TableSchema) -> frozenset[str]:
    """Columns of the primary whose updates matter: mapped, decisive for `filter`, or the state."""
    mapped = {name for name, column in primary.columns.items() if _is_mapped(table, column)}
    others = {*STATUS_COLUMNS, *_columns_of_filter(table, primary)}
    if any(primary.columns[name].kind is ColumnKind.MONEY for name in mapped):
        others.add(CURRENCY_COLUMN)
    return frozenset(mapped | (others & primary.columns.keys()))


def _is_mapped(table: TableConfiguration, column: Column) -> bool:
    """By name; or by `*`, at least if the secondary has it too."""
    is_taken_along = column.is_custom and column.name not in table.exclude
    return column.name in table.target_columns or (table.takes_every_column and is_taken_along)


def _columns_of_filter(table: TableConfiguration, primary: TableSchema) -> set[str]:
    words = set(_WORDS.findall(table.filter))
    return {name for name, column in primary.columns.items() if column.property_name in words}


def wanted_endpoint(
    configuration: Configuration, primaries: Mapping[str, TableSchema], *, url: str, key: str
) -> Endpoint:
    """The registration for all tables, with the gateway at `url` and the key it knows.

    `primaries` is the schema of each table in the primary, by logical name.
    """
    tables = {
        table.table: watched_columns(table, primaries[table.table])
        for table in configuration.tables
    }
    pairs = [each.relationship for table in configuration.tables for each in table.associations]
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
    return await environment.administration.register_webhooks(wanted)
