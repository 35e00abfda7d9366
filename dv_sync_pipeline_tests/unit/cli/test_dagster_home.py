"""Where Dagster keeps its runs, and what a person hears when it cannot."""

import pytest

from dv_sync_pipeline.cli.dagster_home import make_dagster_home, open_instance
from dv_sync_pipeline.errors import ConfigurationError


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """`state` may lie where nobody can write; a person can mend that."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=r"file/state/dagster cannot be made.*`state`"):
        make_dagster_home(tmp_path / "file" / "state")


@pytest.mark.parametrize(
    "settings", ["run_queue: [", "no_such_setting: 1"], ids=["not YAML", "unknown setting"]
)
def test_settings_that_dagster_refuses_are_named(tmp_path, settings):
    """A DAGSTER_HOME of one's own may hold anything."""
    (tmp_path / "dagster.yaml").write_text(settings)

    with pytest.raises(ConfigurationError, match=r"does not take its settings in .*dagster\.yaml"):
        open_instance(tmp_path)
