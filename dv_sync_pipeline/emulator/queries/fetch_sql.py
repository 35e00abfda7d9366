"""FetchXML as one SQL query (DATAVERSE 6.1).

Belongs here: joins, conditions, orders, aggregates, and what is shown of each table. Does not
belong here: the grammar (`fetchxml.py`), single operators (`fetch_operators.py`), HTTP
(`fetch_reply.py`).

Pages are cut by position. Values that are null are left out of the answer, as FetchXML does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from dv_sync_pipeline.emulator.queries import fetch_operators
from dv_sync_pipeline.emulator.queries.fetchxml import (
    Attribute,
    Criterion,
    Entity,
    Fetch,
    Filter,
    Link,
    Order,
)
from dv_sync_pipeline.emulator.queries.filter_sql import FilterTranslator, Scope
from dv_sync_pipeline.emulator.queries.projection import Item, Projection, project
from dv_sync_pipeline.emulator.queries.query import parse_order
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.security import Action, User
from dv_sync_pipeline.emulator.rows.switches import Switches
from dv_sync_pipeline.emulator.rows.values import encoder, formatter
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind

__all__ = ["FetchQuery", "FetchTranslator"]

_TEXT = (ColumnKind.STRING, ColumnKind.MEMO, ColumnKind.MULTI_CHOICE)
_EXACT = (ColumnKind.DECIMAL, ColumnKind.MONEY)
_FORMATTED = "OData.Community.Display.V1.FormattedValue"


@dataclass(frozen=True, slots=True)
class FetchQuery:
    """A query ready to run.

    Attributes:
        projection: what is shown of each row.
        source: tables and conditions, from FROM on.
        group: the GROUP BY clause, or "".
        order: the ORDER BY clause, or "".
        is_distinct: the same row once.

    """

    projection: Projection
    source: Condition
    group: str
    order: str
    is_distinct: bool

    def page_sql(self, *, rows_max: int, page: int) -> Condition:
        """One row more than a page holds, to know whether there are more."""
        distinct = "DISTINCT " if self.is_distinct else ""
        offset = rows_max * (page - 1)
        return Condition(
            f"SELECT {distinct}{self.projection.sql}{self.source.sql}{self.group}{self.order} "
            f"LIMIT {rows_max + 1} OFFSET {offset}",
            self.source.parameters,
        )

    def count_sql(self, *, rows_max: int) -> Condition:
        """The number of rows before they are grouped, at most one more than `rows_max`."""
        inner = f"SELECT 1{self.source.sql} LIMIT {rows_max + 1}"
        return Condition(f"SELECT count(*) FROM ({inner})", self.source.parameters)


class FetchTranslator:
    """Translates one query for one user."""

    def __init__(
        self,
        catalog: Catalog,
        switches: Switches,
        *,
        user: User,
        now: str,
        annotations: str = "",
    ) -> None:
        self._catalog = catalog
        self._switches = switches
        self._user = user
        self._now = datetime.fromisoformat(now)
        self._annotations = annotations
        self._filters = FilterTranslator(catalog, switches, now=now, user_id=user.id)
        self._scopes: dict[str, Scope] = {}

    def translate(self, fetch: Fetch) -> FetchQuery:
        """The query; raises the 400 for an unknown table or column, the 403 for a secret one."""
        root = self._enter(fetch.entity)
        self._enter_links(fetch.entity)
        shown = list(self._shown(fetch, root))
        conditions = [*self._entity_conditions(fetch.entity, root), *self._visible(root)]
        return FetchQuery(
            Projection(item for item, _ in shown),
            _source(root, self._joins(fetch.entity, root), conditions),
            group=_group(fetch, shown),
            order=self._order(fetch, root),
            is_distinct=fetch.is_distinct,
        )

    # ---- tables ---------------------------------------------------------------------------------

    def _enter(self, entity: Entity) -> Scope:
        table = self._catalog.tables.get(entity.name)
        if table is None:
            raise replies.entity_not_found(entity.name)
        self._user.require(Action.READ, table)
        return Scope(table, self._filters.new_alias())

    def _enter_links(self, entity: Entity) -> None:
        for link in entity.links:
            if link.alias in self._scopes:
                raise replies.bad_query(f"The alias '{link.alias}' is used twice.")
            self._scopes[link.alias] = self._enter(link.entity)
            self._enter_links(link.entity)

    def _visible(self, scope: Scope) -> list[Condition]:
        return self._user.reach(Action.READ, scope.table, alias=scope.alias)

    def _joins(self, entity: Entity, outer: Scope) -> list[Condition]:
        return [self._join(link, outer) for link in entity.links if link.kind in _JOINS]

    def _join(self, link: Link, outer: Scope) -> Condition:
        """The joined table with its own joins in parentheses, so that outer joins stay outer."""
        scope = self._scopes[link.alias]
        inner = self._joins(link.entity, scope)
        on = _all_of(self._link_conditions(link, scope, outer))
        nested = "".join(condition.sql for condition in inner)
        source = f"({_named(scope)}{nested})" if nested else _named(scope)
        parameters = tuple(value for condition in inner for value in condition.parameters)
        return Condition(
            f" {_JOINS[link.kind]} {source} ON {on.sql}", (*parameters, *on.parameters)
        )

    def _link_conditions(self, link: Link, scope: Scope, outer: Scope) -> list[Condition]:
        column = self._column_sql(scope, link.column)
        outer_column = self._column_sql(outer, link.outer_column)
        return [
            Condition(f"{column} = {outer_column}"),
            *self._entity_conditions(link.entity, scope),
            *self._visible(scope),
        ]

    # ---- conditions -----------------------------------------------------------------------------

    def _entity_conditions(self, entity: Entity, scope: Scope) -> list[Condition]:
        """Its filters, and the links that only ask whether there is a row."""
        asked = [self._exists(link, scope) for link in entity.links if link.kind not in _JOINS]
        return [*(self._filter(each, scope) for each in entity.filters), *asked]

    def _filter(self, node: Filter, scope: Scope) -> Condition:
        conditions = [self._part(part, scope) for part in node.parts]
        return _all_of(conditions, word="OR" if node.kind == "or" else "AND")

    def _part(self, part: Criterion | Filter | Link, scope: Scope) -> Condition:
        match part:
            case Criterion():
                return self._criterion(part, scope)
            case Filter():
                return self._filter(part, scope)
            case Link():
                self._scopes[part.alias] = self._enter(part.entity)
                self._enter_links(part.entity)
                return self._exists(part, scope)

    def _exists(self, link: Link, outer: Scope) -> Condition:
        scope = self._scopes[link.alias]
        conditions = self._link_conditions(link, scope, outer)
        source = _source(scope, self._joins(link.entity, scope), conditions)
        word = "NOT EXISTS" if link.kind == "not any" else "EXISTS"
        return Condition(f"{word} (SELECT 1{source.sql})", source.parameters)

    def _criterion(self, criterion: Criterion, scope: Scope) -> Condition:
        scope = self._scope(criterion.link) if criterion.link else scope
        column = self._column(scope.table, criterion.attribute)
        other = self._folded_sql(scope, criterion.other) if criterion.other else ""
        operand = fetch_operators.Operand(
            self._folded_sql(scope, column.name),
            column,
            criterion.values,
            other=other,
            now=self._now,
            user_id=self._user.id,
            business_unit=self._user.business_unit,
            negations_include_null=self._switches.not_equal_includes_null,
        )
        return fetch_operators.translate(criterion.operator, operand)

    def _scope(self, alias: str) -> Scope:
        if alias not in self._scopes:
            raise replies.bad_query(f"There is no link-entity with the alias '{alias}'.")
        return self._scopes[alias]

    def _column(self, table: Table, name: str) -> ColumnDefinition:
        column = table.columns.get(name)
        if column is None:
            raise replies.attribute_not_found(table.name, name)
        return column

    def _column_sql(self, scope: Scope, name: str) -> str:
        column = self._column(scope.table, name)
        if name in self._user.hidden_columns(scope.table):
            return "NULL"
        return f"{scope.alias}.{quoted(column.name)}"

    def _folded_sql(self, scope: Scope, name: str) -> str:
        sql = self._column_sql(scope, name)
        is_text = self._column(scope.table, name).kind in _TEXT
        return f"dv_fold({sql})" if is_text else sql

    # ---- what is shown --------------------------------------------------------------------------

    def _shown(self, fetch: Fetch, root: Scope) -> Iterator[tuple[Item, str]]:
        """The items of a row, each with the SQL by which rows are grouped, or ""."""
        if fetch.is_aggregate:
            for scope, attribute in self._attributes(fetch.entity, root):
                yield from self._aggregated(attribute, scope)
            return
        yield from ((item, "") for item in self._root_items(fetch, root))
        for link in _joined_links(fetch.entity):
            yield from ((item, "") for item in self._link_items(link))

    def _attributes(self, entity: Entity, scope: Scope) -> Iterator[tuple[Scope, Attribute]]:
        yield from ((scope, attribute) for attribute in entity.attributes)
        for link in _joined_links(entity):
            inner = self._scopes[link.alias]
            yield from ((inner, attribute) for attribute in link.entity.attributes)

    def _root_items(self, fetch: Fetch, scope: Scope) -> Iterator[Item]:
        """As `$select` shows them, except that an alias replaces the name."""
        aliases = {attribute.name: attribute.alias for attribute in fetch.entity.attributes}
        shows_all = fetch.entity.shows_all or not fetch.entity.attributes
        for column, item in self._items(fetch.entity, scope, shows_all=shows_all):
            if column is None:
                if not fetch.is_distinct:
                    yield item
            elif not fetch.is_distinct or shows_all or column.name in aliases:
                yield _renamed(item, column, aliases.get(column.name) or column.property_name)

    def _link_items(self, link: Link) -> Iterator[Item]:
        """Under `alias.column`, or the attribute's own alias."""
        if not (link.entity.attributes or link.entity.shows_all):
            return
        scope = self._scopes[link.alias]
        aliases = {attribute.name: attribute.alias for attribute in link.entity.attributes}
        for column, item in self._items(link.entity, scope, shows_all=link.entity.shows_all):
            if column is None or not (column.name in aliases or link.entity.shows_all):
                continue
            name = aliases.get(column.name) or f"{link.alias}.{column.name}"
            yield _renamed(item, column, name)

    def _items(
        self, entity: Entity, scope: Scope, *, shows_all: bool
    ) -> Iterator[tuple[ColumnDefinition | None, Item]]:
        """The items of a table, each with its column; values may be missing."""
        table = scope.table
        names = [
            self._column(table, attribute.name).property_name for attribute in entity.attributes
        ]
        projection = project(
            table,
            None if shows_all else tuple(names),
            catalog=self._catalog,
            alias=scope.alias,
            annotations=self._annotations,
            hidden=self._user.hidden_columns(table),
        )
        for item in projection.items:
            column = table.properties.get(item.name.partition("@")[0])
            yield column, replace(item, is_annotation=not item.name.startswith("@"))

    # ---- aggregates -----------------------------------------------------------------------------

    def _aggregated(self, attribute: Attribute, scope: Scope) -> Iterator[tuple[Item, str]]:
        """The value, before it its formatted value if that is wanted."""
        if not attribute.alias:
            raise replies.bad_query("An alias is required for every attribute of an aggregate.")
        column = self._column(scope.table, attribute.name)
        sql = _aggregate_sql(attribute, column, self._column_sql(scope, attribute.name))
        group = sql if attribute.is_grouped else ""
        keeps_type = not attribute.date_grouping and attribute.aggregate not in _COUNTS
        convert = formatter(column) if keeps_type else None
        if convert and self._wants_labels:
            name = f"{attribute.alias}@{_FORMATTED}"
            yield Item(name, sql, convert, is_annotation=True), ""
        yield (
            Item(
                attribute.alias,
                f"{sql} AS {quoted(attribute.alias)}",
                encoder(column.kind) if keeps_type else None,
                is_annotation=True,
            ),
            group,
        )

    @property
    def _wants_labels(self) -> bool:
        patterns = self._annotations.split(",")
        return any(fnmatchcase(_FORMATTED, pattern.strip()) for pattern in patterns)

    # ---- order ----------------------------------------------------------------------------------

    def _order(self, fetch: Fetch, root: Scope) -> str:
        terms = [self._order_term(order, scope) for scope, order in self._orders(fetch, root)]
        if not fetch.is_aggregate and not fetch.is_distinct:
            terms.append(f"{root.alias}.{quoted(root.table.primary_id)}")
        return f" ORDER BY {', '.join(terms)}" if terms else ""

    def _orders(self, fetch: Fetch, root: Scope) -> Iterator[tuple[Scope, Order]]:
        yield from ((root, order) for order in fetch.entity.orders)
        for link in _joined_links(fetch.entity):
            scope = self._scopes[link.alias]
            yield from ((scope, order) for order in link.entity.orders)

    def _order_term(self, order: Order, scope: Scope) -> str:
        direction = " DESC" if order.is_descending else ""
        if order.alias and not order.attribute:
            return f"{quoted(order.alias)}{direction}"
        scope = self._scope(order.link) if order.link else scope
        name = self._column(scope.table, order.attribute).property_name
        term, *_ = parse_order(name, scope, catalog=self._catalog, translator=self._filters)
        return f"{term.sql}{direction}"


