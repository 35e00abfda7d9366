"""One mass update changes ten thousand rooms: how long until the secondary shows them all.

    python -m dv_sync_pipeline_tests.bench burst

Belongs here: the mass update, and what it costs: requests, rows in each call, memory of the live
run and of the gateway. Both moments are the emulator's own (`/control/commits`).
"""

import argparse
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table

from dv_sync_pipeline_tests.bench.arrivals import arrivals, mark, percentile, stale_writes
from dv_sync_pipeline_tests.bench.latency import wait_for_arrivals
from dv_sync_pipeline_tests.bench.processors import processor_times, spent
from dv_sync_pipeline_tests.worlds.followed_pair import (
    GATEWAY,
    Circumstances,
    FollowedPair,
    followed_pair,
)
from dv_sync_pipeline_tests.worlds.supervised import memory_mebibytes

ROWS_PER_CALL = 1_000
SECONDS_MAX = 60.0
ARRIVES_SECONDS_MAX = 300.0
LIVE_MEBIBYTES_MAX = 512
GATEWAY_MEBIBYTES_MAX = 256
_SAMPLE_SECONDS = 0.2


def measure(arguments: Sequence[str]) -> Table:
    """A table of figures and of what is required of them."""
    options = _parser().parse_args(arguments)
    circumstances = Circumstances(rooms=options.rows, latency=options.latency)
    with (
        tempfile.TemporaryDirectory() as folder,
        followed_pair(Path(folder), circumstances) as pair,
    ):
        rooms = [row["contoso_roomid"] for row in pair.primary.rows("contoso_room")]
        pair.forget()
        computed = processor_times(pair)
        with _watched_memory(_processes(pair)) as memory:
            _change_all(pair, rooms)
            wait_for_arrivals(pair, seconds=ARRIVES_SECONDS_MAX)
        computed = spent(computed, processor_times(pair))
        table = _tell(pair, memory)
        for name, seconds in computed.items():
            table.add_row(f"processor time of the {name}", f"{seconds:.1f} s", "-")
    table.caption = f"load of the machine {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"
    return table


def _change_all(pair: FollowedPair, rooms: Sequence[str]) -> None:
    """As somebody does who corrects a column of a whole table."""
    for start in range(0, len(rooms), ROWS_PER_CALL):
        targets = [
            {
                "@odata.type": "Microsoft.Dynamics.CRM.contoso_room",
                "contoso_roomid": row_id,
                "contoso_remarks": mark(row_id, 1),
            }
            for row_id in rooms[start : start + ROWS_PER_CALL]
        ]
        path = "/contoso_rooms/Microsoft.Dynamics.CRM.UpdateMultiple"
        pair.primary.send("POST", path, json={"Targets": targets})


def _tell(pair: FollowedPair, memory: Mapping[str, Sequence[float]]) -> Table:
    primary, secondary = pair.commits(pair.primary), pair.commits(pair.secondary)
    arrived = arrivals(primary, secondary)
    seconds = [each.seconds for each in arrived]
    began = min(each.change.at for each in arrived)
    ended = max(each.at for each in arrived if each.at is not None)
    calls = _writing_calls(pair)
    table = Table("measured", "figure", "required", title=f"A burst of {len(arrived):,} changes")
    table.add_row(
        "first commit to last", f"{(ended - began).total_seconds():.1f} s", f"<= {SECONDS_MAX:g} s"
    )
    for percent in (50, 95, 100):
        table.add_row(f"p{percent}", f"{percentile(seconds, percent):.1f} s", "-")
    table.add_row("lost", str(sum(each.at is None for each in arrived)), "0")
    table.add_row("stale", str(stale_writes(secondary)), "0")
    table.add_row("writing calls", _spell_calls(calls), "bulk")
    requests = [*pair.requests(pair.primary), *pair.requests(pair.secondary)]
    table.add_row("requests to both", f"{len(requests):,}", "-")
    table.add_row("answered 429", str(sum(each["status"] == 429 for each in requests)), "0")
    table.add_row("wake-ups stored", f"{pair.wake_ups_stored():,}", "-")
    table.add_row("refused by the gateway", str(_refused(pair)), "0")
    limits = {GATEWAY: GATEWAY_MEBIBYTES_MAX, "live run": LIVE_MEBIBYTES_MAX}
    for name, limit in limits.items():
        figure = f"{memory[name][0]:.0f} MiB, at most {max(memory[name]):.0f} MiB"
        table.add_row(f"memory of the {name}", figure, f"<= {limit} MiB")
    return table


def _writing_calls(pair: FollowedPair) -> list[Mapping[str, Any]]:
    return [each for each in pair.requests(pair.secondary) if "Multiple" in each["path"]]


def _spell_calls(calls: Sequence[Mapping[str, Any]]) -> str:
    rows = [call["rows"] for call in calls]
    return f"{len(calls):,} x {percentile(rows, 50):,.0f} rows (median)"


def _refused(pair: FollowedPair) -> int:
    answer = httpx.get(f"{pair.gateway_url}/metrics", timeout=10, trust_env=False)
    name = "dv_sync_gateway_requests_refused_total"
    lines = (line for line in answer.text.splitlines() if line.startswith(name))
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)


def _processes(pair: FollowedPair) -> Mapping[str, int]:
    """Name → the process that has it now."""
    worker = max(pair.worker_ids(pair.leading_run()))
    return {GATEWAY: pair.services[GATEWAY].process_id, "live run": worker}


@contextmanager
def _watched_memory(
    processes: Mapping[str, int],
) -> Iterator[Mapping[str, list[float]]]:
    """Name → its memory again and again, in MiB; the first figure is that of before."""
    figures = {name: [memory_mebibytes(process)] for name, process in processes.items()}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            for name, process in processes.items():
                figures[name].append(memory_mebibytes(process))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield figures
    finally:
        ended.set()
        thread.join()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench burst")
    parser.add_argument("--rows", type=int, default=10_000, help="rooms that are changed at once")
    parser.add_argument("--latency", default="dataverse", help="profile of the emulator")
    return parser
