"""What a reconcile of a large table costs when nothing has changed: seconds and memory.

Both environments are emulated and hold the same rooms of 15 columns; `dv-sync sync contoso_room` is
measured as a process of its own, Dagster included. The high-water mark of its resident memory is
what Linux tells of a process that has ended.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from dv_sync_pipeline.emulator.process.launch import running_emulator

_COMMAND = "from dv_sync_pipeline.cli import main; main()"


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a process has used.

    Attributes:
        seconds: from its start to its end.
        processor_seconds: of those, on a processor.
        memory_mib: its resident memory, at most.

    """

    seconds: float
    processor_seconds: float
    memory_mib: float


def measure(sizes: Sequence[int]) -> Table:
    """One line for each number of rooms."""
    title = "Reconcile of rooms x 15 columns, nothing changed"
    table = Table("rooms", "seconds", "its processor time", "memory at most", title=title)
    for rooms in sizes:
        cost = _cost_of(rooms)
        table.add_row(
            f"{rooms:,}",
            f"{cost.seconds:.1f}",
            f"{cost.processor_seconds:.1f}",
            f"{cost.memory_mib:,.0f} MiB",
        )
    return table


def _cost_of(rooms: int) -> _Cost:
    arguments = ["primary=0", "secondary=0", "--sample", "hotels", "--rows", str(rooms)]
    with running_emulator(arguments) as emulator:
        variables = {**os.environ, "DV_SYNC_CONFIG": str(emulator.sync_yaml)}
        _dv_sync("sync", variables=variables)
        return _dv_sync("sync", "contoso_room", variables=variables)


def _dv_sync(*arguments: str, variables: Mapping[str, str]) -> _Cost:
    """Run the command to its end, its words aside."""
    started = time.perf_counter()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", _COMMAND, *arguments],
        dict(variables),
        file_actions=[(os.POSIX_SPAWN_DUP2, nowhere, 1)],
    )
    os.close(nowhere)
    _, status, usage = os.wait4(process, 0)
    if status != 0:
        raise RuntimeError(f"dv-sync {' '.join(arguments)}: {os.waitstatus_to_exitcode(status)}")
    return _Cost(
        time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    )