_JOINS: Mapping[str, str] = {"inner": "JOIN", "outer": "LEFT JOIN"}
_COUNTS = ("count", "countcolumn")

_AGGREGATES: Mapping[str, str] = {
    "avg": "avg",
    "max": "max",
    "min": "min",
    "sum": "sum",
}
_EXACT_AGGREGATES: Mapping[str, str] = {**_AGGREGATES, "avg": "dv_average", "sum": "dv_sum"}

_DATE_GROUPS: Mapping[str, str] = {
    "day": "CAST(strftime('%d', {}) AS INTEGER)",
    "week": "CAST(strftime('%W', {}) AS INTEGER) + 1",
    "month": "CAST(strftime('%m', {}) AS INTEGER)",
    "quarter": "(CAST(strftime('%m', {}) AS INTEGER) + 2) / 3",
    "year": "CAST(strftime('%Y', {}) AS INTEGER)",
}


def _aggregate_sql(attribute: Attribute, column: ColumnDefinition, sql: str) -> str:
    if attribute.is_grouped:
        return _group_sql(attribute, sql)
    if attribute.aggregate == "count":
        return "count(*)"
    if attribute.aggregate == "countcolumn":
        return f"count({'DISTINCT ' if attribute.is_distinct else ''}{sql})"
    functions = _EXACT_AGGREGATES if column.kind in _EXACT else _AGGREGATES
    if attribute.aggregate not in functions:
        raise replies.bad_query(f"The aggregate '{attribute.aggregate}' is unknown.")
    return f"{functions[attribute.aggregate]}({sql})"


