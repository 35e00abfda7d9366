"""Which pass a materialization runs, as the launchpad and the sensors say it.

Belongs here: the choice. Does not belong here: what a pass does (`sync/engine.py`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from dv_sync_pipeline.defs.resources import Engine, Work
from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline.sync.report import ProgressListener, TableReport

__all__ = ["Mode", "RunConfig", "config_of_ops", "work_of"]


class Mode(Enum):
    """The passes; the launchpad shows these names."""

    auto = "auto"
    changes = "changes"
    reconcile = "reconcile"
    rows = "rows"


class RunConfig(dg.Config):
    """What a person may choose in the launchpad."""

    mode: Mode = Field(
        default=Mode.auto,
        description="`auto`: reconcile if that is owed, else follow the changes. `changes`: follow "
        "the changes since last time. `reconcile`: compare everything. `rows`: look at some rows.",
    )
    row_ids: list[str] = Field(
        default=[],
        description="For `rows`: GUIDs of rows in the primary. None stands for the rows that "
        "webhooks told of and that still wait.",
    )
    dry_run: bool = Field(
        default=False, description="Report what would change and write nothing; not for `rows`."
    )


_Pass = Callable[[Engine, str, RunConfig, ProgressListener], Awaitable[TableReport]]

_PASSES: Mapping[Mode, _Pass] = {
    Mode.auto: lambda engine, table, config, listener: engine.auto(
        table, dry_run=config.dry_run, progress=listener
    ),
    Mode.changes: lambda engine, table, config, listener: engine.changes(
        table, dry_run=config.dry_run, progress=listener
    ),
    Mode.reconcile: lambda engine, table, config, listener: engine.reconcile(
        table, dry_run=config.dry_run, progress=listener
    ),
    Mode.rows: lambda engine, table, config, listener: (
        engine.rows(table, config.row_ids, progress=listener)
        if config.row_ids
        else engine.woken_rows(table, progress=listener)
    ),
}


def work_of(table: str, config: RunConfig) -> Work:
    """The pass over that table; it raises `ConfigurationError` where choices contradict."""
    chosen = _PASSES[config.mode]

    def work(engine: Engine, listener: ProgressListener) -> Awaitable[TableReport]:
        _refuse_contradictions(config)
        return chosen(engine, table, config, listener)

    return work


def _refuse_contradictions(config: RunConfig) -> None:
    if config.mode is Mode.rows and config.dry_run:
        raise ConfigurationError(
            "a dry run of single rows is not possible", mend="Choose the mode changes or reconcile"
        )
    if config.row_ids and config.mode is not Mode.rows:
        raise ConfigurationError(
            f"row_ids are given, and the mode is {config.mode.value}", mend="Choose the mode rows"
        )


def config_of_ops(keys: Iterable[dg.AssetKey], mode: Mode) -> dict[str, Any]:
    """The configuration of a run in which these assets run in that mode."""
    config = {"config": {"mode": mode.value}}
    return {"ops": {key.to_python_identifier(): config for key in keys}}
