"""What all assets of the code location share: the configuration, the engine, and who listens.

Belongs here: opening the engine for one table and handing on what it says. Does not belong here:
what a pass does (`sync/`) or how Dagster shows it (`record`).
"""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.errors import SafetyError
from dv_sync_pipeline.sync.report import Progress, ProgressListener, TableReport, TableVerdict

__all__ = ["Engine", "EngineOpener", "RunListener", "Synchronizer", "open_real_engine"]


class Engine(Protocol):
    """The part of `sync.engine.Engine` that assets and commands use."""

    async def check_environments(self) -> object:
        """Raise `UsageError` or `SafetyError` when an environment cannot be used at all."""

    async def reconcile(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener
    ) -> TableReport:
        """Make one table equal, or with `dry_run` tell what that would change."""

    async def set_deferred_lookups(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener
    ) -> TableReport:
        """Set the lookups that close a circle of tables; tables come first."""

    async def remove(self, table: str, *, progress: ProgressListener) -> TableReport:
        """Remove what the last reconcile of the table found to be gone in the primary."""

    async def verify(self, table: str, *, progress: ProgressListener) -> TableVerdict:
        """Compare one table, writing nothing."""


EngineOpener: TypeAlias = Callable[[Configuration], AbstractAsyncContextManager[Engine]]
"""Opens the engine for one event loop; closing it releases connections and the ledger."""


_Work: TypeAlias = Callable[[Engine, ProgressListener], Awaitable[TableReport]]
"""One pass over one table."""


def open_real_engine(configuration: Configuration) -> AbstractAsyncContextManager[Engine]:
    """The engine of `sync/`, with the time of this machine."""
    from dv_sync_pipeline.sync.engine import open_engine  # noqa: PLC0415 - polars and msal are slow

    return open_engine(configuration, clock=lambda: datetime.now(tz=UTC))


class RunListener:
    """Is told what becomes of each table of a run. This one keeps it to itself."""

    def progressed(self, progress: Progress) -> None:
        """A pass has come this far."""

    def finished(self, report: TableReport) -> None:
        """A table is done."""

    def failed(self, table: str, error: BaseException) -> None:
        """A table could not be done, or was interrupted."""


@dataclass(slots=True)
class Synchronizer:
    """Runs passes for assets, one table at a time.

    Attributes:
        configuration: all of `sync.yaml`.
        open_engine: how to come by an engine.
        listener: is told about every table, beside Dagster's own log.
        danger: the error that forbids every further table in this process, once there was one.

    """

    configuration: Configuration
    open_engine: EngineOpener
    listener: RunListener = field(default_factory=RunListener)
    danger: SafetyError | None = None

    def reconcile(self, table: str, *, dry_run: bool, progress: ProgressListener) -> TableReport:
        """Reconcile one table; raises what the engine raises, once the listener has heard it."""

        def work(engine: Engine, listener: ProgressListener) -> Awaitable[TableReport]:
            return engine.reconcile(table, dry_run=dry_run, progress=listener)

        return self._run(table, work, progress=progress)

    def set_deferred_lookups(
        self, table: str, *, dry_run: bool, progress: ProgressListener
    ) -> TableReport:
        """Set the lookups that `reconcile` left out; likewise."""

        def work(engine: Engine, listener: ProgressListener) -> Awaitable[TableReport]:
            return engine.set_deferred_lookups(table, dry_run=dry_run, progress=listener)

        return self._run(table, work, progress=progress)

    def remove(self, table: str, *, progress: ProgressListener) -> TableReport:
        """Remove the rows that `reconcile` found to be gone; likewise."""

        def work(engine: Engine, listener: ProgressListener) -> Awaitable[TableReport]:
            return engine.remove(table, progress=listener)

        return self._run(table, work, progress=progress)

    def _run(self, table: str, work: _Work, *, progress: ProgressListener) -> TableReport:
        try:
            report = self._run_unless_in_danger(work, progress=progress)
        except BaseException as error:
            self.listener.failed(table, error)
            raise
        self.listener.finished(report)
        return report

    def _run_unless_in_danger(self, work: _Work, *, progress: ProgressListener) -> TableReport:
        if self.danger is not None:
            raise self.danger
        try:
            return _run_to_the_end(self._open_and_run(work, progress=progress))
        except SafetyError as danger:
            self.danger = danger
            raise

    async def _open_and_run(self, work: _Work, *, progress: ProgressListener) -> TableReport:
        def tell_both(step: Progress) -> None:
            progress(step)
            self.listener.progressed(step)

        async with self.open_engine(self.configuration) as engine:
            return await work(engine, tell_both)


def _run_to_the_end(work: Coroutine[Any, Any, TableReport]) -> TableReport:
    """As `asyncio.run`, and Ctrl-C ends the pass in order: cancelled, connections closed.

    asyncio sees to that only where Python's own handler is in place; Dagster's would raise in the
    middle of whatever line is running.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(work)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return asyncio.run(work)
    finally:
        signal.signal(signal.SIGINT, handler)
