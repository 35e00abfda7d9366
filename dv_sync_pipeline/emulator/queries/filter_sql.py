"""Filters as SQL conditions.

Belongs here: what each node of `filters.py` means for rows: Dataverse's comparison rules, types of
literals, navigation and lambdas. Does not belong here: parsing, and the rest of a query.

Text compares folded (DATAVERSE 4.6, 6.1). `ne` and `not contains` hold for rows without a value,
as Dataverse's own SQL has it (from memory: a switch turns it off).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

from dv_sync_pipeline.emulator.queries import platform_functions
from dv_sync_pipeline.emulator.queries.filters import (
    Comparison,
    Function,
    Lambda,
    Literal,
    Logical,
    Node,
    Not,
    Path,
)
from dv_sync_pipeline.emulator.queries.lexer import TokenKind
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.database import fold, quoted
from dv_sync_pipeline.emulator.rows.navigation import Collection, find_collection
from dv_sync_pipeline.emulator.rows.switches import Switches
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind

__all__ = ["FilterTranslator", "Scope"]

_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_TEXT = (ColumnKind.STRING, ColumnKind.MEMO, ColumnKind.MULTI_CHOICE)
_NUMBERS = (
    ColumnKind.INTEGER,
    ColumnKind.BIG_INTEGER,
    ColumnKind.DECIMAL,
    ColumnKind.DOUBLE,
    ColumnKind.MONEY,
    ColumnKind.CHOICE,
    ColumnKind.STATE,
    ColumnKind.STATUS,
)
_INTEGER_MAX = 2**63 - 1
_EXACT = (ColumnKind.DECIMAL, ColumnKind.MONEY)
_IDENTIFIERS = (
    ColumnKind.UNIQUE_IDENTIFIER,
    ColumnKind.LOOKUP,
    ColumnKind.CUSTOMER,
    ColumnKind.OWNER,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows that a name may refer to.

    Attributes:
        table: their table.
        alias: its name in the SQL.
        variables: of the lambdas around: name → scope.

    """

    table: Table
    alias: str
    variables: Mapping[str, "Scope"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Operand:
    """A side of a comparison: `column` is None for a literal."""

    sql: str
    parameters: tuple[Any, ...]
    column: ColumnDefinition | None


class FilterTranslator:
    """Translates the filters of one query; aliases are unique in it."""

    def __init__(
        self, catalog: Catalog, switches: Switches, *, now: str, user_id: str = ""
    ) -> None:
        self._catalog = catalog
        self._switches = switches
        self._now = now
        self._user_id = user_id
        self._numbers = count(1)

    def new_alias(self) -> str:
        """A table alias that the query has not used."""
        return f"t{next(self._numbers)}"

    def condition(self, node: Node, scope: Scope) -> Condition:  # noqa: PLR0911 - one per node
        """The SQL that holds where the filter does."""
        match node:
            case Logical():
                return self._logical(node, scope)
            case Not():
                return self._negated(node, scope)
            case Comparison():
                return self._comparison(node, scope)
            case Function():
                return self._function(node, scope)
            case Lambda():
                return self._lambda(node, scope)
            case Path():
                operand = self._path(node, scope)
                return Condition(f"{operand.sql} = 1", operand.parameters)
            case Literal():
                return Condition("1" if node.value is True else "0")

    def _logical(self, node: Logical, scope: Scope) -> Condition:
        parts = [self.condition(operand, scope) for operand in node.operands]
        sql = _balanced([part.sql for part in parts], word=node.operator.upper())
        return Condition(sql, tuple(value for part in parts for value in part.parameters))

    def _negated(self, node: Not, scope: Scope) -> Condition:
        inner = self.condition(node.operand, scope)
        if self._switches.not_equal_includes_null:
            return Condition(f"NOT COALESCE({inner.sql}, 0)", inner.parameters)
        return Condition(f"NOT {inner.sql}", inner.parameters)

    # ---- comparisons ----------------------------------------------------------------------------

    def _comparison(self, node: Comparison, scope: Scope) -> Condition:
        left, right = node.left, node.right
        if isinstance(left, Literal) and not isinstance(right, Literal):
            return self._comparison(Comparison(_MIRRORED[node.operator], right, left), scope)
        operand = self._operand(left, scope)
        if isinstance(right, Literal):
            return self._with_literal(operand, node.operator, right)
        other = self._operand(right, scope)
        first, second = _folded(operand), _folded(other)
        sql = f"{first} {_OPERATORS[node.operator]} {second}"
        return Condition(sql, operand.parameters + other.parameters)

    def _with_literal(self, operand: _Operand, operator: str, literal: Literal) -> Condition:
        if literal.value is None:
            return _null_comparison(operand, operator)
        value = _literal_for(operand.column, literal)
        sql = f"{_folded(operand)} {_OPERATORS[operator]} ?"
        parameters = (*operand.parameters, value)
        if operator == "ne" and self._switches.not_equal_includes_null:
            return Condition(f"({sql} OR {operand.sql} IS NULL)", parameters + operand.parameters)
        return Condition(sql, parameters)

    def _operand(self, node: Node, scope: Scope) -> _Operand:
        match node:
            case Path():
                return self._path(node, scope)
            case Literal():
                value = fold(node.value) if isinstance(node.value, str) else node.value
                return _Operand("?", (value,), None)
            case _:
                raise replies.not_implemented(f"comparing {type(node).__name__.lower()}")

    # ---- paths ----------------------------------------------------------------------------------

    def _path(self, path: Path, scope: Scope) -> _Operand:
        names = path.names
        if names[0] in scope.variables:
            scope, names = scope.variables[names[0]], names[1:]
        if not names:
            raise replies.bad_query(f"The variable '{path}' is no property.")
        return self._property(names, scope)

    def _property(self, names: tuple[str, ...], scope: Scope) -> _Operand:
        if len(names) == 1:
            column = self.column(scope.table, names[0])
            return _Operand(f"{scope.alias}.{quoted(column.name)}", (), column)
        target, inner = self._follow(names[0], scope)
        operand = self._property(names[1:], inner)
        column, _ = scope.table.navigation[names[0]]
        sql = (
            f"(SELECT {operand.sql} FROM {quoted(target.name)} AS {inner.alias} WHERE "
            f"{inner.alias}.{quoted(target.primary_id)} = {scope.alias}.{quoted(column.name)})"
        )
        return _Operand(sql, operand.parameters, operand.column)

    def property_sql(self, names: tuple[str, ...], scope: Scope) -> tuple[ColumnDefinition, str]:
        """The column of a property and the SQL that reads it."""
        operand = self._property(names, scope)
        assert operand.column is not None  # noqa: S101 - a property always has one
        return operand.column, operand.sql

    def column(self, table: Table, name: str) -> ColumnDefinition:
        """The column of a property; raises the 400 for an unknown one."""
        column = table.properties.get(name)
        if column is None:
            raise replies.unknown_query_property(
                table.name, name, code=self._switches.query_error_code
            )
        return column

    def _follow(self, name: str, scope: Scope) -> tuple[Table, Scope]:
        if name not in scope.table.navigation:
            raise replies.unknown_query_property(
                scope.table.name, name, code=self._switches.query_error_code
            )
        _, lookups = scope.table.navigation[name]
        target = self._catalog.table(lookups[0].target)
        return target, Scope(target, self.new_alias(), scope.variables)

    # ---- functions ------------------------------------------------------------------------------

    def _function(self, node: Function, scope: Scope) -> Condition:
        if node.name in _TEXT_FUNCTIONS:
            return self._text_function(node, scope)
        translate = platform_functions.FUNCTIONS.get(node.name)
        if translate is None:
            raise replies.not_implemented(f"the filter function {node.name}")
        name = node.named.get("PropertyName")
        if not isinstance(name, str):
            raise replies.bad_query("The argument PropertyName is missing.")
        operand = self._path(Path(tuple(name.split("/"))), scope)
        context = platform_functions.FunctionContext(
            sql=_folded(operand),
            column=operand.column,
            arguments=node.named,
            now=self._now,
            user_id=self._user_id,
        )
        sql, parameters = translate(context)
        return Condition(sql, (*operand.parameters * sql.count(context.sql), *parameters))

    def _text_function(self, node: Function, scope: Scope) -> Condition:
        if len(node.arguments) != 2:  # noqa: PLR2004 - text and part
            raise replies.bad_query(f"The function '{node.name}' takes two arguments.")
        operand = self._operand(node.arguments[0], scope)
        part = node.arguments[1]
        if not isinstance(part, Literal) or not isinstance(part.value, str):
            raise replies.not_implemented(f"{node.name} of two columns")
        sql, parameter = _TEXT_FUNCTIONS[node.name](_folded(operand), part.value.casefold())
        return Condition(sql, (*operand.parameters, *parameter))

    # ---- lambdas --------------------------------------------------------------------------------

    def _lambda(self, node: Lambda, scope: Scope) -> Condition:
        names = node.path.names
        if names[0] in scope.variables:
            scope, names = scope.variables[names[0]], names[1:]
        collection = find_collection(self._catalog, scope.table, names[0]) if names else None
        if collection is None or len(names) > 1:
            raise replies.unknown_query_property(
                scope.table.name, str(node.path), code=self._switches.query_error_code
            )
        return self._quantified(node, scope, collection)

    def _quantified(self, node: Lambda, scope: Scope, collection: Collection) -> Condition:
        inner = Scope(collection.target, self.new_alias())
        variables = {**scope.variables, node.variable: inner}
        body = Condition("1")
        if node.body is not None:
            body = self.condition(node.body, Scope(inner.table, inner.alias, variables))
        source_id = f"{scope.alias}.{quoted(scope.table.primary_id)}"
        wanted = body.sql if node.quantifier == "any" else f"NOT COALESCE({body.sql}, 0)"
        sql = (
            f"EXISTS (SELECT 1 FROM {quoted(collection.target.name)} AS {inner.alias} "
            f"WHERE {collection.condition(source_id, inner.alias)} AND {wanted})"
        )
        return Condition(sql if node.quantifier == "any" else f"NOT {sql}", body.parameters)


_MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}

