"""Takes the pictures of the README from the real UI, on the real demo.

    python -m dv_sync_pipeline_tests.browser.take_pictures [FOLDER]

Needs Debian's chromium and the extra `develop`. Waits for texts, never for time: Dagster's bundle
has no test ids, so the selectors are roles, texts, and class prefixes that survive releases.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
START_SECONDS_MAX = 180.0


def main() -> None:
    """Start the demo, take each picture, stop the demo."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    with running_demo() as url, browser_page() as page:
        for name, take in {"lineage": lineage, "table": table, "run": run}.items():
            take(page, url)
            path = folder / f"{name}.png"
            page.screenshot(path=path)
            sys.stdout.write(f"{path}\n")


@contextmanager
def running_demo() -> Iterator[str]:
    """`dv-sync demo` as a person starts it; yields the address of the UI when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as state:
        command = [Path(sys.executable).with_name("dv-sync"), "demo", "--state", state]
        demo = subprocess.Popen([*command, "--port", str(port)], env=os.environ)
        try:
            wait_until_answered(f"{url}/server_info", demo)
            yield url
        finally:
            demo.terminate()
            demo.wait(timeout=60)


def wait_until_answered(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the address answers; give up when the process ends or time is over."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    msg = f"{url} does not answer; the demo's exit code is {process.poll()}"
    raise RuntimeError(msg)


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a fresh browser, wide enough for a lineage of fifteen assets."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1800, "height": 800})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def lineage(page: Page, url: str) -> None:
    """The lineage of all tables: primary to secondary, hotels before rooms."""
    page.goto(f"{url}/asset-groups")
    page.get_by_text("Hide navigation").click()
    # Each table is there three times, in the list and in the graph: origin, copy and removals.
    page.get_by_text("contoso_room", exact=True).nth(5).wait_for(state="attached")
    page.wait_for_load_state("networkidle")


def table(page: Page, url: str) -> None:
    """What one table shows: its latest materialization with its numbers."""
    page.goto(f"{url}/assets/secondary/contoso_room?view=events")
    page.get_by_text("rows_per_second").first.wait_for()
    page.wait_for_load_state("networkidle")


def run(page: Page, url: str) -> None:
    """The log of the first full synchronization."""
    page.goto(f"{url}/runs")
    page.locator("a[href^='/runs/']").first.click()
    page.get_by_text("RUN_SUCCESS").first.wait_for()
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
