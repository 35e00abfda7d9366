"""What everything of one pair of environments is called in Dagster.

Names are unique in a code location, so a project that mounts two pairs gives each a prefix. Belongs
here: every name that could meet another one's: assets, jobs, schedules, sensors, operations, pools,
resources.
"""

from dataclasses import dataclass

import dagster as dg

from dv_sync_pipeline.config import Configuration, TableConfiguration

__all__ = [
    "APPLY_CHANGES",
    "FOLLOW_CHANGES",
    "LIVE",
    "PLAN_ALL",
    "POOL",
    "RECONCILE_ALL",
    "SYNCHRONIZER",
    "Names",
    "names_of",
]

RECONCILE_ALL = "reconcile_all"
PLAN_ALL = "plan_all"
APPLY_CHANGES = "apply_changes"
LIVE = "live"
FOLLOW_CHANGES = "follow_changes"
"""The one operation of the job `live`."""
SYNCHRONIZER = "synchronizer"
POOL = "dv_sync_secondary"
"""What every step that writes to the secondary takes a slot of; `dagster.yaml` says how many there
are, over all runs and machines. A run that ended without giving its slots back loses them soon."""


def names_of(configuration: Configuration) -> "Names":
    """The names of that pair."""
    return Names(configuration.key_prefix)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one pair.

    Attributes:
        prefix: what each begins with; "" for nothing.

    """

    prefix: str = ""

    def of(self, name: str) -> str:
        """The name of a job, schedule, sensor, operation, pool or resource."""
        return f"{self.prefix}_{name}" if self.prefix else name

    def primary(self, table: str) -> dg.AssetKey:
        """The asset that stands for a table of the primary."""
        return self._key("primary", table)

    def secondary(self, table: TableConfiguration) -> dg.AssetKey:
        """The asset of a synchronized table."""
        return self._key("secondary", table.target)

    def deferred(self, table: TableConfiguration) -> dg.AssetKey:
        """The asset of those lookups of a table that close a circle."""
        return self._key("deferred_lookups", table.target)

    def removals(self, table: TableConfiguration) -> dg.AssetKey:
        """The asset of the removals of a synchronized table."""
        return self._key("removals", table.target)

    def _key(self, *parts: str) -> dg.AssetKey:
        return dg.AssetKey([self.prefix, *parts] if self.prefix else parts)

    def jobs(self) -> frozenset[str]:
        """The names of all jobs."""
        return frozenset(map(self.of, (RECONCILE_ALL, PLAN_ALL, APPLY_CHANGES, LIVE)))

    def written(self, table: TableConfiguration) -> frozenset[dg.AssetKey]:
        """Every asset that a table may have, but for the one that stands for the primary's."""
        return frozenset([self.secondary(table), self.deferred(table), self.removals(table)])

    def steps(self, configuration: Configuration) -> frozenset[str]:
        """The keys of every step that a run of ours may have."""
        assets = {key for table in configuration.tables for key in self.written(table)}
        return frozenset([self.of(FOLLOW_CHANGES), *(key.to_python_identifier() for key in assets)])
