"""Which pass a materialization runs, as the launchpad and the sensors say it.

Belongs here: the choice, and that a run is dry as a whole: whichever step says `dry_run`, no step
writes, removals included. Does not belong here: what a pass does (`sync/engine.py`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

import dagster as dg
from pydantic import Field

from dv_sync_pipeline.defs.resources import Engine, Work
from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline.sync.report import ProgressListener, TableReport

__all__ = [
    "DRY_RUN_TAG",
    "Mode",
    "RunConfig",
    "StepConfig",
    "config_of_ops",
    "heeding_the_run",
    "is_dry",
    "work_of",
]

DRY_RUN_TAG = "dv_sync/dry_run"
"""A run that bears it writes nothing, whatever its steps are told.

Every dry run bears it as soon as its first step begins: so the list of runs can tell it, and so can
what looks at a run later.
"""


class Mode(Enum):
    """The passes; the launchpad shows these names."""

    auto = "auto"
    changes = "changes"
    reconcile = "reconcile"
    rows = "rows"


class StepConfig(dg.Config):
    """What a person may choose in the launchpad for every step."""

    dry_run: bool = Field(
        default=False,
        description="Report what would change and write nothing. To say so for one step is enough: "
        "then no step of the run writes anything. Not for the mode `rows`.",
    )


class RunConfig(StepConfig):
    """What a person may choose in the launchpad for a table."""

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


_Config = TypeVar("_Config", bound=StepConfig)


def heeding_the_run(config: _Config, context: dg.AssetExecutionContext) -> _Config:
    """The choices for one step; dry as soon as the run is, or any step of it.

    A plan for the tables beside real removals is what nobody means, and what nobody can undo.
    """
    if not is_dry(context.run):
        if not _any_step_is_dry(context):
            return config
        context.instance.add_run_tags(context.run.run_id, {DRY_RUN_TAG: "true"})
    return config.model_copy(update={"dry_run": True})


def is_dry(run: dg.DagsterRun) -> bool:
    """Whether the run, which has begun, writes nothing."""
    return DRY_RUN_TAG in run.tags


def _any_step_is_dry(context: dg.AssetExecutionContext) -> bool:
    """As Dagster has resolved it: the configuration of the run lacks the defaults of the job."""
    steps = context.get_step_execution_context().resolved_run_config.ops.values()
    return any(isinstance(step.config, dict) and step.config.get("dry_run") for step in steps)


def config_of_ops(keys: Iterable[dg.AssetKey], mode: Mode) -> dict[str, Any]:
    """The configuration of a run in which these assets run in that mode."""
    config = {"config": {"mode": mode.value}}
    return {"ops": {key.to_python_identifier(): config for key in keys}}
