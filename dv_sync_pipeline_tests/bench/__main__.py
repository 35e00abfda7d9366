"""Runs one measurement by name and prints its table."""

import argparse
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.table import Table

from dv_sync_pipeline_tests.bench import emulator, gateway, reconcile

_BENCHMARKS: Mapping[str, Callable[[], Table]] = {
    "emulator": emulator.measure,
    "gateway": gateway.measure,
}


def main() -> None:
    """Measure what the first argument names."""
    parser = argparse.ArgumentParser(prog="python -m dv_sync_pipeline_tests.bench")
    names = parser.add_subparsers(required=True)
    for name, measure in _BENCHMARKS.items():
        names.add_parser(name).set_defaults(measure=lambda _chosen, measure=measure: measure())
    sizes = names.add_parser("reconcile")
    sizes.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    sizes.set_defaults(measure=lambda chosen: reconcile.measure(chosen.rows))
    chosen = parser.parse_args()
    Console().print(chosen.measure(chosen))


if __name__ == "__main__":
    main()
