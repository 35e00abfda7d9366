"""Compares two environments whose rows are named after the cases that they stand for.

Rows are told apart by name, not by key or link, so that a mistake in matching cannot hide. Reads
through `judge.Environment` and understands `sync.yaml` on its own: no line of the engine is used.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeAlias

from dv_sync_pipeline_tests.worlds.judge import STATUS, Environment, Judge

STAMPS = frozenset(
    {"@odata.etag", "versionnumber", "modifiedon", "_modifiedby_value", "_modifiedonbehalfby_value"}
)
"""What the platform itself changes in a row when somebody writes to it."""

FOLLOWERS: Mapping[str, tuple[str, ...]] = {
    "ownerid": ("_owninguser_value", "_owningteam_value", "_owningbusinessunit_value"),
    "transactioncurrencyid": ("exchangerate",),
}
"""What the platform computes from a lookup."""

COMPANIONS = ("_base", "_name", "_timestamp", "_url", "id")
"""Ends of the names of columns that the platform keeps beside an amount, a file, or an image."""

Case: TypeAlias = tuple[str, str]
"""A table by its name in the primary, and the name of a row in it."""


@dataclass(frozen=True)
class Side:
    """One environment at one moment.

    Attributes:
        rows: case → row, of the synchronized tables.
        ids: GUID → case, of them.
        matched: GUID → table and value of the matching column, of tables that are only pointed to.
        pairs: relationship → its pairs: GUID of a row and GUIDs of both ends, whole.

    """

    rows: Mapping[Case, dict]
    ids: Mapping[str, Case]
    matched: Mapping[str, Case]
    pairs: Mapping[str, list[dict]] = field(default_factory=dict)

    def paired_with(self, relationship: str, row_id: str) -> set[Case]:
        """The rows that the relationship joins with that row."""
        ends = [_ends(pair, relationship) for pair in self.pairs[relationship]]
        others = [set(both.values()) - {row_id} for both in ends if row_id in both.values()]
        return {self.ids[other] for (other,) in others}

    def pointed_to(self, row_id: str) -> Case:
        """The row with that GUID, in words that are the same in both environments."""
        return self.ids.get(row_id) or self.matched[row_id]


@dataclass(frozen=True)
class View:
    """Both environments at one moment.

    Attributes:
        primary, secondary: the sides.
        tables: table → its part of `sync.yaml`.

    """

    primary: Side
    secondary: Side
    tables: Mapping[str, dict]

    def differences(self) -> set[Case]:
        """The primary's rows that the secondary does not show exactly as they are mapped."""
        wanted, shown = self._readable(self.primary, 0), self._readable(self.secondary, 1)
        return {case for case, values in wanted.items() if shown.get(case) != values}

    def _pairs_of(self, side: Side, case: Case, row_id: str) -> dict[str, set[Case]]:
        """Relationship → what it joins the row with, if the primary has that too."""
        relationships = self.tables[case[0]].get("associations", ())
        return {
            each["relationship"]: side.paired_with(each["relationship"], row_id)
            & self.primary.rows.keys()
            for each in relationships
        }

    def foreign(self) -> set[Case]:
        """The secondary's rows that the primary does not have."""
        return self.secondary.rows.keys() - self.primary.rows.keys()

    def _readable(self, side: Side, position: int) -> dict[Case, dict[str, Any]]:
        """Case → target column → value; `position` is 0 for source columns, 1 for target ones."""
        return {
            case: {
                **dict(_readable(side.rows[case], self.tables[case[0]], side, position)),
                **self._pairs_of(side, case, row_id),
            }
            for row_id, case in side.ids.items()
        }

    def fences(self, *, foreign: set[Case]) -> dict[str, str]:
        """GUID → digest of what the pipeline may not touch in that row of the secondary.

        Of a foreign row that is everything, with its pairs; of others the columns that are not
        mapped.
        """
        rows = self.secondary.rows
        foreign_pairs = {
            json.dumps(pair, sort_keys=True): _digest(pair)
            for relationship, pairs in self.secondary.pairs.items()
            for pair in pairs
            if any(self.secondary.ids[end] in foreign for end in _ends(pair, relationship).values())
        }
        return foreign_pairs | {
            row_id: _digest(
                rows[case] if case in foreign else _unmapped(rows[case], self.tables[case[0]])
            )
            for row_id, case in self.secondary.ids.items()
        }


def look(judge: Judge) -> View:
    """Read everything of both environments."""
    tables = {table["table"]: _spelled_out(table, judge) for table in judge.tables}
    return View(
        _look_at(judge.primary, tables, _called_in_primary, filtered=True),
        _look_at(judge.secondary, tables, _called_in_secondary, filtered=False),
        tables,
    )


def _called_in_primary(table: dict) -> str:
    return table["table"]


def _called_in_secondary(table: dict) -> str:
    return table.get("target", table["table"])


