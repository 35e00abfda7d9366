"""Runs one measurement by name and prints its table."""

import sys
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.table import Table

from dv_sync_pipeline_tests.bench import emulator, gateway

_BENCHMARKS: Mapping[str, Callable[[], Table]] = {
    "emulator": emulator.measure,
    "gateway": gateway.measure,
}


def main(arguments: list[str]) -> int:
    """Measure what the first argument names; the exit code."""
    benchmark = _BENCHMARKS.get(arguments[0]) if len(arguments) == 1 else None
    if benchmark is None:
        sys.stderr.write(f"Usage: python -m dv_sync_pipeline_tests.bench {'|'.join(_BENCHMARKS)}\n")
        return 2
    Console().print(benchmark())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
