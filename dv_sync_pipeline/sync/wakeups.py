"""What a webhook, a flow or a poll tells us: "row X of table T changed".

Belongs here: the value itself. How it is received is in `gateway/`, how it waits in
`ledger/wakeups.py`; what to do about it is decided by the passes, which read the row itself: the
payload of a webhook is never applied, as it comes in any order or not at all (DATAVERSE 10.4).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["WaitingWakeUps", "WakeUp", "WakeUpKind"]


class WakeUpKind(StrEnum):
    """What happened to the row, as far as the sender knows; only the row itself tells the truth."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    PAIRS = "pairs"
    """Its many-to-many pairs changed, and perhaps the row too."""


@dataclass(frozen=True, slots=True)
class WakeUp:
    """One row of the primary to look at.

    Attributes:
        table: its logical name in the primary.
        row_id: the GUID of the row in the primary, in lower case.
        kind: what happened to it.
        received: when it came in; of those that collapsed into one, when the oldest came in.
        sequence: given by the ledger, higher each time that the row is woken; 0 before that.

    """

    table: str
    row_id: str
    kind: WakeUpKind
    received: datetime
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class WaitingWakeUps:
    """What waits, in figures.

    Attributes:
        count: how many rows wait to be looked at.
        oldest: when the one that waits longest came in; None when nothing waits.

    """

    count: int
    oldest: datetime | None

    def oldest_age_seconds(self, *, now: datetime) -> float:
        """How long the oldest has been waiting; 0 when nothing waits."""
        return max(0.0, (now - self.oldest).total_seconds()) if self.oldest else 0.0