def _spelled_out(table: dict, judge: Judge) -> dict:
    """The table with every column by its name."""
    if table["columns"] != "*":
        return table
    common = judge.primary.custom_columns(_called_in_primary(table))
    common &= judge.secondary.custom_columns(_called_in_secondary(table))
    named = {f"{table['table']}id", *table.get("exclude", ()), *table.get("lookups", ())}
    return {**table, "columns": sorted(common - named)}


def _look_at(
    environment: Environment,
    tables: Mapping[str, dict],
    call: Callable[[dict], str],
    *,
    filtered: bool,
) -> Side:
    """One side, which calls its tables like that; `filtered` leaves out what `filter` does."""
    rows, ids = {}, {}
    for table, settings in tables.items():
        name = call(settings)
        description = environment.describe(name)
        for row in environment.rows(name, settings.get("filter", "") if filtered else ""):
            case = table, row[description["PrimaryNameAttribute"]]
            assert case not in rows, f"two rows are called {case}"
            rows[case] = row | _contents(environment, settings, name, row)
            ids[row[description["PrimaryIdAttribute"]]] = case
    pairs = {
        each["relationship"]: environment.rows(each["relationship"])
        for settings in tables.values()
        for each in settings.get("associations", ())
    }
    return Side(rows, ids, _matched(environment, tables), pairs)


def _contents(environment: Environment, settings: dict, table: str, row: dict) -> dict[str, str]:
    """Mapped files and images that are there: column → digest of the content, instead of an id."""
    row_id = row[environment.describe(table)["PrimaryIdAttribute"]]
    entity_set = environment.describe(table)["EntitySetName"]
    return {
        column: sha256(
            environment.send("GET", f"/{entity_set}({row_id})/{column}/$value").content
        ).hexdigest()
        for column in {name for pair in _columns(settings) for name in pair}
        if any(row.get(f"{column}_{mark}") for mark in ("name", "timestamp"))
    }


def _ends(pair: dict, intersect: str) -> dict[str, str]:
    """The columns of a pair that hold GUIDs of rows; its own GUID is none of them."""
    return {
        name: value
        for name, value in pair.items()
        if name.endswith("id") and name != f"{intersect}id" and isinstance(value, str)
    }


def _matched(environment: Environment, tables: Mapping[str, dict]) -> dict[str, Case]:
    rules = {
        (target["table"], target["by"])
        for table in tables.values()
        for _, _, targets in _lookups(table)
        for target in targets
        if isinstance(target, dict) and "by" in target
    }
    return {
        row[environment.describe(table)["PrimaryIdAttribute"]]: (table, row[by])
        for table, by in rules
        for row in environment.rows(table)
    }


# ---- sync.yaml ----------------------------------------------------------------------------------


def _columns(table: dict) -> list[tuple[str, str]]:
    """Source and target of the mapped columns that are no lookups."""
    columns = table["columns"]
    return (
        list(columns.items()) if isinstance(columns, dict) else [(name, name) for name in columns]
    )


def _lookups(table: dict) -> Iterator[tuple[str, str, list]]:
    """Source and target column of each lookup, and the tables that it may point to."""
    for column, lookup in table.get("lookups", {}).items():
        settings = lookup if isinstance(lookup, dict) else {}
        targets = settings.get("tables", lookup)
        name = settings.get("column", column)
        yield column, name, targets if isinstance(targets, list) else [targets]


def _readable(row: dict, table: dict, side: Side, position: int) -> Iterator[tuple[str, Any]]:
    is_source = position == 0
    for pair in _columns(table):
        value = row.get(pair[position], "no such column")
        choices = table.get("values", {}).get(pair[0], {}) if is_source else {}
        yield pair[1], _translated(value, choices)
    for column, constant in table.get("constants", {}).items():
        yield column, constant if is_source else row[column]
    for *pair, _ in _lookups(table):
        row_id = row[f"_{pair[position]}_value"]
        yield pair[1], row_id and side.pointed_to(row_id)
    for column in STATUS:
        yield column, row[column]


def _translated(value: Any, choices: dict[int, int]) -> Any:
    """A choice, or several, by the numbers of the other side."""
    if not choices or value is None:
        return value
    if isinstance(value, int):
        return choices.get(value, value)
    numbers = [int(number) for number in value.split(",")]
    return ",".join(map(str, sorted(choices.get(number, number) for number in numbers)))


def _unmapped(row: dict, table: dict) -> dict:
    columns = {target for _, target in _columns(table)}
    mapped = columns | {f"{name}{end}" for name in columns for end in COMPANIONS}
    mapped |= {*STATUS, *STAMPS, *table.get("constants", {}).keys()}
    if isinstance(table.get("status"), dict):
        mapped.add(table["status"]["column"])
    for _, target, _ in _lookups(table):
        mapped |= {f"_{target}_value", *FOLLOWERS.get(target, ())}
    return {name: value for name, value in row.items() if name not in mapped}


def _digest(values: dict) -> str:
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
