"""Where Dagster keeps its runs, and the settings that it starts with.

Belongs here: finding or making that folder. `dagster.yaml` beside this module holds the settings;
it is the same text as the one at the top of the repository, which `dagster dev` reads.
"""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import dagster as dg
import yaml

from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline.redact import redact

__all__ = ["find_dagster_home", "make_dagster_home", "open_instance"]

HOME_VARIABLE = "DAGSTER_HOME"
SETTINGS = "dagster.yaml"


def find_dagster_home(variables: Mapping[str, str], *, state: Path) -> Path:
    """The folder that `DAGSTER_HOME` names, which must exist, or our own inside `state`."""
    named = variables.get(HOME_VARIABLE)
    if not named:
        return make_dagster_home(state)
    if not Path(named).is_dir():
        raise ConfigurationError(
            f"{HOME_VARIABLE} names {named}, which is not a folder",
            mend=f"Create it, or unset {HOME_VARIABLE} to keep Dagster's runs in {state}",
        )
    return Path(named).absolute()


def make_dagster_home(state: Path) -> Path:
    """`state`/dagster, readable by its owner alone, with our settings unless it has others."""
    home = (state / "dagster").absolute()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _settle(home / SETTINGS)
    except OSError as error:
        raise ConfigurationError(
            f"the folder {home} cannot be made or written",
            why=error.strerror or str(error),
            mend="Check the folder that `state` names in sync.yaml",
        ) from None
    return home


def open_instance(home: Path) -> dg.DagsterInstance:
    """Dagster's database in that folder; a context manager."""
    try:
        return dg.DagsterInstance.from_config(str(home))
    except (yaml.YAMLError, dg.DagsterInvalidConfigError) as error:
        raise ConfigurationError(
            f"Dagster does not take its settings in {home / SETTINGS}",
            why=redact(" ".join(str(error).split())),
            mend="Correct them, or delete the file to have Dagster's own",
        ) from None


def _settle(settings: Path) -> None:
    if not settings.exists():
        shipped = resources.files(__package__) / SETTINGS
        settings.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
