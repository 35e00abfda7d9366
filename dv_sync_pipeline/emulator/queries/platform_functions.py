"""The filter functions `Microsoft.Dynamics.CRM.*` (DATAVERSE 6.1), written as a table.

Belongs here: what each means as SQL. Does not belong here: parsing them (`filters.py`), and where
spans of time begin and end (`periods.py`). A function
that is not in the table answers 501.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from dv_sync_pipeline.emulator.queries import periods
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.database import fold
from dv_sync_pipeline.emulator.rows.values import timestamp
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind, DateTimeBehavior

__all__ = ["FUNCTIONS", "FunctionContext", "edm_type", "kept_value", "moment_text"]


@dataclass(frozen=True, slots=True)
class FunctionContext:
    """What a function is applied to.

    Attributes:
        sql: the property, folded if it is text.
        column: its column.
        arguments: by name.
        now: the present as rows keep it.
        user_id: who asks.

    """

    sql: str
    column: ColumnDefinition | None
    arguments: Mapping[str, Any]
    now: str
    user_id: str

    def argument(self, name: str) -> Any:
        """An argument that must be there; raises the 400 if it is not."""
        if name not in self.arguments:
            raise replies.bad_query(f"The argument {name} is missing.")
        return self.arguments[name]

    @property
    def pair(self) -> tuple[Any, Any]:
        """`PropertyValues` that must be two."""
        values = self.values
        if len(values) != 2:  # noqa: PLR2004 - from and to
            raise replies.bad_query("PropertyValues must be two values.")
        return values[0], values[1]

    @property
    def values(self) -> list[Any]:
        """`PropertyValues` as the column keeps them."""
        given = self.arguments.get("PropertyValues", self.arguments.get("PropertyValue1"))
        values = given if isinstance(given, list) else [given]
        return [kept_value(self.column, value) for value in values]

    @property
    def moment(self) -> datetime:
        """The present."""
        return datetime.fromisoformat(self.now)

    def number(self, name: str = "PropertyValue") -> int:
        """An argument that must be a whole number."""
        value = self.arguments.get(name)
        if not isinstance(value, int):
            raise replies.bad_query(f"The argument {name} must be a number.")
        return value


SqlAndParameters: TypeAlias = tuple[str, tuple[Any, ...]]


def kept_value(column: ColumnDefinition | None, value: Any) -> Any:
    """A value given as text, as clients quote numbers and GUIDs too, as the column keeps it."""
    if column is None or not isinstance(value, str | int | Decimal):
        return value
    if column.kind in _NUMERIC:
        return _number(column, value)
    if column.kind is ColumnKind.DATE_TIME:
        return moment_text(column, str(value))
    if column.kind is ColumnKind.BOOLEAN:
        return int(str(value).lower() in ("1", "true"))
    return fold(str(value))


_NUMERIC = (
    ColumnKind.INTEGER,
    ColumnKind.BIG_INTEGER,
    ColumnKind.CHOICE,
    ColumnKind.STATE,
    ColumnKind.STATUS,
    ColumnKind.DOUBLE,
    ColumnKind.DECIMAL,
    ColumnKind.MONEY,
)


def _number(column: ColumnDefinition, value: Any) -> Any:
    try:
        if column.kind in (ColumnKind.DECIMAL, ColumnKind.MONEY):
            return str(Decimal(str(value)))
        return float(value) if column.kind is ColumnKind.DOUBLE else int(value)
    except (ValueError, ArithmeticError):
        raise replies.bad_query(f"'{value}' is no value of '{column.name}'.") from None


def moment_text(column: ColumnDefinition, text: str) -> str:
    """A date or time literal as the column keeps its values."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise replies.bad_query(f"'{text}' is not a date or time.") from None
    if column.date_time_behavior is DateTimeBehavior.DATE_ONLY:
        return moment.date().isoformat()
    return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def edm_type(column: ColumnDefinition) -> str:
    """The column's type in OData's words (DATAVERSE 3.3)."""
    if (
        column.kind is ColumnKind.DATE_TIME
        and column.date_time_behavior is DateTimeBehavior.DATE_ONLY
    ):
        return "Edm.Date"
    return _EDM_TYPES.get(column.kind, "Edm.String")


_EDM_TYPES: Mapping[ColumnKind, str] = {
    ColumnKind.INTEGER: "Edm.Int32",
    ColumnKind.BIG_INTEGER: "Edm.Int64",
    ColumnKind.DECIMAL: "Edm.Decimal",
    ColumnKind.MONEY: "Edm.Decimal",
    ColumnKind.DOUBLE: "Edm.Double",
    ColumnKind.BOOLEAN: "Edm.Boolean",
    ColumnKind.DATE_TIME: "Edm.DateTimeOffset",
    ColumnKind.CHOICE: "Edm.Int32",
    ColumnKind.STATE: "Edm.Int32",
    ColumnKind.STATUS: "Edm.Int32",
    ColumnKind.LOOKUP: "Edm.Guid",
    ColumnKind.CUSTOMER: "Edm.Guid",
    ColumnKind.OWNER: "Edm.Guid",
    ColumnKind.UNIQUE_IDENTIFIER: "Edm.Guid",
    ColumnKind.FILE: "Edm.Guid",
    ColumnKind.IMAGE: "Edm.Binary",
}


