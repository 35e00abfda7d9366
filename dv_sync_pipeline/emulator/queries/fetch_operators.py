"""The operators of FetchXML's conditions (DATAVERSE 6.1), written as a table.

Belongs here: what each means as SQL. Does not belong here: whose column it is (`fetch_sql.py`). An
operator that is not in the table answers 501.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from dv_sync_pipeline.emulator.queries import periods
from dv_sync_pipeline.emulator.queries.platform_functions import kept_value
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.values import timestamp
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind, DateTimeBehavior

__all__ = ["Operand", "translate"]


@dataclass(frozen=True, slots=True)
class Operand:
    """What an operator is applied to.

    Attributes:
        sql: the column, folded if it is text.
        column: its definition.
        values: of the condition, as text.
        other: SQL of the column to compare with instead, or "".
        now: the present.
        user_id: who asks.
        business_unit: theirs.
        negations_include_null: whether `ne` and its like hold for rows without a value.

    """

    sql: str
    column: ColumnDefinition
    values: tuple[str, ...]
    other: str
    now: datetime
    user_id: str
    business_unit: str
    negations_include_null: bool

    @property
    def kept(self) -> tuple[Any, ...]:
        """The values as the column keeps them."""
        if self.column.kind.is_lookup or self.column.kind is ColumnKind.UNIQUE_IDENTIFIER:
            return tuple(value.strip("{} ").lower() for value in self.values)
        return tuple(kept_value(self.column, value) for value in self.values)

    @property
    def only(self) -> Any:
        """The one value as the column keeps it."""
        if len(self.values) != 1:
            text = f"The condition on '{self.column.name}' needs exactly one value."
            raise replies.bad_query(text)
        return self.kept[0]

    @property
    def text(self) -> str:
        """The one value, as text in lower case."""
        return self.values[0].casefold() if len(self.values) == 1 else str(self.only)

    def stamp(self, moment: datetime) -> str:
        """A moment as the column keeps it."""
        text = timestamp(moment)
        is_day = self.column.date_time_behavior is DateTimeBehavior.DATE_ONLY
        return text[: len("2026-01-31")] if is_day else text


Translate: TypeAlias = Callable[[Operand], Condition]


def translate(operator: str, operand: Operand) -> Condition:
    """The SQL of a condition; raises 501 for an operator that is not in the table."""
    make = _OPERATORS.get(operator) or _spanning(operator)
    if make is None:
        raise replies.not_implemented(f"the FetchXML operator '{operator}'")
    condition = make(operand)
    if operand.negations_include_null and operator in _NEGATIONS:
        return Condition(f"({condition.sql} OR {operand.sql} IS NULL)", condition.parameters)
    return condition


_NEGATIONS = {
    "ne",
    "neq",
    "not-in",
    "not-like",
    "not-begin-with",
    "not-end-with",
    "not-between",
    "not-on",
    "ne-userid",
    "ne-businessid",
}


# ---- values -------------------------------------------------------------------------------------


def _compare(sign: str) -> Translate:
    def make(operand: Operand) -> Condition:
        if operand.other:
            return Condition(f"{operand.sql} {sign} {operand.other}")
        return Condition(f"{operand.sql} {sign} ?", (operand.only,))

    return make


def _among(word: str) -> Translate:
    def make(operand: Operand) -> Condition:
        marks = ", ".join("?" * len(operand.values))
        return Condition(f"{operand.sql} {word} ({marks})", operand.kept)

    return make


def _between(word: str) -> Translate:
    def make(operand: Operand) -> Condition:
        if len(operand.values) != 2:  # noqa: PLR2004 - low and high
            raise replies.bad_query(f"'{operand.column.name}' must lie between two values.")
        return Condition(f"{operand.sql} {word} ? AND ?", operand.kept)

    return make


def _null(word: str) -> Translate:
    return lambda operand: Condition(f"{operand.sql} IS {word}")


def _like(pattern: str, word: str = "LIKE") -> Translate:
    """A pattern around a value that is taken literally."""
    return lambda operand: Condition(
        f"{operand.sql} {word} ? ESCAPE '\\'", (pattern.format(_escaped(operand.text)),)
    )


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _pattern(word: str) -> Translate:
    """`%` and `_` are wild, unless they stand in brackets."""

    def make(operand: Operand) -> Condition:
        text = re.sub(r"\[([%_])\]", r"\\\1", operand.text.replace("\\", "\\\\"))
        return Condition(f"{operand.sql} {word} ? ESCAPE '\\'", (text,))

    return make


def _contain_values(operand: Operand) -> Condition:
    tests = " OR ".join(f"instr(',' || {operand.sql} || ',', ?) > 0" for _ in operand.values)
    return Condition(f"({tests})", tuple(f",{value}," for value in operand.values))


def _not_contain_values(operand: Operand) -> Condition:
    condition = _contain_values(operand)
    return Condition(f"NOT COALESCE({condition.sql}, 0)", condition.parameters)


# ---- people and time ----------------------------------------------------------------------------


def _mine(sign: str, fact: Callable[[Operand], str]) -> Translate:
    return lambda operand: Condition(f"{operand.sql} {sign} ?", (fact(operand),))


def _on(sign: str) -> Translate:
    return lambda operand: Condition(
        f"substr({operand.sql}, 1, 10) {sign} ?", (operand.text[: len("2026-01-31")],)
    )


def _within(operand: Operand, span: periods.Span) -> Condition:
    first, behind = span
    return Condition(
        f"({operand.sql} >= ? AND {operand.sql} < ?)", (operand.stamp(first), operand.stamp(behind))
    )


def _named(period: Callable[[datetime], periods.Span]) -> Translate:
    return lambda operand: _within(operand, period(operand.now))


_SPAN = re.compile(r"(last|next)-x-(hours|days|weeks|months|years)")
_AGE = re.compile(r"olderthan-x-(minutes|hours|days|weeks|months|years)")


def _spanning(operator: str) -> Translate | None:
    """The operators with a number of units."""
    span, age = _SPAN.fullmatch(operator), _AGE.fullmatch(operator)
    if span:
        return lambda operand: _within(
            operand, periods.span_of(span[1], span[2], _number(operand), now=operand.now)
        )
    if age:
        return lambda operand: Condition(
            f"{operand.sql} < ?",
            (operand.stamp(periods.older_than(age[1], _number(operand), now=operand.now)),),
        )
    return None


def _number(operand: Operand) -> int:
    if not operand.text.isdigit():
        raise replies.bad_query(f"'{operand.text}' is not a number of units.")
    return int(operand.text)


_OPERATORS: Mapping[str, Translate] = {
    "eq": _compare("="),
    "ne": _compare("<>"),
    "neq": _compare("<>"),
    "gt": _compare(">"),
    "ge": _compare(">="),
    "lt": _compare("<"),
    "le": _compare("<="),
    "null": _null("NULL"),
    "not-null": _null("NOT NULL"),
    "in": _among("IN"),
    "not-in": _among("NOT IN"),
    "between": _between("BETWEEN"),
    "not-between": _between("NOT BETWEEN"),
    "like": _pattern("LIKE"),
    "not-like": _pattern("NOT LIKE"),
    "begins-with": _like("{}%"),
    "not-begin-with": _like("{}%", "NOT LIKE"),
    "ends-with": _like("%{}"),
    "not-end-with": _like("%{}", "NOT LIKE"),
    "contain-values": _contain_values,
    "not-contain-values": _not_contain_values,
    "eq-userid": _mine("=", lambda operand: operand.user_id),
    "ne-userid": _mine("<>", lambda operand: operand.user_id),
    "eq-businessid": _mine("=", lambda operand: operand.business_unit),
    "ne-businessid": _mine("<>", lambda operand: operand.business_unit),
    "on": _on("="),
    "not-on": _on("<>"),
    "on-or-after": _on(">="),
    "on-or-before": _on("<="),
    **{name: _named(period) for name, period in periods.NAMED_PERIODS.items()},
}
