"""Copies of a whole environment, by SQLite's own backup: pages are copied, rows are not read.

Belongs here: saving, listing and restoring them. Does not belong here: the file in which an
environment lives from one start to the next (`run.py`); that is written as it goes.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dv_sync_pipeline.emulator.rows.store import Store

__all__ = ["Snapshots"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Snapshots:
    """The snapshots of one environment, a file each.

    The methods block until the copy is complete, and must not be called inside a transaction.

    Args:
        store: what is copied.
        folder: where the files are; made when the first is saved.
        when_restored: is called after the environment was made what it was.

    """

    def __init__(
        self, store: Store, *, folder: Path, when_restored: Callable[[], None] = lambda: None
    ) -> None:
        self._store = store
        self._folder = folder
        self._when_restored = when_restored

    def names(self) -> list[str]:
        """Of all that were saved, in alphabetical order."""
        return sorted(file.stem for file in self._folder.glob("*.db"))

    def save(self, name: str) -> int:
        """Copy the environment as it is now; the size of the copy in bytes.

        A snapshot of that name is replaced, once the new one is complete. `ValueError` for a name
        that could not be that of a file.
        """
        file = self._file(name)
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        with closing(sqlite3.connect(unfinished)) as copy:
            for pragma in _FASTEST:
                copy.execute(f"PRAGMA {pragma}")
            self._store.database.connection.backup(copy)
        unfinished.replace(file)
        return file.stat().st_size

    def restore(self, name: str) -> None:
        """Make the environment what it was; `KeyError` if there is no snapshot of that name."""
        file = self._file(name)
        if not file.exists():
            raise KeyError(name)
        with _opened_for_reading(file) as copy:
            copy.backup(self._store.database.connection)
        self._store.reload()
        self._when_restored()

    def _file(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name for a snapshot: letters, digits, _ and - only")
        return self._folder / f"{name}.db"


# A copy that a crash cut short is never renamed, so that nothing needs to wait for the disk.
_FASTEST = ("journal_mode = OFF", "synchronous = OFF")


@contextmanager
def _opened_for_reading(file: Path) -> Iterator[sqlite3.Connection]:
    """Without the files that SQLite would put beside a database with a write-ahead log."""
    address = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        yield connection
