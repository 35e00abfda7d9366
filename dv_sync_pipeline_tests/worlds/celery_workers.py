"""A Redis server of our own, and Celery workers that execute runs of Dagster."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis

from dv_sync_pipeline_tests.worlds.dagster_services import DEPLOYMENT

START_SECONDS_MAX = 90
WORKER = ["--concurrency=1", "--disable-prefetch"]
_WORKER = "from dagster_celery.cli import main; main()"


def find_redis() -> str | None:
    """The server's program, if it is installed."""
    return shutil.which("redis-server")


@contextmanager
def running_redis(program: str, folder: Path, *, port: int) -> Iterator[str]:
    """The address of a new server that keeps nothing; it is gone afterwards."""
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            _wait_until(lambda: _answers(port), process)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextmanager
def running_worker(name: str, folder: Path, variables: Mapping[str, str]) -> Iterator[Path]:
    """A worker that executes one run at a time; yields its log."""
    log = folder / f"{name}.log"
    order = ["worker", "start", "-A", "dagster_celery.app", "-n", name]
    settings = ["-y", str(DEPLOYMENT / "celery-worker.yaml"), "--", *WORKER]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, *order, *settings],
            env={**variables, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_until(lambda: b"ready." in log.read_bytes(), process)
            yield log
        finally:
            # It is the parent of the real worker, which would go on without it.
            os.killpg(process.pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    try:
        return redis.Redis(port=port).ping()
    except redis.ConnectionError:
        return False


def _wait_until(condition, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not condition():
        assert process.poll() is None, process.args
        assert time.monotonic() < deadline, process.args
        time.sleep(0.1)
