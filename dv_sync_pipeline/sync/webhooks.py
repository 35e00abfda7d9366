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
    return frozenset(
        name
        for name, column in primary.columns.items()
        if name in table.target_columns
        or name in STATUS_COLUMNS
        or _is_taken_with_the_others(table, column)
        or _WORDS.findall(table.filter).count(column.property_name)
        or _is_currency_of_an_amount(table, name, primary)
    )


def _is_taken_with_the_others(table: TableConfiguration, column: Column) -> bool:
    """Whether `*` stands for it, at least if the secondary has it too."""
    return table.takes_every_column and column.is_custom and column.name not in table.exclude


def _is_currency_of_an_amount(table: TableConfiguration, name: str, primary: TableSchema) -> bool:
    mapped = (primary.columns.get(each) for each in table.target_columns)
    return name == CURRENCY_COLUMN and any(
        column is not None and column.kind is ColumnKind.MONEY for column in mapped
    )


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
