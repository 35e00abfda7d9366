"""Spans of time that are named by their relation to now: `last-week`, `next-x-months`.

Belongs here: where a span begins and ends, in UTC. Does not belong here: SQL, and how clients spell
the names (`fetch_operators.py`).

Weeks begin on Sunday, as in the United States.
"""

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

__all__ = ["NAMED_PERIODS", "UNITS", "Span", "older_than", "span_of"]

Span: TypeAlias = tuple[datetime, datetime]
"""First moment, and the first moment behind it."""

_DAY = timedelta(days=1)
_TICK = timedelta(seconds=1)
"""Rows keep whole seconds: what happened now is part of what happened until now."""
_MONTHS_PER_YEAR = 12


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _sunday(moment: datetime) -> datetime:
    return _midnight(moment) - (moment.isoweekday() % 7) * _DAY


def _month(moment: datetime) -> datetime:
    return _midnight(moment).replace(day=1)


def _year(moment: datetime) -> datetime:
    return _month(moment).replace(month=1)


def _plus_months(moment: datetime, number: int) -> datetime:
    """The same day of another month, or its last day."""
    year, month = divmod(moment.year * _MONTHS_PER_YEAR + moment.month - 1 + number, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


_Shift: TypeAlias = Callable[[datetime, int], datetime]

UNITS: Mapping[str, _Shift] = {
    "minutes": lambda moment, number: moment + timedelta(minutes=number),
    "hours": lambda moment, number: moment + timedelta(hours=number),
    "days": lambda moment, number: moment + timedelta(days=number),
    "weeks": lambda moment, number: moment + timedelta(weeks=number),
    "months": _plus_months,
    "years": lambda moment, number: _plus_months(moment, number * _MONTHS_PER_YEAR),
}


def _whole(begin: Callable[[datetime], datetime], unit: str, offset: int) -> Callable[..., Span]:
    """A whole unit, so many units from the present one."""
    shift = UNITS[unit]

    def span(now: datetime) -> Span:
        first = shift(begin(now), offset)
        return first, shift(first, 1)

    return span


def _seven_days(now: datetime, *, offset: int) -> Span:
    first = _midnight(now) + offset * _DAY
    return first, first + 8 * _DAY


NAMED_PERIODS: Mapping[str, Callable[[datetime], Span]] = {
    "yesterday": _whole(_midnight, "days", -1),
    "today": _whole(_midnight, "days", 0),
    "tomorrow": _whole(_midnight, "days", 1),
    "last-seven-days": lambda now: _seven_days(now, offset=-7),
    "next-seven-days": lambda now: _seven_days(now, offset=0),
    **{
        f"{word}-{name}": _whole(begin, f"{name}s", offset)
        for name, begin in (("week", _sunday), ("month", _month), ("year", _year))
        for word, offset in (("last", -1), ("this", 0), ("next", 1))
    },
}


def span_of(direction: str, unit: str, number: int, *, now: datetime) -> Span:
    """The `last` or `next` so many units; days and longer ones reach to midnight."""
    shift = UNITS[unit]
    if direction == "last":
        first = shift(now, -number)
        return (first if unit == "hours" else _midnight(first)), now + _TICK
    last = shift(now, number)
    return now, (last if unit == "hours" else _midnight(last) + _DAY)


def older_than(unit: str, number: int, *, now: datetime) -> datetime:
    """Everything before this moment is older than so many units."""
    return UNITS[unit](now, -number)
