"""The log of commits: which rows were written, by whom, and the moment from which others saw it.

Belongs here: listening to what is written, and the entries. Does not belong here: the address at
which they are read (`control.py`). A latency measured between the logs of two environments contains
nothing of the client that is measured, nor of the one that measures.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dv_sync_pipeline.emulator.rows.database import Database
from dv_sync_pipeline.emulator.rows.watching import Watcher
from dv_sync_pipeline.emulator.webhooks.origin import origin_of_request
from dv_sync_pipeline.emulator.webhooks.webhook_payload import RowChange

__all__ = ["Commit", "CommitLog"]

_COMMITS_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Commit:
    """One row that was written.

    Attributes:
        number: counts from 1.
        at: when its transaction was committed, by the clock of the environment.
        message: Create, Update, Delete, Associate, Disassociate.
        table: logical name.
        row_id: of the row.
        user: id of the user whose request it was, or "".
        values: column → kept value, of those that were given.

    """

    number: int
    at: str
    message: str
    table: str
    row_id: str
    user: str
    values: dict[str, Any]


class CommitLog:
    """Watches everything, beside a watcher that chooses.

    Args:
        database: tells when a transaction is committed.
        watcher: is told what it wants to know, as without a log.
        clock: the time of the environment.

    """

    def __init__(
        self, database: Database, watcher: Watcher, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._watcher = watcher
        self._clock = clock
        self._entries: deque[Commit] = deque(maxlen=_COMMITS_MAX)
        self.total = 0

    def watches(self, _message: str, _table: str) -> bool:
        """Always."""
        return True

    def written(self, change: RowChange) -> None:
        """Write it down once it is committed."""
        if self._watcher.watches(change.message, change.table):
            self._watcher.written(change)
        origin = origin_of_request.get(None)
        user = origin.user_id if origin else ""
        self._database.after_commit(lambda: self._write(change, user))

    def after(self, number: int) -> list[Commit]:
        """The commits after the one with that number; the oldest may have been forgotten."""
        return [entry for entry in self._entries if entry.number > number]

    def clear(self) -> None:
        """Forget all commits and count from 1 again."""
        self._entries.clear()
        self.total = 0

    def _write(self, change: RowChange, user: str) -> None:
        self.total += 1
        at = self._clock().isoformat().replace("+00:00", "Z")
        values = dict(change.submitted)
        self._entries.append(
            Commit(self.total, at, change.message, change.table, change.row_id, user, values)
        )