def _group_sql(attribute: Attribute, sql: str) -> str:
    if not attribute.date_grouping:
        return sql
    if attribute.date_grouping not in _DATE_GROUPS:
        raise replies.not_implemented(f"the date grouping '{attribute.date_grouping}'")
    return _DATE_GROUPS[attribute.date_grouping].format(sql)


def _group(fetch: Fetch, shown: Iterable[tuple[Item, str]]) -> str:
    groups = [group for _, group in shown if group]
    return f" GROUP BY {', '.join(groups)}" if fetch.is_aggregate and groups else ""


def _joined_links(entity: Entity) -> Iterator[Link]:
    """The links whose columns can be shown, at any depth."""
    for link in entity.links:
        if link.kind in _JOINS:
            yield link
            yield from _joined_links(link.entity)


def _renamed(item: Item, column: ColumnDefinition, name: str) -> Item:
    return replace(item, name=item.name.replace(column.property_name, name, 1))


def _named(scope: Scope) -> str:
    return f"{quoted(scope.table.name)} AS {scope.alias}"


def _all_of(conditions: Sequence[Condition], *, word: str = "AND") -> Condition:
    if not conditions:
        return Condition("1")
    sql = f" {word} ".join(condition.sql for condition in conditions)
    return Condition(f"({sql})", _parameters(conditions))


def _parameters(conditions: Iterable[Condition]) -> tuple[Any, ...]:
    return tuple(value for condition in conditions for value in condition.parameters)


def _source(scope: Scope, joins: list[Condition], conditions: list[Condition]) -> Condition:
    joined = "".join(join.sql for join in joins)
    where = _all_of(conditions)
    return Condition(
        f" FROM {_named(scope)}{joined} WHERE {where.sql}",
        (*_parameters(joins), *where.parameters),
    )
