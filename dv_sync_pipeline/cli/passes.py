"""Runs one pass over several tables, and keeps what came of each.

Belongs here: which tables, in which order, and the exit code. Does not belong here: Dagster
(`dagster_run`) and how results are shown (`output`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.defs.resources import Engine, EngineOpener
from dv_sync_pipeline.errors import TableError, UsageError
from dv_sync_pipeline.sync.ordering import in_dependency_order
from dv_sync_pipeline.sync.report import TableReport, TableVerdict

__all__ = [
    "DIFFERENCES_REMAIN",
    "DONE",
    "TABLE_FAILED",
    "Outcome",
    "check_environments",
    "exit_code_of_plan",
    "exit_code_of_sync",
    "exit_code_of_verify",
    "run_pass",
    "tables_in_order",
]

Result = TypeVar("Result")
Pass: TypeAlias = Callable[[Engine, str], Awaitable[Result]]

DONE = 0
DIFFERENCES_REMAIN = 1
WRONG_USAGE = 2
TABLE_FAILED = 3


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """What became of each table, named as in the primary.

    Attributes:
        results: of the tables that were done.
        failures: of the tables that were not, with the reason.
        skipped: tables that were not tried, because a parent failed.
        run_id: of the Dagster run, if there was one.

    """

    results: Sequence[Result]
    failures: Mapping[str, Exception] = field(default_factory=dict)
    skipped: Sequence[str] = ()
    run_id: str = ""


def tables_in_order(configuration: Configuration, names: Sequence[str]) -> list[str]:
    """The named tables, or all of them, parents first.

    Raises `ConfigurationError` for a name that is not synchronized.
    """
    wanted = {configuration.table(name).table for name in names}
    ordered = [table.table for table in in_dependency_order(configuration.tables)]
    return [name for name in ordered if not wanted or name in wanted]


def check_environments(configuration: Configuration, *, open_engine: EngineOpener) -> None:
    """Raise `UsageError` at once where a long run could not have begun."""

    async def check() -> None:
        async with open_engine(configuration) as engine:
            await engine.check_environments()

    asyncio.run(check())


def run_pass(
    configuration: Configuration,
    names: Sequence[str],
    *,
    open_engine: EngineOpener,
    work: Pass[Result],
) -> Outcome[Result]:
    """`work` on each table in turn; a table that fails does not stop the next.

    Raises `UsageError` and `SafetyError`, which concern all tables.
    """

    async def run() -> Outcome[Result]:
        async with open_engine(configuration) as engine:
            await engine.check_environments()
            return await _work_on_each(engine, tables_in_order(configuration, names), work=work)

    return asyncio.run(run())


async def _work_on_each(
    engine: Engine, tables: Sequence[str], *, work: Pass[Result]
) -> Outcome[Result]:
    results: list[Result] = []
    failures: dict[str, Exception] = {}
    for table in tables:
        try:
            results.append(await work(engine, table))
        except TableError as error:
            failures[table] = error
    return Outcome(results, failures)


def exit_code_of_sync(outcome: Outcome[TableReport]) -> int:
    """0 of a reconcile exactly when `dv-sync verify` would find no difference."""
    if any(isinstance(error, UsageError) for error in outcome.failures.values()):
        return WRONG_USAGE
    if outcome.failures:
        return TABLE_FAILED
    if any(report.reconcile_owed for report in outcome.results):
        return DIFFERENCES_REMAIN
    remaining = sum(
        report.parked + report.waiting + report.gone + report.held for report in outcome.results
    )
    return DIFFERENCES_REMAIN if remaining else DONE


def exit_code_of_plan(outcome: Outcome[TableReport]) -> int:
    """0 when a reconcile would find nothing to do and nothing to complain of."""
    changes = sum(report.created + report.updated + report.pairs for report in outcome.results)
    return exit_code_of_sync(outcome) or (DIFFERENCES_REMAIN if changes else DONE)


def exit_code_of_verify(outcome: Outcome[TableVerdict]) -> int:
    """0 when every row of every table is proven equal."""
    if outcome.failures:
        return TABLE_FAILED
    agree = all(verdict.agrees for verdict in outcome.results)
    return DONE if agree else DIFFERENCES_REMAIN
