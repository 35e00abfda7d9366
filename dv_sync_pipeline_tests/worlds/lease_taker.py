"""A process that takes many turns on one table: `python -m ... ADDRESS NUMBER TURNS FENCE`.

It says `ready`, and begins when it is sent a line. During each turn it alone may hold the fence, a
file; it fails if somebody else does. In the end it tells how often it had to wait.
"""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dv_sync_pipeline.sync.ledger import Ledger

LASTS = timedelta(seconds=60)
PAUSE_SECONDS = 0.001


def main(address: str, writer: int, turns: int, fence: Path) -> None:
    """Open the ledger, which may be new, wait for the word, and take the turns."""
    ledger = Ledger.open(address)
    print("ready", flush=True)  # noqa: T201 - for whoever started us
    sys.stdin.readline()
    print(sum(_take_turn(ledger, writer, fence) for _ in range(turns)))  # noqa: T201 - the result
    ledger.close()


def _take_turn(ledger: Ledger, writer: int, fence: Path) -> int:
    waited = 0
    while not ledger.take_lease("hotel", writer, now=datetime.now(UTC), lasts=LASTS):
        waited += 1
        time.sleep(PAUSE_SECONDS)
    os.close(os.open(fence, os.O_CREAT | os.O_EXCL))
    time.sleep(PAUSE_SECONDS)
    fence.unlink()
    ledger.release_lease("hotel", writer)
    return waited


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
