"""What the services of a deployment need."""

import socket
from collections.abc import Callable

import pytest


@pytest.fixture(scope="module")
def free_port() -> Callable[[], int]:
    """Finds a port on which nobody listened a moment ago."""

    def find() -> int:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return server.getsockname()[1]

    return find
