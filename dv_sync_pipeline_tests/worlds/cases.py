"""Compares two environments whose rows are named after the cases that they stand for.

Rows are told apart by name, not by key or link, so that a mistake in matching cannot hide. Reads
through `judge.Environment` and understands `sync.yaml` on its own: no line of the engine is used.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

from dv_sync_pipeline_tests.worlds.judge import STATUS, Judge

NAME = "contoso_name"
STAMPS = frozenset(
    {"@odata.etag", "versionnumber", "modifiedon", "_modifiedby_value", "_modifiedonbehalfby_value"}
)
"""What the platform itself changes in a row when somebody writes to it."""

Case: TypeAlias = tuple[str, str]
"""A table by its name in the primary, and the name of a row in it."""


@dataclass(frozen=True)
class Side:
    """One environment at one moment.

    Attributes:
        rows: table by its name in the primary → all rows.
        ids: table → name of its id column.

    """

    rows: Mapping[str, list[dict]]
    ids: Mapping[str, str]

    def cases(self) -> dict[Case, dict]:
        """Each row by its case; `AssertionError` if two rows have one name."""
        cases = {(table, row[NAME]): row for table, rows in self.rows.items() for row in rows}
        assert len(cases) == sum(map(len, self.rows.values())), "two rows have the same name"
        return cases

    def names(self) -> dict[str, str]:
        """GUID → the row's name."""
        return {
            row[self.ids[table]]: row[NAME] for table, rows in self.rows.items() for row in rows
        }

    def case_of(self, row_id: str) -> Case:
        """The case of the row with that GUID."""
        for table, rows in self.rows.items():
            for row in rows:
                if row[self.ids[table]] == row_id:
                    return table, row[NAME]
        raise KeyError(row_id)


@dataclass(frozen=True)
class View:
    """Both environments at one moment.

    Attributes:
        primary, secondary: the sides.
        tables: the `tables` part of `sync.yaml`.

    """

    primary: Side
    secondary: Side
    tables: list[dict]

    def differences(self) -> set[Case]:
        """The primary's rows that the secondary does not show exactly as they are mapped."""
        wanted, shown = self._readable(self.primary, 0), self._readable(self.secondary, 1)
        return {case for case, values in wanted.items() if shown.get(case) != values}

    def foreign(self) -> set[Case]:
        """The secondary's rows that the primary does not have."""
        return self.secondary.cases().keys() - self.primary.cases().keys()

    def _readable(self, side: Side, position: int) -> dict[Case, dict[str, Any]]:
        """Case → target column → value; `position` is 0 for source columns, 1 for target ones."""
        names, settings = side.names(), {table["table"]: table for table in self.tables}
        return {
            case: dict(_readable(row, settings[case[0]], names, position))
            for case, row in side.cases().items()
        }

    def fences(self, *, foreign: set[Case]) -> dict[str, str]:
        """GUID → digest of what the pipeline may not touch in that row of the secondary.

        Of a foreign row that is everything, of the others the columns that are not mapped.
        """
        settings = {table["table"]: table for table in self.tables}
        return {
            row[self.secondary.ids[case[0]]]: _digest(
                row if case in foreign else _unmapped(row, settings[case[0]])
            )
            for case, row in self.secondary.cases().items()
        }


def look(judge: Judge) -> View:
    """Read everything of both environments."""
    sides = [
        Side(
            rows={table["table"]: environment.rows(name_of(table)) for table in judge.tables},
            ids={table["table"]: f"{name_of(table)}id" for table in judge.tables},
        )
        for environment, name_of in (
            (judge.primary, lambda table: table["table"]),
            (judge.secondary, lambda table: table.get("target", table["table"])),
        )
    ]
    return View(*sides, judge.tables)


def _columns(table: dict) -> list[tuple[str, str]]:
    """Source and target of the mapped columns that are no lookups."""
    columns = table["columns"]
    return (
        list(columns.items()) if isinstance(columns, dict) else [(name, name) for name in columns]
    )


def _readable(row: dict, table: dict, names: dict[str, str], position: int):
    for pair in _columns(table):
        yield pair[1], row.get(pair[position], "no such column")
    for column in table.get("lookups", {}):
        parent_id = row[f"_{column}_value"]
        yield column, parent_id and names[parent_id]
    for column in STATUS:
        yield column, row[column]


def _unmapped(row: dict, table: dict) -> dict:
    mapped = {target for _, target in _columns(table)} | {*STATUS, *STAMPS}
    mapped |= {f"_{column}_value" for column in table.get("lookups", {})}
    return {name: value for name, value in row.items() if name not in mapped}


def _digest(values: dict) -> str:
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
