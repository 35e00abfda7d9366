"""What all assets of the code location share: the configuration, the engine, and who listens.

Belongs here: opening the engine for a run and handing on what it says. Does not belong here: what a
pass does (`sync/`) or how Dagster shows it (`record`).
"""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias, TypeVar

import dagster as dg

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.defs.names import SYNCHRONIZER, Names
from dv_sync_pipeline.errors import SafetyError
from dv_sync_pipeline.sync.comparison import ParentsCome
from dv_sync_pipeline.sync.report import Progress, ProgressListener, TableReport, TableVerdict

__all__ = [
    "Engine",
    "EngineOpener",
    "RunListener",
    "Synchronizer",
    "Work",
    "build_synchronizer",
    "open_real_engine",
    "run_to_the_end",
    "synchronizer_of",
]


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

    async def remove(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener
    ) -> TableReport:
        """Remove what the last reconcile of the table found to be gone in the primary."""

    @property
    def tables_in_order(self) -> Sequence[str]:
        """Every synchronized table, parents first."""

    async def auto(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener
    ) -> TableReport:
        """Reconcile one table if that is owed, else follow its changes."""

    def parents_of(self, table: str) -> Collection[str]:
        """Tables whose rows must be there before rows of this one can point to them."""

    def associated_with(self, table: str) -> Collection[str]:
        """Those of them that it is associated with."""

    async def changes(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener = ...
    ) -> TableReport:
        """Follow the change feed of one table to its end; list what is gone."""

    async def rows(
        self,
        table: str,
        row_ids: Collection[str],
        *,
        parents_come: ParentsCome = ...,
        progress: ProgressListener = ...,
    ) -> TableReport:
        """Make exactly these rows equal; list what is gone."""

    async def woken_rows(self, table: str, *, progress: ProgressListener) -> TableReport:
        """Likewise the rows that wake-ups speak of, which are settled then."""

    async def apply_changes(self, tables: Collection[str]) -> Sequence[TableReport]:
        """Follow the changes of these tables, then remove what is listed."""

    def reconcile_owed(self, table: str) -> str:
        """Why a reconcile of the table is owed; "" when none is."""

    async def news(self, table: str, /) -> str:
        """What tells unapplied changes of the table from others; "" when there are none."""

    async def verify(self, table: str, *, progress: ProgressListener) -> TableVerdict:
        """Compare one table, writing nothing."""


EngineOpener: TypeAlias = Callable[[Configuration], AbstractAsyncContextManager[Engine]]
"""Opens the engine for one event loop; closing it releases connections and the ledger."""


_T = TypeVar("_T")

Work: TypeAlias = Callable[[Engine, ProgressListener], Awaitable[TableReport]]
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
    """Runs passes for assets, one table at a time, all of them on one engine.

    The engine is opened by the first pass and kept: to sign in and to ask both environments what
    their tables look like takes longer than a few changed rows. `close` it when the run is over.

    Attributes:
        configuration: all of `sync.yaml`.
        open_engine: how to come by an engine.
        listener: is told about every table, beside Dagster's own log.
        danger: the error that forbids every further table of the run, once there was one.

    """

    configuration: Configuration
    open_engine: EngineOpener
    listener: RunListener = field(default_factory=RunListener)
    danger: SafetyError | None = None
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner, init=False)
    """Connections belong to the event loop in which they were opened."""
    _opened: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)
    _engine: Engine | None = field(default=None, init=False)

    def close(self) -> None:
        """Let go of connections and ledger, if there are any."""
        if self._engine is not None:
            self._runner.run(self._opened.aclose())
        self._runner.close()

    def run(self, table: str, work: Work, *, progress: ProgressListener) -> TableReport:
        """Do this work on a table; raises what the engine raises, once the listener heard it."""
        try:
            report = self._run_unless_in_danger(work, progress=progress)
        except BaseException as error:
            self.listener.failed(table, error)
            raise
        self.listener.finished(report)
        return report

    def _run_unless_in_danger(self, work: Work, *, progress: ProgressListener) -> TableReport:
        if self.danger is not None:
            raise self.danger
        try:
            with _interrupted_in_order():
                return self._runner.run(self._open_and_run(work, progress=progress))
        except SafetyError as danger:
            self.danger = danger
            raise

    async def _open_and_run(self, work: Work, *, progress: ProgressListener) -> TableReport:
        def tell_both(step: Progress) -> None:
            progress(step)
            self.listener.progressed(step)

        if self._engine is None:
            opening = self.open_engine(self.configuration)
            self._engine = await self._opened.enter_async_context(opening)
        return await work(self._engine, tell_both)


def build_synchronizer(
    configuration: Configuration, *, open_engine: EngineOpener, listener: RunListener
) -> dg.ResourceDefinition:
    """One for each run, closed when the run ends."""

    @dg.resource
    def synchronizer(_context: dg.InitResourceContext) -> Iterator[Synchronizer]:
        with closing(Synchronizer(configuration, open_engine, listener)) as opened:
            yield opened

    return synchronizer


def synchronizer_of(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, names: Names
) -> Synchronizer:
    """That of the step's own pair of environments."""
    synchronizer: Synchronizer = getattr(context.resources, names.of(SYNCHRONIZER))
    return synchronizer


def run_to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """As `asyncio.run`, and Ctrl-C ends the pass in order: cancelled, connections closed."""
    with _interrupted_in_order():
        return asyncio.run(work)


@contextmanager
def _interrupted_in_order() -> Iterator[None]:
    """Inside, asyncio sees to Ctrl-C, which it does only where Python's own handler is in place.

    Dagster's would raise in the middle of whatever line is running.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
