"""Where Dagster keeps its runs, and the settings that it starts with.

Belongs here: finding or making that folder. `dagster.yaml` beside this module holds the settings;
it is the same text as the one at the top of the repository, which `dagster dev` reads.
"""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import dagster as dg

from dv_sync_pipeline.errors import ConfigurationError

__all__ = ["find_dagster_home", "make_dagster_home", "open_instance"]

HOME_VARIABLE = "DAGSTER_HOME"


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
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        shipped = resources.files(__package__) / "dagster.yaml"
        settings.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    return home


def open_instance(home: Path) -> dg.DagsterInstance:
    """Dagster's database in that folder; a context manager."""
    return dg.DagsterInstance.from_config(str(home))
