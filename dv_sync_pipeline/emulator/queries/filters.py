"""The filter language (DATAVERSE 6.1) as a tree, one small class per node.

    filter  = and ("or" and)*
    and     = not ("and" not)*
    not     = "not" not | comparison
    comparison = operand (("eq" | "ne" | ...) operand)?
    operand = "(" filter ")" | literal | function "(" ... ")" | path

Belongs here: the tree and its parser. Does not belong here: what it means for rows
(`filter_sql.py`) or for metadata (`metadata_read.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dv_sync_pipeline.emulator.queries.lexer import Token, TokenKind, Tokens
from dv_sync_pipeline.emulator.rows import replies

__all__ = [
    "Comparison",
    "Function",
    "Lambda",
    "Literal",
    "Logical",
    "Node",
    "Not",
    "Path",
    "parse_filter",
    "parse_node",
]

_DEPTH_MAX = 100


@dataclass(frozen=True, slots=True)
class Literal:
    """A value; `kind` is NAME for true, false and null, which are Python's own."""

    value: Any
    kind: TokenKind


@dataclass(frozen=True, slots=True)
class Path:
    """A property, or one reached through navigation properties or a lambda's variable."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        """As it was written."""
        return "/".join(self.names)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`; the operator is OData's word such as `eq`."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Logical:
    """`a and b and c`, `a or b or c`: flat, since clients send hundreds of them."""

    operator: str
    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`not operand`."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Function:
    """A call; named arguments are those of `Microsoft.Dynamics.CRM.*`."""

    name: str
    arguments: tuple["Node", ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lambda:
    """`path/any(variable:body)`; an `any()` without body asks whether there is any row."""

    path: Path
    quantifier: str
    variable: str
    body: "Node | None"


Node: TypeAlias = Literal | Path | Comparison | Logical | Not | Function | Lambda

_COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_PLATFORM_PREFIX = "Microsoft.Dynamics.CRM."


def parse_filter(text: str, aliases: Mapping[str, str] | None = None) -> Node:
    """The tree of a `$filter`; `aliases` are the query's `@name` parameters."""
    tokens = Tokens(text)
    node = parse_node(tokens, aliases or {})
    if not tokens.is_done:
        raise tokens.error()
    return node


def parse_node(tokens: Tokens, aliases: Mapping[str, str]) -> Node:
    """As much of the words as makes a filter."""
    return _Parser(tokens, aliases).either()


class _Parser:
    """Recursive descent over the grammar in the module's docstring."""

    def __init__(self, tokens: Tokens, aliases: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._aliases = aliases
        self._depth = 0

    def either(self) -> Node:
        return self._chain("or", self._both)

    def _both(self) -> Node:
        return self._chain("and", self._negation)

    def _chain(self, word: str, part: Callable[[], Node]) -> Node:
        operands = [part()]
        while self._tokens.take_if(word):
            operands.append(part())
        return operands[0] if len(operands) == 1 else Logical(word, tuple(operands))

    def _negation(self) -> Node:
        if self._tokens.take_if("not"):
            return Not(self._deeper(self._negation))
        return self._comparison()

    def _comparison(self) -> Node:
        left = self._operand()
        operator = self._tokens.take_if(*_COMPARISONS)
        return Comparison(operator, left, self._operand()) if operator else left

    def _operand(self) -> Node:
        if self._tokens.take_if("("):
            return self._grouped()
        token = self._tokens.take()
        match token.kind:
            case TokenKind.SIGN:
                raise self._tokens.error()
            case TokenKind.NAME:
                return self._named(token)
            case _:
                return Literal(token.value, token.kind)

    def _grouped(self) -> Node:
        node = self._deeper(self.either)
        self._tokens.expect(")")
        return node

    def _deeper(self, part: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise replies.bad_query("The filter is nested too deeply.")
        node = part()
        self._depth -= 1
        return node

    def _named(self, token: Token) -> Node:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text], TokenKind.NAME)
        if token.text.startswith("@"):
            return self._alias(token.text)
        if self._tokens.take_if("("):
            return self._call(token.text)
        return self._path(token.text)

    def _alias(self, name: str) -> Node:
        if name not in self._aliases:
            raise replies.bad_query(f"The parameter alias '{name}' has no value.")
        return parse_filter(self._aliases[name])

    def _call(self, name: str) -> Node:
        if name.startswith(_PLATFORM_PREFIX):
            return Function(name.removeprefix(_PLATFORM_PREFIX), named=self._named_arguments())
        arguments: list[Node] = []
        while not self._tokens.take_if(")"):
            arguments.append(self.either())
            self._tokens.take_if(",")
        return Function(name, tuple(arguments), {})

    def _named_arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        while not self._tokens.take_if(")"):
            name = self._tokens.take().text
            self._tokens.expect("=")
            arguments[name] = self._argument()
            self._tokens.take_if(",")
        return arguments

    def _argument(self) -> Any:
        if not self._tokens.take_if("["):
            operand = self._operand()
            return operand.value if isinstance(operand, Literal) else str(operand)
        values: list[Any] = []
        while not self._tokens.take_if("]"):
            values.append(self._tokens.take().value)
            self._tokens.take_if(",")
        return values

    def _path(self, first: str) -> Node:
        names = [first]
        while self._tokens.take_if("/"):
            name = self._tokens.take().text
            if name in ("any", "all") and self._tokens.take_if("("):
                return self._lambda(Path(tuple(names)), name)
            names.append(name)
        return Path(tuple(names))

    def _lambda(self, path: Path, quantifier: str) -> Lambda:
        if self._tokens.take_if(")"):
            return Lambda(path, quantifier, "", None)
        variable = self._tokens.take().text
        self._tokens.expect(":")
        body = self.either()
        self._tokens.expect(")")
        return Lambda(path, quantifier, variable, body)
