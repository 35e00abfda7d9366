"""What a reconcile of a large table costs when nothing has changed: seconds and memory.

Both environments are emulated and hold the same rooms of 15 columns; `dv-sync sync contoso_room` is
measured as a process of its own, Dagster included, and the emulator is another. The high-water mark
of its resident memory is what Linux tells of a process that has ended.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

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
        requests: sent to both environments.

    """

    seconds: float
    processor_seconds: float
    memory_mib: float
    requests: int


def measure(sizes: Sequence[int]) -> Table:
    """One line for each number of rooms."""
    title = "Reconcile of rooms x 15 columns, nothing changed"
    table = Table("rooms", "seconds", "processor seconds", "memory", "requests", title=title)
    for rooms in sizes:
        cost = _cost_of(rooms)
        table.add_row(
            f"{rooms:,}",
            f"{cost.seconds:.1f}",
            f"{cost.processor_seconds:.1f}",
            f"{cost.memory_mib:,.0f} MiB",
            f"{cost.requests:,}",
        )
    return table


def _cost_of(rooms: int) -> _Cost:
    arguments = ["primary=0", "secondary=0", "--sample", "hotels", "--rows", str(rooms)]
    with running_emulator(arguments) as emulator:
        variables = {**os.environ, "DV_SYNC_CONFIG": str(emulator.sync_yaml)}
        _dv_sync(variables=variables)
        return _dv_sync("contoso_room", variables=variables, equal=rooms)


def _dv_sync(*arguments: str, variables: Mapping[str, str], equal: int | None = None) -> _Cost:
    """Run the command to its end; so many rows must have been found equal."""
    with tempfile.TemporaryFile() as words:
        started = time.perf_counter()
        usage = _run(["sync", *arguments, "--json"], variables=variables, words=words)
        seconds = time.perf_counter() - started
        tables = _tables(words)
    if equal is not None and [equal] != [table["equal"] for table in tables]:
        raise RuntimeError(f"not {equal:,} rows are equal: {tables}")
    return _Cost(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        sum(table["requests"] for table in tables),
    )


def _run(
    arguments: Sequence[str], *, variables: Mapping[str, str], words: IO[bytes]
) -> resource.struct_rusage:
    """What the command has used; what it prints goes to that file."""
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", _COMMAND, *arguments],
        dict(variables),
        file_actions=[(os.POSIX_SPAWN_DUP2, words.fileno(), 1)],
    )
    _, status, usage = os.wait4(process, 0)
    if status != 0:
        raise RuntimeError(f"dv-sync {' '.join(arguments)}: {os.waitstatus_to_exitcode(status)}")
    return usage


def _tables(words: IO[bytes]) -> list[dict[str, Any]]:
    """The reports that the command has printed."""
    words.seek(0)
    reports: list[dict[str, Any]] = json.load(words)["synchronized"]["tables"]
    return reports
