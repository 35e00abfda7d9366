"""The composition root of Dagster: `defs` for its tools, `build_definitions` for everyone else.

Belongs here: which configuration, which engine, which listener. Nothing happens on import; loading
`defs` reads the process environment and the configuration file, and asks no network.
"""

import gc
import logging
import os
from collections.abc import Sequence

import dagster as dg

from dv_sync_pipeline import config
from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.defs.alert_sensors import build_alert_sensors
from dv_sync_pipeline.defs.assets import (
    build_deferred_assets,
    build_primary_specs,
    build_table_assets,
)
from dv_sync_pipeline.defs.change_sensors import build_change_sensors
from dv_sync_pipeline.defs.jobs import build_apply_changes, build_plan_all, build_reconcile_all
from dv_sync_pipeline.defs.live import build_live_job
from dv_sync_pipeline.defs.live_watch import build_keep_live
from dv_sync_pipeline.defs.names import SYNCHRONIZER, names_of
from dv_sync_pipeline.defs.removals import build_removal_assets
from dv_sync_pipeline.defs.resources import (
    EngineOpener,
    RunListener,
    build_synchronizer,
    open_real_engine,
)
from dv_sync_pipeline.defs.sample import NO_CONFIGURATION, refuse_to_open, sample_configuration
from dv_sync_pipeline.defs.schedules import build_schedules

__all__ = ["build_definitions", "defs"]


def build_definitions(
    *,
    configuration: Configuration | None = None,
    open_engine: EngineOpener = open_real_engine,
    listener: RunListener | None = None,
    source: str = "given in code",
) -> dg.Definitions:
    """All assets, the job, the schedule and the sensors of one configuration.

    Without a configuration, those of the sample `hotels`, which can be looked at and not run.
    `source` says where the configuration came from, for the code location's page.
    Raises `ConfigurationError` for what only Dagster can tell to be wrong.
    """
    if configuration is None:
        return _definitions_of_sample()
    return _definitions(
        configuration,
        open_engine=open_engine,
        listener=listener or RunListener(),
        source=source,
        sensors=[
            *build_alert_sensors(configuration),
            *build_change_sensors(configuration, open_engine=open_engine),
            *_live_sensors(configuration),
        ],
    )


def _definitions(
    configuration: Configuration,
    *,
    open_engine: EngineOpener,
    listener: RunListener,
    source: str,
    sensors: Sequence[dg.SensorDefinition],
) -> dg.Definitions:
    tables = [*build_table_assets(configuration), *build_deferred_assets(configuration)]
    removals = build_removal_assets(configuration)
    keys = [asset.key for asset in tables], [asset.key for asset in removals]
    names = names_of(configuration)
    synchronizer = build_synchronizer(configuration, open_engine=open_engine, listener=listener)
    return dg.Definitions(
        assets=[*tables, *removals, *build_primary_specs(configuration)],
        jobs=[
            build_reconcile_all(*keys, names=names),
            build_plan_all(*keys, names=names),
            build_apply_changes(*keys, names=names),
            *_live_jobs(configuration),
        ],
        schedules=build_schedules(configuration),
        sensors=sensors,
        resources={names.of(SYNCHRONIZER): synchronizer},
        executor=dg.in_process_executor,
        metadata={"configuration": source},
    )


def _live_jobs(configuration: Configuration) -> list[dg.JobDefinition]:
    return [build_live_job(configuration)] if configuration.live.enabled else []


def _live_sensors(configuration: Configuration) -> list[dg.SensorDefinition]:
    return [build_keep_live(configuration)] if configuration.live.enabled else []


@dg.definitions
def defs() -> dg.Definitions:
    """The code location: of the file that `DV_SYNC_CONFIG` names, of ./sync.yaml, or of none."""
    # What is imported by now stays. To look for garbage in it takes a tenth of a second, in which a
    # live run does nothing else, and longer than that when the process of a short run ends.
    gc.freeze()
    file = config.find(os.environ)
    if config.CONFIGURATION_VARIABLE not in os.environ and not file.exists():
        logging.getLogger(__name__).warning(NO_CONFIGURATION)
        return build_definitions()
    return build_definitions(configuration=config.load(file, os.environ), source=str(file))


def _definitions_of_sample() -> dg.Definitions:
    """Without sensors: there is no ledger to look into."""
    return _definitions(
        sample_configuration(),
        open_engine=refuse_to_open,
        listener=RunListener(),
        source=NO_CONFIGURATION,
        sensors=(),
    )
