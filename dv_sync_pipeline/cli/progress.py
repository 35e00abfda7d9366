"""A progress bar for each table, on standard error and only if a person is looking."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import (
    Progress as Bars,
)

from dv_sync_pipeline.defs.resources import RunListener
from dv_sync_pipeline.sync.report import Progress, TableReport

__all__ = ["ProgressBars"]

_READ = "read"
_SIDES = 2


class ProgressBars(RunListener):
    """Draws what it hears, for as long as it is entered; gone afterwards, for the result's sake."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[stage]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._reading: dict[str, dict[str, Progress]] = {}

    def __enter__(self) -> Self:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()

    def progressed(self, progress: Progress) -> None:
        """Move the table's bar; reading goes on in both environments at once and shares it."""
        if progress.stage.startswith(_READ):
            progress = self._whole_reading(progress)
        self._bars.update(
            self._task(progress.table),
            completed=progress.done,
            total=progress.total,
            stage=progress.stage,
        )

    def _whole_reading(self, progress: Progress) -> Progress:
        reading = self._reading.setdefault(progress.table, {})
        reading[progress.stage] = progress
        totals = [side.total for side in reading.values() if side.total is not None]
        return Progress(
            table=progress.table,
            stage=_READ,
            done=sum(side.done for side in reading.values()),
            total=sum(totals) if len(totals) == _SIDES else None,
        )

    def draw(self) -> None:
        """Draw now, and not at the next tenth of a second."""
        self._bars.refresh()

    def finished(self, report: TableReport) -> None:
        """Fill the table's bar."""
        rows = report.read
        self._bars.update(self._task(report.table), completed=rows, total=rows, stage="done")

    def failed(self, table: str, error: BaseException) -> None:
        """Say so beside the bar; the error itself comes with the result."""
        del error
        self._bars.update(self._task(table), stage="failed")

    def _task(self, table: str) -> TaskID:
        if table not in self._tasks:
            self._tasks[table] = self._bars.add_task(table, total=None, stage="")
        return self._tasks[table]
