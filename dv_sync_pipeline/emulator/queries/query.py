"""Reading rows: filter, order, pages and counts as one SQL query (DATAVERSE 6).

Belongs here: which rows, in which order, how many. Does not belong here: what of each row is shown
(`projection.py`), rows of other tables beside it (`expand.py`), changes (`changes.py`).

A page continues behind the last row of the page before, by the values it was ordered by: so a page
late in a large table costs no more than the first, and the primary key ends every order.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from urllib.parse import quote

import msgspec

from dv_sync_pipeline.emulator.queries.filter_sql import FilterTranslator, Scope
from dv_sync_pipeline.emulator.queries.filters import parse_filter
from dv_sync_pipeline.emulator.queries.projection import Projection, label_sql
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind

__all__ = [
    "COUNT_MAX",
    "PAGE_ROWS_MAX",
    "Page",
    "Position",
    "Selection",
    "SortTerm",
    "parse_order",
    "parse_skip_token",
    "parse_top",
    "select_rows",
]

PAGE_ROWS_MAX = 5000
COUNT_MAX = 5000


@dataclass(frozen=True, slots=True)
class SortTerm:
    """One part of an order."""

    sql: str
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: behind a row with these values, on the page of this number."""

    page: int
    values: tuple[Any, ...]

    def skip_token(self) -> str:
        """The `$skiptoken` that leads here; opaque for clients (DATAVERSE 6.2)."""
        inner = base64.urlsafe_b64encode(msgspec.json.encode(self.values)).decode()
        cookie = f'<cookie pagenumber="{self.page}" pagingcookie="{inner}" istracking="False" />'
        return quote(cookie, safe="=/")


_COOKIE = re.compile(r'<cookie pagenumber="(\d+)" pagingcookie="([\w=-]*)"')


def parse_skip_token(token: str) -> Position:
    """The position of a `$skiptoken`, decoded; raises the 400 for a foreign one."""
    malformed = replies.bad_query("The paging cookie is malformed.")
    match = _COOKIE.match(token)
    if match is None:
        raise malformed
    try:
        values = msgspec.json.decode(base64.urlsafe_b64decode(match[2]), type=list[Any])
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise malformed from None
    return Position(int(match[1]), tuple(values))


def parse_top(text: str | None) -> int | None:
    """The number in a `$top`, 5,000 at most; None if there is none."""
    if text is None:
        return None
    if not text.isdecimal():
        raise replies.bad_query(f"Invalid value '{text}' for $top query option found.")
    return min(int(text), PAGE_ROWS_MAX)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows.

    Attributes:
        records: as SQLite returns them; the first columns are the projection's.
        following: where the next page begins; None on the last page.

    """

    records: list[tuple[Any, ...]]
    following: Position | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one table that fulfil all conditions, in an order.

    Attributes:
        table: their table.
        alias: its name in the conditions.
        conditions: all must hold.
        order: ends with the primary key.

    """

    table: Table
    alias: str
    conditions: tuple[Condition, ...]
    order: tuple[SortTerm, ...]

    def page(
        self,
        store: Store,
        projection: Projection,
        *,
        rows_max: int,
        behind: Position | None = None,
    ) -> Page:
        """Up to `rows_max` rows behind a position."""
        if rows_max == 0:
            return Page([], None)
        conditions = self.conditions
        if behind is not None:
            conditions = (*conditions, _behind(self.order, behind.values))
        where, parameters = _where(conditions)
        sort_values = ", ".join(term.sql for term in self.order)
        order = ", ".join(f"{t.sql} DESC" if t.is_descending else t.sql for t in self.order)
        sql = (
            f"SELECT {projection.sql}, {sort_values} FROM {self._source}{where} "
            f"ORDER BY {order} LIMIT {rows_max + 1}"
        )
        records = store.database.execute(sql, parameters).fetchall()
        if len(records) <= rows_max:
            return Page(records, None)
        del records[rows_max:]
        number = behind.page if behind else 1
        return Page(records, Position(number + 1, records[-1][projection.width :]))

    def count(self, store: Store) -> int:
        """The number of rows, at most one more than `COUNT_MAX`."""
        where, parameters = _where(self.conditions)
        inner = f"SELECT 1 FROM {self._source}{where} LIMIT {COUNT_MAX + 1}"
        return int(store.database.value(f"SELECT count(*) FROM ({inner})", parameters))

    @property
    def _source(self) -> str:
        return f"{quoted(self.table.name)} AS {self.alias}"