# ---- the functions ------------------------------------------------------------------------------


def _in(context: FunctionContext) -> SqlAndParameters:
    values = context.values
    return f"{context.sql} IN ({', '.join('?' * len(values))})", tuple(values)


def _not_in(context: FunctionContext) -> SqlAndParameters:
    values = context.values
    return f"{context.sql} NOT IN ({', '.join('?' * len(values))})", tuple(values)


def _between(context: FunctionContext) -> SqlAndParameters:
    low, high = context.pair
    return f"{context.sql} BETWEEN ? AND ?", (low, high)


def _not_between(context: FunctionContext) -> SqlAndParameters:
    low, high = context.pair
    return f"{context.sql} NOT BETWEEN ? AND ?", (low, high)


def _contain_values(context: FunctionContext) -> SqlAndParameters:
    values = context.argument("PropertyValues")
    if not isinstance(values, list) or not values:
        raise replies.bad_query("PropertyValues must be a list of values.")
    tests = [f"instr(',' || {context.sql} || ',', ?) > 0" for _ in values]
    return f"({' OR '.join(tests)})", tuple(f",{value}," for value in values)


def _not_contain_values(context: FunctionContext) -> SqlAndParameters:
    sql, parameters = _contain_values(context)
    return f"NOT COALESCE({sql}, 0)", parameters


def _user(comparison: str) -> Callable[[FunctionContext], SqlAndParameters]:
    return lambda context: (f"{context.sql} {comparison} ?", (context.user_id,))


def _within(period: Callable[[FunctionContext], periods.Span]) -> "Translate":
    """From the beginning of a span to its end, which does not belong to it."""

    def translate(context: FunctionContext) -> SqlAndParameters:
        try:
            first, behind = (_bound(context, moment) for moment in period(context))
        except (ValueError, OverflowError):
            raise _beyond_the_calendar() from None
        return f"{context.sql} >= ? AND {context.sql} < ?", (first, behind)

    return translate


def _beyond_the_calendar() -> replies.DataverseError:
    return replies.bad_query("The span of time leaves the calendar.")


def _bound(context: FunctionContext, moment: datetime) -> str:
    assert context.column is not None  # noqa: S101 - a property always has one
    return moment_text(context.column, moment.isoformat())


def _named(name: str) -> "Translate":
    return _within(lambda context: periods.NAMED_PERIODS[name](context.moment))


def _last_or_next(direction: str, unit: str) -> "Translate":
    return _within(
        lambda context: periods.span_of(direction, unit, context.number(), now=context.moment)
    )


def _older(unit: str) -> "Translate":
    def translate(context: FunctionContext) -> SqlAndParameters:
        try:
            then = periods.older_than(unit, context.number(), now=context.moment)
        except (ValueError, OverflowError):
            raise _beyond_the_calendar() from None
        return f"{context.sql} < ?", (_bound(context, then),)

    return translate


def _on(comparison: str) -> "Translate":
    """Compares the day alone."""

    def translate(context: FunctionContext) -> SqlAndParameters:
        day = str(context.argument("PropertyValue"))[:10]
        return f"substr({context.sql}, 1, 10) {comparison} ?", (day,)

    return translate


def _text(pattern: str, *, is_negated: bool = False) -> "Translate":
    def translate(context: FunctionContext) -> SqlAndParameters:
        value = str(context.argument("PropertyValue")).casefold()
        sql = f"{context.sql} LIKE ? ESCAPE '\\'"
        escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return (f"NOT {sql}" if is_negated else sql), (pattern.format(escaped),)

    return translate


Translate: TypeAlias = Callable[[FunctionContext], SqlAndParameters]

FUNCTIONS: Mapping[str, Translate] = {
    "In": _in,
    "NotIn": _not_in,
    "Between": _between,
    "NotBetween": _not_between,
    "ContainValues": _contain_values,
    "DoesNotContainValues": _not_contain_values,
    "EqualUserId": _user("="),
    "NotEqualUserId": _user("<>"),
    **{
        name.title().replace("-", "").replace("Seven", "7"): _named(name)
        for name in periods.NAMED_PERIODS
    },
    **{
        f"{direction.title()}X{unit.title()}": _last_or_next(direction, unit)
        for direction in ("last", "next")
        for unit in periods.UNITS
        if unit != "minutes"
    },
    **{f"OlderThanX{unit.title()}": _older(unit) for unit in periods.UNITS},
    "On": _on("="),
    "NotOn": _on("<>"),
    "OnOrAfter": _on(">="),
    "OnOrBefore": _on("<="),
    "BeginsWith": _text("{}%"),
    "DoesNotBeginWith": _text("{}%", is_negated=True),
    "EndsWith": _text("%{}"),
    "DoesNotEndWith": _text("%{}", is_negated=True),
}
