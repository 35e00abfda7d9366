"""Of which rows a pass may speak when it replaces what the ledger knows.

A reconcile speaks of all rows but those that others have written meanwhile; a pass over a few rows
speaks of these.
"""

from collections.abc import Container
from dataclasses import dataclass

__all__ = ["EVERY_ROW", "AllBut"]


@dataclass(frozen=True, slots=True)
class AllBut(Container[str]):
    """Every row but these.

    Attributes:
        excepted: their primary ids.

    """

    excepted: frozenset[str] = frozenset()

    def __contains__(self, row_id: object) -> bool:
        return row_id not in self.excepted


EVERY_ROW = AllBut()
