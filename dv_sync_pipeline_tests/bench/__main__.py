"""Runs one measurement by name and prints its table; some take options, `--help` tells.

One that is ended by Ctrl-C or SIGTERM (`timeout`, an init system) ends what it has started.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from dv_sync_pipeline.cli.services import interruptible
from dv_sync_pipeline_tests.bench import (
    burst,
    changes,
    chaos,
    emulator,
    gateway,
    latency,
    reconcile,
)

BENCHMARKS: Mapping[str, Callable[[Sequence[str]], Table]] = {
    "burst": burst.measure,
    "changes": lambda counts: changes.measure(_numbers("changes", counts) or [1, 50, 10_000]),
    "chaos": chaos.measure,
    "emulator": lambda _arguments: emulator.measure(),
    "gateway": lambda _arguments: gateway.measure(),
    "latency": latency.measure,
    "reconcile": lambda sizes: reconcile.measure(
        _numbers("reconcile", sizes) or [10_000, 100_000, 1_000_000]
    ),
}


def _numbers(benchmark: str, arguments: Sequence[str]) -> list[int]:
    parser = argparse.ArgumentParser(prog=f"bench {benchmark}")
    parser.add_argument("rows", type=int, nargs="*", help="how many, one measurement for each")
    numbers: list[int] = parser.parse_args(arguments).rows
    return numbers


INTERRUPTED = 130
"""The exit code of shells after Ctrl-C."""


def main(arguments: Sequence[str]) -> int:
    """Measure what the first argument names; the exit code."""
    benchmark = BENCHMARKS.get(arguments[0]) if arguments else None
    if benchmark is None:
        sys.stderr.write(f"Usage: python -m dv_sync_pipeline_tests.bench {'|'.join(BENCHMARKS)}\n")
        return 2
    # Else each process that is measured would compile everything anew, as nobody's does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        with interruptible():
            table = benchmark(arguments[1:])
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted: everything that was started is ended.\n")
        return INTERRUPTED
    Console(width=220).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
