r"""How long a change takes from the commit in the primary to the commit in the secondary.

Both moments are the emulator's own (`/control/commits`): neither the pipeline nor the process that
writes is asked. The emulator commits when a request arrives and holds the answer back as long as
the work would take, so the last wait for the secondary's answer is not part of the figures.

All webhooks on, both paths, at 1, 10 and 50 changes a second for three minutes each (25 minutes):

    python -m dv_sync_pipeline_tests.bench latency

Half of the webhooks dropped, doubled or delayed by five seconds, and none delivered at all:

    python -m dv_sync_pipeline_tests.bench latency --rates 10 --seconds 60 \
        --webhooks half-dropped,half-doubled,half-delayed,none

One path, and a look at it that is no measurement:

    python -m dv_sync_pipeline_tests.bench latency --path sensors --rates 1 --seconds 15

The column "required" says whether p50 and p95 are as promised. What no webhook told of is found
when the change feeds are polled, so where webhooks are dropped the polling interval of the path is
added to both (`live.poll_seconds`, `changes.poll_seconds`): p95 is bounded by it. Where they are
delayed, the delay is added. "lost", "stale" and "twice" must be 0 whatever the webhooks do: changes
that never arrived, older values after younger ones, rows created though they were there.

Belongs here: the measurement and its table. Does not belong here: what a log says (`arrivals.py`).
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from dv_sync_pipeline_tests.bench.arrivals import (
    Arrival,
    arrivals,
    percentile,
    repeated_creates,
    stale_writes,
)
from dv_sync_pipeline_tests.bench.processors import processor_times, spent
from dv_sync_pipeline_tests.bench.writing import Written, result_of, writing
from dv_sync_pipeline_tests.worlds.followed_pair import (
    Circumstances,
    FollowedPair,
    followed_pair,
)
from dv_sync_pipeline_tests.worlds.judge import Environment

WARM_UP_SECONDS = 5.0
"""At first a live run reads what the tables look like."""

ARRIVES_SECONDS_MAX = 120.0
LOOK_SECONDS = 1.0

_DELAY_SECONDS = 5.0
_DELAYED = {"kind": "webhook_delayed", "seconds": _DELAY_SECONDS}

WEBHOOKS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "all": [],
    "half-dropped": [{"probability": 0.5, "effect": {"kind": "webhook_dropped"}}],
    "half-doubled": [{"probability": 0.5, "effect": {"kind": "webhook_duplicated"}}],
    "half-delayed": [{"probability": 0.5, "effect": _DELAYED}],
    "none": [{"effect": {"kind": "webhook_dropped"}}],
}
_COLUMNS = (
    *("path", "webhooks", "changes/s", "changes", "p50", "p95", "p99", "max", "required"),
    *("lost", "stale", "twice", "wake-ups", "requests/s", "429", "sent late", "refused"),
    "processor",
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is required, in seconds from commit to commit.

    Attributes:
        p50, p95: percentiles.

    """

    p50: float
    p95: float

    def text(self, arrived: Sequence[Arrival]) -> str:
        """For people: what is required, and whether it is so."""
        seconds = [each.seconds for each in arrived]
        is_met = percentile(seconds, 50) <= self.p50 and percentile(seconds, 95) <= self.p95
        return f"p50 {self.p50:g}, p95 {self.p95:g}: {'met' if is_met else 'NOT MET'}"


@dataclass(frozen=True, slots=True)
class Measured:
    """One rate on one path.

    Attributes:
        arrivals: every change, and when it arrived.
        written: what the writing process says.
        secondary: the log of commits of the secondary.
        wake_ups: stored by the gateway.
        requests: of the pipeline, to both environments.
        throttled: how many of them were answered 429.
        lasted_seconds: from the first change until all had arrived.
        processor_seconds: process of the pipeline → what it has computed meanwhile.

    """

    arrivals: Sequence[Arrival]
    written: Written
    secondary: Sequence[Mapping[str, Any]]
    wake_ups: int
    requests: int
    throttled: int
    lasted_seconds: float
    processor_seconds: Mapping[str, float]


def measure(arguments: Sequence[str]) -> Table:
    """A table of figures and of what is required of them."""
    options = _parser().parse_args(arguments)
    before = _load()
    table = Table(*_COLUMNS, title="From commit to commit, in seconds")
    for path in options.path.split(","):
        circumstances = Circumstances(
            is_live=path == "live", rooms=options.rooms, latency=options.latency
        )
        with (
            tempfile.TemporaryDirectory() as folder,
            followed_pair(Path(folder), circumstances) as pair,
        ):
            for webhooks in options.webhooks.split(","):
                for rate in map(float, options.rates.split(",")):
                    measured = measure_rate(
                        pair, per_second=rate, seconds=options.seconds, webhooks=webhooks
                    )
                    _add_row(table, measured, pair, path=path, webhooks=webhooks, rate=rate)
    table.caption = (
        f"{options.seconds:g} s at each rate; environments as slow as {options.latency!r}; "
        f"load of the machine {before} before, {_load()} after, {os.cpu_count()} cores"
    )
    return table


