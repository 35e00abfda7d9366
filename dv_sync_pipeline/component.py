"""The whole pipeline as a component, for Dagster projects that hold other things too.

`dg scaffold defs dv_sync_pipeline.DataverseSync NAME` writes its `defs.yaml`. Belongs here: what
can be said there. What is synchronized stands in `sync.yaml`, as always.
"""

import os
from typing import Any

import dagster as dg
from pydantic import Field

from dv_sync_pipeline import config
from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.config.base import LOGICAL_NAME
from dv_sync_pipeline.definitions import build_definitions

__all__ = ["DataverseSync", "DataverseSyncScaffolder"]

_SYNC_YAML = "sync.yaml"


class DataverseSyncScaffolder(dg.Scaffolder[Any]):
    """Writes a `defs.yaml` that expects `sync.yaml` beside it."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Asked for by `dg scaffold defs`."""
        dg.scaffold_component(request, {"sync_yaml": _SYNC_YAML})


@dg.scaffold_with(DataverseSyncScaffolder)
class DataverseSync(dg.Component, dg.Model, dg.Resolvable):
    """Keeps the tables of one Dataverse environment equal to another's, as `sync.yaml` says.

    Attributes:
        sync_yaml: the configuration.
        group: replaces the group of every table.
        key_prefix: replaces that of `sync.yaml`.

    """

    sync_yaml: str = Field(
        default=_SYNC_YAML, description="Path of sync.yaml, beside defs.yaml unless absolute."
    )
    group: str | None = Field(
        default=None, description="Group of every asset, instead of those in sync.yaml."
    )

    key_prefix: str | None = Field(
        default=None,
        pattern=f"^{LOGICAL_NAME.pattern}$",
        description="What the names of all assets, jobs, schedules, sensors and resources begin "
        "with, instead of what sync.yaml says. Needed where a project holds several pairs.",
    )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The same assets, jobs, schedules and sensors as `dv_sync_pipeline.definitions`.

        The executor is left to the project; our own jobs name theirs.
        """
        file = context.path / self.sync_yaml
        configuration = self._grouped(self._named(config.load(file, os.environ)))
        ours = build_definitions(configuration=configuration, source=str(file))
        return dg.Definitions(
            assets=ours.assets,
            jobs=ours.jobs,
            schedules=ours.schedules,
            sensors=ours.sensors,
            resources=ours.resources,
            metadata=ours.metadata,
        )

    def _named(self, configuration: Configuration) -> Configuration:
        if self.key_prefix is None:
            return configuration
        return configuration.model_copy(update={"key_prefix": self.key_prefix})

    def _grouped(self, configuration: Configuration) -> Configuration:
        if self.group is None:
            return configuration
        tables = [table.model_copy(update={"group": self.group}) for table in configuration.tables]
        return configuration.model_copy(update={"tables": tuple(tables)})
