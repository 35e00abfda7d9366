"""From wake-ups to work: which rows of which tables, and in which order.

Belongs here: the order of one micro-batch. Pure. Does not belong here: storing wake-ups (the
ledger) or doing the work (`live.py`, or a run that a sensor starts).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind

__all__ = ["MicroBatch", "micro_batches"]


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


def micro_batches(wake_ups: Iterable[WakeUp], *, order: Sequence[str]) -> list[MicroBatch]:
    """Parents before children, then what was deleted, children before parents.

    `order` names every synchronized table, parents first; wake-ups of other tables are left out.
    """
    known = [wake_up for wake_up in wake_ups if wake_up.table in order]
    deleted = [wake_up for wake_up in known if wake_up.kind is WakeUpKind.DELETE]
    changed = [wake_up for wake_up in known if wake_up.kind is not WakeUpKind.DELETE]
    return [*_by_table(changed, order), *_by_table(deleted, list(reversed(order)))]


def _by_table(wake_ups: Sequence[WakeUp], order: Sequence[str]) -> list[MicroBatch]:
    batches = [MicroBatch(name, tuple(w for w in wake_ups if w.table == name)) for name in order]
    return [batch for batch in batches if batch.wake_ups]