def _where(conditions: Sequence[Condition]) -> tuple[str, tuple[Any, ...]]:
    if not conditions:
        return "", ()
    sql = " AND ".join(f"({condition.sql})" for condition in conditions)
    return f" WHERE {sql}", tuple(value for c in conditions for value in c.parameters)


def _behind(order: Sequence[SortTerm], values: Sequence[Any]) -> Condition:
    """Holds for rows behind the one with these values; nulls come first, as in SQL Server."""
    if len(order) != len(values):
        raise replies.bad_query("The paging cookie belongs to another query.")
    alternatives: list[Condition] = []
    for place, term in enumerate(order):
        equal = [
            Condition(f"{t.sql} IS ?", (v,)) for t, v in zip(order[:place], values, strict=False)
        ]
        alternatives.append(_all_of([*equal, _beyond(term, values[place])]))
    sql = " OR ".join(alternative.sql for alternative in alternatives)
    return Condition(sql, tuple(v for a in alternatives for v in a.parameters))


def _beyond(term: SortTerm, value: Any) -> Condition:
    if term.is_descending:
        return Condition(f"({term.sql} < ? OR {term.sql} IS NULL)", (value,))
    if value is None:
        return Condition(f"{term.sql} IS NOT NULL")
    return Condition(f"{term.sql} > ?", (value,))


def _all_of(conditions: Iterable[Condition]) -> Condition:
    parts = list(conditions)
    sql = " AND ".join(part.sql for part in parts)
    return Condition(f"({sql})", tuple(value for part in parts for value in part.parameters))


def parse_order(
    text: str | None, scope: Scope, *, catalog: Catalog, translator: FilterTranslator
) -> tuple[SortTerm, ...]:
    """The terms of an `$orderby`, the primary key behind them."""
    terms = [
        _sort_term(part.split(), scope, catalog, translator)
        for part in (text or "").split(",")
        if part.strip()
    ]
    primary = SortTerm(f"{scope.alias}.{quoted(scope.table.primary_id)}")
    known = list(takewhile(lambda term: term.sql != primary.sql, terms))
    return (*known, *(terms[len(known) : len(known) + 1] or [primary]))


def _sort_term(
    words: list[str], scope: Scope, catalog: Catalog, translator: FilterTranslator
) -> SortTerm:
    name, *direction = words
    if direction not in ([], ["asc"], ["desc"]):
        raise replies.bad_query(f"Syntax error in '$orderby' at '{' '.join(words)}'.")
    column, sql = translator.property_sql(tuple(name.split("/")), scope)
    if column.lookups and "/" not in name:
        sql = f"dv_fold({label_sql(column, sql, catalog, scope.alias)})"
    return SortTerm(_sort_sql(column, sql), direction == ["desc"])


def _sort_sql(column: ColumnDefinition, sql: str) -> str:
    """Text sorts folded; choices and lookups sort by what people see (DATAVERSE 6.2)."""
    if column.kind in (ColumnKind.STRING, ColumnKind.MEMO):
        return f"dv_fold({sql})"
    if column.kind is ColumnKind.CHOICE and column.options:
        labels = " ".join(
            f"WHEN {option.value} THEN '{option.label.casefold().replace(chr(39), chr(39) * 2)}'"
            for option in column.options
        )
        return f"CASE {sql} {labels} END"
    return sql


def select_rows(
    table: Table,
    *,
    catalog: Catalog,
    translator: FilterTranslator,
    filter_text: str | None = None,
    order_text: str | None = None,
    aliases: Mapping[str, str] | None = None,
    visible: Callable[[str], Iterable[Condition]] = lambda _alias: (),
) -> Selection:
    """The selection that `$filter` and `$orderby` describe.

    `visible` gives further conditions on the rows, such as what the user may see.
    """
    scope = Scope(table, translator.new_alias())
    given = list(visible(scope.alias))
    if filter_text:
        given.append(translator.condition(parse_filter(filter_text, aliases), scope))
    order = parse_order(order_text, scope, catalog=catalog, translator=translator)
    return Selection(table, scope.alias, tuple(given), order)
