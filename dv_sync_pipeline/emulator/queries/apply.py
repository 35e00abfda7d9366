"""`$apply`: groups and aggregates (DATAVERSE 6.1).

    apply     = ("filter" "(" filter ")" "/")? (groupby | aggregate)
    groupby   = "groupby" "(" "(" column ("," column)* ")" ("," aggregate)? ")"
    aggregate = "aggregate" "(" term ("," term)* ")"
    term      = "$count" "as" alias | column "with" method "as" alias

Belongs here: parsing the option, the SQL for it, the answer. Does not belong here: aggregates of
FetchXML (`fetch_sql.py`). Grouping by columns of other tables or by parts of dates answers 501.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Raw

from dv_sync_pipeline.emulator.queries.filter_sql import FilterTranslator, Scope
from dv_sync_pipeline.emulator.queries.filters import Node, parse_node
from dv_sync_pipeline.emulator.queries.lexer import TokenKind, Tokens
from dv_sync_pipeline.emulator.queries.projection import Item, Projection
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.rows.security import Action
from dv_sync_pipeline.emulator.rows.values import encoder
from dv_sync_pipeline.emulator.service.requests import Call
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind

__all__ = ["Aggregate", "Apply", "parse_apply", "read_apply"]

_SOURCE_ROWS_MAX = 50_000
_METHODS = ("sum", "average", "min", "max", "countdistinct")
_EXACT = (ColumnKind.DECIMAL, ColumnKind.MONEY)
_TEXT = (ColumnKind.STRING, ColumnKind.MEMO)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate.

    Attributes:
        alias: its name in the answer.
        method: `$count`, or one of `_METHODS`.
        column: property name; "" for `$count`.

    """

    alias: str
    method: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class Apply:
    """A whole `$apply`: `groups` are property names."""

    condition: Node | None
    groups: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]


# ---- parsing ------------------------------------------------------------------------------------


def parse_apply(text: str) -> Apply:
    """The parts of a `$apply`; raises the 400 where it makes no sense."""
    tokens = Tokens(text)
    condition = _parse_condition(tokens)
    if tokens.take_if("groupby"):
        groups, aggregates = _parse_groups(tokens)
    else:
        groups, aggregates = (), _parse_aggregates(tokens)
    if not tokens.is_done:
        raise tokens.error()
    return Apply(condition, groups, aggregates)


def _parse_condition(tokens: Tokens) -> Node | None:
    if not tokens.take_if("filter"):
        return None
    tokens.expect("(")
    condition = parse_node(tokens, {})
    tokens.expect(")")
    tokens.expect("/")
    return condition


def _parse_groups(tokens: Tokens) -> tuple[tuple[str, ...], tuple[Aggregate, ...]]:
    tokens.expect("(")
    tokens.expect("(")
    groups = [_parse_column(tokens)]
    while tokens.take_if(","):
        groups.append(_parse_column(tokens))
    tokens.expect(")")
    aggregates = _parse_aggregates(tokens) if tokens.take_if(",") else ()
    tokens.expect(")")
    return tuple(groups), aggregates


def _parse_aggregates(tokens: Tokens) -> tuple[Aggregate, ...]:
    tokens.expect("aggregate")
    tokens.expect("(")
    aggregates = [_parse_aggregate(tokens)]
    while tokens.take_if(","):
        aggregates.append(_parse_aggregate(tokens))
    tokens.expect(")")
    return tuple(aggregates)


def _parse_aggregate(tokens: Tokens) -> Aggregate:
    if tokens.take_if("$count"):
        tokens.expect("as")
        return Aggregate(tokens.take().text, "$count")
    column = _parse_column(tokens)
    tokens.expect("with")
    method = tokens.take().text
    if method not in _METHODS:
        raise replies.bad_query(f"The aggregation method '{method}' is not supported.")
    tokens.expect("as")
    return Aggregate(tokens.take().text, method, column)


