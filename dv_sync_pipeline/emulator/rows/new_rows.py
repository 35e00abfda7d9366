"""Rows that are about to be created, column by column.

A thousand bodies of one bulk call name nearly the same columns. Taken by columns, what is asked of
a column is asked once and not a thousand times: that takes a third of the time. One row alone is a
batch of one, so that there is one way to create rows.

Belongs here: the columns themselves. Does not belong here: what a client may write (`payloads.py`),
the rules between columns (`writes.py`) and SQL (`ddl.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

from msgspec import UNSET

from dv_sync_pipeline.emulator.rows.values import Decoder

__all__ = ["NewRows", "property_names"]


def property_names(bodies: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Every name that one of the bodies has, in the order in which they come up."""
    return dict.fromkeys(chain.from_iterable(bodies))


class NewRows:
    """Some rows of one table, each column a list with one kept value per row.

    Args:
        count: how many rows.

    Attributes:
        count: how many rows.
        columns: SQL column → its values; `UNSET` where nothing was said about it.
        shared: SQL column → the value of every row for which `columns` says nothing; what stands in
            neither is null.

    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.columns: dict[str, list[Any]] = {}
        self.shared: Mapping[str, Any] = {}

    @classmethod
    def one(cls, values: Mapping[str, Any]) -> "NewRows":
        """A single row."""
        rows = cls(1)
        rows.update(0, values)
        return rows

    def decode(self, name: str, given: Sequence[Any], decode: Decoder) -> None:
        """Keep what bodies say about a column; `UNSET` and null need no decoder."""
        self.columns[name] = [
            value if value is UNSET or value is None else decode(value) for value in given
        ]

    def update(self, row: int, values: Mapping[str, Any]) -> None:
        """Set some columns of one row."""
        for name, value in values.items():
            if name not in self.columns:
                self.columns[name] = [UNSET] * self.count
            self.columns[name][row] = value

    def said(self, row: int) -> dict[str, Any]:
        """What is said about one row."""
        values = {name: column[row] for name, column in self.columns.items()}
        return {name: value for name, value in values.items() if value is not UNSET}

    def fill(self, name: str, make: Callable[[], Any]) -> list[Any]:
        """A column in which every row has a value, if need be one that is made for it."""
        self.columns[name] = [value or make() for value in self.columns.get(name, self._nothing)]
        return self.columns[name]

    def settle(self) -> None:
        """Give every row the shared value where nothing else was said about it."""
        for name, values in self.columns.items():
            if UNSET in values:
                value = self.shared.get(name)
                self.columns[name] = [value if given is UNSET else given for given in values]

    def records(self, names: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """The rows one by one, with the values of those columns."""
        return zip(*(self._column(name) for name in names), strict=False)

    def _column(self, name: str) -> Iterable[Any]:
        return self.columns.get(name) or repeat(self.shared.get(name), self.count)

    @property
    def _nothing(self) -> Iterable[Any]:
        return repeat(None, self.count)
