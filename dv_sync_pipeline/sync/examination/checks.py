"""Which checks are made, and making them.

To add a check, write a small function where it belongs and a line in the table here. A check
answers with remarks; one that raises an error of ours could not be made, which is a finding, too.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.errors import DvSyncError
from dv_sync_pipeline.sync.examination import environments, pipeline, rights, tables
from dv_sync_pipeline.sync.examination.findings import Finding, Remark, unknown
from dv_sync_pipeline.sync.examination.subjects import (
    Connect,
    ExaminedEnvironment,
    ExaminedTable,
    Pipeline,
    examined_environment,
)
from dv_sync_pipeline.webapi.together import together

__all__ = ["ENVIRONMENT_CHECKS", "PIPELINE_CHECKS", "TABLE_CHECKS", "Check", "examine"]

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """A line of a table of checks.

    Attributes:
        name: in a few words.
        examine: makes it.
        environment: the one that it is about; "" for either, or for both together.

    """

    name: str
    examine: Callable[[Subject], Awaitable[Sequence[Remark]]]
    environment: str = ""


ENVIRONMENT_CHECKS: tuple[Check[ExaminedEnvironment], ...] = (
    Check("reachable", environments.check_reachable),
    Check("credentials", environments.check_credentials),
    Check("organisation", environments.check_organization),
    Check("application users", environments.check_application_users),
    Check("clock", environments.check_clock),
    Check("limits", environments.check_limits),
    Check("change tracking period", environments.check_delta_tokens, "primary"),
)

PIPELINE_CHECKS: tuple[Check[Pipeline], ...] = (
    Check("order of tables", pipeline.check_order),
    Check("ledger", pipeline.check_ledger),
    Check("ledger file", pipeline.check_ledger_file),
    Check("organisations", pipeline.check_organizations),
    Check("expiry of credentials", pipeline.check_expiries),
    Check("gateway", pipeline.check_gateway),
    Check("gateway address", pipeline.check_gateway_address),
    Check("webhooks", pipeline.check_webhooks),
)

TABLE_CHECKS: tuple[Check[ExaminedTable], ...] = (
    Check("table", tables.check_primary, "primary"),
    Check("change tracking", tables.check_change_tracking, "primary"),
    Check("reading", rights.check_reading, "primary"),
    Check("read only", rights.check_read_only, "primary"),
    Check("table", tables.check_secondary, "secondary"),
    Check("writing", rights.check_writing, "secondary"),
    Check("columns", tables.check_columns),
)


async def examine(
    configuration: Configuration,
    *,
    connect: Connect,
    clock: Callable[[], datetime],
    probe: Callable[[str], Awaitable[int]],
) -> tuple[Finding, ...]:
    """Make every check; findings about environments first, then the pipeline, then tables.

    Changes nothing anywhere, but creates the ledger where there is none. `probe` asks an address
    and answers with the HTTP status; it raises `UnreachableError`.
    """
    async with _opened(configuration, connect=connect, clock=clock, probe=probe) as whole:
        found = [
            await _make(check, environment, environment.name)
            for environment in whole.environments
            for check in ENVIRONMENT_CHECKS
            if check.environment in ("", environment.name)
        ]
        found += [await _make(check, whole, check.environment) for check in PIPELINE_CHECKS]
        found += await together(
            _make(check, ExaminedTable(table, whole), check.environment, table=table.table)
            for table in configuration.tables
            for check in TABLE_CHECKS
        )
    return tuple(finding for findings in found for finding in findings)


@asynccontextmanager
async def _opened(
    configuration: Configuration,
    *,
    connect: Connect,
    clock: Callable[[], datetime],
    probe: Callable[[str], Awaitable[int]],
) -> AsyncIterator[Pipeline]:
    both = configuration.environments
    async with (
        examined_environment("primary", both.primary, connect=connect, clock=clock) as primary,
        examined_environment(
            "secondary", both.secondary, connect=connect, clock=clock
        ) as secondary,
    ):
        yield Pipeline(configuration, primary, secondary, clock, probe)


async def _make(
    check: Check[Subject], subject: Subject, environment: str, *, table: str = ""
) -> list[Finding]:
    try:
        remarks = await check.examine(subject)
    except DvSyncError as error:
        why = f"{error.what}: {error.why}" if error.why else error.what
        remarks = [unknown("this could not be checked", why=why, mend=error.mend)]
    return [
        Finding(check.name, environment, table, each.level, each.what, each.why, each.mend)
        for each in remarks
    ]
