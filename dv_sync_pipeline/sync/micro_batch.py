"""From wake-ups to work: which rows of which tables, and in which order.

Belongs here: the order of one micro-batch. Pure. Does not belong here: storing wake-ups (the
ledger) or doing the work (`live.py`, or a run that a sensor starts).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind

__all__ = ["MicroBatch", "micro_batches"]

_BRINGS_ROWS = frozenset({WakeUpKind.CREATE, WakeUpKind.PAIRS})
"""Kinds behind which a new row may be."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Rows of one table that are done together.

    Attributes:
        table: logical name in the primary.
        wake_ups: what announced them; to be settled once the rows are applied or parked.

    """

    table: str
    wake_ups: tuple[WakeUp, ...]

    @property
    def row_ids(self) -> list[str]:
        """Primary row ids, each once."""
        return sorted({wake_up.row_id for wake_up in self.wake_ups})

    @property
    def may_bring_rows(self) -> bool:
        """Whether others may wait for a row of it that the secondary does not have yet."""
        return any(wake_up.kind in _BRINGS_ROWS for wake_up in self.wake_ups)


def micro_batches(wake_ups: Iterable[WakeUp], *, order: Sequence[str]) -> list[MicroBatch]:
    """One batch for each table that was woken, parents before children.

    `order` names every synchronized table, parents first; wake-ups of other tables are left out.
    """
    woken: dict[str, list[WakeUp]] = {table: [] for table in order}
    for wake_up in wake_ups:
        if wake_up.table in woken:
            woken[wake_up.table].append(wake_up)
    return [MicroBatch(table, tuple(some)) for table, some in woken.items() if some]
