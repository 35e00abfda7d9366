"""Which change of the primary arrived in the secondary, and when: two logs of commits, compared.

Pure. Every change that is measured bears a mark in one of its columns: the row that it belongs to,
and a number that rises. So a row is known in both environments whatever its ids are, and a change
has arrived once the secondary shows its number or a higher one. Belongs here: marks, and what two
logs say. Does not belong here: how changes are made (`writing.py`), how a path is measured.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

Commit: TypeAlias = Mapping[str, Any]
"""An entry of the emulator's log of commits."""

DELETED = 2**63
"""The number of a deletion: nothing comes after it."""

_MARK = re.compile(r"^bench ([0-9a-f-]{36}) #(\d+)$")


def mark(row: str, number: int) -> str:
    """What a change writes into a column: the id of its row in the primary, and its number."""
    return f"bench {row} #{number}"


@dataclass(frozen=True, slots=True)
class Sight:
    """From that moment on, an environment shows so much of a row.

    Attributes:
        row: the id of the row in the primary.
        number: of the change.
        at: when it was committed.
        message: Create, Update, Delete.

    """

    row: str
    number: int
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A change of the primary and what became of it.

    Attributes:
        change: what the primary committed.
        at: when the secondary showed it, or something later of its row; None when it never did.

    """

    change: Sight
    at: datetime | None

    @property
    def seconds(self) -> float:
        """From commit to commit; of a change that never arrived, infinity."""
        return (self.at - self.change.at).total_seconds() if self.at else math.inf


def sights(commits: Iterable[Commit]) -> Iterator[Sight]:
    """What of the log concerns rows with marks, in order."""
    rows: dict[str, str] = {}
    for commit in commits:
        at = datetime.fromisoformat(commit["at"])
        marked = _mark_of(commit)
        if marked is not None:
            rows[commit["row_id"]], number = marked
            yield Sight(rows[commit["row_id"]], number, at, commit["message"])
        elif commit["message"] == "Delete" and commit["row_id"] in rows:
            yield Sight(rows[commit["row_id"]], DELETED, at, "Delete")


def _mark_of(commit: Commit) -> tuple[str, int] | None:
    for value in commit["values"].values():
        found = _MARK.match(value) if isinstance(value, str) else None
        if found:
            return found[1], int(found[2])
    return None


def arrivals(primary: Iterable[Commit], secondary: Iterable[Commit]) -> list[Arrival]:
    """Of every marked change. A row that came and went unseen has arrived when it went."""
    shown: dict[str, list[Sight]] = defaultdict(list)
    for sight in sights(secondary):
        shown[sight.row].append(sight)
    changes = list(sights(primary))
    gone = {change.row: change.at for change in changes if change.number == DELETED}
    return [Arrival(change, _arrived(change, shown[change.row], gone)) for change in changes]


def _arrived(
    change: Sight, shown: Sequence[Sight], gone: Mapping[str, datetime]
) -> datetime | None:
    if not shown:
        return gone.get(change.row)
    return next((sight.at for sight in shown if sight.number >= change.number), None)


def stale_writes(secondary: Iterable[Commit]) -> int:
    """How often the secondary showed an older change of a row after a younger one."""
    highest: dict[str, int] = {}
    stale = 0
    for sight in sights(secondary):
        stale += sight.number < highest.get(sight.row, 0)
        highest[sight.row] = sight.number
    return stale


def repeated_creates(secondary: Iterable[Commit]) -> int:
    """How many rows were created although they were there."""
    there: set[str] = set()
    repeated = 0
    for sight in sights(secondary):
        if sight.message == "Create":
            repeated += sight.row in there
            there.add(sight.row)
        elif sight.message == "Delete":
            there.discard(sight.row)
    return repeated


def percentile(seconds: Sequence[float], percent: float) -> float:
    """The nearest rank; 0 of nothing."""
    ordered = sorted(seconds)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0
