"""What a command is given by the process it runs in, and the options that commands share.

Imports nothing heavy: `dv-sync --help` loads this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dv_sync_pipeline.config import Configuration
    from dv_sync_pipeline.defs.resources import EngineOpener
    from dv_sync_pipeline.sync.examination.subjects import Connect

__all__ = ["Surroundings", "all_option", "json_option", "limit_option", "tables_argument"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The world as a command sees it; tests give another.

    Attributes:
        variables: of the process environment.
        open_engine: how to come by an engine; None stands for the real one.
        connect: how to come by an environment; None stands for the network.

    """

    variables: Mapping[str, str]
    open_engine: EngineOpener | None = None
    connect: Connect | None = None

    def configuration(self) -> Configuration:
        """The file that `DV_SYNC_CONFIG` names, or ./sync.yaml; else `ConfigurationError`."""
        from dv_sync_pipeline import config  # noqa: PLC0415 - pydantic takes its time

        return config.load(config.find(self.variables), self.variables)

    def engine_opener(self) -> EngineOpener:
        """Theirs, or the real one."""
        if self.open_engine is not None:
            return self.open_engine
        from dv_sync_pipeline.defs.resources import open_real_engine  # noqa: PLC0415 - likewise

        return open_real_engine

    def connector(self) -> Connect:
        """Theirs, or the network."""
        if self.connect is not None:
            return self.connect
        from dv_sync_pipeline.webapi.client import connect  # noqa: PLC0415 - likewise

        return connect


tables_argument = click.argument("tables", nargs=-1, metavar="[TABLE]...")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, for programs, instead of tables."
)

limit_option = click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Rows shown of each table and kind of change.",
)

all_option = click.option("--all", "show_all", is_flag=True, help="Show every row.")
