"""`$expand`: rows of other tables inside the rows of an answer (DATAVERSE 6.1).

Belongs here: parsing the option and attaching what it asks for. Does not belong here: reading the
rows themselves (`reading.py` hands itself in).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.navigation import Collection, find_collection
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table, target_column

__all__ = ["Expansion", "ReadRows", "attach", "parse_expand"]

_EXPANSIONS_MAX = 15
_IDS_PER_QUERY = 10_000


@dataclass(frozen=True, slots=True)
class Expansion:
    """One navigation property with the options in its parentheses."""

    name: str
    options: Mapping[str, str]


ReadRows = Callable[[Table, Mapping[str, str], Callable[[str], Condition]], list[dict[str, Any]]]
"""Reads rows of a table: its options, and a condition for an alias → JSON objects."""


def parse_expand(text: str) -> tuple[Expansion, ...]:
    """The expansions of a `$expand`; raises the 400 for more than 15 (from memory)."""
    expansions = tuple(_parse_one(part) for part in split_outside(text, ",") if part.strip())
    if len(expansions) > _EXPANSIONS_MAX:
        raise replies.bad_query(f"More than {_EXPANSIONS_MAX} properties cannot be expanded.")
    return expansions


def _parse_one(text: str) -> Expansion:
    name, parenthesis, rest = text.strip().partition("(")
    if not parenthesis:
        return Expansion(name, {})
    options = {}
    for part in split_outside(rest.rstrip()[:-1], ";"):
        option, _, value = part.strip().partition("=")
        options[option] = value
    return Expansion(name, options)


def split_outside(text: str, separator: str) -> list[str]:
    """The parts between separators that stand neither in quotes nor in parentheses."""
    parts, start, depth, is_quoted = [], 0, 0, False
    for position, character in enumerate(text):
        if character == "'":
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += (character == "(") - (character == ")")
            if character == separator and depth == 0:
                parts.append(text[start:position])
                start = position + 1
    parts.append(text[start:])
    return parts


def attach(
    rows: list[dict[str, Any]],
    table: Table,
    expansions: Iterable[Expansion],
    *,
    store: Store,
    read: ReadRows,
    error_code: str,
) -> None:
    """Put into each row what every expansion asks for."""
    for expansion in expansions:
        collection = find_collection(store.catalog, table, expansion.name)
        if expansion.name in table.navigation:
            _attach_single(rows, table, expansion, store=store, read=read)
        elif collection is not None:
            _attach_many(rows, expansion, collection, read=read)
        else:
            raise replies.unknown_query_property(table.name, expansion.name, code=error_code)


def _attach_many(
    rows: list[dict[str, Any]], expansion: Expansion, collection: Collection, *, read: ReadRows
) -> None:
    for row in rows:
        row_id = row[collection.source.primary_id]

        def belongs(alias: str, row_id: str = row_id) -> Condition:
            return Condition(collection.condition("?", alias), (row_id,))

        row[expansion.name] = read(collection.target, expansion.options, belongs)


def _attach_single(
    rows: list[dict[str, Any]], table: Table, expansion: Expansion, *, store: Store, read: ReadRows
) -> None:
    targets = _targets(store, table, expansion.name, [row[table.primary_id] for row in rows])
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name in {target for target, _ in targets.values()}:
        ids = sorted({row_id for target, row_id in targets.values() if target == name})
        found |= _read_by_id(store.catalog, name, ids, expansion, read)
    for row in rows:
        row[expansion.name] = found.get(targets.get(row[table.primary_id], ("", "")))


def _targets(
    store: Store, table: Table, name: str, ids: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Row id → table and id of the row that the navigation property leads to."""
    column, lookups = table.navigation[name]
    wanted = {lookup.target for lookup in lookups}
    kind = quoted(target_column(column.name)) if column.is_polymorphic else f"'{lookups[0].target}'"
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(ids), _IDS_PER_QUERY):
        part = ids[start : start + _IDS_PER_QUERY]
        sql = (
            f"SELECT {quoted(table.primary_id)}, {kind}, {quoted(column.name)} "
            f"FROM {quoted(table.name)} WHERE {quoted(table.primary_id)} IN ({_marks(part)})"
        )
        for row_id, target, target_id in store.database.execute(sql, part):
            if target_id is not None and target in wanted:
                found[row_id] = (target, target_id)
    return found


def _read_by_id(
    catalog: Catalog, name: str, ids: Sequence[str], expansion: Expansion, read: ReadRows
) -> dict[tuple[str, str], dict[str, Any]]:
    table = catalog.table(name)
    primary_id = quoted(table.primary_id)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for start in range(0, len(ids), _IDS_PER_QUERY):
        part = tuple(ids[start : start + _IDS_PER_QUERY])

        def is_one(alias: str, part: tuple[str, ...] = part) -> Condition:
            return Condition(f"{alias}.{primary_id} IN ({_marks(part)})", part)

        for row in read(table, expansion.options, is_one):
            found[name, row[table.primary_id]] = row
    return found


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
