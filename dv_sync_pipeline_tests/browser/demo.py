"""The demo as a person starts it, and a browser before it.

Waits for texts, never for time: Dagster's bundle has no test ids, so pages are found by roles and
texts, and by class prefixes that survive releases (DAGSTER G).
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from dv_sync_pipeline_tests.world.conftest import DV_SYNC
from dv_sync_pipeline_tests.worlds.dagster_services import Ui
from dv_sync_pipeline_tests.worlds.judge import Environment
from dv_sync_pipeline_tests.worlds.supervised import find_free_port

CHROMIUM = Path("/usr/bin/chromium")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1800, "height": 900}
_WAIT_SECONDS_MAX = 120
_CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class RunningDemo:
    """A demo whose first synchronization is done.

    Attributes:
        primary, secondary: the environments, through the eyes of an administrator.
        port: of Dagster's UI.
        status_page: address of the gateway's page.

    """

    primary: Environment
    secondary: Environment
    port: int
    status_page: str

    @property
    def url(self) -> str:
        """Of Dagster's UI, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ui(self) -> Ui:
        """What stands behind the pages."""
        return Ui(self.port)


@contextmanager
def running_demo(state: Path, *, rows: int) -> Iterator[RunningDemo]:
    """`dv-sync demo`, once it says what to try next."""
    port, gateway_port = find_free_port(), find_free_port()
    ports = ["--port", str(port), "--gateway-port", str(gateway_port)]
    with subprocess.Popen(
        [*DV_SYNC, "demo", "--rows", str(rows), *ports, "--state", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ,
        text=True,
    ) as process:
        try:
            assert any("Ctrl-C ends it all" in line for line in process.stdout or ())
            primary, secondary = (
                Environment(state / "sync.yaml", name, is_administrator=True)
                for name in ("primary", "secondary")
            )
            yield RunningDemo(primary, secondary, port, f"http://127.0.0.1:{gateway_port}/")
            primary.close()
            secondary.close()
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a fresh browser, wide enough for a lineage of fifteen assets."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=_CHROMIUM_ARGUMENTS
        )
        page = browser.new_page(viewport=DESK)
        page.set_default_timeout(_WAIT_SECONDS_MAX * 1000)
        yield page
        browser.close()
