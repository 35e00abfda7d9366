"""What the services of a deployment need."""

from collections.abc import Callable

import pytest

from dv_sync_pipeline_tests.worlds.supervised import find_free_port


@pytest.fixture(scope="module")
def free_port() -> Callable[[], int]:
    """Finds a port on which nobody listened a moment ago."""
    return find_free_port
