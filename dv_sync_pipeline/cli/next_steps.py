"""What to type next: the way from a plan to a pipeline that runs by itself.

Belongs here: the sentence for each command and each way it can end. The demo goes the way itself
and says none of them.
"""

from collections.abc import Mapping
from typing import Final, Literal

import click

from dv_sync_pipeline.cli.passes import DIFFERENCES_REMAIN, DONE, TABLE_FAILED

__all__ = ["print_next_step"]

Command = Literal["plan", "sync", "verify"]

_FAILED = "Next: mend what is told of the failed tables; dv-sync doctor examines all the rest"

_NEXT: Final[Mapping[tuple[Command, int], str]] = {
    ("plan", DONE): "Nothing would change. Next: dv-sync verify proves that both sides are equal",
    ("plan", DIFFERENCES_REMAIN): "Next: dv-sync sync does this",
    ("plan", TABLE_FAILED): _FAILED,
    ("sync", DONE): "Next: dv-sync verify proves that both sides are equal",
    ("sync", DIFFERENCES_REMAIN): "Next: dv-sync status shows what waits, and for whom",
    ("sync", TABLE_FAILED): _FAILED,
    ("verify", DONE): "Both sides are equal. Next: leave it running, with dagster dev for a look",
    ("verify", DIFFERENCES_REMAIN): "Next: dv-sync sync repairs what can be repaired; "
    "dv-sync parked list tells why the others wait",
    ("verify", TABLE_FAILED): _FAILED,
}


def print_next_step(command: Command, exit_code: int) -> None:
    """After everything else; nothing where the failure itself says what to do."""
    sentence = _NEXT.get((command, exit_code))
    if sentence:
        click.echo(f"\n{sentence}")
