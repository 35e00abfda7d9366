"""Writing rows: bulk messages, single writes, and an outcome for each row.

Belongs here: how a row becomes a payload, all-or-nothing calls, and halving a refused call until
the bad rows stand alone (DATAVERSE 8). Does not belong here: reading back an unknown outcome or
parking a refused row; that is the writer of `sync/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

__all__ = ["Outcome", "OutcomeKind", "Reference", "RowWrite"]


@dataclass(frozen=True, slots=True)
class Reference:
    """The value of a lookup column in a write: the row `id` of the table `table`."""

    table: str
    id: str


@dataclass(frozen=True, slots=True)
class RowWrite:
    """One row to be created or updated.

    Attributes:
        id: GUID of the row, chosen by us for a create.
        values: logical column name → value: str, int, bool, Decimal, float, None (clears), or a
            `Reference` for a lookup column. Dates and times are text as DATAVERSE 3.3 shows them.

    """

    id: str
    values: Mapping[str, object]


class OutcomeKind(Enum):
    """The three things that can become of a write (DESIGN 4, Writing)."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row.

    Attributes:
        id: GUID of the row.
        kind: done, refused, or unknown: it must be read back before it is repeated.
        status: the HTTP status that refused it; 0 when done, or when no answer came.
        code: Dataverse's error code, or "".
        message: the server's own words, or what kept its answer from us.

    """

    id: str
    kind: OutcomeKind
    status: int = 0
    code: str = ""
    message: str = ""
