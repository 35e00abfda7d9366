"""What a pass costs: time, and traffic with both environments.

Belongs here: measuring it. Does not belong here: the report (`report.py`).
"""

from dv_sync_pipeline.sync.comparison import TablePass
from dv_sync_pipeline.sync.drift_rules import describe
from dv_sync_pipeline.sync.report import SynchronizedColumn
from dv_sync_pipeline.webapi.traffic import Traffic

__all__ = ["Meter"]


class Meter:
    """Time and traffic since the pass began."""

    def __init__(self, task: TablePass) -> None:
        self.table = task.table
        self.deletes = task.settings.deletes
        self.drift = task.mapping.drift
        self.columns = tuple(
            SynchronizedColumn(each.source.name, each.name, describe(each.target))
            for each in task.mapping.columns
        )
        self._task = task
        self._began = task.clock()
        self._traffic = self._total()

    def _total(self) -> Traffic:
        return self._task.primary.traffic + self._task.secondary.traffic

    def read(self) -> tuple[float, Traffic]:
        """Seconds and traffic so far."""
        return (self._task.clock() - self._began).total_seconds(), self._total() - self._traffic