_TEXT_FUNCTIONS: Mapping[str, Callable[[str, str], tuple[str, tuple[Any, ...]]]] = {
    "contains": lambda sql, part: (f"instr({sql}, ?) > 0", (part,)),
    "startswith": lambda sql, part: (f"substr({sql}, 1, {len(part)}) = ?", (part,)),
    "endswith": lambda sql, part: (
        f"substr({sql}, -{max(len(part.rstrip(' ')), 1)}) = ?",
        (part.rstrip(" "),),
    ),
}


def _balanced(parts: list[str], *, word: str) -> str:
    """The parts joined as a balanced tree, since SQLite limits the depth of expressions."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    first, second = (_balanced(half, word=word) for half in (parts[:middle], parts[middle:]))
    return f"({first} {word} {second})"


def _folded(operand: _Operand) -> str:
    if operand.column is not None and operand.column.kind in _TEXT:
        return f"dv_fold({operand.sql})"
    return operand.sql


def _null_comparison(operand: _Operand, operator: str) -> Condition:
    if operator not in ("eq", "ne"):
        raise replies.bad_query("null can only be compared with eq and ne.")
    return Condition(
        f"{operand.sql} IS {'NOT ' if operator == 'ne' else ''}NULL", operand.parameters
    )


def _literal_for(column: ColumnDefinition | None, literal: Literal) -> Any:
    """The literal as the column keeps its values; raises the 400 for a wrong type."""
    if column is None:
        return literal.value
    convert = _LITERALS.get(column.kind, _text_literal)
    value = convert(column, literal)
    if value is None:
        raise _incompatible(column, literal)
    return value


def _text_literal(_column: ColumnDefinition, literal: Literal) -> Any:
    return fold(literal.value) if literal.kind is TokenKind.STRING else None


def _number_literal(column: ColumnDefinition, literal: Literal) -> Any:
    value: Any = literal.value
    if type(value) not in (int, Decimal):  # a truth value is none of them
        return None
    if column.kind in _EXACT:
        return str(value)
    if abs(value) > _INTEGER_MAX:
        return None
    return value if isinstance(value, int) else float(value)


def _truth_literal(_column: ColumnDefinition, literal: Literal) -> Any:
    return int(literal.value) if isinstance(literal.value, bool) else None


def _identifier_literal(_column: ColumnDefinition, literal: Literal) -> Any:
    # The service lets clients quote GUIDs, too (from memory).
    text = literal.value if literal.kind in (TokenKind.GUID, TokenKind.STRING) else None
    return text.lower() if text else None


def _moment_literal(column: ColumnDefinition, literal: Literal) -> Any:
    if literal.kind not in (TokenKind.MOMENT, TokenKind.DAY):
        return None
    return platform_functions.moment_text(column, literal.value)


_LITERALS: Mapping[ColumnKind, Callable[[ColumnDefinition, Literal], Any]] = {
    **dict.fromkeys(_NUMBERS, _number_literal),
    **dict.fromkeys(_IDENTIFIERS, _identifier_literal),
    ColumnKind.BOOLEAN: _truth_literal,
    ColumnKind.DATE_TIME: _moment_literal,
}

_EDM_TYPES = {
    TokenKind.STRING: "Edm.String",
    TokenKind.INTEGER: "Edm.Int32",
    TokenKind.DECIMAL: "Edm.Decimal",
    TokenKind.GUID: "Edm.Guid",
    TokenKind.DAY: "Edm.Date",
    TokenKind.MOMENT: "Edm.DateTimeOffset",
}


def _incompatible(column: ColumnDefinition, literal: Literal) -> replies.DataverseError:
    found = _EDM_TYPES.get(literal.kind, "Edm.Boolean")
    text = (
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{platform_functions.edm_type(column)}' and '{found}'."
    )
    return replies.bad_query(text)
