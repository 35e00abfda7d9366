"""The SQLite connection of one environment: what Dataverse's SQL has and SQLite lacks.

Belongs here: opening, Dataverse's comparison rules as SQL functions, nested transactions. Does not
belong here: any table (`store.py`).

Used synchronously inside the event loop: a request is one uninterrupted piece of work, as a
transaction at the serializable level would be.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

__all__ = ["Database", "fold", "literal", "quoted"]


def fold(text: str | None) -> str | None:
    """Text as Dataverse compares it: case-insensitive, trailing blanks ignored (DATAVERSE 4.6)."""
    return text.casefold().rstrip(" ") if isinstance(text, str) else text


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | float | None) -> str:
    """The value as an SQL expression."""
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int | float) else "'" + value.replace("'", "''") + "'"


class Database:
    """One connection, with nested transactions."""

    def __init__(self, file: Path | None) -> None:
        self.connection = sqlite3.connect(
            file or ":memory:",
            isolation_level=None,
            check_same_thread=False,
            cached_statements=1024,
        )
        self._depth = 0
        self._promised: list[Callable[[], object]] = []
        self.execute = self.connection.execute
        _register_functions(self.connection)
        for pragma in _PRAGMAS:
            self.connection.execute(f"PRAGMA {pragma}")

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run the statement once per row."""
        self.connection.executemany(sql, rows)

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row, or None."""
        row = self.connection.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another transaction a savepoint of it."""
        begin, commit, rollback = _BRACKETS[self._depth > 0]
        name = f"level{self._depth}"
        promised = len(self._promised)
        self.connection.execute(begin.format(name))
        self._depth += 1
        try:
            yield
        except BaseException:
            del self._promised[promised:]
            self.connection.execute(rollback.format(name))
            if self._depth > 1:
                self.connection.execute(commit.format(name))
            raise
        else:
            self.connection.execute(commit.format(name))
        finally:
            self._depth -= 1
        self._keep_promises()

    def after_commit(self, action: Callable[[], object]) -> None:
        """Do it once the outermost transaction is committed; never, if that is rolled back."""
        self._promised.append(action)
        self._keep_promises()

    def _keep_promises(self) -> None:
        if self._depth == 0 and self._promised:
            actions, self._promised = self._promised, []
            for action in actions:
                action()

    def close(self) -> None:
        """Close the connection; what was committed stays in the file."""
        self.connection.close()


# A crash of this process loses nothing that was committed, which is all that an emulator promises:
# hence no waiting for the disk.
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = OFF",
    "temp_store = MEMORY",
    "cache_size = -65536",
    "recursive_triggers = OFF",
)

_BRACKETS = {
    False: ("BEGIN", "COMMIT", "ROLLBACK"),
    True: ("SAVEPOINT {}", "RELEASE {}", "ROLLBACK TO {}"),
}


def _register_functions(connection: sqlite3.Connection) -> None:
    connection.create_function("dv_fold", 1, fold, deterministic=True)
    connection.create_collation("dv_decimal", _compare_decimals)
    connection.create_aggregate("dv_sum", 1, _DecimalSum)
    connection.create_aggregate("dv_average", 1, _DecimalAverage)


def _compare_decimals(left: str, right: str) -> int:
    first, second = Decimal(left), Decimal(right)
    return (first > second) - (first < second)


class _DecimalSum:
    """The exact sum of decimals kept as text; null of nothing."""

    def __init__(self) -> None:
        self._values: list[Decimal] = []

    def step(self, value: Any) -> None:
        if value is not None:
            self._values.append(Decimal(value))

    def finalize(self) -> Any:
        return str(self.total()) if self._values else None

    def total(self) -> Decimal:
        return sum(self._values, Decimal())

    @property
    def count(self) -> int:
        return len(self._values)


class _DecimalAverage(_DecimalSum):
    """The average of decimals kept as text, to ten places; null of nothing."""

    def finalize(self) -> Any:
        if not self.count:
            return None
        return str((self.total() / self.count).quantize(Decimal("1e-10")))
