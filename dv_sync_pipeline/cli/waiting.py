"""What waits for a person, as the ledger knows it; no environment is asked.

Belongs here: reading and changing the lists of parked rows and removals for the commands.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from dv_sync_pipeline.cli.passes import tables_in_order
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline.sync.guards import Removal, RemovalList, reason_to_hold
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.report import ParkedRow

__all__ = [
    "ShownRemovals",
    "approve_removals",
    "drop_parked_rows",
    "next_reconcile",
    "parked_rows",
    "removal_lists",
    "tables_with_parked_rows",
]


@dataclass(frozen=True, slots=True)
class ShownRemovals:
    """What is to be removed from one table: rows, or pairs of one relationship.

    Attributes:
        table: logical name in the primary.
        relationship: whose pairs these are; "" for rows.
        digest: names exactly this list.
        held_because: why a person must approve it first; "" if nothing holds it back.
        is_approved: a person did.
        removals: the rows, or the pairs.

    """

    table: str
    relationship: str
    digest: str
    held_because: str
    is_approved: bool
    removals: Sequence[Removal]


@contextmanager
def _opened(surroundings: Surroundings) -> Iterator[tuple[Configuration, Ledger]]:
    configuration = surroundings.configuration()
    with Ledger.open(configuration.ledger_url) as ledger:
        yield configuration, ledger


def parked_rows(surroundings: Surroundings, names: Sequence[str]) -> list[ParkedRow]:
    """The parked rows of the named tables, or of all, parents first."""
    with _opened(surroundings) as (configuration, ledger):
        tables = tables_in_order(configuration, names)
        return [row for table in tables for row in ledger.parked(table)]


def next_reconcile(surroundings: Surroundings) -> datetime | None:
    """When everything is compared next, by the schedule; None where none is."""
    return surroundings.configuration().schedule.next_reconcile(datetime.now(tz=UTC))


def tables_with_parked_rows(surroundings: Surroundings, names: Sequence[str]) -> list[str]:
    """Those of the named tables, or of all, that have any."""
    return list(dict.fromkeys(row.table for row in parked_rows(surroundings, names)))


def drop_parked_rows(
    surroundings: Surroundings, table: str, keys: Sequence[str]
) -> list[ParkedRow]:
    """Forget the parked rows with these keys, or all of the table; returns them.

    Raises `ConfigurationError` for a key under which nothing is parked.
    """
    with _opened(surroundings) as (configuration, ledger):
        parked = ledger.parked(configuration.table(table).table)
        unknown = set(keys) - {row.key for row in parked}
        if unknown:
            raise ConfigurationError(
                f"no row of {table} is parked under the key {', '.join(sorted(unknown))}",
                mend=f"Give keys as dv-sync parked list {table} shows them",
            )
        dropped = [row for row in parked if not keys or row.key in keys]
        ledger.drop_parked(table, [row.primary_id for row in dropped])
        return dropped


def removal_lists(surroundings: Surroundings, names: Sequence[str]) -> list[ShownRemovals]:
    """The lists that are not empty, of the named tables or of all."""
    with _opened(surroundings) as (configuration, ledger):
        tables = tables_in_order(configuration, names)
        return [
            _shown(each, configuration) for table in tables for each in ledger.removal_lists(table)
        ]


def approve_removals(
    surroundings: Surroundings, table: str, *, digest: str | None
) -> list[ShownRemovals]:
    """Approve the lists of the table as they are now, or only the one with this digest.

    Raises `ConfigurationError` when there is none, or none with this digest.
    """
    with _opened(surroundings) as (configuration, ledger):
        name = configuration.table(table).table
        chosen = _chosen(ledger.removal_lists(name), table=name, digest=digest)
        for each in chosen:
            ledger.approve_removals(each)
        digests = {each.digest for each in chosen}
        lists = ledger.removal_lists(name)
        return [_shown(each, configuration) for each in lists if each.digest in digests]


def _chosen(lists: Sequence[RemovalList], *, table: str, digest: str | None) -> list[RemovalList]:
    if not lists:
        raise ConfigurationError(
            f"nothing of {table} is to be removed",
            mend="Run dv-sync sync first: a reconcile makes the list",
        )
    chosen = [each for each in lists if digest in (None, each.digest)]
    if not chosen:
        raise ConfigurationError(
            f"the list of {table} is another one by now: "
            f"{' and '.join(each.digest for each in lists)}",
            mend=f"Look at dv-sync removals list {table} again",
        )
    return chosen


def _shown(found: RemovalList, configuration: Configuration) -> ShownRemovals:
    max_removals = configuration.table(found.table).max_removals
    return ShownRemovals(
        found.table,
        found.relationship,
        found.digest,
        held_because=reason_to_hold(found, max_removals=max_removals),
        is_approved=found.approved == found.digest,
        removals=found.removals,
    )