def measure_rate(
    pair: FollowedPair, *, per_second: float, seconds: float, webhooks: str
) -> Measured:
    """Change the primary at that rate for so long, and wait until everything has arrived."""
    pair.arm(WEBHOOKS[webhooks])
    write_and_wait(pair, per_second=per_second, seconds=WARM_UP_SECONDS, seed=0)
    pair.forget()
    wake_ups = pair.wake_ups_stored()
    computed = processor_times(pair)
    began = time.monotonic()
    written = write_and_wait(pair, per_second=per_second, seconds=seconds, seed=1)
    lasted = time.monotonic() - began
    computed = spent(computed, processor_times(pair))
    requests = [*_pipelines_requests(pair, pair.primary), *pair.requests(pair.secondary)]
    secondary = pair.commits(pair.secondary)
    return Measured(
        arrivals(pair.commits(pair.primary), secondary),
        written,
        secondary,
        pair.wake_ups_stored() - wake_ups,
        len(requests),
        sum(request["status"] == 429 for request in requests),
        lasted,
        computed,
    )


def write_and_wait(pair: FollowedPair, *, per_second: float, seconds: float, seed: int) -> Written:
    """Until every change has arrived, or is given up as lost."""
    sync_yaml = pair.emulator.sync_yaml
    with writing(sync_yaml, per_second=per_second, seconds=seconds, seed=seed) as process:
        written = result_of(process)
    wait_for_arrivals(pair)
    return written


def wait_for_arrivals(pair: FollowedPair, *, seconds: float = ARRIVES_SECONDS_MAX) -> None:
    """For so long at most."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _lost(_arrivals(pair)):
        time.sleep(LOOK_SECONDS)


def _arrivals(pair: FollowedPair) -> list[Arrival]:
    return arrivals(pair.commits(pair.primary), pair.commits(pair.secondary))


def _lost(arrived: Sequence[Arrival]) -> int:
    return sum(each.at is None for each in arrived)


def _pipelines_requests(pair: FollowedPair, environment: Environment) -> list[Mapping[str, Any]]:
    """All but those of the user who writes."""
    writers = {commit["user"] for commit in pair.commits(environment)}
    return [each for each in pair.requests(environment) if each["user"] not in writers]


def _add_row(
    table: Table,
    measured: Measured,
    pair: FollowedPair,
    *,
    path: str,
    webhooks: str,
    rate: float,
) -> None:
    seconds = [each.seconds for each in measured.arrivals]
    cells = (
        path,
        webhooks,
        f"{rate:g}",
        f"{len(seconds):,}",
        *(f"{percentile(seconds, percent):.2f}" for percent in (50, 95, 99, 100)),
        target(pair, path=path, webhooks=webhooks).text(measured.arrivals),
        str(_lost(measured.arrivals)),
        str(stale_writes(measured.secondary)),
        str(repeated_creates(measured.secondary)),
        f"{measured.wake_ups:,}",
        f"{measured.requests / measured.lasted_seconds:.1f}",
        str(measured.throttled),
        f"{measured.written.late_seconds:.2f}",
        str(measured.written.refused),
        _shares(measured),
    )
    table.add_row(*cells)
    sys.stderr.write(" | ".join(cells) + "\n")  # the whole may take an hour


def _shares(measured: Measured) -> str:
    """Of one core."""
    shares = measured.processor_seconds.items()
    return ", ".join(f"{name} {each / measured.lasted_seconds:.0%}" for name, each in shares)


def target(pair: FollowedPair, *, path: str, webhooks: str) -> Target:
    """What no webhook told of is found by polling: its interval is added; likewise a delay."""
    configuration = pair.configuration
    usual, poll_seconds = {
        "live": (Target(0.5, 1.5), configuration.live.poll_seconds),
        "sensors": (Target(8.0, 8.0), float(configuration.changes.poll_seconds)),
    }[path]
    late = {
        "half-dropped": poll_seconds,
        "none": poll_seconds,
        "half-delayed": _DELAY_SECONDS,
    }.get(webhooks, 0.0)
    return Target(usual.p50 + late, usual.p95 + late)


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench latency",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--path", default="live,sensors", help="live, sensors, or live,sensors")
    parser.add_argument("--rates", default="1,10,50", help="changes per second")
    parser.add_argument("--seconds", type=float, default=180.0, help="at each rate")
    parser.add_argument("--webhooks", default="all", help="of " + ",".join(WEBHOOKS))
    parser.add_argument("--rooms", type=int, default=400, help="that the primary has")
    parser.add_argument("--latency", default="dataverse", help="profile of the emulator")
    return parser