def _parse_column(tokens: Tokens) -> str:
    token = tokens.take()
    if token.kind is not TokenKind.NAME:
        raise tokens.error()
    if tokens.peek_text() in ("/", "("):
        raise replies.not_implemented("columns of other tables and parts of dates in $apply")
    return token.text


# ---- reading ------------------------------------------------------------------------------------


def read_apply(call: Call) -> Reply:
    """The groups that a `$apply` describes; raises the 400 above 50,000 source rows."""
    call.require_options("$apply")
    table, apply = call.table, parse_apply(call.options["$apply"])
    call.user.require(Action.READ, table)
    translator = FilterTranslator(
        call.catalog, call.environment.switches, now=call.store.now(), user_id=call.user.id
    )
    scope = Scope(table, translator.new_alias())
    source = _source(call, apply, scope, translator)
    _require_few(call, source)
    groups = {name: translator.column(table, name) for name in apply.groups}
    aggregates = [
        _aggregate_item(each, _column_of(translator, table, each), scope.alias)
        for each in apply.aggregates
    ]
    projection = Projection([*(_group_item(c, scope.alias) for c in groups.values()), *aggregates])
    terms = ", ".join(_compared(column, scope.alias) for column in groups.values())
    grouping = f" GROUP BY {terms} ORDER BY {terms}" if terms else ""
    sql = f"SELECT {projection.sql} {source.sql}{grouping}"
    records = call.store.database.execute(sql, source.parameters).fetchall()
    context = f"{call.api_url}/$metadata#{table.entity_set}"
    return Reply.json({"@odata.context": context, "value": projection.rows(records)})


def _source(call: Call, apply: Apply, scope: Scope, translator: FilterTranslator) -> Condition:
    """FROM and WHERE."""
    conditions = call.user.reach(Action.READ, scope.table, alias=scope.alias)
    if apply.condition is not None:
        conditions.append(translator.condition(apply.condition, scope))
    where = " AND ".join(f"({condition.sql})" for condition in conditions)
    sql = f"FROM {quoted(scope.table.name)} AS {scope.alias}{' WHERE ' if where else ''}{where}"
    return Condition(sql, tuple(value for c in conditions for value in c.parameters))


def _require_few(call: Call, source: Condition) -> None:
    inner = f"SELECT 1 {source.sql} LIMIT {_SOURCE_ROWS_MAX + 1}"
    rows = call.store.database.value(f"SELECT count(*) FROM ({inner})", source.parameters)
    if rows > _SOURCE_ROWS_MAX:
        raise replies.too_many_aggregated_rows()


def _column_of(
    translator: FilterTranslator, table: Table, aggregate: Aggregate
) -> ColumnDefinition | None:
    return translator.column(table, aggregate.column) if aggregate.column else None


def _compared(column: ColumnDefinition, alias: str) -> str:
    sql = f"{alias}.{quoted(column.name)}"
    return f"dv_fold({sql})" if column.kind in _TEXT else sql


def _group_item(column: ColumnDefinition, alias: str) -> Item:
    """Of texts that compare equal the first is shown."""
    return Item(column.property_name, f"min({alias}.{quoted(column.name)})", encoder(column.kind))


def _aggregate_item(aggregate: Aggregate, column: ColumnDefinition | None, alias: str) -> Item:
    if column is None:
        return Item(aggregate.alias, "count(*)")
    sql = f"{alias}.{quoted(column.name)}"
    if aggregate.method == "countdistinct":
        return Item(aggregate.alias, f"count(DISTINCT {_compared(column, alias)})")
    function, convert = _FUNCTIONS[aggregate.method, column.kind in _EXACT]
    return Item(aggregate.alias, f"{function}({sql})", convert or encoder(column.kind))


_FUNCTIONS: Mapping[tuple[str, bool], tuple[str, Callable[[Any], Any] | None]] = {
    ("sum", False): ("sum", None),
    ("sum", True): ("dv_sum", Raw),
    ("average", False): ("avg", None),
    ("average", True): ("dv_average", Raw),
    ("min", False): ("min", None),
    ("min", True): ("min", None),
    ("max", False): ("max", None),
    ("max", True): ("max", None),
}
