"""Whether changes arrive in time, as far as the ledger knows.

Belongs here: from the age of each delta token to a problem. A feed that was followed to its end
gets a new token, whether it told of something or not, so the age of the token is the age of what we
know. Does not belong here: how long a change took that has arrived (`TableReport.lag_seconds`).
"""

from datetime import datetime, timedelta

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.problems import Problem

__all__ = ["problems_of_feeds"]


def problems_of_feeds(
    configuration: Configuration, ledger: Ledger, *, now: datetime
) -> list[Problem]:
    """A problem for each table whose feed nobody has followed for too long.

    A table whose changes cannot be followed has none: that a reconcile is owed is told elsewhere.
    """
    if not configuration.follows_changes:
        return []
    limit = timedelta(seconds=configuration.alerts.lag_seconds_max + _poll_seconds(configuration))
    ages = {table.table: _age(table.table, ledger, now) for table in configuration.tables}
    return [_stale(table, age) for table, age in ages.items() if age is not None and age > limit]


def _poll_seconds(configuration: Configuration) -> float:
    """A feed without webhooks is followed so often, and no more often."""
    paths = configuration.live, configuration.changes
    return max(path.poll_seconds for path in paths if path.enabled)


def _age(table: str, ledger: Ledger, now: datetime) -> timedelta | None:
    token = ledger.delta_token(table)
    if token is None or ledger.reconcile_owed(table):
        return None
    return now - token.taken


def _stale(table: str, age: timedelta) -> Problem:
    return Problem(
        f"stale feed: {table}",
        f"{table}: its changes have not been followed for {_minutes(age)}",
        "What has changed in the primary since then is not in the secondary. Nothing is lost: the "
        "change feed keeps it.",
        "See in Dagster whether the daemon is up, whether the run of the job live or the sensor "
        "follow_feeds fails, and why",
        table=table,
    )


def _minutes(age: timedelta) -> str:
    """In words that stay the same for a while: a problem is told once, not with every look."""
    minutes = int(age.total_seconds() // 60)
    return "more than a minute" if minutes < 2 else f"{minutes:,} minutes"  # noqa: PLR2004 - plural
